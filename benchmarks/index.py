"""What the feature index costs: beside a bare forward pass while building, and in milliseconds when asked."""

import itertools
import json
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from topklm.core.site import Neuron
from topklm.data.tokenizer import train_tokenizer
from topklm.features import LayerNeurons
from topklm.index import FeatureIndex, build_index
from topklm.index.firings import slabs
from topklm.index.format import Layout
from topklm.index.parts import Cut, make_part, part_directory
from topklm.index.sorting import write_by_feature
from topklm.index.text import Text, find_text
from topklm.model import SparseCodes, TopKLMForCausalLM
from topklm.stories import documents
from topklm.training import preset

from .pairs import Ratio, exact, peak_memory, ratio

BUILT_TOKENS = 65_536
ASKED_TOKENS = 781_250
"""With 4 sites and k 32: 100 million firings."""
STORIES = 1500
BATCH_TOKENS = 8192


def index() -> list[Ratio]:
    """Indexing 65,536 tokens against a bare forward pass, logits and all, of the same model and batches.

    First a whole part on disk (bar 1.25), then with its sorted copy (bar 1.67), then everything, from text to
    index.json, without promoted tokens.
    """
    rows = []
    for name in ("tiny", "small"):
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            tokenizer = write_stories(directory / "stories.jsonl", BUILT_TOKENS)
            source = untrained(name, tokenizer)
            text = find_text(
                tokenizer,
                directory / "text",
                run=None,
                data=str(directory / "stories.jsonl"),
                tokens=BUILT_TOKENS,
            )
            forward = bare_forward(source, text)
            for label, work in building(source, text, directory).items():
                rows.append(ratio(f"{name}, {label} / forward", work, forward, pairs=5))
    return rows


def untrained(name: str, tokenizer: Any) -> LayerNeurons:
    """Take a preset's model at random weights."""
    config = preset(name).model_config(vocab_size=len(tokenizer))
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    return LayerNeurons(TopKLMForCausalLM(config).eval(), tokenizer)


def bare_forward(source: LayerNeurons, text: Text) -> Callable[[], object]:
    """Make a pass of the model over the text's whole blocks."""
    context = source.context
    tokens = text.packed.tokens[: len(text.packed.tokens) // context * context]
    blocks = torch.from_numpy(tokens.astype(np.int64)).view(-1, context)

    @torch.no_grad()
    def work() -> None:
        for batch in blocks.split(BATCH_TOKENS // context):
            source.model(input_ids=batch, use_cache=False)

    return work


def building(source: LayerNeurons, text: Text, directory: Path) -> dict[str, Callable[[], object]]:
    """Make the three stages of building."""
    context, tokens = source.context, len(text.packed.tokens)
    batch = BATCH_TOKENS // context * context
    cut = Cut(context, BATCH_TOKENS // context, 65_536 // batch * batch)
    parts = [part_directory(directory / "parts", number) for number in range(cut.count(tokens))]
    layout = Layout.of(source)

    def capturing() -> None:
        for number in range(len(parts)):
            make_part(source, text, cut, number, directory / "parts", sample=1.0, report=lambda count: None)

    def with_sorted_copy() -> None:
        capturing()
        path = directory / "sorted.parquet"
        write_by_feature(parts, path, slabs(layout), part_tokens=cut.part_tokens, tokens=tokens)

    def everything() -> None:
        out = directory / "index"
        shutil.rmtree(out, ignore_errors=True)
        data = str(directory / "stories.jsonl")
        build_index(source, data=data, tokens=BUILT_TOKENS, out=out, effects=False)

    return {"capture": capturing, "with sorted copy": with_sorted_copy, "everything": everything}


def write_stories(path: Path, tokens: int) -> Any:
    """Write stories, told over and over, until they have as many tokens; return a tokenizer for them."""
    told = [text for text, _ in itertools.islice(documents("0"), STORIES)]
    tokenizer = train_tokenizer(told, 2048)
    sizes = [1 + len(ids) for ids in tokenizer(told, add_special_tokens=False)["input_ids"]]
    with path.open("w", encoding="utf-8") as file:
        written = 0
        for text, size in itertools.cycle(zip(told, sizes, strict=True)):
            if written >= tokens:
                break
            file.write(json.dumps({"text": text}) + "\n")
            written += size
    return tokenizer


# --- asking -----------------------------------------------------------------------------------------------


class Synthetic:
    """Codes without a model: k features of each token's own, blurred, with log-normal values."""

    name, kind, revision, dtype, context, depth = "synthetic", Neuron, "0" * 64, "float32", 512, 6
    sites = (0, 1, 2, 3)
    features = 512

    def __init__(self, tokenizer: Any, *, k: int = 32) -> None:
        self.tokenizer = tokenizer
        self.k = k

    def width(self, site: int) -> int:
        """Give every site 512 features."""
        return self.features

    def codes(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> dict[int, SparseCodes]:
        """Make codes that depend on the tokens and their company alone."""
        tokens = token_ids.flatten().numpy()
        rows = torch.arange(0, len(tokens) * self.k + 1, self.k)
        found = {}
        for site in self.sites:
            generator = np.random.default_rng([zlib.crc32(tokens.data), site])
            first = tokens * 7919 + 31 * site + generator.integers(0, 16, len(tokens)) ** 2
            step = 2 * ((tokens * 104_729) % 13) + 1  # odd, so that k steps hit k features
            spread = first[:, None] + step[:, None] * np.arange(self.k)
            chosen = torch.from_numpy(np.sort(spread % self.features, axis=1).ravel().astype(np.int32))
            values = torch.from_numpy(np.exp(generator.standard_normal(len(chosen), np.float32)))
            found[site] = SparseCodes(rows, chosen, values, self.features)
        return found


def asking() -> list[Ratio]:
    """Asking an index of 100M firings, against a wait of 100 ms; bars: card 0.5, page 1, search 2."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        tokenizer = write_stories(directory / "stories.jsonl", ASKED_TOKENS)
        data, out = str(directory / "stories.jsonl"), directory / "index"
        about = build_index(Synthetic(tokenizer), data=data, out=out, effects=False).about
        size = sum(about["tables"][name]["bytes"] for name in ("firings", "firings_by_feature"))
        print(f"{about['firings']:,} firings, {size / about['firings']:.2f} bytes each")  # noqa: T201
        opened = FeatureIndex.open(out)
        names = itertools.cycle([row["feature"] for row in opened.features(limit=400)])
        words = itertools.cycle(["asked", "her", "the kitchen", "a letter", "nobody", "at the end", "Emma"])
        where = "status = 'live' and density < 0.5"

        def page() -> object:
            return opened.features(sort="-density", where=where, limit=50, offset=100)

        return [
            ratio("a card / 100 ms", lambda: opened.card(next(names)), a_tenth_of_a_second, pairs=31),
            ratio("a page / 100 ms", page, a_tenth_of_a_second, pairs=31),
            ratio("a search / 100 ms", lambda: opened.search(next(words)), a_tenth_of_a_second, pairs=35),
        ]


# --- memory -----------------------------------------------------------------------------------------------

FEW_TOKENS = 1_000_000
MANY_TOKENS = 10_000_000


def memory() -> list[Ratio]:
    """Peak memory (GB) of indexing 10M tokens against 1M, 32 firings a token; bar 1.1."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        many, few = (
            processes.submit(peak_of_indexing, count).result() for count in (MANY_TOKENS, FEW_TOKENS)
        )
    return [exact("10M tokens / 1M tokens", many, few)]


def peak_of_indexing(tokens: int) -> float:
    """Build an index in this process, which does nothing else, and return its peak memory in MB."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        tokenizer = write_stories(directory / "stories.jsonl", tokens)
        source = Synthetic(tokenizer, k=8)
        build_index(source, data=str(directory / "stories.jsonl"), out=directory / "index", effects=False)
    return peak_memory()


def a_tenth_of_a_second() -> None:
    """Wait, so that a ratio is a time."""
    time.sleep(0.1)
