"""The fast engine: the formulas of deep.py as compiled loops, shared by threads.

It computes what NumpyEngine computes, to rounding, and the same bits for any number of
threads.  From above:

    this file                     takes an engine's orders
    team, barrier, claims         keep the threads together, and share out tiles
    epoch, sparse_epoch           go through the batches
    chunk                         takes a chunk through the network
    first_layer, zero_inputs      share out the inputs, and pass over those that are 0
    gather, products, units       work on the rows of a chunk
    update, sparse_rows,          work on a tile of theta, or on rows of it
      batch_columns
    cores                         tells how many threads there are cores for
    passes, plan, workspace,      say where everything lies, and hand it to the kernels
      ledger, data, state
    microkernel, weighted_rows,   the arithmetic of products and of exp and log
      marks, nonzeros, elementary
    toolchain, machine, linking,  what Numba lacks for the purpose
      stages, helper
"""

import time
from collections.abc import Iterator
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from mlproof.deep import Network
from mlproof.engines import Examples, products_per_row
from mlproof.engines.chunks import tree_sum, worth_sharing
from mlproof.engines.compiled.batch_columns import CSR
from mlproof.engines.compiled.cores import cores_for
from mlproof.engines.compiled.data import Data, writable
from mlproof.engines.compiled.ledger import Ledger
from mlproof.engines.compiled.passes import DensePass, SparsePass
from mlproof.engines.compiled.plan import (
    Plan,
    effort_of,
    half_of,
    plan_for,
    worth_marking,
)
from mlproof.engines.compiled.sparse_rows import DEFERRED, EVERY_ROW, TOUCHED_ONLY
from mlproof.engines.compiled.state import State
from mlproof.engines.compiled.team import Team
from mlproof.engines.compiled.toolchain import announced, uncollected
from mlproof.engines.compiled.update import ADAM, KEEP
from mlproof.engines.compiled.workspace import RISK, ROWS, STEPS, Workspace, table
from mlproof.engines.numpy_engine import NumpyEngine, batch_by_batch, regularised
from mlproof.engines.threads import available
from mlproof.functions import Array
from mlproof.optimizers import Adam, Optimizer
from mlproof.penalties import Penalty, no_penalty

# Ctrl-C and the progress bar are answered between two calls of a kernel.
SECONDS_PER_CALL = 0.05

# How many times as long a multiplication takes where examples are sparse.
SPARSE_COST = 5

_compiled: set[Any] = set()  # the kernels, and what they are ready for


class _Asked(NamedTuple):
    """What is the same in all epochs of a fit."""

    theta: Array
    optimizer: Optimizer
    examples: Examples
    n: int
    batch_size: int
    penalty: Penalty
    rule: int

    def same_as(self, other: "_Asked") -> bool:
        """Whether what serves the other serves this: the same arrays, in one place."""
        return all(map(is_, self[:3], other[:3])) and self[3:] == other[3:]


class CompiledEngine:
    """One engine for one fit: it keeps its workspace and its threads between epochs."""

    def __init__(
        self, network: Network, n_threads: int = 1, lazy_adam: bool = False
    ) -> None:
        self.network, self.n_threads, self.lazy_adam = network, n_threads, lazy_adam
        self._cores = cores_for(n_threads)
        self._teams: dict[int, Team] = {}
        self._workspace: Workspace | None = None
        self._data: tuple[Examples, Any, Data] | None = None
        self._planned: tuple[Data, tuple[int, int], Plan] | None = None
        self._ledger: tuple[Data, tuple[int, int], Ledger] | None = None
        self._prepared: tuple[_Asked, DensePass | None] | None = None
        self._seconds_per_batch = 0.0

    # ---- predicting, and single gradients -------------------------------------------

    def logits(self, theta: Array, X: Any, rows: Array | None = None) -> Array:
        return NumpyEngine(self.network, self.n_threads).logits(theta, X, rows)

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        s = batch.total_weight()
        if s == 0:
            return 0.0, np.zeros_like(theta)
        risk, grad = tree_sum(self._sums(theta, batch, s))  # (S.1, S.2)
        return regularised(risk, grad, theta, self.network.units, penalty.over(s))

    def _sums(
        self, theta: Array, batch: Examples, s: float
    ) -> Iterator[tuple[float, Array]]:
        """The sums over 1, 2, 4 .. chunks at a time, as many as the workspace takes."""
        theta, n = _writable(theta), batch.X.shape[0]
        data, nothing = self._data_for(batch, theta), no_penalty(self.network.n_layers)
        plan, mode = self._plan(data, theta, KEEP, nothing, n)
        cut = plan.cuts(n)
        chunk_rows = int(np.diff(cut).max())
        together = 1
        while together * 2 * chunk_rows <= plan.capacity:
            together *= 2
        rows = np.arange(n)
        most = min(together * chunk_rows, n)
        workspace = self._workspace_for(plan, theta, most, batch, data)
        for i in range(0, len(cut) - 1, together):
            piece = cut[i : i + together + 1]
            grad, length = np.empty_like(theta), int(piece[-1] - piece[0])
            workspace.buffers.totals[:] = 0
            cuts = table(piece - piece[0])
            arguments = workspace, data, KEEP, nothing, theta, length, cuts, s
            one = self._pass(mode, *arguments)
            state = State(KEEP, np.zeros(4), 0, grad, grad)
            one.begin(rows[piece[0] : piece[-1]], state)
            one.share(self._cores.n_threads())
            self._run(one, 0, 1)
            yield float(workspace.buffers.totals[RISK]) / length, grad

    # ---- epochs ----------------------------------------------------------------------

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
        state = State.of(optimizer, theta)
        given = theta, optimizer, examples, n, batch_size, penalty
        asked = _Asked(*given, state.rule)
        if self._prepared is None or not asked.same_as(self._prepared[0]):
            self._prepared = asked, self._prepare(asked)
        epoch_pass = self._prepared[1]
        if epoch_pass is None:
            return batch_by_batch(
                self.risk_and_gradient,
                theta,
                optimizer,
                examples,
                order,
                batch_size,
                penalty,
                self.network.units[1],
                self.lazy_adam,
            )
        rows = np.arange(n) if order is None else writable(order, np.int64)
        epoch_pass.begin(rows, state)
        totals = epoch_pass.workspace.buffers.totals
        totals[:] = 0
        try:
            self._go_through(epoch_pass, -(-n // batch_size))
        except BaseException:
            # A batch may be half indexed, or some rows up to date and some not.
            self._prepared = self._ledger = None
            raise
        finally:
            if isinstance(optimizer, Adam):
                optimizer.t += int(totals[STEPS])
                optimizer.learning_rate = optimizer.rate(optimizer.t)
        return float(totals[RISK] / max(totals[ROWS], 1))

    def _prepare(self, asked: _Asked) -> DensePass | None:
        """How such epochs are gone through; None if a batch has too many rows."""
        theta, _, examples, n, batch_size, penalty, rule = asked
        most = min(batch_size, n)
        data = self._data_for(examples, theta)
        plan, mode = self._plan(data, theta, rule, penalty, most)
        if batch_size > plan.capacity:
            return None
        workspace = self._workspace_for(plan, theta, most, examples, data)
        cuts = workspace.cuts(batch_size, n % batch_size)
        arguments = workspace, data, rule, penalty, theta, batch_size, cuts
        return self._pass(mode, *arguments)

    def _pass(self, mode: int | None, *arguments: Any) -> DensePass:
        """One over dense examples, or over sparse ones, whose rows change so."""
        if mode is None:
            return DensePass(*arguments)
        workspace, data, _, _, theta, *_ = arguments
        ledger_for = partial(self._ledger_for, data, theta, workspace.rows)
        n_weights = self.network.units[0] * self.network.units[1]
        team = self._team(self._threads_for(n_weights))
        n_threads = min(self._cores.n_threads(), workspace.n_threads)
        return SparsePass(mode, ledger_for, n_threads, team, *arguments)

    def _plan(
        self, data: Data, theta: Array, rule: int, penalty: Penalty, rows: int
    ) -> tuple[Plan, int | None]:
        """The plan of an epoch and, for sparse examples, how rows change."""
        if not data.sparse:
            return self._dense_plan(data, theta, rows), None
        if rule == ADAM:
            mode = TOUCHED_ONLY if self.lazy_adam else EVERY_ROW
        else:  # every weight is moved by its sign, or asked for its gradient
            mode = EVERY_ROW if penalty.l1[0] or rule == KEEP else DEFERRED
        units, by_rows = self.network.units, mode != EVERY_ROW
        return plan_for(units, theta.itemsize, True, by_rows), mode

    def _dense_plan(self, data: Data, theta: Array, rows: int = 0) -> Plan:
        """The plan for batches of so many rows, or for any; the same in every epoch."""
        units, itemsize = self.network.units, theta.itemsize
        last = self._planned
        if last is None or last[0] is not data or last[1] != (itemsize, rows):
            marked = worth_marking(data.nonzeros.mean(), units, itemsize)
            effort = effort_of(data.nonzeros, marked)
            half_at = half_of(units, rows, effort) if rows else 0
            plan = plan_for(units, itemsize, marked=marked, half_at=half_at)
            self._planned = last = data, (itemsize, rows), plan
        return last[2]

    def _go_through(self, epoch_pass: DensePass, n_batches: int) -> None:
        """All batches, so many at a time that Ctrl-C need not wait for long."""
        done = 0
        try:
            while done < n_batches:
                most = min(self._batches_per_call(), epoch_pass.most_batches())
                end = min(done + most, n_batches)
                epoch_pass.share(self._cores.n_threads())
                seconds = self._run(epoch_pass, done, end)
                self._seconds_per_batch = seconds / (end - done)
                done = end
        finally:
            epoch_pass.close()

    def _batches_per_call(self) -> int:
        if self._seconds_per_batch == 0:
            return 1
        return max(int(SECONDS_PER_CALL / self._seconds_per_batch), 1)

    def _run(self, one: DensePass, first_batch: int, last_batch: int) -> float:
        """These batches, by all threads; how many seconds they took."""
        kernel, workspace, n_threads = one.kernel, one.workspace, one.n_threads
        # Added to by every call, so that when a call ends does not show in the bits.
        arguments = one.arguments(int(workspace.buffers.totals[STEPS]))
        version = kernel, workspace.dtype, workspace.plan.marked
        if version not in _compiled:
            with announced(_rows_of(workspace)), uncollected():
                one.compile(helped=min(self.n_threads, available()) > 1)
            _compiled.add(version)
        away = [0.0] * n_threads

        def work(thread: int) -> None:
            kernel(thread, first_batch, last_batch, *arguments)

        def watched(thread: int) -> None:
            began, given = time.perf_counter(), time.thread_time()
            work(thread)
            given = time.thread_time() - given
            away[thread] = time.perf_counter() - began - given

        began = time.perf_counter()
        try:
            team, barrier = self._team(n_threads), workspace.buffers.barrier
            team.run(watched if n_threads > 1 else work, barrier)
        except BaseException:
            # The barrier is broken, and a batch may be half indexed.
            self._workspace = self._prepared = self._ledger = None
            raise
        seconds = time.perf_counter() - began
        self._cores.worked(n_threads, sum(away), seconds)
        return seconds

    # ---- what outlives an epoch ------------------------------------------------------

    def _data_for(self, examples: Examples, theta: Array) -> Data:
        """What was made of the same examples for the last epoch, if it was."""
        last, dtype = self._data, theta.dtype
        if last is None or last[0] is not examples or last[1] != dtype:
            data = Data.of(examples, theta, self.network.input_scale)
            self._data = last = examples, dtype, data
        return last[2]

    def _workspace_for(
        self, plan: Plan, theta: Array, rows: int, examples: Examples, data: Data
    ) -> Workspace:
        last = self._workspace
        if last is not None and last.fits(plan, theta.dtype, rows):
            return last
        products = rows * products_per_row(self.network.units, examples.X)
        # Rows of weights that lie anywhere in memory take their time.
        n_threads = self._threads_for(
            SPARSE_COST * products if plan.sparse else products
        )
        effort = effort_of(data.nonzeros, plan.marked)
        self._workspace = Workspace(
            self.network, plan, theta.dtype, rows, n_threads, effort
        )
        return self._workspace

    def _threads_for(self, multiplications: int) -> int:
        return self.n_threads if worth_sharing(multiplications) else 1

    def _team(self, n_threads: int) -> Team:
        if n_threads not in self._teams:
            self._teams[n_threads] = Team(n_threads)
        return self._teams[n_threads]

    def _ledger_for(
        self, data: Data, theta: Array, rows: int, n_threads: int
    ) -> Ledger:
        shape, last = (rows, n_threads), self._ledger
        if last is None or last[0] is not data or last[1] != shape:
            assert isinstance(data.X, CSR)
            ledger = Ledger(data.X, self.network.units[0], *shape, theta.dtype)
            self._ledger = last = data, shape, ledger
        return last[2]


def _rows_of(workspace: Workspace) -> str:
    """What the kernels are for that such a workspace needs."""
    sparse = "sparse " if workspace.plan.sparse else ""
    marked = " that have many zeros" if workspace.plan.marked else ""
    return f"{sparse}{workspace.dtype.name} rows{marked}"


def _writable(theta: Array) -> Array:
    """The same memory without the read-only flag, which would need kernels of its own.

    For kernels that leave theta as it is; it may be mapped from a model file.
    """
    theta = np.ascontiguousarray(theta)
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
