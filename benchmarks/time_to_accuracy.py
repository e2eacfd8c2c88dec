"""How long until a network is as good as one by scikit-learn's defaults ends up.

The goal is the test accuracy that scikit-learn's MLPClassifier ends with by its
defaults.  mlproof trains with settings of its own until an epoch reaches the goal; the
clock stands still while accuracies are computed.  scikit-learn is timed both ways: to
the end of its fit, which is what a user waits for, and to the first epoch that reaches
the goal.  Both compute in float32.

The test rows choose nothing.  Settings are chosen on a validation part of the training
rows: scikit-learn's defaults, trained on the rest, set a goal there, and the candidate
that reaches it in the fewest seconds is taken.

    python benchmarks/time_to_accuracy.py [SET ...] [--seeds 5] [--output FILE.json]
    python benchmarks/time_to_accuracy.py --quick

Needs the full Fashion-MNIST: the Debian package dataset-fashion-mnist, or its folder
named in the environment variable MLPROOF_FASHION_MNIST.  --quick takes the 14 x 14
images of the package and few epochs, to see that it runs.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as ScikitLearn

from mlproof import MLPClassifier
from mlproof.bench.machine import machine, versions
from mlproof.datasets import load_fashion_mnist, load_fashion_mnist_14

VALIDATION = 0.2  # of the training rows


class Part(NamedTuple):
    """Rows and their classes."""

    X: Any
    y: Any


class DataSet(NamedTuple):
    """What is learned, and the settings of mlproof that are considered for it."""

    what: str
    train: Part
    test: Part
    candidates: dict[str, dict[str, Any]]


# ---- the data sets: a function each, which may raise OSError or ValueError -----------


def fashion_mnist(quick: bool) -> DataSet:
    """Pixels from 0 to 1, in float32."""
    data = load_fashion_mnist_14() if quick else load_fashion_mnist()
    hidden = [(100,), (256,)] if quick else [(100,), (256,), (512,), (256, 128)]
    candidates = {
        f"{'-'.join(map(str, sizes))}, batch {batch}, rate {rate:g}": {
            "hidden_layer_sizes": sizes,
            "batch_size": batch,
            "learning_rate_init": rate,
        }
        for sizes in hidden
        for batch, rate in ((100, 1e-3), (200, 1e-3), (200, 2e-3), (500, 3e-3))
    }
    return DataSet(
        f"Fashion-MNIST, {data.side} x {data.side} pixels",
        Part(data.X_train / np.float32(255), data.y_train),
        Part(data.X_test / np.float32(255), data.y_test),
        dict(list(candidates.items())[::5]) if quick else candidates,
    )


SETS: dict[str, Callable[[bool], DataSet]] = {"fashion-mnist": fashion_mnist}


# ---- two ways to train, epoch by epoch ----------------------------------------------


class Reached(NamedTuple):
    """The first epoch at the goal, or the last if there was none, and when it was."""

    goal: bool
    epochs: int
    seconds: float
    accuracy: float


def until(goal: float, epochs: Iterator[Any], accuracy: Callable[[], float]) -> Reached:
    """Train until the goal is reached; only the training is timed."""
    number, seconds, now = 0, 0.0, 0.0
    while True:
        began = time.perf_counter()
        ended = next(epochs, None) is None
        seconds += time.perf_counter() - began
        if ended:
            return Reached(False, number, seconds, now)
        number, now = number + 1, accuracy()
        if now >= goal:
            return Reached(True, number, seconds, now)


def ours(
    settings: dict[str, Any],
    seed: int,
    most: int,
    train: Part,
    score_on: Part,
    goal: float,
) -> Reached:
    classifier = MLPClassifier(
        **settings,
        engine="compiled",
        random_state=seed,
        max_iter=most,
        tol=0,
        n_iter_no_change=np.inf,
    )
    epochs = classifier.iter_fit(*train)
    reached = until(goal, epochs, lambda: classifier.score(*score_on))
    epochs.close()
    return reached


def theirs(train: Part, score_on: Part, most: int) -> tuple[ScikitLearn, float, float]:
    """scikit-learn's defaults to their end: the model, its accuracy, the seconds."""
    classifier = ScikitLearn(random_state=0, max_iter=most)
    began = time.perf_counter()
    classifier.fit(*train)
    seconds = time.perf_counter() - began
    return classifier, float(classifier.score(*score_on)), seconds


def theirs_until(train: Part, score_on: Part, most: int, goal: float) -> Reached:
    """The same again, an epoch at a time, but for the order of the rows.

    ``partial_fit`` shuffles them anew, ``fit`` shuffles the order of the last epoch.
    """
    classifier = ScikitLearn(random_state=0)
    classes = np.unique(train.y)

    def epochs() -> Iterator[int]:
        for number in range(most):
            classifier.partial_fit(*train, classes=classes)
            yield number

    return until(goal, epochs(), lambda: classifier.score(*score_on))


# ---- the measurement ----------------------------------------------------------------


def measure(data: DataSet, seeds: int, most: int) -> dict[str, Any]:
    """Everything about one data set."""
    X, held_out_X, y, held_out_y = train_test_split(
        *data.train, test_size=VALIDATION, random_state=0, stratify=data.train.y
    )
    rest, validation = Part(X, y), Part(held_out_X, held_out_y)
    compile_kernels(rest)

    say("scikit-learn on a part of the training rows, to set a goal on the others")
    _, validation_goal, _ = theirs(rest, validation, most)
    candidates = {}
    for name, settings in data.candidates.items():
        reached = ours(settings, 0, most, rest, validation, validation_goal)
        candidates[name] = reached._asdict()
        say(f"  {name}: {told(reached)}")
    chosen = min(
        candidates, key=lambda c: (not candidates[c]["goal"], candidates[c]["seconds"])
    )

    say("scikit-learn by its defaults, on all training rows")
    classifier, goal, seconds = theirs(data.train, data.test, most)
    say(
        f"  {goal:.4f} on the test rows in {seconds:.1f} s, {classifier.n_iter_} epochs"
    )
    first = theirs_until(data.train, data.test, most, goal)
    say(f"  first {told(first)}")

    say(f"mlproof with {chosen}")
    runs = []
    for seed in range(seeds):
        settings = data.candidates[chosen]
        runs.append(ours(settings, seed, most, data.train, data.test, goal))
        say(f"  {told(runs[-1])}")
    took = median(run.seconds if run.goal else np.inf for run in runs)
    result: dict[str, Any] = {
        "what": data.what,
        "goal": goal,
        "scikit-learn": {
            "test_accuracy": goal,
            "epochs": classifier.n_iter_,
            "seconds": seconds,
            "until_goal": first._asdict(),
        },
        "validation_goal": validation_goal,
        "candidates": candidates,
        "chosen": chosen,
        "mlproof": [run._asdict() for run in runs],
        "median_seconds": took if np.isfinite(took) else None,
    }
    if np.isfinite(took):
        result["times_faster_than_the_fit"] = seconds / took
        say(f"Median {took:.2f} s, the whole fit took {seconds / took:.1f} times that,")
        if first.goal:
            result["times_faster_to_the_goal"] = first.seconds / took
            say(f"and the same fit to the goal {first.seconds / took:.1f} times.")
    else:
        say("mlproof did not reach the goal in half of the runs.")
    return result


def compile_kernels(part: Part) -> None:
    """So that no candidate is charged for it."""
    MLPClassifier((4,), engine="compiled", max_iter=1).fit(part.X[:500], part.y[:500])


def told(reached: Reached) -> str:
    how = "reached" if reached.goal else "not reached"
    return (
        f"{how} in {reached.seconds:.2f} s, {reached.epochs} epochs, "
        f"{reached.accuracy:.4f}"
    )


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    unknown = set(options.sets) - SETS.keys()
    if unknown:
        parser.error(f"there is no set {min(unknown)!r}; there are {', '.join(SETS)}")
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")

    most, seeds = (10, 2) if options.quick else (200, options.seeds)
    report: dict[str, Any] = {
        "what": __doc__.splitlines()[0],
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "settings": {"seeds": seeds, "most_epochs": most, "validation": VALIDATION},
        "quick": options.quick,
        "sets": {},
    }
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.sets or SETS:
        try:
            data = SETS[name](options.quick)
        except (OSError, ValueError) as error:
            sys.exit(str(error))
        report["sets"][name] = measure(data, seeds, most)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
