"""PyTorch on the CPU, eager and compiled, by a training loop as one would write it.

Batches are rows of one tensor, taken by a permutation, which is several times faster
than a DataLoader; the optimisers are the fused ones, the number of threads is whichever
is faster.  Neither the penalty alpha nor the loss of the epoch is computed, which the
estimators do: both are in PyTorch's favour.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from mlproof.bench.contestants import THREADS, Contestant, Run, Unavailable, clocked
from mlproof.bench.tasks import Task

UNITS = {"relu": "ReLU", "tanh": "Tanh", "logistic": "Sigmoid"}


def library() -> Any:
    """The module torch, which is no dependency."""
    try:
        import torch
    except ImportError:
        raise Unavailable("PyTorch is not installed") from None
    torch.manual_seed(0)
    return torch


def tuned(torch: Any, work: Callable[[], None]) -> Run:
    """Runs with as many threads as are best for this work, found after the first run.

    PyTorch shares work that is too small for it: two threads are then slower than one,
    and now and then many times slower, so of two runs the longer counts.
    """
    best: list[int] = []

    def on(threads: int) -> float:
        torch.set_num_threads(threads)
        return clocked(work)()

    def run() -> float:
        if best:
            return on(best[0])
        first = on(1)
        best.append(min({1, THREADS}, key=lambda n: max(on(n) for _ in range(2))))
        return first

    return run


def network(torch: Any, units: tuple[int, ...], activation: str) -> Any:
    """Linear layers with units between them."""
    layers: list[Any] = []
    for fan_in, fan_out in pairwise(units):
        layers += [
            torch.nn.Linear(fan_in, fan_out),
            getattr(torch.nn, UNITS[activation])(),
        ]
    return torch.nn.Sequential(*layers[:-1])


def optimizer(torch: Any, task: Task, parameters: Any) -> Any:
    if task.solver == "adam":
        return torch.optim.Adam(parameters, lr=task.learning_rate, fused=True)
    return torch.optim.SGD(
        parameters,
        lr=task.learning_rate,
        momentum=task.momentum,
        nesterov=True,
        fused=True,
    )


def risk_and_labels(torch: Any, task: Task) -> tuple[Callable[[Any, Any], Any], Any]:
    """The loss on logits, and the classes as it wants them."""
    y = torch.from_numpy(task.problem.y)
    if task.units[-1] == 1:
        return torch.nn.BCEWithLogitsLoss(), y.float()[:, None]
    return torch.nn.CrossEntropyLoss(), y


def fitting(task: Task, *, compiled: bool = False) -> Contestant:
    """The epochs of a run; the next run goes on with the same network."""

    def prepare() -> Run:
        torch = library()
        model = network(torch, task.units, task.activation)
        steps = optimizer(torch, task, model.parameters())
        risk, y = risk_and_labels(torch, task)
        X = torch.from_numpy(task.problem.X)

        def loss(rows: Any, labels: Any) -> Any:
            return risk(model(rows), labels)

        if compiled:
            # Of the code it has seen before it compiles only so many shapes, and then
            # goes on eagerly: each case begins anew.
            torch.compiler.reset()
            loss = torch.compile(loss)

        def work() -> None:
            for _ in range(task.epochs):
                for rows in torch.randperm(len(X)).split(task.batch_size):
                    steps.zero_grad()
                    loss(X[rows], y[rows]).backward()
                    steps.step()

        return tuned(torch, _if_it_compiles(work) if compiled else work)

    return Contestant("torch.compile" if compiled else "PyTorch", prepare)


def _if_it_compiles(work: Callable[[], None]) -> Callable[[], None]:
    """The same; it needs a C++ compiler, and more, which it says by many exceptions."""

    def tried() -> None:
        try:
            work()
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise Unavailable(f"torch.compile failed: {reason}") from error

    return tried


def predicting(task: Task, rows: int, calls: int) -> Contestant:
    """Probabilities from and to NumPy arrays, as an estimator gives them."""
    X = task.problem.X[:rows]

    def prepare() -> Run:
        torch = library()
        model = network(torch, task.units, task.activation)

        def work() -> None:
            with torch.inference_mode():
                for _ in range(calls):
                    torch.softmax(model(torch.from_numpy(X)), 1).numpy()

        return tuned(torch, work)

    return Contestant("PyTorch", prepare)
