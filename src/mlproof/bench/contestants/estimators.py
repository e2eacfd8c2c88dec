"""mlproof and scikit-learn: two classes of one interface."""

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as ScikitLearn

from mlproof import MLPClassifier
from mlproof.bench.contestants import THREADS, Contestant, Run, clocked
from mlproof.bench.tasks import Task

# Rows that a model to predict with is trained on: enough to be a model.
FEW = 2_000


def mlproof(task: Task, **more: Any) -> MLPClassifier:
    parameters: dict[str, Any] = {"engine": "compiled", "n_threads": THREADS} | more
    return MLPClassifier(**task.parameters(), **parameters)


def scikit_learn(task: Task, **more: Any) -> ScikitLearn:
    return ScikitLearn(**task.parameters(), **more)


def train(estimator: Any, X: Any, y: Any) -> None:
    """``fit``, which need not say that it could have gone on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)


def fitting(name: str, estimator: Any, X: Any, y: Any) -> Contestant:
    """A whole ``fit`` a run, from the check of X to the last epoch."""
    return Contestant(name, lambda: clocked(lambda: train(estimator, X, y)))


def predicting(
    name: str, estimator: Any, task: Task, rows: int, calls: int
) -> Contestant:
    """So many calls of ``predict_proba`` a run, for the first rows."""
    X, y = task.problem.X, task.problem.y

    def prepare() -> Run:
        train(estimator, X[:FEW], y[:FEW])
        asked = X[:rows]

        def work() -> None:
            for _ in range(calls):
                estimator.predict_proba(asked)

        return clocked(work)

    return Contestant(name, prepare)
