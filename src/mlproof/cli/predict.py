"""``mlproof predict``"""

import json
import sys
from pathlib import Path
from typing import Any

from mlproof.cli.inputs import read_model, read_rows, unnamed
from mlproof.cli.options import Json, Model, Output, check_output


def predict(
    model: Model, table: Path, *, output: Output = None, as_json: Json = False
) -> int:
    """Classify the rows of a table.

    Parameters
    ----------
    table
        A CSV file with the columns the model knows (others are left aside), or .npz.
    output
        The CSV file to write: the prediction and the probability of every class, a
        line for each row; printed if not given.
    """
    import csv

    from mlproof.files import whole_file

    if output is not None:
        check_output(output, model, table)
    classifier, _ = read_model(model)
    data = read_rows(classifier, table, None)
    X = unnamed(classifier, data)
    predicted, probability = classifier.predict(X), classifier.predict_proba(X)
    classes = classifier.classes_.tolist()
    if as_json:
        result = {
            "classes": classes,
            "prediction": predicted.tolist(),
            "probability": probability.tolist(),
        }
        print(json.dumps(result))
        return 0

    def write(file: Any) -> None:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["prediction", *(f"P({label})" for label in classes)])
        for label, row in zip(predicted.tolist(), probability.tolist(), strict=True):
            lines.writerow([label, *(f"{p:.6g}" for p in row)])

    if output is None:
        write(sys.stdout)
        return 0
    with (
        whole_file(output) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        write(file)
    print(f"{len(predicted)} predictions written to {output}.")
    return 0
