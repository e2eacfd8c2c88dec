"""``mlproof fit``"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mlproof.cli.inputs import labelled, unnamed
from mlproof.cli.options import Json, Output, check_output, show


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

    data = labelled(table, target)
    output = output or table.with_suffix(".safetensors")
    check_output(output, table)
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
    with _interrupts() as interrupts:
        try:
            for _ in report.with_progress(epochs, max_iter, quiet=as_json):
                pass
        except KeyboardInterrupt:  # between two epochs; within one it ends the training
            epochs.close()
    nothing = not hasattr(classifier, "theta_")  # has been learned that could be kept
    if nothing or (interrupts and classifier.n_iter_ == 0):
        raise KeyboardInterrupt
    if data.columns is not None:
        classifier.feature_names_in_ = np.array(data.columns, dtype=object)
    description = persistence.describe(classifier) | {"target": data.target}
    modelfile.write(output, classifier.theta_, description)
    accuracy = float(np.mean(classifier.predict(unnamed(classifier, data)) == data.y))
    result = {
        "model": str(output),
        "rows": len(data.X),
        "columns": data.X.shape[1],
        "classes": classifier.classes_.tolist(),
        "epochs": classifier.n_iter_,
        "loss": float(classifier.loss_),
        "training_accuracy": accuracy,
    }
    show(
        result,
        as_json,
        f"{result['rows']} rows, {result['columns']} columns, "
        f"{len(classifier.classes_)} classes: {result['epochs']} epochs, "
        f"loss {result['loss']:.4f}, training accuracy {accuracy:.1%}.",
        f"Model written to {output}.",
    )
    if interrupts:
        print("mlproof: interrupted; the model is as trained so far.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that Ctrl-C adds to, besides ending the training."""
    seen: list[int] = []

    def note(number: int, _: Any) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(",") if size.strip())
    except ValueError:
        raise ValueError(
            "--hidden-layer-sizes must be integers separated by commas, such as 64,32; "
            f"got {text!r}."
        ) from None
