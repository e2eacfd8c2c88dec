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
    classes = classifier.classes_.tolist()
    labels = data.y.tolist()
    found = {label: _class_of(label, classes) for label in dict.fromkeys(labels)}
    unseen = [label for label, its_class in found.items() if its_class is None]
    if unseen:
        raise tables.TableError(
            f"{table} holds the label {str(unseen[0])!r}, which the model never saw; "
            f"its classes are: {', '.join(map(str, classes))}."
        )
    y = np.array([found[label] for label in labels])
    return classifier, y, unnamed(classifier, data)


def _class_of(label: Any, classes: list[Any]) -> Any:
    """The class that a label is, in whichever dtype a file has it; None if it is none.

    "1" in a CSV file is the class 1 of an .npz file, and so is 1.0; "1" and "1.0" are
    two classes where a model was trained on text.
    """
    whole = isinstance(label, float) and label.is_integer()
    texts = {str(label), str(int(label) if whole else label)}
    for known in classes:
        if str(known) in texts or (not isinstance(known, str) and _equal(label, known)):
            return known
    return None


def _equal(label: Any, number: float) -> bool:
    try:
        return float(label) == number
    except ValueError:
        return False
