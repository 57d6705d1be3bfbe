"""What tracing a checkpoint costs beside reading it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from topklm.concepts import Sources, StoryConcepts, TokenClasses, label
from topklm.data import load_corpus, load_tokenizer, pack
from topklm.features import LayerNeurons
from topklm.tracing import units
from topklm.tracing.measure import measure_sites
from topklm.tracing.probe import Probe, in_order, read_codes
from topklm.training import TrainSettings, preset

from .models import VOCABULARY, new_model
from .pairs import Ratio, ratio

TOKENS = 32_000
PAIRS = 7


@torch.no_grad()
def tracing() -> list[Ratio]:
    """Tracing a checkpoint (all sites, two others to match) against a plain forward pass (at most 1.3)."""
    rows = []
    with tempfile.TemporaryDirectory() as text:
        probe = stories_probe(Path(text))
    for name in ("tiny", "small"):
        settings = preset(name)
        model = new_model(settings, attention="sdpa").eval()
        ids = probe.ids[: TOKENS // settings.context * settings.context].view(-1, settings.context)
        source = LayerNeurons(model, None, k=settings.k, revision="none")
        held = read_codes([source], probe)[0]

        def plain(model: Any = model, ids: torch.Tensor = ids, settings: TrainSettings = settings) -> None:
            for some in ids.split(8192 // settings.context):
                model(input_ids=some, use_cache=False)

        with tempfile.TemporaryDirectory() as directory:

            def traced(
                source: Any = source, probe: Probe = probe, held: Any = held, out: str = directory
            ) -> None:
                codes = read_codes([source], probe)[0]
                found = measure_sites(codes, probe, final=held, following=held)
                key = units.Key("topk", 0, "", 0, None, None, "")
                units.write(Path(out), key, found.described, found.final, found.following, kind=source.kind)

            rows.append(ratio(f"{name}: {len(ids) * settings.context:,} tokens", traced, plain, pairs=PAIRS))
    return rows


def stories_probe(directory: Path) -> Probe:
    """Tell stories, label and pack them."""
    corpus = load_corpus("stories:1")
    tokenizer = load_tokenizer(f"bpe:{VOCABULARY}", corpus=corpus)
    packed = pack(corpus, tokenizer, directory, "probe", max_tokens=TOKENS)
    labels = label(packed, tokenizer, Sources.of(packed), [StoryConcepts(), TokenClasses()])
    order = np.arange(len(packed.documents), dtype=np.uint64)
    return in_order(packed, labels, order, spec=["stories:1"], tokenizer=tokenizer)
