"""Fashion-MNIST: training with a log, learning curves and the test error: P9, P10."""

import math
import time
from collections.abc import Iterator
from itertools import islice, product

import numpy as np
from common import GREY, SET_COLOURS, Work, initial_theta
from matplotlib.figure import Figure

from mlproof import MLPClassifier
from mlproof.datasets import ImageSet
from mlproof.functions import Array
from mlproof.losses import Labels

# What the validation set chooses from: hidden units and weight decay.
CANDIDATES = ((100, 0.0), (300, 0.0), (300, 1e-5), (300, 1e-4))
WRITTEN = {"error": ".2%", "loss": ".3f"}
LOG = "training-log.csv"
Part = tuple[Array, Labels]  # float32 pixels from 0 to 1, and class numbers


def p9_training(work: Work) -> None:
    """P9: training on Fashion-MNIST, error and mean loss of three sets into a log.

    A sixth of the training images is the validation set, and it alone chooses among
    the candidates, each trained for a few epochs.  The chosen one is trained anew, and
    after every epoch the log gets a line; its test columns decide nothing.
    """
    images, name = work.fashion_mnist()
    sets = three_sets(images)
    few, many = (8, 30) if len(images.y_train) > 10_000 else (20, 80)
    candidates = []
    for d_h, l2 in CANDIDATES:
        best = min(
            error_and_loss(classifier, *sets["validation"])[0]
            for classifier in training(work, *sets["train"], d_h, l2, few)
        )
        candidates.append({"d_h": d_h, "l2": l2, "validation_error": best})
    work.table(
        f"Candidates on {name}: lowest validation error within {few} epochs",
        ["hidden units", "weight decay", "validation error"],
        [[d_h, l2, f"{best:.2%}"] for d_h, l2, best in map(dict.values, candidates)],
    )
    chosen = min(candidates, key=lambda candidate: candidate["validation_error"])

    began = time.perf_counter()
    with open(work.out / LOG, "w", encoding="utf-8", newline="\n") as log:
        columns = [f"{part}_{what}" for part in sets for what in WRITTEN]
        print("epoch", *columns, sep=",", file=log)
        epochs = training(work, *sets["train"], chosen["d_h"], chosen["l2"], many)
        for number, classifier in enumerate(epochs, start=1):
            measured = [error_and_loss(classifier, *part) for part in sets.values()]
            row = (f"{value:.6f}" for value in np.ravel(measured))
            print(number, *row, sep=",", file=log, flush=True)
    seconds = time.perf_counter() - began
    work.say(f"log: {work.out / LOG}, {many} epochs in {seconds:.1f} s with measuring")
    work.results["P9"] = {
        "data": name,
        "rows": {part: len(y) for part, (_, y) in sets.items()},
        "candidates": candidates,
        "candidate_epochs": few,
        **chosen,
        "epochs": many,
        "seconds": seconds,
    }


def three_sets(images: ImageSet) -> dict[str, Part]:
    X = (images.X_train / 255).astype(np.float32)
    order = np.random.default_rng(9).permutation(len(X))
    held_out, rows = np.split(order, [len(X) // 6])
    return {
        "train": (X[rows], images.y_train[rows]),
        "validation": (X[held_out], images.y_train[held_out]),
        "test": ((images.X_test / 255).astype(np.float32), images.y_test),
    }


def training(
    work: Work, X: Array, y: Labels, d_h: int, l2: float, epochs: int
) -> Iterator[MLPClassifier]:
    """The classifier after each epoch, from the initial weights of the other parts."""
    classifier = MLPClassifier(
        (d_h,),
        solver="adam",
        learning_rate_init=5e-4,
        batch_size=100,
        alpha=0,
        l2=l2,
        n_iter_no_change=np.inf,
        warm_start=True,
        random_state=9,
    )
    # One step makes the arrays; warm_start has training begin from what is put there.
    classifier.partial_fit(X[:100], y[:100], classes=np.arange(10))
    theta = initial_theta(np.random.default_rng(9), X.shape[1], d_h, 10)
    classifier.coefs_ = [theta.W1.T, theta.W2.T]
    classifier.intercepts_ = [theta.b1, theta.b2]
    what = f"{d_h} units, weight decay {l2:g}"
    for _ in work.progress(islice(classifier.iter_fit(X, y), epochs), what, epochs):
        yield classifier


def error_and_loss(
    classifier: MLPClassifier, X: Array, y: Labels
) -> tuple[float, float]:
    """The logarithms keep the mean loss finite however sure the network is."""
    log_o_s = classifier.predict_log_proba(X)
    error = np.mean(np.argmax(log_o_s, axis=1) != y)  # the classes are 0 .. 9
    loss = -np.take_along_axis(log_o_s, y[:, None], axis=1)
    return float(error), float(np.mean(loss, dtype=np.float64))


def p10_learning_curves(work: Work) -> None:
    """P10: learning curves, and the test error at the epoch validation chooses."""
    log = np.genfromtxt(work.out / LOG, delimiter=",", names=True)
    best = int(np.argmin(log["validation_error"]))
    chosen, last = (
        dict(zip(log.dtype.names, log[i].item(), strict=True)) for i in (best, -1)
    )
    epoch, error = best + 1, chosen["test_error"]
    name, n_test = work.results["P9"]["data"], work.results["P9"]["rows"]["test"]
    work.table(
        f"{name}: the epoch of the lowest validation error, and the last",
        ["", *SET_COLOURS],
        [
            [
                f"{what}, epoch {at['epoch']:.0f}",
                *(f"{at[f'{part}_{what}']:{how}}" for part in SET_COLOURS),
            ]
            for at, (what, how) in product((chosen, last), WRITTEN.items())
        ],
    )
    margin = 1.96 * math.sqrt(error * (1 - error) / n_test)
    work.say(
        f"Test error {error:.2%} +- {margin:.2%} (95 % interval of {n_test} images): "
        f"{'under' if error < 0.2 else 'NOT under'} 20 %."
    )
    work.results["P10"] = chosen | {
        "epoch": epoch,
        "test_error_margin": margin,
        "last": last,
    }
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    for axis, what in zip(figure.subplots(1, 2), WRITTEN, strict=True):
        for part, colour in SET_COLOURS.items():
            curve = log[f"{part}_{what}"]
            axis.plot(log["epoch"], curve, color=colour, label=part, lw=1.8)
            axis.plot(epoch, curve[best], "o", color=colour, mec="white", ms=8)
        axis.axvline(epoch, color=GREY, ls="--", lw=1)
        axis.set(xlabel="epoch", ylabel="mean loss" if what == "loss" else what)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    figure.axes[0].yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    figure.suptitle(
        f"{name}: epoch {epoch} has the lowest validation error; test error there "
        f"{error:.1%}"
    )
    work.picture(figure, "learning-curves")
