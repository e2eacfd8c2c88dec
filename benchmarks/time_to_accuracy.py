"""How long until a network is as good as one of scikit-learn's ends up.

The goal is the test accuracy that scikit-learn's MLPClassifier ends with by its
defaults, or after ten epochs where each takes it many seconds.  mlproof trains
with settings of its own until an epoch reaches the goal; the clock stands still while
accuracies are computed.  scikit-learn is timed both ways: to the end of its fit, which
is what a user waits for, and, in another training, to the first epoch that reaches the
goal.  Both compute in float32.

The test rows stop the clocks, and choose nothing.  Settings are chosen on a validation
part of the training rows: scikit-learn's defaults, trained on the rest, set a goal
there, and the candidate that reaches it in the fewest seconds is taken.

    python benchmarks/time_to_accuracy.py [SET ...] [--seeds 5] [--output FILE.json]
    python benchmarks/time_to_accuracy.py --quick

The data has to be fetched: data_sets.py says how, and so does this program when it
misses some.  --quick takes little of it and few epochs, to see that it runs.
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

import data_sets
import numpy as np
from data_sets import Part, Split
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as ScikitLearn

from mlproof import MLPClassifier
from mlproof.bench.machine import machine, versions

VALIDATION = 0.2  # of the training rows


class Contest(NamedTuple):
    """What is learned, and by what settings."""

    split: Split
    theirs: dict[str, Any]  # of scikit-learn, where they are not the defaults
    candidates: dict[str, dict[str, Any]]  # of mlproof, by name


# ---- the contests: a function each, which may raise OSError or ValueError ------------


def fashion_mnist(quick: bool) -> Contest:
    hidden = [(100,), (256,)] if quick else [(100,), (256,), (512,), (256, 128)]
    steps = [(100, 1e-3), (200, 1e-3), (200, 2e-3), (500, 3e-3)]
    return Contest(data_sets.fashion_mnist(quick), {}, grid(hidden, steps, quick))


def spam_assassin(quick: bool) -> Contest:
    steps = [(32, 1e-3), (64, 2e-3), (128, 3e-3), (200, 5e-3)]
    split = data_sets.spam_assassin(quick)
    return Contest(split, {}, grid([(100,), (32,)], steps, quick, sparse_adam="lazy"))


def flights(quick: bool) -> Contest:
    steps = [(200, 1e-3), (200, 3e-3), (500, 3e-3), (500, 1e-2)]
    return Contest(
        data_sets.flights(quick),
        {"max_iter": 10},
        grid([(100,), (200,)], steps, quick, sparse_adam="lazy"),
    )


def grid(
    hidden: list[tuple[int, ...]],
    steps: list[tuple[int, float]],
    quick: bool,
    **others: Any,
) -> dict[str, dict[str, Any]]:
    """Settings for every layer size with every batch size and learning rate."""
    candidates = {
        f"{'-'.join(map(str, sizes))}, batch {batch}, rate {rate:g}": {
            "hidden_layer_sizes": sizes,
            "batch_size": batch,
            "learning_rate_init": rate,
            **others,
        }
        for sizes in hidden
        for batch, rate in steps
    }
    return dict(list(candidates.items())[::5]) if quick else candidates


CONTESTS: dict[str, Callable[[bool], Contest]] = {
    "fashion-mnist": fashion_mnist,
    "spam-assassin": spam_assassin,
    "flights": flights,
}


# ---- two ways to train, epoch by epoch ----------------------------------------------


class Reached(NamedTuple):
    """The first epoch at the goal, or the last if there was none, and when it was."""

    goal: bool
    epochs: int
    seconds: float
    accuracy: float


def until(
    goal: float,
    epochs: Iterator[Any],
    accuracy: Callable[[], float],
    patience: float = np.inf,
) -> Reached:
    """Train until the goal is reached; only the training is timed, in seconds.

    Or until it has taken longer than the patience lasts.
    """
    number, seconds, now = 0, 0.0, 0.0
    while True:
        began = time.perf_counter()
        ended = next(epochs, None) is None
        seconds += time.perf_counter() - began
        if ended:
            return Reached(False, number, seconds, now)
        number, now = number + 1, accuracy()
        if now >= goal or seconds > patience:
            return Reached(now >= goal, number, seconds, now)


def ours(
    settings: dict[str, Any],
    seed: int,
    most: int,
    train: Part,
    score_on: Part,
    goal: float,
    patience: float = np.inf,
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
    reached = until(goal, epochs, lambda: classifier.score(*score_on), patience)
    epochs.close()
    return reached


def theirs(
    settings: dict[str, Any], train: Part, score_on: Part, most: int
) -> tuple[ScikitLearn, float, float]:
    """scikit-learn to its end: the model, its accuracy, the seconds."""
    classifier = ScikitLearn(**{"random_state": 0, "max_iter": most, **settings})
    began = time.perf_counter()
    classifier.fit(*train)
    seconds = time.perf_counter() - began
    return classifier, float(classifier.score(*score_on)), seconds


def theirs_until(train: Part, score_on: Part, most: int, goal: float) -> Reached:
    """The same again, an epoch at a time, on all rows and in another order of them.

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


def measure(contest: Contest, seeds: int, most: int) -> dict[str, Any]:
    """Everything about one data set."""
    data, their_settings, candidates = contest
    X, held_out_X, y, held_out_y = train_test_split(
        *data.train, test_size=VALIDATION, random_state=0, stratify=data.train.y
    )
    rest, validation = Part(X, y), Part(held_out_X, held_out_y)
    compile_kernels(rest)

    say("scikit-learn on a part of the training rows, to set a goal on the others")
    _, validation_goal, _ = theirs(their_settings, rest, validation, most)
    tried, best = {}, np.inf
    for name, settings in candidates.items():
        # Who takes longer than the best so far need not be waited for.
        reached = ours(settings, 0, most, rest, validation, validation_goal, best)
        tried[name] = reached._asdict()
        best = min(best, reached.seconds) if reached.goal else best
        say(f"  {name}: {told(reached)}")
    chosen = min(tried, key=lambda c: (not tried[c]["goal"], tried[c]["seconds"]))

    say("scikit-learn on all training rows")
    classifier, goal, seconds = theirs(their_settings, data.train, data.test, most)
    say(
        f"  {goal:.4f} on the test rows in {seconds:.1f} s, {classifier.n_iter_} epochs"
    )
    epochs = their_settings.get("max_iter", most)
    first = theirs_until(data.train, data.test, epochs, goal)
    say(f"  first {told(first)}")

    say(f"mlproof with {chosen}")
    runs = []
    for seed in range(seeds):
        settings = candidates[chosen]
        runs.append(ours(settings, seed, most, data.train, data.test, goal))
        say(f"  {told(runs[-1])}")
    took = median(run.seconds if run.goal else np.inf for run in runs)
    result: dict[str, Any] = {
        "what": data.what,
        "goal": goal,
        "scikit-learn": {
            "settings": their_settings,
            "test_accuracy": goal,
            "epochs": classifier.n_iter_,
            "seconds": seconds,
            "until_goal": first._asdict(),
        },
        "validation_goal": validation_goal,
        "candidates": tried,
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


def table(report: dict[str, Any]) -> str:
    """The contests of a report as a Markdown table."""
    lines = [
        "| data | goal | scikit-learn's fit | its epochs | mlproof to the goal "
        "| epochs | times faster | settings |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for found in report["sets"].values():
        theirs, ours = found["scikit-learn"], found["mlproof"]
        took, epochs, faster = "not reached", "", ""
        if found["median_seconds"] is not None:
            took = f"{found['median_seconds']:.3g} s"
            epochs = f"{median(run['epochs'] for run in ours):g}"
            faster = f"{found['times_faster_than_the_fit']:.3g}"
            if "times_faster_to_the_goal" in found:
                faster += f" ({found['times_faster_to_the_goal']:.3g})"
        lines.append(
            f"| {found['what']} | {found['goal']:.4f} "
            f"| {theirs['seconds']:.3g} s | {theirs['epochs']} "
            f"| {took} | {epochs} | {faster} | {found['chosen']} |"
        )
    return "\n".join(lines) + "\n"


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
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(CONTESTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    unknown = set(options.sets) - CONTESTS.keys()
    if unknown:
        known = ", ".join(CONTESTS)
        parser.error(f"there is no set {min(unknown)!r}; there are {known}")
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
    for name in options.sets or CONTESTS:
        try:
            contest = CONTESTS[name](options.quick)
        except (OSError, ValueError) as error:
            sys.exit(str(error))
        report["sets"][name] = measure(contest, seeds, most)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
