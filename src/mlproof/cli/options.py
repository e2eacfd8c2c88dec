"""Options that several commands share, and how results are shown."""

import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

Model = Annotated[
    Path, Parameter(help="A file that `mlproof fit` or `MLPClassifier.save` wrote.")
]
LabelledTable = Annotated[
    Path,
    Parameter(
        help="A CSV file with the columns the model knows and the label column, or "
        ".npz."
    ),
]
Target = Annotated[
    str | None,
    Parameter(help="The label column; the one the model was trained on if not given."),
]
Json = Annotated[
    bool, Parameter(name="--json", negative="", help="Print the result as JSON.")
]
Plot = Annotated[
    Path | None,
    Parameter(help="A picture to write, as PNG; it needs Matplotlib."),
]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


def show(result: Any, as_json: bool, *for_people: Any) -> None:
    from mlproof import report

    if as_json:
        print(json.dumps(result))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):  # not every screen has every letter
        sys.stdout.reconfigure(errors="replace")
    out = report.console()
    for part in for_people:
        if isinstance(part, str):
            print(part)
        else:
            out.print(part)


def check_output(output: Path, *inputs: Path) -> None:
    """Refuse a file that could not be written or is read from, before there is work."""
    from mlproof.files import check_writable

    check_writable(output)
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise ValueError(
                f"{output} is read, so it is not written over; name another."
            )


def check_drawable(plot: Path | None, *inputs: Path) -> None:
    """Refuse a picture that could not be drawn or written, before there is work."""
    if plot is None:
        return
    check_output(plot, *inputs)
    if find_spec("matplotlib") is None:
        raise ValueError("--plot needs Matplotlib: pip install 'mlproof[plot]'.")
