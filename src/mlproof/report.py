"""What people see in the terminal: progress, tables, matrices and small images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # so that help comes without NumPy and SciPy
    from mlproof.bench.results import Step
    from mlproof.functions import Array
    from mlproof.training import Epoch
    from mlproof.verification.report import GradientReport


def console(*, stderr: bool = False) -> Console:
    """A console for results, or for what accompanies them."""
    return Console(stderr=stderr, highlight=False)


def with_progress(
    epochs: Iterable[Epoch], max_iter: int, *, quiet: bool = False
) -> Iterator[Epoch]:
    """The same epochs, while a bar shows the loss and the time left at most."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TextColumn("left at most"),
        TimeRemainingColumn(),
    )
    screen = console(stderr=True)
    hidden = quiet or not screen.is_terminal
    with Progress(*columns, console=screen, disable=hidden) as progress:
        # Input that cannot be used is refused before the first epoch: no bar is left.
        progress.live.transient = True
        task = progress.add_task("training", total=max_iter, state="")
        for epoch in epochs:
            progress.live.transient = False
            state = f"loss {epoch.loss:.4f}"
            if epoch.validation_score is not None:
                state += f"  validation {epoch.validation_score:.1%}"
            progress.update(task, completed=epoch.number, state=state)
            yield epoch


def with_bench_progress(
    steps: Iterable[Step], n_cases: int, *, quiet: bool = False
) -> Iterator[Step]:
    """The same steps, while a bar shows whose turn it is; it goes at the end."""
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    screen = console(stderr=True)
    hidden = quiet or not screen.is_terminal
    with Progress(*columns, console=screen, disable=hidden, transient=True) as progress:
        task = progress.add_task("measuring", total=n_cases, state="")
        for step in steps:
            state = f"{step.case}: {step.contestant}"
            progress.update(task, completed=step.over, state=state)
            yield step


def bench_table(results: Mapping[str, Any]) -> Table:
    """Under the name of each case a row for everybody in it, the subject first."""
    from mlproof.bench.table import amount, meanwhile, times

    table = _table("What each takes, as a multiple of what mlproof takes")
    table.add_column("")
    for name in ("times", "middle half", "takes", "first run"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, case in results["cases"].items():
        table.add_row(Text(name, "bold"))
        for who, runs in case["contestants"].items():
            ratio = case["ratios"].get(who)
            table.add_row(
                who,
                *(("", "") if ratio is None else times(ratio)),
                amount(runs["median"], case["unit"]),
                amount(runs["first_run"], case["unit"]),
            )
        for who, reason in case["skipped"].items():
            table.add_row(Text(f"{who}: {reason}", "dim"))
        table.add_section()
    machine = results["machine"]
    table.caption = (
        f"{results['date']}, {machine['processor']}, {machine['cores']} cores. One "
        "epoch or call takes so long; a run is several, and the first one compiles and "
        f"loads what is needed. {meanwhile(results)}"
    )
    table.caption_justify = "left"
    return table


def gradient_table(report: GradientReport) -> Table:
    """The report of a gradient check, a row for each block."""
    table = _table("Gradient check: the largest error that each method finds")
    table.add_column("block")
    for name in ("shape", "checked", "central", "complex", "directions"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for block in report.blocks:
        verdict = Text(block.verdict(), "green" if block.ok else "bold red")
        table.add_row(
            block.name,
            " x ".join(map(str, block.shape)),
            f"{block.n_checked}/{math.prod(block.shape)}",
            f"{block.central_error:.1e}",
            _error(block.complex_error),
            _error(block.direction_error),
            verdict,
        )
    table.caption = "relative to the largest derivative of the block"
    table.caption_justify = "left"
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        padding=(0, 1),
    )


def _error(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"


def confusion_table(counts: Any, class_names: Sequence[str]) -> Table:
    """The confusion matrix, rows true and columns predicted, shaded by row share."""
    table = _table("Confusion matrix")
    table.add_column("")
    for i in range(len(class_names)):
        table.add_column(str(i), justify="right", no_wrap=True)
    table.add_column("right", justify="right")
    for i, name in enumerate(class_names):
        total = max(int(counts[i].sum()), 1)
        cells = []
        for j, count in enumerate(counts[i]):
            share = count / total
            colour = (0, 95, 0) if i == j else (135, 30, 0)
            red, green, blue = (round(channel * share) for channel in colour)
            shade = f"white on rgb({red},{green},{blue})" if count else "dim"
            cells.append(Text(str(count) if count else "·", shade))
        # As Text, because a class may be called [bold].
        table.add_row(Text(f"{i} {name}"), *cells, f"{counts[i, i] / total:.0%}")
    return table


def images(pixels: Array, side: int, captions: Sequence[Text]) -> Table:
    """Grey images side by side, two pixels to a character, each with a caption."""
    grid = Table.grid(padding=(0, 1))
    for _ in captions:
        grid.add_column(justify="center", min_width=side)
    grid.add_row(*(_image(row.reshape(side, side)) for row in pixels))
    grid.add_row(*captions)
    return grid


def _image(image: Array) -> Text:
    import numpy as np

    levels = np.rint(image / max(float(image.max()), 1e-12) * 255).astype(int)
    if len(levels) % 2:
        levels = np.vstack([levels, np.zeros_like(levels[:1])])
    text = Text()
    for upper, lower in zip(levels[0::2], levels[1::2], strict=True):
        for a, b in zip(upper, lower, strict=True):
            text.append("▀", f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
        text.append("\n")
    text.rstrip()
    return text
