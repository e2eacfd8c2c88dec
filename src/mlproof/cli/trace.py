"""``mlproof trace``"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mlproof.cli.inputs import model_and_labelled, read_model
from mlproof.cli.options import (
    Json,
    LabelledTable,
    Model,
    Target,
    check_output,
    show,
)


def trace(
    model: Model,
    table: LabelledTable,
    *,
    row: Annotated[list[int] | None, Parameter(negative="")] = None,
    target: Target = None,
    html: Path | None = None,
    as_json: Json = False,
) -> int:
    """Show every number of one training step: exit code 1 if a gradient is wrong.

    Parameters
    ----------
    row
        Which row to step on, counted from 1, the first below the header; given several
        times, these rows are one batch. The first row if not given.
    html
        A page to write, which a browser opens; without it the step is printed.
    """
    from mlproof.files import whole_file

    if html is not None:
        check_output(html, model, table)
    classifier, y, X = model_and_labelled(model, table, target)
    rows = row or [1]
    for number in rows:
        if not 1 <= number <= len(X):
            raise ValueError(
                f"--row must be from 1 to {len(X)}, the rows of {table}; got {number}."
            )
    places = [number - 1 for number in rows]
    found = classifier.trace(X[places], y[places])
    names = {"row": tuple(f"row {number}" for number in rows)}
    # Reading the table has matched the names of the columns, and dropped them.
    columns = getattr(read_model(model)[0], "feature_names_in_", None)
    if columns is not None:
        names["input"] = tuple(map(str, columns))
    listed = ("row " if len(rows) == 1 else "rows ") + ", ".join(map(str, rows))
    found = replace(
        found,
        title=f"One training step on {listed} of {table.name}",
        names={**found.names, **names},
    )
    if html is None:
        show(json.loads(found.to_json()), as_json, str(found))
        return 0 if found.ok else 1
    with whole_file(html) as temporary:
        temporary.write_text(found.to_html(), encoding="utf-8")
    verdict = "every gradient agrees" if found.ok else "a gradient is WRONG"
    show(
        json.loads(found.to_json()),
        as_json,
        f"{found.title}: {verdict}.",
        f"Page written to {html}.",
    )
    return 0 if found.ok else 1
