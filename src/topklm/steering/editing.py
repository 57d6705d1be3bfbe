"""`steer`: edits in force inside a with block, whatever happens there."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.site import Feature
from ..features import LayerNeurons, SteerableSource, locate
from ..features.hooks import blocks
from ..training import Loaded
from .edits import NEEDS_INDEX, Edit, check_together
from .places import Watch, watching
from .plan import Plan

if TYPE_CHECKING:
    from pathlib import Path

    from ..index import FeatureIndex

Subject = Loaded | SteerableSource | Any
"""What is steered: a loaded run, a source, or a TopK model itself."""


class Steering:
    """Edits that are in force inside a with block; it gives the model. See `steer`."""

    def __init__(self, source: SteerableSource, rows: Sequence[Sequence[Edit]], *, common: bool) -> None:
        self.source, self.rows, self.common = source, rows, common
        self.stages: list[ExitStack] = []

    def __enter__(self) -> Any:
        """Put the edits in force, and return the model."""
        stack, model = ExitStack(), self.source.model
        try:
            watch = stack.enter_context(watching(model)) if self._needs_watch() else None
            for site, before in sorted({(e.feature.layer, e.before_topk) for row in self.rows for e in row}):
                chosen = [
                    [edit for edit in row if (edit.feature.layer, edit.before_topk) == (site, before)]
                    for row in self.rows
                ]
                plan = Plan(self.source, site, chosen, common=self.common)
                stack.callback(self._attach(plan, watch, before=before).remove)
        except BaseException:
            stack.close()
            raise
        self.stages.append(stack)
        return model

    def __exit__(self, *_: object) -> None:
        """Leave the model as it was."""
        self.stages.pop().close()

    def _needs_watch(self) -> bool:
        return any(edit.positions != "all" for row in self.rows for edit in row)

    def _attach(self, plan: Plan, watch: Watch | None, *, before: bool) -> Any:
        block = blocks(self.source.model)[plan.site]
        topk: Any = getattr(block, "topk", None)
        if before:
            return topk.register_forward_pre_hook(partial(_before, plan, watch))
        return block.register_forward_hook(partial(_after, plan, watch, topk))


def _before(plan: Plan, watch: Watch | None, module: Any, inputs: tuple[Any, ...]) -> Any:
    return (plan(inputs[0], watch.now if watch else None, None), *inputs[1:])


def _after(plan: Plan, watch: Watch | None, topk: Any, module: Any, inputs: Any, output: Any) -> Any:
    hidden = output[0] if isinstance(output, tuple) else output
    changed = plan(hidden, watch.now if watch else None, topk)
    return (changed, *output[1:]) if isinstance(output, tuple) else changed


def steer(
    subject: Subject,
    edits: str | Feature | Edit | Iterable[Edit] | None = None,
    *,
    rows: Sequence[Iterable[Edit]] | None = None,
    index: "FeatureIndex | None" = None,
    **change: Any,
) -> Steering:
    """Edit features of a model inside a with block; afterwards, an exception or not, it is as before.

        with steer(model, "L3/N17", set_to=4.0):
            model.generate(ids)
        with steer(topklm.load("runs/books"), "L3/N17", add="2x", positions="generated") as model: ...
        with steer(model, [Edit("L3/N17", ablate=True), Edit("L2/N9", scale=3)]): ...
        with steer(model, rows=[[Edit("L3/N17", set_to=4)], []]):    # the second row stays as it is

    subject: a loaded run, any SteerableSource (SAE latents and plain directions are steered alike), or a
    TopK model. edits: a feature's name, with the change as keywords (set_to, add, scale, ablate, positions,
    before_topk, keep_k, keep_error; see `Edit`); or one or several `Edit`s. rows: edits for each row of a
    batch; where `generate` makes several texts of a row, all get its edits. index: where strengths such as
    "2x" are looked up; a loaded run's own by default.

    Edits of one layer act together; a block nested inside another acts on what that leaves. With
    `before_topk` the stream is changed before TopK chooses, so the value must be large enough to be kept.

    Raises InputError, before anything is changed, where a feature does not exist, edits contradict each
    other, or a strength has no meaning.
    """
    source = source_for(subject)
    given = _listed(edits, rows, change)
    resolved = [resolve(source, row, index, subject) for row in given]
    for row in resolved:
        check_together(row)
        _check_stages(source, row)
    return Steering(source, resolved, common=rows is None)


def resolve(
    source: SteerableSource, edits: Sequence[Edit], index: "FeatureIndex | None", subject: Subject
) -> list[Edit]:
    """Return edits in absolute units, after checking that their features exist.

    index: where percentiles are looked up, where one is needed; by default the subject's own.
    """
    for edit in edits:
        locate(source, edit.feature)
    needed = {edit.feature for edit in edits if edit.in_percentiles}
    if needed and index is None:
        index = own_index(subject)
    known = isinstance(subject, SteerableSource | Loaded)  # a bare model may be of any weights
    units = percentiles(index, needed, source if known else None)
    return [edit.resolved(units.get(edit.feature, 0.0)) for edit in edits]


def source_for(subject: Subject) -> SteerableSource:
    """Turn what can be steered into a source. Raises InputError for a dense model or anything else."""
    if isinstance(subject, Loaded):
        from ..index import source_of

        source = source_of(subject)
        assert isinstance(source, SteerableSource)
        return source
    if isinstance(subject, SteerableSource):
        return subject
    if not hasattr(getattr(subject, "config", None), "topk_layers"):
        kind = type(subject).__name__
        raise InputError(f"a {kind} cannot be steered; give a loaded run, a feature source or a TopK model")
    return LayerNeurons(subject, None, revision="unnamed")


def percentiles(
    index: "FeatureIndex | None", features: Iterable[Feature], source: SteerableSource | None = None
) -> dict[Feature, float]:
    """Return the 99th percentile of each feature's firings on the text that was indexed.

    source: what the index must belong to. Raises InputError where there is no index but features are
    asked for, where it is another's, or a feature has no such percentile above 0.
    """
    found = {}
    for feature in features:
        if index is None:
            raise InputError(f"{feature}: {NEEDS_INDEX}")
        if source is not None and index.revision != source.revision:
            raise InputError(
                f"{index.path} is the index of {index.revision[:12]}, not of {source.revision[:12]}; build "
                f"one for the source {source.name}, or give plain numbers as strengths"
            )
        located = index.locate(feature)
        query = "SELECT q99 FROM features WHERE site = ? AND index = ?"
        p99 = index.ask(query, [located.layer, located.index])["q99"][0].as_py()
        if p99 is None or not p99 > 0:
            said = "it never fires" if p99 is None else f"its 99th percentile is {p99:g}"
            raise InputError(
                f"{feature} has no unit of strength: {said} on the indexed text; give a plain number"
            )
        found[feature] = float(p99)
    return found


def own_index(subject: Subject) -> "FeatureIndex | None":
    """Open a loaded run's own index; None where there is none, or the subject is no run."""
    from ..index import FeatureIndex

    if not isinstance(subject, Loaded):
        return None
    directory: Path = subject.run.path / "index"
    return FeatureIndex.open(directory, revision=subject.run.revision) if directory.is_dir() else None


def _listed(edits: Any, rows: Any, change: dict[str, Any]) -> list[list[Edit]]:
    """Turn what `steer` is given into lists of edits: one for all rows, or one a row."""
    if (edits is None) == (rows is None):
        raise InputError("give either edits for every row, or rows= with the edits of each")
    if rows is not None:
        if change:
            raise InputError(
                f"{', '.join(change)} belongs to one feature; in rows= write Edit('L3/N17', ...)"
            )
        found = [list(row) for row in rows]
        if not found:
            raise InputError(
                "rows= is empty; give one list of edits a row, an empty one for a row left alone"
            )
        return [[_edit(one) for one in row] for row in found]
    if isinstance(edits, str | Feature):
        if unknown := sorted(set(change) - set(Edit.__dataclass_fields__)):
            known = ", ".join(list(Edit.__dataclass_fields__)[1:])
            raise InputError(f"steer has no option {unknown[0]!r}; for one feature give {known}")
        return [[Edit(edits, **change)]]  # type: ignore[arg-type]
    if change:
        raise InputError(f"{', '.join(change)} goes with a feature's name; an Edit has its own")
    return [[_edit(one) for one in ([edits] if isinstance(edits, Edit) else edits)]]


def _edit(one: Any) -> Edit:
    if not isinstance(one, Edit):
        raise InputError(f"{one!r} is no edit; write Edit('L3/N17', set_to=4.0)")
    return one


def _check_stages(source: SteerableSource, edits: Sequence[Edit]) -> None:
    """Raise InputError where an edit needs a TopK that its layer or its source has not."""
    for edit in edits:
        topk: Any = getattr(blocks(source.model)[edit.feature.layer], "topk", None)
        option = "before_topk" if edit.before_topk else "keep_k" if edit.keep_k else None
        if option and topk is None:
            raise InputError(f"{edit}: {option} needs a TopK layer, and layer {edit.feature.layer} is dense")
        if edit.keep_k and not getattr(source, "state_is_code", False):
            raise InputError(f"{edit}: keep_k is for neurons of a TopK model, whose state is the code")
        if edit.keep_k:
            same = {one.feature for one in edits if one.feature.layer == edit.feature.layer}
            if len(same) > topk.k:
                raise InputError(
                    f"{len(same)} features of layer {edit.feature.layer} cannot all be kept: k is {topk.k}; "
                    "edit fewer"
                )
