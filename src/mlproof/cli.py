"""The command line: parse, call, show.  Results go to standard output, the rest beside.

Exit codes: 0 for success, 1 if a gradient is wrong, 2 for input that cannot be used,
130 after Ctrl-C.  What a command needs is imported when it runs, so help comes quickly.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import mlproof

if TYPE_CHECKING:
    from mlproof.classifier import MLPClassifier
    from mlproof.tables import Table

app = App(
    name="mlproof",
    help="Neural-network classifiers whose every gradient is derived by hand, "
    "checked, and fast.",
    version=mlproof.__version__,
    result_action="return_value",
)

Json = Annotated[
    bool, Parameter(name="--json", negative="", help="Print the result as JSON.")
]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


@app.command
def demo(
    folder: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("mlproof-demo"),
    *,
    as_json: Json = False,
) -> int:
    """Train, test, check, save, load and draw, on real images, offline.

    Parameters
    ----------
    folder
        Where the model and the pictures go; made if it does not exist.
    """
    from mlproof.demo import run

    result = run(folder, quiet=as_json)
    if as_json:
        print(json.dumps(result))
    return 0 if result["gradient_ok"] and result["loaded_is_the_same"] else 1


@app.command
def fit(
    table: Path,
    *,
    target: str | None = None,
    output: Output = None,
    hidden_layer_sizes: str = "100",
    activation: Literal[
        "relu", "tanh", "logistic", "identity", "softplus", "abs"
    ] = "relu",
    solver: Literal["adam", "sgd", "gd", "lbfgs"] = "adam",
    alpha: float = 0.0001,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_size: int | None = None,
    learning_rate_init: float = 0.001,
    max_iter: int = 200,
    tol: float = 1e-4,
    early_stopping: Annotated[bool, Parameter(negative="")] = False,
    random_state: int = 0,
    standardise: bool = True,
    as_json: Json = False,
) -> int:
    """Train a classifier on a table and save it.

    Parameters
    ----------
    table
        A CSV file with a header, numeric columns and a label column; or an .npz file
        with arrays X and y.
    target
        The label column; for .npz the name of the label array, y if not given.
    output
        The model file to write; the table's name with .safetensors if not given.
    hidden_layer_sizes
        Units of each hidden layer, such as 100 or 64,32; empty for none.
    activation
        The function of the hidden units.
    solver
        How to train; gd is gradient descent on all rows at once.
    alpha
        scikit-learn's L2 strength, divided by the rows of a batch.
    l1
        L1 penalty on the weights, whatever the batch.
    l2
        Squared L2 penalty on the weights, whatever the batch.
    batch_size
        Rows in a batch; 200, or all if there are fewer, if not given.
    learning_rate_init
        The first step size of adam, sgd and gd.
    max_iter
        The most epochs.
    tol
        Improvement of the loss below which an epoch counts as none.
    early_stopping
        Hold out a tenth of the rows and keep the weights that do best on them.
    random_state
        The seed of weights, split and batches.
    standardise
        Train on columns of mean 0 and standard deviation 1.
    """
    import numpy as np

    from mlproof import MLPClassifier, modelfile, persistence, report
    from mlproof.scaling import fit_standardised

    data = _labelled(table, target)
    output = output or table.with_suffix(".safetensors")
    classifier = MLPClassifier(
        _sizes(hidden_layer_sizes),
        activation,
        solver=solver,
        alpha=alpha,
        l1=l1,
        l2=l2,
        batch_size="auto" if batch_size is None else batch_size,
        learning_rate_init=learning_rate_init,
        max_iter=max_iter,
        tol=tol,
        early_stopping=early_stopping,
        random_state=random_state,
    )
    if standardise:
        epochs = fit_standardised(classifier, data.X, data.y)
    else:
        epochs = classifier.iter_fit(data.X, data.y)
    for _ in report.with_progress(epochs, max_iter, quiet=as_json):
        pass
    if data.columns is not None:
        classifier.feature_names_in_ = np.array(data.columns, dtype=object)
    description = persistence.describe(classifier) | {"target": data.target}
    modelfile.write(output, classifier.theta_, description)
    accuracy = float(np.mean(classifier.predict(_named(classifier, data)) == data.y))
    result = {
        "model": str(output),
        "rows": len(data.X),
        "columns": data.X.shape[1],
        "classes": classifier.classes_.tolist(),
        "epochs": classifier.n_iter_,
        "loss": float(classifier.loss_),
        "training_accuracy": accuracy,
    }
    _show(
        result,
        as_json,
        f"{result['rows']} rows, {result['columns']} columns, "
        f"{len(classifier.classes_)} classes: {result['epochs']} epochs, "
        f"loss {result['loss']:.4f}, training accuracy {accuracy:.1%}.",
        f"Model written to {output}.",
    )
    return 0


@app.command
def predict(
    model: Path, table: Path, *, output: Output = None, as_json: Json = False
) -> int:
    """Classify the rows of a table.

    Parameters
    ----------
    model
        A file that ``mlproof fit`` or ``MLPClassifier.save`` wrote.
    table
        A CSV file with the columns the model knows (others are left aside), or .npz.
    output
        The CSV file to write: the prediction and the probability of every class, a
        line for each row; printed if not given.
    """
    import csv

    from mlproof.files import whole_file

    classifier, _ = _model(model)
    data = _rows(classifier, table, None)
    X = _named(classifier, data)
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


@app.command
def evaluate(
    model: Path, table: Path, *, target: str | None = None, as_json: Json = False
) -> int:
    """Say how well a model does on a table with labels.

    Parameters
    ----------
    model
        A file that ``mlproof fit`` or ``MLPClassifier.save`` wrote.
    table
        A CSV file with the columns the model knows and the label column, or .npz.
    target
        The label column; the one the model was trained on if not given.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix

    from mlproof import report

    classifier, y, X = _model_and_labelled(model, table, target)
    predicted = classifier.predict(X)
    column = np.searchsorted(classifier.classes_, y)
    log_probability = classifier.predict_log_proba(X)[np.arange(len(y)), column]
    counts = confusion_matrix(y, predicted, labels=classifier.classes_)
    result = {
        "rows": len(y),
        "accuracy": float(np.mean(predicted == y)),
        "mean_loss": float(-np.mean(log_probability)),
        "classes": classifier.classes_.tolist(),
        "confusion": counts.tolist(),
    }
    _show(
        result,
        as_json,
        f"{len(y)} rows: accuracy {result['accuracy']:.1%}, "
        f"mean loss {result['mean_loss']:.4f}.",
        report.confusion_table(counts, [str(label) for label in result["classes"]]),
    )
    return 0


@app.command
def check(
    model: Path,
    table: Path,
    *,
    target: str | None = None,
    rows: int = 100,
    as_json: Json = False,
) -> int:
    """Check the gradient of a model on a table: exit code 0 if right, 1 if wrong.

    Parameters
    ----------
    model
        A file that ``mlproof fit`` or ``MLPClassifier.save`` wrote.
    table
        A CSV file with the columns the model knows and the label column, or .npz.
    target
        The label column; the one the model was trained on if not given.
    rows
        How many rows to take, from the first.
    """
    from mlproof import report

    classifier, y, X = _model_and_labelled(model, table, target)
    if rows < 1:
        raise ValueError(f"--rows must be at least 1; got {rows}.")
    found = classifier.check_gradient(X[:rows], y[:rows])
    _show(json.loads(found.to_json()), as_json, report.gradient_table(found))
    return 0 if found.ok else 1


def _show(result: Any, as_json: bool, *for_people: Any) -> None:
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


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(",") if size.strip())
    except ValueError:
        raise ValueError(
            "--hidden-layer-sizes must be integers separated by commas, such as 64,32; "
            f"got {text!r}."
        ) from None


def _labelled(path: Path, target: str | None) -> "Table":
    """The table with its labels; an .npz file has a usual name for them."""
    from mlproof import tables

    if target is None:
        if path.suffix.lower() != ".npz":
            raise tables.TableError(
                f"say with --target which column of {path} holds the labels."
            )
        target = "y"
    return tables.read(path, target)


def _model(path: Path) -> "tuple[MLPClassifier, str | None]":
    """The classifier in a file, and the label column it was trained on."""
    from mlproof import load, modelfile

    return load(path), modelfile.read(path)[1].get("target")


def _rows(classifier: "MLPClassifier", path: Path, target: str | None) -> "Table":
    """The columns that the classifier knows, in its order."""
    from mlproof import tables

    names = getattr(classifier, "feature_names_in_", None)
    return tables.read(path, target, None if names is None else list(names))


def _named(classifier: "MLPClassifier", data: "Table") -> Any:
    """X for predicting: the columns were matched by name when they were read."""
    if hasattr(classifier, "feature_names_in_"):
        del classifier.feature_names_in_
    return data.X


def _model_and_labelled(
    model: Path, table: Path, target: str | None
) -> "tuple[MLPClassifier, Any, Any]":
    """A classifier, and labels and rows for it."""
    import numpy as np

    from mlproof import tables

    classifier, trained_on = _model(model)
    target = target or trained_on
    if target is None:
        raise tables.TableError(
            f"{model} does not say which column of {table} holds the labels: give "
            "--target."
        )
    data = _rows(classifier, table, target)
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
    return classifier, y, _named(classifier, data)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    from mlproof.report import fail

    def note(message: Warning | str, *_: Any, **__: Any) -> None:
        print("note: " + " ".join(str(message).split()), file=sys.stderr)

    warnings.showwarning = note
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(f"{error} Try mlproof --help.")
        code = 2
    except OSError as error:
        about = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        fail(f"{about}.")
        code = 2
    except (ValueError, MemoryError) as error:
        fail(str(error).split("\n")[0] or "not enough memory for this table.")
        code = 2
    except KeyboardInterrupt:
        fail("interrupted.")
        code = 130
    sys.exit(code)
