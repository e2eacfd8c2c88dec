"""The whole tour on real images: train, test, check, save, load, predict, look."""

import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.rule import Rule
from rich.text import Text
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import confusion_matrix

from mlproof import MLPClassifier, load, report
from mlproof.datasets import load_fashion_mnist_14
from mlproof.functions import Array
from mlproof.report import confusion_table, gradient_table, with_progress

# The defaults with smaller batches, and a penalty by which the first-layer weights show
# what they look for; nothing was chosen by the test images.
SETTINGS: dict[str, Any] = {
    "hidden_layer_sizes": (100,),
    "batch_size": 50,
    "l2": 1e-3,
    "max_iter": 60,
    "tol": 0,
    "random_state": 0,
}


def run(folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Go through the tour, leave model and pictures in the folder, return the numbers.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = report.console()
    out.quiet = quiet
    data = load_fashion_mnist_14()
    X_train, X_test = (X / np.float32(255) for X in (data.X_train, data.X_test))

    out.print(Rule("[bold]1  Real images"))
    out.print(
        f"Fashion-MNIST at {data.side} x {data.side} pixels: {len(data.class_names)} "
        f"classes, {len(X_train)} images to learn, {len(X_test)} to test."
    )
    if out.is_terminal:  # without its colours an image is a grey box
        out.print(_first_of_some_classes(data))

    out.print(Rule("[bold]2  Train"))
    classifier = MLPClassifier(**SETTINGS)
    with warnings.catch_warnings():
        # What is compiled or loaded for the first epoch is no time of training.
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLPClassifier(**SETTINGS | {"max_iter": 1}).fit(X_train, data.y_train)
    curves: dict[str, list[float]] = {"training": [], "test": []}
    start = time.perf_counter()
    epochs = classifier.iter_fit(X_train, data.y_train)
    with warnings.catch_warnings():
        # The number of epochs is fixed, and the loss could go on falling.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in with_progress(epochs, classifier.max_iter, quiet=quiet):
            curves["training"].append(classifier.score(X_train, data.y_train))
            curves["test"].append(classifier.score(X_test, data.y_test))
    seconds = time.perf_counter() - start
    accuracy = curves["test"][-1]
    out.print(
        f"[bold green]Test accuracy {accuracy:.1%}[/] after {classifier.n_iter_} "
        f"epochs, {seconds:.1f} s, {classifier.theta_.size:,} parameters."
    )
    predicted = classifier.predict(X_test)
    counts = confusion_matrix(data.y_test, predicted)
    out.print(confusion_table(counts, data.class_names))

    out.print(Rule("[bold]3  Check the gradient it trained by"))
    check = classifier.check_gradient(X_train[:100], data.y_train[:100])
    out.print(gradient_table(check))
    out.print(
        "The network computes in float32, whose rounding is 1e-07; "
        "the judges in float64."
    )

    out.print(Rule("[bold]4  Save, load, predict"))
    model = folder / "fashion.safetensors"
    classifier.save(model)
    loaded = load(model)
    same = np.array_equal(
        loaded.predict_proba(X_test), classifier.predict_proba(X_test)
    )
    out.print(
        f"{model}, {model.stat().st_size / 1024:.0f} kB.\nThe loaded model gives "
        + ("the same probabilities, bit for bit." if same else "other probabilities!")
    )
    shown = _some_right_some_wrong(predicted, data.y_test)
    probability = loaded.predict_proba(X_test).max(axis=1)
    if out.is_terminal:
        captions = [
            _caption(data.class_names, data.y_test[i], predicted[i], probability[i])
            for i in shown[:5]
        ]
        out.print(report.images(data.X_test[shown[:5]], data.side, captions))

    pictures = _draw(folder, classifier, curves, data, shown, predicted, counts)
    out.print(Rule("[bold]5  Pictures"))
    for picture in pictures:
        out.print(f"  {picture}", soft_wrap=True)
    if not pictures:
        out.print("None drawn: they need Matplotlib (pip install 'mlproof\\[plot]').")
    return {
        "accuracy": accuracy,
        "epochs": classifier.n_iter_,
        "seconds": seconds,
        "gradient_ok": check.ok,
        "gradient_worst": check.worst,
        "loaded_is_the_same": same,
        "model": str(model),
        "pictures": [str(picture) for picture in pictures],
    }


def _first_of_some_classes(data: Any) -> Any:
    rows = [int(np.flatnonzero(data.y_train == k)[0]) for k in (0, 1, 5, 8, 9)]
    captions = [Text(data.class_names[data.y_train[i]]) for i in rows]
    return report.images(data.X_train[rows], data.side, captions)


def _some_right_some_wrong(predicted: Array, truth: Array) -> list[int]:
    """Sixteen test images, the first few right, then wrong, then the others."""
    right = list(np.flatnonzero(predicted == truth)[:8])
    wrong = list(np.flatnonzero(predicted != truth)[:8])
    return [int(i) for i in right[:3] + wrong[:2] + right[3:] + wrong[2:]]


def _caption(names: tuple[str, ...], true: int, guess: int, p: float) -> Text:
    if true == guess:
        return Text(f"{names[guess]}\n{p:.0%}", "green")
    return Text(f"{names[guess]} {p:.0%}\nis {names[true]}", "red")


def _draw(
    folder: Path,
    classifier: MLPClassifier,
    curves: dict[str, list[float]],
    data: Any,
    shown: list[int],
    predicted: Array,
    counts: Any,
) -> list[Path]:
    if find_spec("matplotlib") is None:
        return []
    from mlproof import plots

    names = ("learning-curves", "first-layer", "predictions", "confusion")
    paths = [folder / f"{name}.png" for name in names]
    plots.learning_curves(paths[0], classifier.loss_curve_, curves)
    plots.first_layer(paths[1], classifier.coefs_[0], data.side)
    images = data.X_test[shown]
    probability = classifier.predict_proba(images / np.float32(255)).max(axis=1)
    plots.predictions(
        paths[2],
        images,
        [data.class_names[k] for k in data.y_test[shown]],
        [data.class_names[k] for k in predicted[shown]],
        probability,
        data.side,
    )
    plots.confusion(paths[3], counts, data.class_names)
    return paths
