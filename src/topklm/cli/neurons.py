"""`topklm neurons`: a table of neurons, sorted and chosen as asked."""

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import InputError
from .indexes import IndexedPath, open_index
from .output import AsJson, put_drawing, put_json, say, whole

if TYPE_CHECKING:
    from ..index import FeatureIndex

SHOWN = 20


def neurons(
    path: IndexedPath,
    layer: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Only this layer; may be repeated.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Sort by a column; with a minus before it, falling. Default: -density, or how specific a "
            "neuron is to what --search or --concept names.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Such as: density > 0.01 and status = 'live' and top_token like '%dog%'.",
        ),
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only neurons that fire on this word or phrase.")
    ] = None,
    concept: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only the neurons that tell this concept best; needs: topklm metrics RUN."
        ),
    ] = None,
    limit: Annotated[
        int | None, whole(f"Rows; default {SHOWN} in the terminal, all of them as JSON or CSV.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """List neurons: how often they fire, how strongly, and on which tokens.

    Needs an index: topklm index RUN.
    """
    if as_csv and as_json:
        raise InputError("choose one of --csv and --json, not both")
    if limit is not None and limit < 1:
        raise InputError(f"limit={limit} is not allowed; choose 1 or more")
    if search is not None and concept is not None:
        raise InputError("choose one of --search and --concept, not both")
    index = open_index(path)
    condition = " and ".join(part for part in (where and f"({where})", layer_condition(index, layer)) if part)
    if concept is not None:
        rows = telling_rows(index, concept, sort, condition or None)
    elif search is None:
        rows = index.features(sort=sort or "-density", where=condition or None)
    else:
        rows = found_rows(index, search, sort, condition or None)
    total = len(rows)
    shown = rows[: limit or (None if as_json or as_csv else SHOWN)]
    if as_csv or as_json:
        put_rows(path, index, shown, as_csv=as_csv)
        return
    from ..reports.tables import draw_features

    if shown:
        top = index.top_tokens([row["feature"] for row in shown])
        given = given_names(index)
        drawn = [
            {**row, "top_tokens": top[row["feature"]], "given_name": given.get(row["feature"])}
            for row in shown
        ]
        put_drawing(lambda _, width: draw_features(drawn, width=width))
    kind = f"{index.kind.KIND}s"
    more = "; --limit N shows more, --where and --layer choose" if len(shown) < total else ""
    say(f"{len(shown):,} of {total:,} {kind}{more}" if total else f"no {index.kind.KIND} meets all of that")


def layer_condition(index: "FeatureIndex", layers: list[int] | None) -> str:
    """Turn --layer into a condition. Raises InputError for a layer that the index has not."""
    if not layers:
        return ""
    sites = index.layout.sites
    if unknown := [layer for layer in layers if layer not in sites]:
        raise InputError(
            f"the index has no layer {unknown[0]}; it holds the layers {', '.join(map(str, sites))}"
        )
    return f"site in ({', '.join(map(str, layers))})"


def found_rows(
    index: "FeatureIndex", words: str, sort: str | None, condition: str | None
) -> list[dict[str, Any]]:
    """List the neurons that fire on words, most specific first, with how specific they are."""
    found = index.search(words, limit=index.layout.features)
    say(found.message)
    hits = {hit.feature: hit for hit in found.hits}
    rows = [
        {**row, "mass_share": hit.mass_share, "occurrence_share": hit.occurrence_share, "score": hit.score}
        for row in index.features(sort=sort or "feature", where=condition)
        if (hit := hits.get(row["feature"])) is not None
    ]
    return rows if sort else sorted(rows, key=lambda row: -row["score"])


def telling_rows(
    index: "FeatureIndex", concept: str, sort: str | None, condition: str | None
) -> list[dict[str, Any]]:
    """List the neurons that tell a concept best, best first, with how well they do (`concept_score`)."""
    best = {row["feature"]: row["f1"] for row in index.by_concept(concept)}
    rows = [
        {**row, "concept_score": best[row["feature"]]}
        for row in index.features(sort=sort or "feature", where=condition)
        if row["feature"] in best
    ]
    order = {feature: place for place, feature in enumerate(best)}
    return rows if sort else sorted(rows, key=lambda row: order[row["feature"]])


def given_names(index: "FeatureIndex") -> dict[str, str]:
    """Return the names that people gave, by feature."""
    return {feature: note.name for feature, note in index.notes.items()}


def put_rows(path: str, index: "FeatureIndex", rows: list[dict[str, Any]], *, as_csv: bool) -> None:
    """Print rows as JSON or CSV; both hold the same, top tokens as JSON in a CSV's last column."""
    top = index.top_tokens([row["feature"] for row in rows])
    given = given_names(index)
    named = [
        {
            "neuron": row["feature"],
            "given_name": given.get(row["feature"]),
            **{
                ("layer" if name == "site" else name): value
                for name, value in row.items()
                if name != "feature"
            },
            "top_tokens": [
                {"token": one["text"], "share": one["share"], "firings": one["firings"]}
                for one in top[row["feature"]]
            ],
        }
        for row in rows
    ]
    if not as_csv:
        about = {"run": path, "index": str(index.path), "source": index.source, "revision": index.revision}
        put_json({"format": "topklm.neurons/1", **about, "n_tokens": index.n_tokens, "neurons": named})
        return
    columns = list(named[0]) if named else ["neuron"]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in named:
        writer.writerow({**row, "top_tokens": json.dumps(row["top_tokens"], ensure_ascii=False)})
