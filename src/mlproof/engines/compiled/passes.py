"""One epoch as the kernels are asked for it: which kernel, with which arguments."""

from collections.abc import Callable, Iterator
from typing import Any

from mlproof.engines.compiled.chunk import through_the_network
from mlproof.engines.compiled.data import Data
from mlproof.engines.compiled.epoch import epoch
from mlproof.engines.compiled.helper import helper
from mlproof.engines.compiled.ledger import Ledger
from mlproof.engines.compiled.machine import ZERO
from mlproof.engines.compiled.microkernel import product, types_of_product
from mlproof.engines.compiled.nonzeros import panel_of_nonzeros, types_of_panel
from mlproof.engines.compiled.plan import Table, Tables
from mlproof.engines.compiled.sparse_epoch import sparse_epoch
from mlproof.engines.compiled.sparse_rows import DEFERRED, EVERY_ROW
from mlproof.engines.compiled.stages import Stage, Types, types_of
from mlproof.engines.compiled.state import State, penalty_table
from mlproof.engines.compiled.team import Team
from mlproof.engines.compiled.update import (
    DESCEND,
    MOMENTUM,
    Descent,
    change,
    tile_gradient,
)
from mlproof.engines.compiled.workspace import RISK, Workspace
from mlproof.functions import Array
from mlproof.parameters import zeros_like
from mlproof.penalties import Penalty, no_penalty


class DensePass:
    """Dense examples: every weight changes with every batch.

    Prepared once for all epochs of a fit; what is of one epoch alone, ``begin`` takes.
    """

    kernel: Any = staticmethod(epoch)

    def __init__(
        self,
        workspace: Workspace,
        data: Data,
        rule: int,
        penalty: Penalty,
        theta: Array,
        batch_size: int,
        cuts: Table,
        total_weight: float = 0.0,
    ) -> None:
        self.workspace, self.theta = workspace, theta
        self._penalty = penalty_table(penalty)
        targets = data.targets._replace(total_weight=total_weight)
        self._held = data  # what it copied lives as long as its address is known here
        self._what = data.X, targets
        self._described = rule, batch_size, cuts
        self._tables: dict[int, Tables] = {}
        self.n_threads = workspace.n_threads

    def begin(self, order: Table, state: State) -> None:
        """Go through these rows next, with the optimiser as it now is."""
        moments = state.first, state.second
        self._descent = Descent(self.theta, *moments, state.settings, self._penalty)
        self._order, self._t = order, state.t

    def arguments(self, steps: int) -> tuple[Any, ...]:
        """Those after the thread and the batches; so many steps have been made."""
        tables, so_far = self._tables_now(), (self._descent, self._t + steps)
        buffers = self.workspace.buffers
        return self._order, *self._what, tables, *so_far, buffers, *self._last

    def _tables_now(self) -> Tables:
        n = self.n_threads
        if n not in self._tables:
            self._tables[n] = self.workspace.tables(*self._described, n)
        return self._tables[n]

    @property
    def _last(self) -> tuple[Any, ...]:
        return (self.workspace.zero_inputs,)

    def compile(self, helped: bool) -> None:
        """Have all kernels ready, with the help of another process or without."""
        calls = list(self._stages())
        for stage, types in calls:
            stage.declare(types)
        missing = [call for call in calls if not call[0].load(call[1])]
        # With the kernels about half of all work is left.
        n_helped = -(-len(missing) // 2) if helped else 0
        with helper(missing[:n_helped], calls):
            for stage, types in missing[n_helped:]:
                stage.compile(types)
            self._ask_for_nothing()
        for stage, types in missing[:n_helped]:
            stage.compile(types)  # what was kept is loaded

    def _stages(self) -> Iterator[tuple[Stage, Types]]:
        """What the kernels call, for what arguments; what takes longest comes first."""
        order, _, targets, tables, descent, _, buffers, *_ = self.arguments(0)
        work, room, top = buffers.work, buffers.room[0], buffers.top
        tile, cut, sums = tables.tiles[0], tables.cuts[0], buffers.sums[0]
        inputs, s, rate = self.workspace.zero_inputs, 0.0, 0.0
        chunk = tables, self.theta, work, room, top, order, ZERO, targets, s
        yield through_the_network.stage, types_of(*chunk)
        yield product.stage, types_of_product(sums)
        if inputs is not None:
            yield panel_of_nonzeros.stage, types_of_panel(sums)
        gradient = tables, tile, cut, ZERO, work, inputs, sums
        yield tile_gradient.stage, types_of(*gradient)
        yield change.stage, types_of(tables, tile, descent, s, rate, sums[0])

    def _ask_for_nothing(self) -> None:
        """Call every kernel, which Numba compiles then."""
        self.kernel(0, 0, 0, *self.arguments(0))

    def share(self, n_threads: int) -> None:
        """Let so many threads go on, no more than the workspace is for, if they can."""
        self.n_threads = min(n_threads, self.workspace.n_threads)

    def most_batches(self) -> int:
        """How many batches can be asked for now."""
        return len(self._order)

    def close(self) -> None:
        """Make every weight what its readers expect."""


class SparsePass(DensePass):
    """Sparse examples: a batch changes the rows it touches, the others when needed."""

    kernel: Any = staticmethod(sparse_epoch)

    def __init__(
        self,
        mode: int,
        ledger_for: Callable[[int], Ledger],
        n_threads: int,
        team: Team,
        workspace: Workspace,
        data: Data,
        rule: int,
        penalty: Penalty,
        theta: Array,
        batch_size: int,
        cuts: Table,
        total_weight: float = 0.0,
    ) -> None:
        # The recurrence is one of two numbers; without momentum the second is 0.
        self._without_momentum = rule == DESCEND
        if self._without_momentum:
            rule, self._velocity = MOMENTUM, zeros_like(theta)
        arguments = workspace, data, rule, penalty, theta, batch_size, cuts
        super().__init__(*arguments, total_weight)
        self._mode, self._team = mode, team
        self.n_threads = n_threads
        self._ledger_for, self._ledger = ledger_for, ledger_for(n_threads)
        owes_penalty = penalty != no_penalty(len(penalty.l1))
        self._owes = mode == DEFERRED or (mode != EVERY_ROW and owes_penalty)

    def begin(self, order: Table, state: State) -> None:
        if self._without_momentum:
            state = state._replace(rule=MOMENTUM, first=self._velocity)
        super().begin(order, state)

    @property
    def _last(self) -> tuple[Any, ...]:
        return self._mode, self._ledger.columns

    def share(self, n_threads: int) -> None:
        if self._owes and not self._ledger.is_new:
            return  # when rows are brought up to date shows in the bits
        before = self.n_threads
        super().share(n_threads)
        if self.n_threads != before:
            self._ledger = self._ledger_for(self.n_threads)

    def most_batches(self) -> int:
        if self._ledger.steps_left == 0:
            self._close_ledger()
        return self._ledger.steps_left

    def close(self) -> None:
        if self._owes:
            self._close_ledger()

    def _ask_for_nothing(self) -> None:
        super()._ask_for_nothing()
        self._ledger.compile(self._mode, *self._first_layer())

    def _close_ledger(self) -> None:
        settled = self._ledger.close(self._mode, *self._first_layer(), self._team)
        self.workspace.buffers.totals[RISK] += settled

    def _first_layer(self) -> tuple[Array, Array]:
        """Its weights and their velocities, (d, d_h)."""
        units = self.workspace.plan.units
        size = units[0] * units[1]
        W, V = self.theta[:size], self._descent.first[:size]
        return W.reshape(units[:2]), V.reshape(units[:2])
