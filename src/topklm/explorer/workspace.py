"""All that the explorer knows of the disk: one run, its indexes, trace, metrics, notes and model.

Everything is opened when first asked for, and again when its files have changed. Imports nothing heavy: a
first page needs neither torch nor transformers.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import InputError
from ..core.files import read_json
from ..index.feature_index import FeatureIndex
from ..index.notes import Note, Notes
from ..index.store import OWN, directory_of
from ..training import Run
from ..training.shipped import DEMO, name_of
from .held import Held, hold
from .live import Full
from .privacy import cleaned, without_paths

if TYPE_CHECKING:
    from ..comparison.outcome import Comparison
    from ..comparison.result import Result
    from ..features import SteerableSource
    from ..features.reading import Reading
    from ..steering.effects import Effect
    from ..tracing import Trace

T = TypeVar("T")
FileState = tuple[int, int, int] | None
INDEX_FILES = ("index.json", "facts.parquet", "labels.parquet", "concepts.parquet")
LONGEST_TEXT = 2000
"""Characters of a text that is read at once."""
READINGS = 32
"""Texts whose reading is kept."""
EFFECTS = 256
TURN = 1.0
"""Seconds to wait while another effect is measured."""


SHIPPED = "The demo came without its text and checkpoints: this needs a run of your own."
DENSE = "A dense model has no neurons to read: open the TopK model whose twin it is."


class Missing(InputError):
    """Something that a page shows is not there yet. `command` makes it."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


class Workspace:
    """A run that is explored, safe to be asked from several threads.

    workspace = Workspace("runs/quickstart")
    workspace.index().card("L3/N17"), workspace.sources, workspace.trace()
    """

    def __init__(self, run: Path | str) -> None:
        self.run = Run(run)
        self.name = self.run.path.resolve().name
        self.notes = Notes(self.run.path)
        self._lock = threading.Lock()
        self._model_lock = threading.Lock()
        self._opened: dict[str, tuple[Any, Any]] = {}
        self._models: dict[tuple[int | None, FileState], Held] = {}
        """By step and weights: the run's own and one checkpoint."""
        self._kept: dict[Any, Any] = {}

    # --- indexes ----------------------------------------------------------------------------------------

    @property
    def sources(self) -> list[str]:
        """The sources that have an index, the run's own neurons first."""
        others = [
            path.parent.name.removeprefix("index-") for path in self.run.path.glob("index-*/index.json")
        ]
        own = [OWN] if (directory_of(self.run.path, OWN) / "index.json").is_file() else []
        return own + sorted(others)

    def index(self, source: str = "topk") -> FeatureIndex:
        """Open the index of a source; one that was replaced is opened anew.

        Raises Missing where there is none, InputError where it is of another model or damaged.
        """
        if source not in self.sources:
            if source == "topk":
                raise self.missing("This run has no index yet.", "topklm index")
            if self.shipped:
                raise self.missing("There is no index of that source.", "topklm index")
            raise Missing(
                f"There is no index of the source {source[:40]!r}.",
                f"topklm index {self.name} --source SOURCE",
            )
        directory = directory_of(self.run.path, source)
        files = [directory / name for name in INDEX_FILES]
        if source == OWN:
            files.append(self.run.path / "model.safetensors")

        def open_it() -> FeatureIndex:
            index = FeatureIndex.open(directory)
            if source == OWN and self.run.finished and index.revision != self.run.revision:
                raise Missing(
                    "The index is of another model: the run was trained on since. Delete it, then build one.",
                    f"topklm index {self.name}",
                )
            return index

        return self._current(f"index {source}", files, open_it)

    def note_of(self, feature: str, source: str = OWN) -> Note:
        """Return what people wrote of a feature: of the run's own neurons alone, a control bears no names."""
        return self.index(source).notes.get(feature, Note())

    @property
    def shipped(self) -> bool:
        """Whether this is the demo, which came without its text and checkpoints."""
        return name_of(self.run.path) == DEMO

    def corpus(self, about: dict[str, Any]) -> str:
        """Say in words of which text an index or a trace is, given what it says of itself."""
        return self.public(", ".join(map(str, about["corpus"].get("spec", []))))

    # --- results ----------------------------------------------------------------------------------------

    @property
    def traced(self) -> bool:
        """Whether the run has a trace."""
        return (self.run.path / "trace" / "trace.json").is_file()

    def trace(self) -> "Trace":
        """Open the run's trace. Raises Missing where there is none."""

        def open_it(file: Path) -> "Trace":
            from ..tracing import Trace

            return Trace.open(file.parent)

        return self._stored("trace/trace.json", "This run has not been traced yet.", "topklm trace", open_it)

    def result(self) -> "Result":
        """Read the run's metrics. Raises Missing where none were measured."""
        from ..comparison.result import read_result

        missing = "Nothing was measured beside the neurons yet."
        return self._stored("metrics/metrics.json", missing, "topklm metrics", read_result)

    def comparison(self) -> "Comparison":
        """Read the verdicts on the run's claims. Raises Missing where it was not compared."""
        from ..comparison.outcome import read_comparison

        missing = "The claims about this run are not decided yet."
        return self._stored("comparison/results.json", missing, "topklm compare", read_comparison)

    def missing(self, message: str, command: str) -> Missing:
        """Say what is missing, and which command makes it; none does for a dense model or the demo."""
        if self.settings.get("dense"):
            return Missing(DENSE, "")
        if self.shipped:
            return Missing(f"{message} {SHIPPED}", "topklm quickstart")
        return Missing(message, f"{command} {self.name}")

    def _stored(self, name: str, missing: str, command: str, read: Callable[[Path], T]) -> T:
        """Read a result that lies in the run. Raises Missing where it does not."""
        file = self.run.path / name
        if not file.is_file():
            raise self.missing(missing, command)
        return self._current(name, [file], lambda: read(file))

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was asked to do, as its train.json says."""
        found: dict[str, Any] = self.cleaned(self.run.about["settings"])
        return found

    @property
    def blocks(self) -> list[bool]:
        """For each block of the model, whether TopK follows it."""
        path = self.run.path / "config.json"
        about = read_json(path) if path.is_file() else {}
        depth = int(about.get("num_hidden_layers") or self.settings.get("depth") or 0)
        layers = about.get("topk_layers")
        if layers is None:
            layers = self.settings.get("topk_layers")
        if layers is None:
            layers = range(depth - int(self.settings.get("n_nontopk") or 0))
        if self.settings.get("dense"):
            layers = ()
        return [layer in set(layers) for layer in range(depth)]

    @property
    def checkpoints(self) -> list[int]:
        """Steps of the tracing checkpoints that there are."""
        return [step for step, _ in self.run.checkpoints("trace")]

    # --- the model --------------------------------------------------------------------------------------

    def model(self, step: int | None = None) -> "SteerableSource":
        """Load the run's neurons, or those of a tracing checkpoint. Raises RunError where it cannot."""
        return self._held(step).reading

    def _held(self, step: int | None = None) -> Held:
        key = (step, self._weights())
        with self._model_lock:
            if key not in self._models:
                stale = [one for one in self._models if one[1] != key[1] or None not in (one[0], step)]
                for old in stale:  # other weights, or another checkpoint; the run's own model stays
                    del self._models[old]
                self._models[key] = hold(self.run, step)
            return self._models[key]

    def _weights(self) -> FileState:
        return _state(self.run.path / "model.safetensors")

    def writing(self) -> Held:
        """Load the run's own neurons, for the one thread that writes."""
        return self._held()

    def index_if_any(self) -> FeatureIndex | None:
        """Open the run's own index; None where there is none that fits."""
        try:
            return self.index()
        except Missing:
            return None

    def reading(self, text: str, step: int | None = None) -> "Reading":
        """Read a text with the model; the last texts are kept."""
        from ..features.reading import open_reading

        def read_it() -> "Reading":
            held = self._held(step)
            with held.reading_turn:
                return open_reading(held.reading, text)

        return self._remember(("reading", step, self._weights(), text), READINGS, read_it)

    def predictions(self, reading: "Reading", token: int, *, step: int | None = None, top: int = 8) -> Any:
        """List what the model of a reading expects after a token."""
        with self._held(step).reading_turn:
            return reading.predictions(token, top=top)

    def effect(self, feature: str) -> "Effect":
        """Measure what changing a neuron does to the next token; takes seconds, so it is kept."""
        index = self.index()
        found = index.locate(feature)

        def measure() -> "Effect":
            from ..steering import effect

            held = self._held()
            if not held.probing_turn.acquire(timeout=TURN):  # who waits here keeps others from being answered
                raise Full("another effect is being measured; try again in a moment")
            try:
                return effect(held.probing, found, index=index)
            finally:
                held.probing_turn.release()

        now = _state(index.path / "index.json")  # another text has other contexts and another unit
        return self._remember(("effect", index.revision, now, str(found)), EFFECTS, measure)

    def public(self, message: str) -> str:
        """Take the paths of this machine out of a message."""
        return without_paths(message, self.run.path, self.name)

    def cleaned(self, content: Any) -> Any:
        """Take the paths of this machine out of JSON content."""
        return cleaned(content, self.public)

    def _current(self, key: str, files: list[Path], open_it: Callable[[], T]) -> T:
        """Return what was opened, or open it again where one of its files has changed."""
        seen = tuple(_state(path) for path in files)
        with self._lock:
            kept = self._opened.get(key)
            if kept is None or kept[0] != seen:
                kept = self._opened[key] = (seen, open_it())
            found: T = kept[1]
            return found

    def _remember(self, key: tuple[Any, ...], most: int, make: Callable[[], T]) -> T:
        """Return what was made before, or make it; two that ask at once may both make it."""
        with self._lock:
            if key in self._kept:
                found: T = self._kept[key]
                return found
        made = make()
        with self._lock:
            same = [one for one in self._kept if one[0] == key[0]]
            for old in same[: max(0, len(same) - most + 1)]:
                del self._kept[old]
            self._kept[key] = made
        return made


def _state(path: Path) -> FileState:
    """Tell a file from what it was before."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
