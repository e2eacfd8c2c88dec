"""The fast engine: the formulas of deep.py as compiled loops, shared by threads.

It computes what NumpyEngine computes, to rounding, and the same bits for any number of
threads.  From above: this file takes an engine's orders, team.py and barrier.py keep
the threads together, epoch.py goes through the batches; units.py, products.py and
gather.py work on the rows of a chunk, update.py on a tile of theta; plan.py and
workspace.py say where everything lies; toolchain.py, machine.py and elementary.py are
what Numba lacks for the purpose.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mlproof.deep import Network
from mlproof.engines import Examples
from mlproof.engines.blas import single_threaded_blas
from mlproof.engines.chunks import tree_sum
from mlproof.engines.compiled import gather
from mlproof.engines.compiled.epoch import (
    ALPHA,
    L1,
    L2,
    RISK,
    ROWS,
    STEPS,
    epoch,
)
from mlproof.engines.compiled.plan import Plan, Table
from mlproof.engines.compiled.team import Team
from mlproof.engines.compiled.toolchain import announced
from mlproof.engines.compiled.update import ADAM, DESCEND, KEEP, MOMENTUM, NESTEROV
from mlproof.engines.compiled.workspace import Workspace, table
from mlproof.engines.numpy_engine import NumpyEngine, batch_by_batch, regularised
from mlproof.functions import Array
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.penalties import Penalty

# Ctrl-C and the progress bar are answered between two calls of a kernel.
SECONDS_PER_CALL = 0.05
# Parameters times rows in a batch from which a second thread is worth waiting for.
WORTH_A_THREAD = 200_000

_compiled: set[Any] = set()  # the dtypes that the kernels are ready for

NONE = np.empty(0)  # what a kernel is given that has no use for an argument


class Data(NamedTuple):
    """Examples as the kernels read them; held is the array that X describes."""

    X: Table  #      three integers, see gather.py
    y: Table  #      (n,)    class numbers, or none
    labels: Array  # (n, m)  zeros and ones, or none
    weight: Array  # (n,)    float64, or none
    held: Array

    @classmethod
    def of(cls, examples: Examples, theta: Array) -> "Data":
        X, y, weight = examples
        in_rows = X.shape[1] == 1 or X.strides[1] == X.itemsize
        if X.dtype.name not in gather.DTYPES or not in_rows:
            X = np.ascontiguousarray(X, dtype=theta.dtype)
        classes, labels = (y, NONE[:, None]) if y.ndim == 1 else (NONE, y)
        return cls(
            gather.describe(X),
            np.ascontiguousarray(classes, dtype=np.int64),
            np.ascontiguousarray(labels, dtype=np.uint8),
            np.ascontiguousarray(NONE if weight is None else weight, dtype=np.float64),
            X,
        )

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.X, 1.0, self.y, self.labels, self.weight


class CompiledEngine:
    """One engine for one fit: it keeps its workspace and its threads between epochs."""

    def __init__(self, network: Network, n_threads: int = 1) -> None:
        self.network, self.n_threads = network, n_threads
        self._team = Team(1)
        self._workspace: Workspace | None = None
        self._data: tuple[Examples, Data] | None = None
        self._seconds_per_batch = 0.0

    def logits(self, theta: Array, X: Any) -> Array:
        return NumpyEngine(self.network).logits(theta, X)

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        s = batch.total_weight()
        if s == 0:
            return 0.0, np.zeros_like(theta)
        with single_threaded_blas():
            risk, grad = tree_sum(self._sums(theta, batch, s))  # (S.1, S.2)
        return regularised(risk, grad, theta, self.network.units, penalty.over(s))

    def _sums(
        self, theta: Array, batch: Examples, s: float
    ) -> Iterator[tuple[float, Array]]:
        """The sums over 1, 2, 4 .. chunks at a time, as many as the workspace takes."""
        theta, n = _writable(theta), batch.X.shape[0]
        plan = Plan(self.network.units, theta.itemsize)
        cut = plan.cuts(n)
        chunk_rows = int(np.diff(cut).max())
        together = 1
        while together * 2 * chunk_rows <= plan.capacity:
            together *= 2
        workspace = self._workspace_for(theta, min(together * chunk_rows, n))
        data, rows = self._data_for(batch, theta), np.arange(n)
        no_penalty = np.zeros((3, self.network.n_layers))
        for i in range(0, len(cut) - 1, together):
            piece = cut[i : i + together + 1]
            grad = np.empty_like(theta)
            length = int(piece[-1] - piece[0])
            workspace.totals[:] = 0
            self._run(
                workspace,
                (0, 1, rows[piece[0] : piece[-1]], *data.arguments, s),
                table(piece - piece[0]),
                (KEEP, length),
                (no_penalty, np.zeros(4), 0, theta, grad, grad),
            )
            yield float(workspace.totals[RISK]) / length, grad

    def epoch(
        self,
        theta: Array,
        optimizer: Optimizer,
        examples: Examples,
        order: Array | None,
        batch_size: int,
        penalty: Penalty,
    ) -> float:
        n = examples.X.shape[0] if order is None else len(order)
        plan = Plan(self.network.units, theta.itemsize)
        if batch_size > plan.capacity:
            return batch_by_batch(
                self.risk_and_gradient,
                theta,
                optimizer,
                examples,
                order,
                batch_size,
                penalty,
            )
        workspace = self._workspace_for(theta, min(batch_size, n))
        data = self._data_for(examples, theta)
        rows = np.arange(n) if order is None else order.astype(np.int64, copy=False)
        cuts = table(plan.cuts(batch_size), plan.cuts(n % batch_size))
        rule, settings, t, first, second = _state(optimizer, theta)
        done, n_batches = 0, -(-n // batch_size)
        # Added to by every call, so that when a call ends does not show in the bits.
        totals = workspace.totals
        totals[:] = 0
        with single_threaded_blas():
            while done < n_batches:
                end = min(done + self._batches_per_call(), n_batches)
                began = time.perf_counter()
                self._run(
                    workspace,
                    (done, end, rows, *data.arguments, 0.0),
                    cuts,
                    (rule, batch_size),
                    (
                        _penalty_table(penalty),
                        settings,
                        t + int(totals[STEPS]),
                        theta,
                        first,
                        second,
                    ),
                )
                self._seconds_per_batch = (time.perf_counter() - began) / (end - done)
                done = end
        if isinstance(optimizer, Adam):
            optimizer.t += int(totals[STEPS])
            optimizer.learning_rate = optimizer.rate(optimizer.t)
        return float(totals[RISK] / max(totals[ROWS], 1))

    def _batches_per_call(self) -> int:
        if self._seconds_per_batch == 0:
            return 1
        return max(int(SECONDS_PER_CALL / self._seconds_per_batch), 1)

    def _run(
        self,
        workspace: Workspace,
        batches: tuple[Any, ...],
        cuts: Table,
        how: tuple[int, int],
        state: tuple[Any, ...],
    ) -> None:
        plan = workspace.plan
        description = workspace.description(*how)
        tables = (plan.layers, plan.tiles, workspace.shares, cuts, description)
        arguments = (*batches, *tables, *state, *workspace.buffers)
        theta = state[3]
        if theta.dtype not in _compiled:
            with announced(theta.dtype.name):
                epoch(0, 0, 0, *arguments[2:])  # no batch: this only compiles
            _compiled.add(theta.dtype)
        try:
            self._team.run(lambda thread: epoch(thread, *arguments), workspace.barrier)
        except BaseException:
            self._workspace = None  # its barrier is broken
            raise

    def _workspace_for(self, theta: Array, rows: int) -> Workspace:
        """One that is large enough, the last one if it is."""
        last = self._workspace
        if last is None or last.dtype != theta.dtype or last.rows < rows:
            alone = theta.size * rows < WORTH_A_THREAD
            n_threads = 1 if alone else self.n_threads
            if self._team.n_threads != n_threads:
                self._team = Team(n_threads)
            last = Workspace(self.network, theta.dtype, rows, n_threads)
            self._workspace = last
        return last

    def _data_for(self, examples: Examples, theta: Array) -> Data:
        """What was made of the same examples for the last epoch, if it was."""
        if self._data is None or self._data[0] is not examples:
            self._data = examples, Data.of(examples, theta)
        return self._data[1]


def _penalty_table(penalty: Penalty) -> Array:
    """The rows that epoch.py names: l1 and l2 of each layer, and alpha."""
    rows = np.zeros((3, len(penalty.l1)))
    rows[L1], rows[L2], rows[ALPHA, 0] = penalty.l1, penalty.l2, penalty.alpha
    return rows


def _state(optimizer: Optimizer, theta: Array) -> tuple[int, Array, int, Array, Array]:
    """The rule, its numbers, the steps so far, and two moments, as kernels take them.

    The moments are the optimiser's own arrays, which the kernel changes in place.
    """
    none = theta[:0]
    if isinstance(optimizer, Adam):
        m, v = optimizer.moments(theta)
        betas = optimizer.beta_1, optimizer.beta_2
        settings = optimizer.learning_rate_init, *betas, optimizer.epsilon
        return ADAM, np.array(settings), optimizer.t, m, v
    if not isinstance(optimizer, SGD):
        raise TypeError(f"no kernel for {type(optimizer).__name__}")
    settings = optimizer.learning_rate, optimizer.momentum, 0.0, 0.0
    if optimizer.momentum == 0:
        return DESCEND, np.array(settings), 0, none, none
    rule = NESTEROV if optimizer.nesterov else MOMENTUM
    return rule, np.array(settings), 0, optimizer.moment(theta), none


def _writable(theta: Array) -> Array:
    """The same memory without the read-only flag, which would need kernels of its own.

    For kernels that leave theta as it is; it may be mapped from a model file.
    """
    if theta.flags.writeable:
        return theta
    interface = {
        "shape": theta.shape,
        "typestr": theta.dtype.str,
        "data": (theta.ctypes.data, False),
        "version": 3,
    }
    holder = type("Memory", (), {"__array_interface__": interface, "held": theta})
    return np.asarray(holder())
