"""One epoch as the kernels are asked for it: which kernel, with which arguments."""

from typing import Any

from mlproof.engines.compiled.data import Data
from mlproof.engines.compiled.epoch import RISK, epoch
from mlproof.engines.compiled.ledger import Ledger
from mlproof.engines.compiled.plan import Table
from mlproof.engines.compiled.sparse_epoch import sparse_epoch
from mlproof.engines.compiled.sparse_rows import DEFERRED, EVERY_ROW
from mlproof.engines.compiled.state import State, penalty_table
from mlproof.engines.compiled.team import Team
from mlproof.engines.compiled.update import DESCEND, MOMENTUM
from mlproof.engines.compiled.workspace import Workspace
from mlproof.functions import Array
from mlproof.parameters import zeros_like
from mlproof.penalties import Penalty, no_penalty


class DensePass:
    """Dense examples: every weight changes with every batch."""

    kernel: Any = staticmethod(epoch)

    def __init__(
        self,
        workspace: Workspace,
        data: Data,
        state: State,
        penalty: Penalty,
        theta: Array,
        order: Table,
        batch_size: int,
        *,
        cuts: Table | None = None,
        total_weight: float = 0.0,
    ) -> None:
        self.workspace, self.data, self.theta = workspace, data, theta
        self.state, self.penalty = state, penalty
        self._order, self._total_weight = order, total_weight
        if cuts is None:
            cuts = workspace.cuts(batch_size, len(order) % batch_size)
        self._tables = workspace.tables(state.rule, batch_size, cuts)
        self._others: tuple[Any, ...] = workspace.halves, workspace.zero_inputs

    def arguments(self, steps: int) -> tuple[Any, ...]:
        """Those after the thread and the batches; so many steps have been made."""
        state = self.state
        return (
            self._order,
            *self.data.arguments,
            self._total_weight,
            *self._tables,
            penalty_table(self.penalty),
            state.settings,
            state.t + steps,
            self.theta,
            state.first,
            state.second,
            *self.workspace.buffers,
            *self._others,
        )

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
        ledger: Ledger,
        team: Team,
        workspace: Workspace,
        data: Data,
        state: State,
        *others: Any,
    ) -> None:
        if state.rule == DESCEND:
            # The recurrence is one of two numbers; without momentum the second is 0.
            velocity = zeros_like(others[1])
            state = state._replace(rule=MOMENTUM, first=velocity)
        super().__init__(workspace, data, state, *others)
        self._mode, self._ledger, self._team = mode, ledger, team
        self._others = mode, *ledger.buffers
        units = workspace.plan.units
        size = units[0] * units[1]
        self._W = self.theta[:size].reshape(units[:2])
        self._V = self.state.first[:size].reshape(units[:2])

    def most_batches(self) -> int:
        if self._ledger.steps_left == 0:
            self._close_ledger()
        return self._ledger.steps_left

    def close(self) -> None:
        penalised = self.penalty != no_penalty(len(self.penalty.l1))
        if self._mode == DEFERRED or (self._mode != EVERY_ROW and penalised):
            self._close_ledger()

    def _close_ledger(self) -> None:
        settled = self._ledger.close(self._mode, self._W, self._V, self._team)
        self.workspace.totals[RISK] += settled
