"""The progress bar of a training run."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class ProgressBar:
    """A bar on the error stream with loss, rate and time left, and a line at each evaluation."""

    def __init__(self, console: Console, *, steps: int) -> None:
        self.console, self.steps = console, steps
        self.eval_loss = float("nan")
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed:,}/{task.total:,} steps"),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> "ProgressBar":
        self.progress.start()
        self.task = self.progress.add_task("training", total=self.steps, state="")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def advance(self, step: int) -> None:
        """Move the bar."""
        if self.task is not None:
            self.progress.update(self.task, completed=step)

    def report(self, row: dict[str, Any]) -> None:
        """Show a line of `metrics.jsonl`."""
        if "loss" in row and self.task is not None:
            state = f"loss {row['loss']:.3f}, {row['tokens_per_second']:,.0f} tokens/s"
            self.progress.update(self.task, state=state)
        if "eval_loss" in row:
            text = " ".join(row["sample"].split())
            line = f"step {row['step']:,}/{self.steps:,}: held-out loss {row['eval_loss']:.3f}"
            if row.get("live"):
                line += f", live neurons {min(row['live'].values()):.0%} or more"
            self.console.print(f"{line} | {text[:100]}", markup=False, highlight=False, soft_wrap=True)
