"""``mlproof check``"""

import json
from typing import Any

from mlproof.cli.inputs import model_and_labelled
from mlproof.cli.options import (
    Json,
    LabelledTable,
    Model,
    Plot,
    Target,
    check_drawable,
    show,
)


def check(
    model: Model,
    table: LabelledTable,
    *,
    target: Target = None,
    rows: int = 100,
    plot: Plot = None,
    as_json: Json = False,
) -> int:
    """Check the gradient of a model on a table: exit code 0 if right, 1 if wrong.

    Parameters
    ----------
    rows
        How many rows to take, from the first.
    """
    from mlproof import report

    check_drawable(plot, model, table)

    classifier, y, X = model_and_labelled(model, table, target)
    if rows < 1:
        raise ValueError(f"--rows must be at least 1; got {rows}.")
    found = classifier.check_gradient(X[:rows], y[:rows])
    printed: list[Any] = [report.gradient_table(found)]
    if found.explanation:
        printed.append(found.explanation)
    if plot is not None:
        from mlproof import plots

        compared = classifier.compare_gradient(X[:rows], y[:rows])
        plots.gradient_check(plot, compared)
        printed.append(f"Picture written to {plot}.")
    show(json.loads(found.to_json()), as_json, *printed)
    return 0 if found.ok else 1
