"""A progress bar for work that can count what it has done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def counted(
    console: Console | None, label: str, *, unit: str, total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a bar inside a with block; call what it yields with the count so far.

    It shows the rate, and the time left where the total is known, else the time gone. Without a
    console it shows nothing.
    """
    if console is None:
        yield lambda _done: None
        return
    rate = TextColumn("{task.fields[rate]}")
    time_left = TimeElapsedColumn() if total is None else TimeRemainingColumn()
    with Progress(
        TextColumn(label),
        BarColumn(),
        TextColumn("{task.completed:,} " + unit),
        rate,
        time_left,
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(label, total=total, rate="")

        def show(done: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield show
