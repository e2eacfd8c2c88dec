"""Options that several commands share, and how results are shown."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

Json = Annotated[
    bool, Parameter(name="--json", negative="", help="Print the result as JSON.")
]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


def show(result: Any, as_json: bool, *for_people: Any) -> None:
    from mlproof import report

    if as_json:
        print(json.dumps(result))
        return
    out = report.console()
    for part in for_people:
        if isinstance(part, str):
            print(part)
        else:
            out.print(part)
