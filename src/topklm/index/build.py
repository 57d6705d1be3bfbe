"""Build an index: plan, parts, join. Interrupted anywhere and called again, it goes on with what is whole.

The directory holds `.work/` while it is built: the plan, the packed text, the parts. `index.json` comes
last, so a directory without it holds no index. Who may write there: `directory.py`; what a part is:
`parts.py`; how parts join: `finish.py`.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError, RunError
from ..core.files import locked, read_json, remove_partial, write_json
from ..core.processes import joined, on_main, place, wait_for_all
from ..core.progress import counted
from ..features import FeatureSource
from ..features.capture import BATCH_TOKENS, batch_rows
from ..training import Loaded, Run, load
from .directory import refuse_another, writing
from .elsewhere import take_parts
from .feature_index import FeatureIndex
from .finish import finish
from .format import ABOUT, FORMAT, WORK, Layout
from .parts import Cut, is_whole, make_part, part_directory, part_tokens
from .sources import source_of
from .store import directory_of
from .text import Text, find_text, text_changed

Say = Callable[[str], None]
Subject = FeatureSource | Loaded | Run | Path | str


def build_index(
    run: Subject,
    *,
    source: str = "topk",
    twin: Path | str | None = None,
    seed: int = 0,
    data: str | Sequence[str] | None = None,
    tokens: int | None = None,
    sample: float = 1.0,
    out: Path | str | None = None,
    effects: bool = True,
    join: Sequence[Path | str] = (),
    say: Say = lambda message: None,
    console: Console | None = None,
) -> FeatureIndex:
    """Index what every feature does on a text, and open the index.

    run: a run, or any feature source (then `data` and `out` must be given). source, twin, seed: which of
    a run's sources, see `source_of`. data: the text, a corpus specification; default: the run's own
    validation text. tokens: stop after the document that reaches this many. sample: the share of
    documents whose firings are kept, chosen by hash; counts, sums, histograms, token mass and examples
    are those of the whole text all the same. out: the index's directory; default `index` in the run, or
    `index-SOURCE`. effects: measure which output tokens each feature promotes and suppresses. join:
    directories where `build_shard` made parts of the same index on machines that share no disk with this one.

    Started by torchrun, each process makes its share of the parts, and the first joins them. Killed at any
    instant, the directory holds no index, and the same call goes on with the parts that are whole. Raises
    InputError (RunError, CorpusError, DiskFullError) where model, text, directory or disk do
    not allow it, Interrupted after Ctrl-C.

        index = build_index("runs/quickstart", tokens=100_000)
        index.card("L3/N17").top_tokens
    """
    build = _Build(
        run,
        source=source,
        twin=twin,
        seed=seed,
        data=data,
        tokens=tokens,
        sample=sample,
        out=out,
        effects=effects,
        say=say,
        console=console,
    )
    with joined("the same call goes on from what is done"):
        here = place()
        if here.size > 1:
            build.share(here.rank, here.size)
            wait_for_all()
        on_main(lambda: build.complete([Path(one) for one in join]))
    return FeatureIndex.open(build.out)


def build_shard(run: Subject, shard: tuple[int, int], **options: Any) -> None:
    """Make one of several equal shares of an index's parts; options as in `build_index`.

    shard: (i, n), the i-th of n, counted from 1. Shards may run at the same time; afterwards `build_index`
    with the same options makes what is missing and joins them, with `join` where machines share no disk. The
    result is that of a single process.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise InputError(f"shard {number}/{count} is not allowed; choose 1/N to N/N")
    _Build(run, **options).share(number - 1, count)


class _Build:
    """One call: what to build, where, and how far it is."""

    text: Text
    cut: Cut

    def __init__(
        self,
        run: Subject,
        *,
        source: str = "topk",
        twin: Path | str | None = None,
        seed: int = 0,
        data: str | Sequence[str] | None = None,
        tokens: int | None = None,
        sample: float = 1.0,
        out: Path | str | None = None,
        effects: bool = True,
        say: Say = lambda message: None,
        console: Console | None = None,
    ) -> None:
        if not 0 < sample <= 1:
            raise InputError(f"sample={sample} is not allowed; choose a share above 0 and at most 1")
        self.run: Run | None = None
        if isinstance(run, Loaded | Run | Path | str):
            loaded = run if isinstance(run, Loaded) else load(run.path if isinstance(run, Run) else run)
            self.run = loaded.run
            self.source = source_of(loaded, source, twin=twin, seed=seed)
        else:
            self.source = run
        if out is None:
            if self.run is None:
                raise InputError("name a directory for the index with out: this source comes from no run")
            out = directory_of(self.run.path, self.source.name)
        self.out = Path(out)
        self.work = self.out / WORK
        self.sample, self.say, self.console = sample, say, console
        self.request: dict[str, Any] = {
            "data": None if data is None else [data] if isinstance(data, str) else list(data),
            "tokens": tokens,
            "sample": sample,
            "effects": effects,
        }

    @property
    def parts(self) -> Path:
        """Where the parts lie."""
        return self.work / "parts"

    @property
    def n_tokens(self) -> int:
        """Tokens of the text."""
        return len(self.text.packed.tokens)

    def share(self, first: int, step: int) -> None:
        """Make every `step`-th part from `first` on, next to others who make the rest."""
        with writing(self.out, shared=True):
            if not self.is_done():
                self.plan()
                self.make_parts(range(first, self.cut.count(self.n_tokens), step))

    def complete(self, elsewhere: Sequence[Path]) -> None:
        """Take the parts made elsewhere, make those that are missing, and join all."""
        with writing(self.out):
            if not self.is_done():
                self.plan()
                for directory in elsewhere:
                    take_parts(directory, self.out)
                self.make_parts(range(self.cut.count(self.n_tokens)))
                self.finish()

    def is_done(self) -> bool:
        """Tell whether the index is there already. Raises InputError where another one is."""
        if not (self.out / ABOUT).is_file():
            return False
        about = FeatureIndex.open(self.out).about
        refuse_another(self.out, about, "an index", source=self.source, request=self.request)
        self._refuse_other_text(about)
        self.say(f"{self.out} holds this index already: nothing to do (delete it to build it anew)")
        shutil.rmtree(self.work, ignore_errors=True)
        return True

    def _refuse_other_text(self, about: dict[str, Any]) -> None:
        """Raise InputError where the files of the text hold something else by now; gone, they say nothing."""
        if text_changed(self.run, self.request["data"], about["corpus"].get("content")):
            spec = ", ".join(about["corpus"]["spec"])
            raise InputError(
                f"{self.out} holds an index of what {spec} held before; choose another directory, "
                "or delete it"
            )

    def plan(self) -> None:
        """Find the text and decide how it is cut, or take both from the work that was begun."""
        self.work.mkdir(exist_ok=True)
        self.parts.mkdir(exist_ok=True)
        with locked(self.work, wait=True, name=".plan.lock"):  # one shard packs, the others wait for it
            path, request = self.work / "plan.json", self.request
            begun = read_json(path) if path.is_file() else None
            if begun is not None:
                refuse_another(self.out, begun, "an unfinished index", source=self.source, request=request)
            self.text = find_text(
                self.source.tokenizer,
                self.work / "text",
                run=self.run,
                data=request["data"],
                tokens=request["tokens"],
                console=self.console,
            )
            if begun is None:
                context = min(self.source.context, BATCH_TOKENS)
                rows = batch_rows(context, BATCH_TOKENS)
                cut = Cut(context, rows, part_tokens(self.source, self.text, context, rows))
                begun = {**self._identity(), "text": self.text.sha256, **cut._asdict()}
                write_json(path, begun)
            elif begun["text"] != self.text.sha256:
                raise InputError(
                    f"{self.out} holds an unfinished index of another text than {self.text.words} gives now; "
                    f"choose another directory, or delete {self.work}"
                )
        self.cut = Cut(begun["context"], begun["batch_rows"], begun["part_tokens"])
        wanted = request["tokens"]
        if wanted is not None and self.n_tokens < wanted:
            self.say(f"the text has only {self.n_tokens:,} tokens, not {wanted:,}: all are indexed")

    def _identity(self) -> dict[str, Any]:
        layout = Layout.of(self.source)
        return {
            "format": FORMAT,
            "source": self.source.name,
            "revision": self.source.revision,
            "dtype": self.source.dtype,
            "layers": list(layout.sites),
            "widths": list(layout.widths),
            "request": self.request,
        }

    def make_parts(self, numbers: Sequence[int]) -> None:
        """Make the parts of these numbers that are not there yet."""
        total = sum(len(self.cut.span(number, self.n_tokens)) for number in numbers)
        done = 0
        with counted(self.console, "indexing", unit="tokens", total=total) as report:

            def read(count: int) -> None:
                nonlocal done
                done += count
                report(done)

            for number in numbers:
                directory = part_directory(self.parts, number)
                try:
                    with locked(self.parts, name=f".lock-{number:06d}"):
                        if is_whole(directory):
                            read(len(self.cut.span(number, self.n_tokens)))
                            continue
                        make_part(
                            self.source,
                            self.text,
                            self.cut,
                            number,
                            self.parts,
                            sample=self.sample,
                            report=read,
                        )
                except RunError:
                    self.say(f"{directory.name} is being made by another process: skipped")

    def finish(self) -> None:
        """Join the parts into the index."""
        count = self.cut.count(self.n_tokens)
        self.say(f"joining {count} part{'s' if count > 1 else ''} of {self.n_tokens:,} tokens")
        directories = [part_directory(self.parts, number) for number in range(count)]
        about = finish(
            self.source,
            self.text,
            directories,
            self.work,
            part_tokens=self.cut.part_tokens,
            sample=self.sample,
            effects=bool(self.request["effects"]),
            console=self.console,
        )
        for path in (self.work / "final").iterdir():
            path.replace(self.out / path.name)
        identity = {
            name: value for name, value in self._identity().items() if name not in ("layers", "widths")
        }
        batch = {"batch_shape": [self.cut.batch_rows, self.cut.context], "part_tokens": self.cut.part_tokens}
        write_json(self.out / ABOUT, {**identity, **batch, **about})
        shutil.rmtree(self.work)
        remove_partial(self.out)
