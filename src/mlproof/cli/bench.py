"""``mlproof bench``"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mlproof.cli.options import Json, Output, Plot, check_drawable, show


def bench(
    *cases: str,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    repeats: int = 5,
    output: Output = None,
    plot: Plot = None,
    read: Path | None = None,
    markdown: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Measure how fast this is beside scikit-learn and PyTorch, in turn.

    Parameters
    ----------
    cases
        What to measure, by name; a few quick cases if none is named.
    every
        Measure all cases; this takes half an hour or more.
    repeats
        How many rounds, in each of which everybody runs once; up to three times as many
        where they differ much.
    output
        A JSON file to write, with the machine and every single time, after each case.
    read
        Measure nothing, and show what an earlier run wrote.
    markdown
        Print the tables as Markdown.
    """
    from mlproof import report
    from mlproof.bench import results, table
    from mlproof.bench.cases import chosen
    from mlproof.files import check_writable

    if repeats < 1:
        raise ValueError(f"--repeats must be at least 1; got {repeats}.")
    if (bool(cases), every, read is not None).count(True) > 1:
        raise ValueError("give names of cases, --all or --read, but not two of them.")
    sources = [path for path in (read, output) if path is not None]
    if output is not None:
        check_writable(output)
    check_drawable(plot, *sources)
    if read is None:
        measured: dict[str, Any] = {}
        to_measure = chosen(cases, everything=every)
        steps = results.measure(to_measure, repeats, measured)
        written = 0
        for _ in report.with_bench_progress(steps, len(to_measure), quiet=as_json):
            # What is measured is kept, whatever ends the rest.
            if output is not None and len(measured["cases"]) > written:
                results.write(output, measured)
                written += 1
    else:
        measured = results.read(read)
    if output is not None:
        results.write(output, measured)
    if plot is not None:
        _draw(plot, measured)
    show(
        measured,
        as_json,
        (
            table.markdown(measured).rstrip()
            if markdown
            else report.bench_table(measured)
        ),
        *(f"Written to {path}." for path in (output, plot) if path is not None),
    )
    return 0


def _draw(path: Path, measured: dict[str, Any]) -> None:
    from mlproof import plots

    plots.times(
        path,
        "Time of each, in units of mlproof's",
        {
            name: {
                who: (ratio["median"], ratio["lower"], ratio["upper"])
                for who, ratio in case["ratios"].items()
            }
            for name, case in measured["cases"].items()
            if case["unit"] != "bytes"
        },
    )
