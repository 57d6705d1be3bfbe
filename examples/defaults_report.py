"""Put the tables and figures of sweeps into docs/results/defaults.md, each at its mark.

python examples/defaults_report.py docs/results/defaults.md SWEEP [SWEEP ...]

SWEEP: the directory of a sweep that `topklm sweep` has run. Its name, say `factors`, is looked for in the
document: what stands between `<!-- factors -->` and `<!-- end -->` is replaced by its table and its figure,
which goes to `images/defaults_factors.png` beside the document's directory. The words around stay.
"""

import re
import sys
from pathlib import Path

from topklm.comparison.sweep import lines, read_sweep_result
from topklm.core.errors import InputError
from topklm.core.files import write_text
from topklm.reports.sweep import markdown, variants_figure

END = "<!-- end -->"


def main(document: str, *sweeps: str) -> int:
    """Replace what stands at each sweep's mark."""
    path = Path(document)
    text = path.read_text(encoding="utf-8")
    images = path.parent.parent / "images"
    for one in map(Path, sweeps):
        name = one.resolve().name
        mark = re.compile(rf"<!-- {re.escape(name)} -->\n.*?{END}", re.DOTALL)
        if len(mark.findall(text)) != 1:
            raise InputError(f"{path} has no single part <!-- {name} --> ... {END}")
        result = read_sweep_result(one)
        found = lines(result)
        images.mkdir(exist_ok=True)
        variants_figure(found, images / f"defaults_{name}.png")
        table = markdown(found, failed=result.failed).strip()
        figure = f"![Loss and live neurons of each variant](../images/defaults_{name}.png)"
        part = f"<!-- {name} -->\n{table}\n\n{figure}\n{END}"
        text = mark.sub(lambda _, part=part: part, text)
    write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
