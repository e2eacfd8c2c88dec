"""Training as a generator of epochs.

Whoever iterates drives it and sees every epoch as it ends: the progress bar, the
printed log and the early stop of a user are loops over these records.  The state is
explicit: theta, the optimiser and the history are passed in and changed in place.
"""

import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from mlproof.engines import Engine, Examples
from mlproof.functions import Array
from mlproof.optimizers import Optimizer
from mlproof.penalties import Penalty


class Epoch(NamedTuple):
    """What happened in one pass over the examples (L-BFGS: in one iteration)."""

    number: int  #                     from 1, within this run
    loss: float  #                     regularised risk, averaged over the epoch
    validation_score: float | None  #  None without early stopping
    learning_rate: float | None  #     Adam's with its bias correction, or None
    message: str | None = None  #      what the stopping rule says, where it speaks


@dataclass
class History:
    """What training remembers between epochs, and between runs that continue it."""

    n_iter: int = 0  # epochs, or iterations of L-BFGS, of this fit
    n_seen: int = 0  # examples in batches, over all fits
    loss: float = np.inf
    warning: str | None = None  # why this fit ended before it converged, if it did
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    validation_scores: list[float] = field(default_factory=list)
    best_validation_score: float = -np.inf
    best_theta: Array | None = None
    n_without_improvement: int = 0
    n_runs: int = 0

    def _append(self, loss: float) -> None:
        self.n_iter += 1
        self.loss = loss
        self.loss_curve.append(loss)

    def record_loss(self, loss: float, tol: float) -> None:
        """Count an epoch without improvement unless the loss fell by at least tol."""
        self._append(loss)
        stalled = loss > self.best_loss - tol
        self.n_without_improvement = self.n_without_improvement + 1 if stalled else 0
        if loss < self.best_loss:  # unlike min, this passes over NaN
            self.best_loss = loss

    def record_score(self, loss: float, score: float, tol: float, theta: Array) -> None:
        """The same for the validation score; the best theta so far is kept."""
        self._append(loss)
        self.validation_scores.append(score)
        stalled = score < self.best_validation_score + tol
        self.n_without_improvement = self.n_without_improvement + 1 if stalled else 0
        if score > self.best_validation_score:
            self.best_validation_score = score
            self.best_theta = theta.copy()

    def judge_beginning(self, score: float, theta: Array) -> None:
        """Where training goes on, the best theta so far is the one it begins with.

        Its score on the rows held out now is another than before, if these are others.
        """
        if score != self.best_validation_score:
            self.best_validation_score = score
            self.n_without_improvement = 0
        self.best_theta = theta.copy()


class Rules(NamedTuple):
    """How examples are visited, and when to stop."""

    max_iter: int
    batch_size: int
    shuffle: bool
    tol: float
    n_iter_no_change: float


def descend(
    engine: Engine,
    theta: Array,
    optimizer: Optimizer,
    examples: Examples,
    penalty: Penalty,
    rules: Rules,
    history: History,
    rng: np.random.RandomState,
    rows: Array | None = None,
    validation_score: Callable[[], float] | None = None,
    resumed: bool = False,
) -> Iterator[Epoch]:
    """Train by batches: gradient descent, SGD or Adam, as the optimiser has it.

    ``rows`` are the training rows (all, if None); ``validation_score`` is asked after
    each epoch, and before the first where training is resumed, and, if given, decides
    when to stop instead of the loss.
    """
    n = examples.X.shape[0] if rows is None else len(rows)
    order = rows
    if validation_score is not None and resumed:
        history.judge_beginning(validation_score(), theta)
    for number in range(1, rules.max_iter + 1):
        if rules.shuffle:  # each epoch shuffles the order of the one before
            permutation = rng.permutation(n)
            order = permutation if order is None else order[permutation]
        loss = engine.epoch(
            theta, optimizer, examples, order, rules.batch_size, penalty
        )
        history.n_seen += n
        score = None if validation_score is None else validation_score()
        if score is None:
            history.record_loss(loss, rules.tol)
        else:
            history.record_score(loss, score, rules.tol, theta)
        optimizer.end_epoch(history.n_seen)
        message, stop = None, False
        if history.n_without_improvement > rules.n_iter_no_change:
            stop = optimizer.plateau()
            message = _plateau_message(rules, optimizer, score is not None, stop)
            if not stop:
                history.n_without_improvement = 0
        yield Epoch(number, loss, score, optimizer.learning_rate, message)
        if stop:
            return
    history.warning = (
        f"Training ended at max_iter={rules.max_iter} epochs and had not converged "
        "yet; a larger max_iter lets it go on."
    )


def _plateau_message(
    rules: Rules, optimizer: Optimizer, scored: bool, stop: bool
) -> str:
    what = "Validation score" if scored else "Training loss"
    then = "Stopping." if stop else f"Learning rate set to {optimizer.learning_rate:g}."
    return (
        f"{what} did not improve by more than tol={rules.tol:g} for "
        f"{rules.n_iter_no_change:g} consecutive epochs. {then}"
    )


def lbfgs(
    engine: Engine,
    theta: Array,
    examples: Examples,
    penalty: Penalty,
    history: History,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
) -> Iterator[Epoch]:
    """Train on all examples at once by SciPy's L-BFGS-B, theta following each iterate.

    The objective is computed in float64, whatever theta is: in float32 the rounding of
    the loss would mislead the line search long before it converges.
    """

    def objective(theta64: Array) -> tuple[float, Array]:
        return engine.risk_and_gradient(theta64, examples, penalty)

    result = OptimizeResult()

    def run(callback: Callable[[OptimizeResult], None]) -> None:
        nonlocal result
        result = minimize(
            objective,
            theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=callback,
            options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
        )

    for number, iterate in enumerate(_stepwise(run), start=1):
        theta[...] = iterate.x
        history.record_loss(float(iterate.fun), tol)
        yield Epoch(number, history.loss, None, None)
    theta[...] = result.x
    history.loss, history.n_iter = float(result.fun), min(result.nit, max_iter)
    history.best_loss = min(history.best_loss, history.loss)
    if result.status != 0:
        history.warning = (
            f"L-BFGS had not converged after {result.nit} iterations "
            f"({result.message}). Raise max_iter or max_fun, or scale the columns of X."
        )


def _stepwise(
    run: Callable[[Callable[[Any], None]], None],
) -> Iterator[Any]:
    """Turn a function that calls back at every step into a generator of its steps.

    The function runs in a thread and waits in its callback until the generator is asked
    for the next step; closing the generator makes the callback raise StopIteration,
    which ends a SciPy minimiser.
    """
    handed: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    go_on = Semaphore(0)
    closed = False

    def callback(intermediate_result: Any) -> None:
        handed.put(("step", intermediate_result))
        go_on.acquire()
        if closed:
            raise StopIteration

    def work() -> None:
        try:
            run(callback)
            handed.put(("end", None))
        except BaseException as error:  # re-raised where the generator is read
            handed.put(("error", error))

    # The caller's context carries its np.errstate into the thread.
    thread = Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        while True:
            kind, value = handed.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
            go_on.release()
    finally:
        closed = True
        go_on.release()
        thread.join()
