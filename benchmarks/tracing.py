"""What tracing a checkpoint costs beside reading it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from topklm.concepts import ConceptLabels, story_words
from topklm.data import Packed
from topklm.features import LayerNeurons
from topklm.metrics.oracle import TypeOracle
from topklm.model import SparseCodes
from topklm.stories import CONCEPTS
from topklm.tracing import units
from topklm.tracing.measure import describe, match
from topklm.tracing.probe import Probe, read_codes
from topklm.training import TrainSettings, preset

from .models import VOCABULARY, new_model
from .pairs import Ratio, ratio

TOKENS = 32_000
PAIRS = 7
LABELS_A_TOKEN = 6


@torch.no_grad()
def tracing() -> list[Ratio]:
    """Tracing a checkpoint (all sites, two others to match) against a plain forward pass (at most 1.3)."""
    rows = []
    for name in ("tiny", "small"):
        settings = preset(name)
        model = new_model(settings, attention="sdpa").eval()
        probe = random_probe(settings)
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
                final, following = (
                    {site: match(codes[site], held[site]) for site in codes} for _ in range(2)
                )
                described = {site: describe(codes[site], probe) for site in codes}
                key = units.Key("topk", 0, "", 0, None, None, "")
                units.write(Path(out), key, described, final, following, kind=source.kind)

            rows.append(ratio(f"{name}: {len(ids) * settings.context:,} tokens", traced, plain, pairs=PAIRS))
    return rows


def random_probe(settings: TrainSettings) -> Probe:
    """Make a text of random tokens with as many labels as a story has."""
    generator = torch.Generator().manual_seed(0)
    count = TOKENS // settings.context * settings.context
    tokens = torch.randint(2, VOCABULARY, (count,), generator=generator)
    marks = torch.rand(count, len(CONCEPTS), generator=generator) < LABELS_A_TOKEN / len(CONCEPTS)
    starts = np.arange(0, count, 250)
    labels = ConceptLabels(
        tuple(one.name for one in CONCEPTS),
        tuple(one.kind for one in CONCEPTS),
        SparseCodes.from_dense(marks.float()),
        torch.arange(count) // 250,
        "random",
    )
    packed = Packed(tokens.numpy().astype(np.uint16), np.stack([starts, starts * 0], 1), {})
    return RandomProbe(packed, labels, ["random"], "random", None)


class RandomProbe(Probe):
    """A probe whose tokens have no text."""

    @property
    def texts(self) -> list[str]:  # type: ignore[override]
        """A number for each token type."""
        return [str(one) for one in range(VOCABULARY)]

    @property
    def words(self) -> list[Any]:  # type: ignore[override]
        """The stories' words, for what they cost."""
        return story_words(self.labels)

    @property
    def oracle(self) -> Any:  # type: ignore[override]
        """Nothing is known of types."""
        return TypeOracle(VOCABULARY, len(self.labels.names)).result()
