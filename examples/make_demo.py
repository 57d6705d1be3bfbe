"""Make a model to ship: train it on freely licensed rows, halve its weights, index it, write its card.

python examples/make_demo.py DATA [DATA ...] --work WORK --out DEMO [--tokens N] [--twin TWIN]

The preset is `small`. DATA: directories with train.parquet and validation.parquet, which have the columns
text, source, title, author and license. Only rows in the public domain or under CC BY are read. Everything
in WORK is resumed by the same command: the filtered text, the run, its dense twin. DEMO is a run's directory
without checkpoints and code, its weights in bf16, with a sampled index of held-out text, a model card and the
list of those whose texts it learnt from. TWIN gets the dense twin in the same way, without an index, to be
compared with.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from topklm import build_index, preset, resume, train
from topklm.core.files import make_readable, read_json, without_paths, write_json, write_text
from topklm.export.hub import LOADED, TOKENIZER, present
from topklm.export.model_card import model_card
from topklm.reports.document import markdown_table
from topklm.training import Run, TrainSettings
from topklm.training.run import WEIGHTS

HOW = """It ships with topklm: `topklm demo` opens it in a browser, verbs that read a run take it by the
name `demo`, and in Python:

```python
import topklm

model, tokenizer, run = topklm.load("demo")
ids = tokenizer("Once upon a time", return_tensors="pt").input_ids
print(tokenizer.decode(model.generate(ids, max_new_tokens=60, do_sample=True)[0]))
```"""
COLUMNS = ("source", "title", "author", "license")


def is_free(licence: str) -> bool:
    """Tell whether a row may be used with attribution alone: public domain, or CC BY and nothing more."""
    return "public domain" in licence.lower() or licence.strip().upper() in ("CC-BY", "CC BY")


def free_rows(path: Path) -> pa.Table:
    """Read the rows of a Parquet file whose licence allows it."""
    table = pq.read_table(path)
    return table.filter(pa.array([is_free(one) for one in table["license"].to_pylist()]))


def write_text_files(data: Sequence[Path], work: Path) -> dict[str, Path]:
    """Write the free rows of all directories as one file a part; what is written is kept."""
    files = {part: work / f"{part}.parquet" for part in ("train", "validation")}
    for part, path in files.items():
        if path.is_file():
            continue
        table = pa.concat_tables([free_rows(one / f"{part}.parquet") for one in data])
        if not len(table):
            raise SystemExit(f"no row of {part} is in the public domain or under CC BY")
        pq.write_table(table, path.with_suffix(".partial"), compression="zstd")
        path.with_suffix(".partial").replace(path)
    return files


def trained(settings: TrainSettings, path: Path) -> Run:
    """Train a run, or go on with it."""
    if (path / "train.json").is_file():
        return resume(path, say=print)
    return train(settings, path, say=print)


def pack(run: Run, out: Path) -> Run:
    """Copy what loads a run: weights in bf16, no code, no path of this machine in its settings."""
    out.mkdir(parents=True)
    for name, source in [*present(run.path, LOADED), *present(run.path, TOKENIZER)]:
        shutil.copyfile(source, out / name)
    shutil.copyfile(run.path / "metrics.jsonl", out / "metrics.jsonl")
    weights = {name: one.to(torch.bfloat16) for name, one in load_file(run.path / WEIGHTS).items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    make_readable(out / WEIGHTS)
    config = read_json(out / "config.json")
    write_json(out / "config.json", {**config, "dtype": "bfloat16"})
    write_json(out / "train.json", without_paths(run.about))
    return Run(out)


def attribution(files: Iterable[Path]) -> str:
    """List sources, and each title with its author where the licence asks for it, as Markdown."""
    rows = [row for file in files for row in pq.read_table(file, columns=list(COLUMNS)).to_pylist()]
    by_source: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row in rows:
        by_source.setdefault((row["source"], row["license"]), set()).add((row["title"], row["author"]))
    lines = ["# Texts that this model learnt from, and that its index shows", ""]
    for (source, licence), works in sorted(by_source.items()):
        lines += [f"## {source}: {licence}, {len(works)} works", ""]
        lines += [
            f"- {title or 'untitled'}{f', by {author}' if author else ''}" for title, author in sorted(works)
        ]
        lines.append("")
    return "\n".join(lines)


def text_section(file: Path) -> str:
    """Say in the card which texts these are."""
    sources = pq.read_table(file, columns=["source", "license"]).to_pylist()
    counts = Counter((row["source"], row["license"]) for row in sources)
    rows = [(source, licence, f"{count:,}") for (source, licence), count in sorted(counts.items())]
    table = markdown_table(("source", "licence", "documents"), rows)
    about = "Titles and authors: ATTRIBUTION.md. Weights are fp32 in training, bf16 here."
    return f"## Text\n\n{about}\n\n{table}\n"


def main() -> int:
    """Make the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, help="default: the preset's")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--twin", type=Path, help="train the dense twin too, and put it there")
    parser.add_argument("--settings", type=json.loads, default={}, help="further settings, as JSON")
    parser.add_argument("--index-data", type=Path, help="held-out Parquet of the index; default: all of it")
    parser.add_argument("--index-tokens", type=int, default=60_000)
    parser.add_argument(
        "--sample", type=float, default=0.008, help="share of documents whose firings are kept"
    )
    options = parser.parse_args()
    for one in (options.out, options.twin):
        if one is not None and one.exists():
            raise SystemExit(f"{one} exists; delete it first")
    options.work.mkdir(parents=True, exist_ok=True)
    files = write_text_files(options.data, options.work)
    text = {"data": [str(files["train"])], "validation": [str(files["validation"])]}
    given = {**text, "threads": options.threads, **options.settings}
    if options.tokens is not None:
        given["tokens"] = options.tokens
    run = trained(preset("small", **given), options.work / "run")
    if options.twin:
        twin = trained(preset("small", **given, dense=True), options.work / "run" / "twin")
        pack(twin, options.twin)
    demo = pack(run, options.out)
    held_out = options.index_data or files["validation"]
    build_index(demo, data=str(held_out), tokens=options.index_tokens, sample=options.sample, say=print)
    (demo.path / "index" / ".lock").unlink(missing_ok=True)
    about = demo.path / "index" / "index.json"
    write_json(about, without_paths(read_json(about)))
    card = model_card(run, "topklm/demo", licence="cc-by-4.0", how=HOW)
    card = card.replace(str(run.revision), str(demo.revision))
    write_text(options.out / "README.md", card.rstrip() + "\n\n" + text_section(files["train"]))
    write_text(options.out / "ATTRIBUTION.md", attribution(files.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
