"""Run benchmarks by name, or all of them, and append their tables to RECORDS.md."""

import sys

from .attention import attention
from .explorer import explorer
from .generation import decoding, generation
from .index import asking, index, memory
from .load import load
from .pairs import append, record
from .scaling import scaling, sharing
from .starting import starting, telling
from .steering import steering
from .topk import grid, reading, steps, topk
from .tracing import tracing
from .training import training

BENCHMARKS = {
    one.__name__: one
    for one in (
        topk,
        grid,
        steps,
        reading,
        training,
        generation,
        decoding,
        attention,
        index,
        asking,
        memory,
        explorer,
        steering,
        tracing,
        load,
        scaling,
        sharing,
        starting,
        telling,
    )
}


def main() -> int:
    """Run the benchmarks named on the command line."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names:
        benchmark = BENCHMARKS[name]
        title = str(benchmark.__doc__).splitlines()[0].rstrip(".")
        found = benchmark()
        command = f"python -m benchmarks {name}"
        if found and isinstance(found[0], str):
            append(title, command, found)
        else:
            record(title, command, found)
    return 0


if __name__ == "__main__":  # a spawned process imports this file too
    sys.exit(main())
