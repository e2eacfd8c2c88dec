"""The readable engine: deep.py over the chunks of a batch, in plain NumPy."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from mlproof.deep import Network, Trace, backward, forward
from mlproof.engines import Examples
from mlproof.engines.blas import single_threaded_blas
from mlproof.engines.chunks import chunks, tree_sum
from mlproof.engines.pool import share_out
from mlproof.functions import Array
from mlproof.optimizers import Adam, Optimizer
from mlproof.parameters import views
from mlproof.penalties import Penalty

# Rows that logits takes at once: longer products are no faster, and take more memory;
# and fewer where it has to copy them, as it does those held out by early stopping.
ROWS_AT_ONCE, COPIED_AT_ONCE = 1024, 128
# Parameters times rows from which more threads are worth starting for logits.
WORTH_A_THREAD = 20_000_000


@dataclass(frozen=True)
class NumpyEngine:
    """The engine that the others are compared with; see ``mlproof.engines.Engine``."""

    network: Network
    n_threads: int = 1  # for logits; a gradient is one thread's work
    lazy_adam: bool = False  # on sparse examples, see untouched

    def logits(self, theta: Array, X: Any, rows: Array | None = None) -> Array:
        return self._logits(theta, X, rows)[0]

    def finite_logits(self, theta: Array, X: Any) -> Array | None:
        """The same for an X that nobody has looked at; None if not all is finite."""
        try:
            o_a, finite = self._logits(theta, X, overflow="raise")
        except FloatingPointError:
            return None
        return o_a if finite else None

    def _logits(
        self,
        theta: Array,
        X: Any,
        rows: Array | None = None,
        overflow: Literal["raise"] | None = None,
    ) -> tuple[Array, bool]:
        """The logits, and whether they come from finite numbers alone."""
        n = X.shape[0] if rows is None else len(rows)
        # Column by column: NumPy reduces short rows one by one, columns all at once.
        o_a = np.empty((n, self.network.units[-1]), dtype=theta.dtype, order="F")

        def compute(piece: slice) -> bool:
            with no_false_alarm(overflow):
                part = X[piece if rows is None else rows[piece]]
                trace = forward(self.network, theta, part)
                o_a[piece] = trace.o_a
                return all_finite(trace)

        # Threads share pieces of X, so how many there are does not show in the bits.
        worth_it = n * theta.size >= WORTH_A_THREAD
        most = ROWS_AT_ONCE if rows is None else COPIED_AT_ONCE
        slices = pieces(n, most, 2 if worth_it else 1)
        with single_threaded_blas():
            if worth_it and self.n_threads > 1:
                finite = share_out(self.n_threads, compute, slices)
            else:
                finite = list(map(compute, slices))
        return o_a, all(finite)

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        with single_threaded_blas(), no_false_alarm():
            return self._risk_and_gradient(theta, batch, penalty)

    def _risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        s = batch.total_weight()
        if s == 0:  # nothing counts, so there is nothing to learn from this batch
            return 0.0, np.zeros_like(theta)
        risk, grad = tree_sum(self._chunk_sums(theta, batch, s))  # (S.1, S.2)
        return regularised(risk, grad, theta, self.network.units, penalty.over(s))

    def _chunk_sums(
        self, theta: Array, batch: Examples, s: float
    ) -> Iterator[tuple[float, Array]]:
        for rows in chunks(batch.X.shape[0], self.network.units, theta.itemsize):
            X, y, sample_weight = batch.take(rows)
            if sample_weight is None:
                weight = np.full(X.shape[0], 1 / s, dtype=theta.dtype)
            else:
                # Divided first: huge or tiny weights need not fit float32.
                weight = (sample_weight.astype(np.float64) / s).astype(theta.dtype)
            trace = forward(self.network, theta, X)
            risk = weight @ self.network.output.loss(trace.o_a, y)
            yield float(risk), backward(self.network, theta, y, weight, trace)

    def epoch(
        self,
        theta: Array,
        optimizer: Optimizer,
        examples: Examples,
        order: Array | None,
        batch_size: int,
        penalty: Penalty,
    ) -> float:
        with single_threaded_blas(), no_false_alarm():
            return batch_by_batch(
                self._risk_and_gradient,
                theta,
                optimizer,
                examples,
                order,
                batch_size,
                penalty,
                self.network.units[1],
                self.lazy_adam,
            )


def regularised(
    risk: float, grad: Array, theta: Array, units: tuple[int, ...], penalty: Penalty
) -> tuple[float, Array]:
    """The risk and its gradient with the penalty added; grad is changed in place."""
    W, _ = views(theta, units)
    grad_W, _ = views(grad, units)
    for grad_W_k, penalty_gradient in zip(grad_W, penalty.gradient(W), strict=True):
        grad_W_k += penalty_gradient  # (Q2.18)
    return risk + float(penalty.value(W)), grad


def batch_by_batch(
    risk_and_gradient: Callable[[Array, Examples, Penalty], tuple[float, Array]],
    theta: Array,
    optimizer: Optimizer,
    examples: Examples,
    order: Array | None,
    batch_size: int,
    penalty: Penalty,
    d_h: int,
    lazy_adam: bool,
) -> float:
    """An epoch, as ``Engine.epoch`` wants it, that makes the gradient of each batch."""
    n = examples.X.shape[0] if order is None else len(order)
    total, visited = 0.0, 0
    for start in range(0, n, batch_size):
        rows = slice(start, min(start + batch_size, n))
        batch = examples.take(rows if order is None else order[rows])
        if batch.total_weight() == 0:
            continue
        risk, grad = risk_and_gradient(theta, batch, penalty)
        total += risk * (rows.stop - rows.start)
        visited += rows.stop - rows.start
        if lazy_adam and isinstance(optimizer, Adam) and sparse.issparse(batch.X):
            optimizer.update(theta, grad, touched(batch.X, d_h, theta.size))
        else:
            optimizer.update(theta, grad)
    return total / max(visited, 1)


def touched(X: Any, d_h: int, n_theta: int) -> Array:
    """Which parameters the lazy Adam changes after a batch of these sparse rows.

    All but the weights of the first layer in columns without an entry  (O.6).
    """
    changes = np.ones(n_theta, dtype=bool)
    columns = np.ones(X.shape[1], dtype=bool)
    columns[X.indices] = False
    changes[: columns.size * d_h].reshape(-1, d_h)[columns] = False
    return changes


def pieces(n: int, most: int, together: int) -> Iterator[slice]:
    """Slices of nearly equal length up to the most, in number a multiple of so many."""
    count = -(-n // (most * together)) * together
    for i in range(count):
        yield slice(i * n // count, (i + 1) * n // count)


def all_finite(trace: Trace) -> bool:
    """Whether all of X is; what is not makes every pre-activation of its row so too."""
    first = trace.h_a[0] if trace.h_a else trace.o_a  # fewer numbers than X has
    # One call, and False too where a square overflows: whoever asks then looks closer.
    return math.isfinite(np.vdot(first, first))


def no_false_alarm(overflow: Literal["raise"] | None = None) -> np.errstate:
    """What NumPy shall say of a computation that calls BLAS; None leaves it so."""
    # OpenBLAS may flag as invalid what its kernels read beside a small matrix and never
    # use.  What is really not a number reaches theta, which is checked.
    return np.errstate(invalid="ignore", over=overflow)
