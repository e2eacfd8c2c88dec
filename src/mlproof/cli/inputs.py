"""Models and tables from the files that a command was given."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlproof.classifier import MLPClassifier
    from mlproof.tables import Table


def labelled(path: Path, target: str | None) -> "Table":
    """The table with its labels; an .npz file has a usual name for them."""
    from mlproof import tables

    if target is None:
        if path.suffix.lower() != ".npz":
            raise tables.TableError(
                f"say with --target which column of {path} holds the labels."
            )
        target = "y"
    return tables.read(path, target)


def read_model(path: Path) -> "tuple[MLPClassifier, str | None]":
    """The classifier in a file, and the label column it was trained on."""
    from mlproof import MLPClassifier, modelfile, persistence, tables

    theta, description = modelfile.read(path)
    classifier = MLPClassifier()
    persistence.restore(classifier, theta, description, path)
    if description["labelling"]["kind"] == "multilabel":
        raise tables.TableError(
            f"{path} predicts several labels for a row, which a table does not hold; "
            "use it in Python: mlproof.load."
        )
    target = description.get("target")
    return classifier, target if isinstance(target, str) else None


def read_rows(classifier: "MLPClassifier", path: Path, target: str | None) -> "Table":
    """The columns that the classifier knows, in its order."""
    from mlproof import tables

    names = getattr(classifier, "feature_names_in_", None)
    return tables.read(path, target, None if names is None else list(names))


def unnamed(classifier: "MLPClassifier", data: "Table") -> Any:
    """X for a classifier that no longer asks for names: reading has matched them."""
    if hasattr(classifier, "feature_names_in_"):
        del classifier.feature_names_in_
    return data.X


def model_and_labelled(
    model: Path, table: Path, target: str | None
) -> "tuple[MLPClassifier, Any, Any]":
    """A classifier, and labels and rows for it."""
    import numpy as np

    from mlproof import tables

    classifier, trained_on = read_model(model)
    target = target or trained_on
    if target is None:
        raise tables.TableError(
            f"{model} does not say which column of {table} holds the labels: give "
            "--target."
        )
    data = read_rows(classifier, table, target)
    assert data.y is not None
    # Compared as text: "1" in a CSV file is the class 1 of an .npz file.
    known = {str(label): label for label in classifier.classes_.tolist()}
    unseen = [label for label in map(str, data.y.tolist()) if label not in known]
    if unseen:
        raise tables.TableError(
            f"{table} holds the label {unseen[0]!r}, which the model never saw; its "
            f"classes are: {', '.join(known)}."
        )
    y = np.array([known[str(label)] for label in data.y.tolist()])
    return classifier, y, unnamed(classifier, data)
