"""What is measured, by name."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from mlproof.bench import memory, problems, start
from mlproof.bench.contestants import (
    THREADS,
    Contestant,
    estimators,
    floor,
    pytorch,
    pytorch_sparse,
)
from mlproof.bench.contestants.beside import beside_another
from mlproof.bench.tasks import Task

Group = Literal["training", "prediction", "first fit", "memory"]


class Contest(NamedTuple):
    """Everybody in one case; the first is the subject, whom the others measure."""

    title: str
    contestants: Sequence[Contestant]
    per: int = 1  # what a run is divided by: its epochs, or calls
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Case(NamedTuple):
    """A contest that is set up when it begins: its data may be large."""

    name: str
    group: Group
    set_up: Callable[[], Contest]
    quick: bool = False  # among those that run if none is named


def _training(task: Task) -> Contest:
    X, y = task.problem.X, task.problem.y
    contestants = (
        estimators.fitting("mlproof", estimators.mlproof(task), X, y),
        estimators.fitting("scikit-learn", estimators.scikit_learn(task), X, y),
        pytorch.fitting(task),
        pytorch.fitting(task, compiled=True),
        floor.fitting(task),
    )
    return Contest(task.title, contestants, task.epochs, task.describe())


def _moons(activation: str) -> Contest:
    return _training(
        Task(problems.moons(), (16,), 32, 200, "sgd", activation, learning_rate=0.01)
    )


def _digits(activation: str, *, zeros: bool = True) -> Contest:
    problem = _with(problems.digits(), zeros=zeros)
    return _training(
        Task(problem, (100,), 64, 60, "sgd", activation, learning_rate=0.01)
    )


def _with(problem: problems.Problem, *, zeros: bool) -> problems.Problem:
    """With its zeros, which mlproof passes over, or with as many other numbers."""
    return problem if zeros else problems.without_zeros(problem)


def _fashion(*, zeros: bool = True) -> Contest:
    return _training(Task(_with(problems.fashion(), zeros=zeros), (100,), 200, 6))


def _double() -> Contest:
    """What who does not ask for float32 gets, beside ours in float32."""
    task = Task(problems.fashion(), (100,), 200, 6)
    (_, X, y), ours = task.problem, estimators.mlproof(task)
    X64 = X.astype(np.float64)
    theirs = estimators.scikit_learn(task)
    contestants = (
        estimators.fitting("mlproof", ours, X, y),
        estimators.fitting("mlproof in float64", estimators.mlproof(task), X64, y),
        estimators.fitting("scikit-learn in float64", theirs, X64, y),
    )
    return Contest(task.title, contestants, task.epochs, task.describe())


def _table() -> Contest:
    return _training(Task(problems.table(), (256,), 512, 6))


def _deep(*, zeros: bool = True) -> Contest:
    problem = _with(problems.fashion(), zeros=zeros)
    return _training(Task(problem, (256, 128), 128, 4))


def _text(solver: str, learning_rate: float) -> Task:
    return Task(problems.text(), (64,), 128, 10, solver, learning_rate=learning_rate)


def _sparse(solver: str, learning_rate: float) -> Contest:
    """Steps that change every weight, as scikit-learn's do."""
    task = _text(solver, learning_rate)
    X, y = task.problem.X, task.problem.y
    contestants = (
        estimators.fitting("mlproof", estimators.mlproof(task), X, y),
        estimators.fitting("scikit-learn", estimators.scikit_learn(task), X, y),
        pytorch_sparse.fitting(task),
    )
    return Contest(task.title, contestants, task.epochs, task.describe())


def _lazy() -> Contest:
    """Steps that pass over the weights of absent columns, which is another training."""
    task = _text("adam", 1e-3)
    (_, X, y), lazy = task.problem, estimators.mlproof(task, sparse_adam="lazy")
    contestants = (
        estimators.fitting("mlproof", lazy, X, y),
        estimators.fitting("mlproof, not lazy", estimators.mlproof(task), X, y),
        estimators.fitting(
            "scikit-learn, not lazy", estimators.scikit_learn(task), X, y
        ),
        pytorch_sparse.fitting(task, lazy=True),
    )
    return Contest(f"{task.title}, lazy", contestants, task.epochs, task.describe())


def _threads() -> Contest:
    task = Task(problems.fashion(), (100,), 200, 6)
    one = estimators.mlproof(task, n_threads=1)
    X, y = task.problem.X, task.problem.y
    contestants = (
        estimators.fitting("mlproof", estimators.mlproof(task), X, y),
        estimators.fitting("mlproof on one thread", one, X, y),
    )
    title = f"{task.title}, {THREADS} threads"
    return Contest(title, contestants, task.epochs, task.describe())


def _busy() -> Contest:
    """Threads that wait for one another, where two cores are not free for them."""
    task = Task(problems.fashion(), (100,), 200, 6)
    X, y = task.problem.X, task.problem.y
    one = estimators.mlproof(task, n_threads=1)
    contestants = (
        estimators.fitting("mlproof", estimators.mlproof(task), X, y),
        estimators.fitting("mlproof on one thread", one, X, y),
        estimators.fitting("scikit-learn", estimators.scikit_learn(task), X, y),
        pytorch.fitting(task),
    )
    title = f"{task.title}, beside a program that keeps a core busy"
    beside = tuple(map(beside_another, contestants))
    return Contest(title, beside, task.epochs, task.describe())


def _predicting(rows: int, calls: int) -> Contest:
    task = Task(problems.fashion(), (100,), 200, 1)
    ours, theirs = estimators.mlproof(task), estimators.scikit_learn(task)
    contestants = [
        estimators.predicting("mlproof", ours, task, rows, calls),
        estimators.predicting("scikit-learn", theirs, task, rows, calls),
        pytorch.predicting(task, rows, calls),
    ]
    if rows > 1:
        contestants.append(floor.predicting(task, rows, calls))
    units = "-".join(map(str, task.units))
    title = f"predict_proba of {rows:,} row{'s' * (rows > 1)}, {units}"
    settings = {"rows": rows, "units": list(task.units)}
    return Contest(title, contestants, calls, settings)


def _first_fit() -> Contest:
    return Contest(
        start.TITLE,
        (
            start.starting("mlproof", "mlproof", engine="compiled"),
            start.starting(
                "mlproof, compiling",
                "mlproof",
                engine="compiled",
                compiling=True,
            ),
            start.starting("mlproof on NumPy", "mlproof", engine="numpy"),
            start.starting("scikit-learn", "sklearn.neural_network"),
        ),
    )


def _memory(dtype: str, *, early_stopping: bool = False) -> Contest:
    task = memory.task_on(dtype)
    title = f"{task.problem.what}, {dtype}" + ", early stopping" * early_stopping
    contestants = [
        memory.fitting(library, dtype, early_stopping=early_stopping)
        for library in memory.ESTIMATORS
    ]
    settings = task.describe() | {
        "dtype": dtype,
        "early_stopping": early_stopping,
        "bytes_of_data": int(task.problem.X.nbytes),
    }
    return Contest(title, contestants, settings=settings)


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("moons", "training", partial(_moons, "relu"), quick=True),
        Case("moons-tanh", "training", partial(_moons, "tanh")),
        Case("moons-logistic", "training", partial(_moons, "logistic")),
        Case("digits", "training", partial(_digits, "relu"), quick=True),
        Case("digits-full", "training", partial(_digits, "relu", zeros=False)),
        Case("digits-tanh", "training", partial(_digits, "tanh")),
        Case("fashion", "training", _fashion, quick=True),
        Case("fashion-full", "training", partial(_fashion, zeros=False)),
        Case("fashion-float64", "training", _double),
        Case("table", "training", _table),
        Case("deep", "training", _deep),
        Case("deep-full", "training", partial(_deep, zeros=False)),
        Case("sparse-adam", "training", partial(_sparse, "adam", 1e-3)),
        Case("sparse-adam-lazy", "training", _lazy),
        Case("sparse-sgd", "training", partial(_sparse, "sgd", 0.01)),
        Case("threads", "training", _threads),
        Case("busy-core", "training", _busy),
        Case("predict-one", "prediction", partial(_predicting, 1, 1000), quick=True),
        Case("predict-many", "prediction", partial(_predicting, 10_000, 5), quick=True),
        Case("first-fit", "first fit", _first_fit),
        Case("memory", "memory", partial(_memory, "float32")),
        Case(
            "memory-early-stopping",
            "memory",
            partial(_memory, "float32", early_stopping=True),
        ),
        Case("memory-uint8", "memory", partial(_memory, "uint8")),
    )
}


def chosen(names: Iterable[str], *, everything: bool = False) -> list[Case]:
    """The cases of these names; without any, the quick ones, or all."""
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise ValueError(
            f"there is no case {unknown[0]!r}; there are {', '.join(CASES)}."
        )
    if not names:
        return [case for case in CASES.values() if everything or case.quick]
    return [CASES[name] for name in names]
