"""The rows of the first layer that sparse batches touch, and what the others owe."""

import math
from typing import Any

import numpy as np

from mlproof.engines.compiled import barrier
from mlproof.engines.compiled.batch_columns import CSR, NO_SLOT, STEPS_DONE, Columns
from mlproof.engines.compiled.sparse_epoch import close_ledger
from mlproof.engines.compiled.sparse_rows import NOTHING_YET
from mlproof.engines.compiled.team import Team
from mlproof.functions import Array
from mlproof.parameters import vector

# Steps after which all rows are brought forward: so long are the tables.
STEPS = 512
# Parts of the columns whose penalties are added up one after the other.
BLOCKS = 64
# Numbers from one thread's counters to the next: no line of the cache belongs to two.
COUNTERS_APART = 16


class Ledger:
    """For a sparse X and batches of so many rows: tables that outlive an epoch.

    All are a thread's own, but for the sums that are made when it is closed.
    """

    def __init__(
        self, X: CSR, n_columns: int, rows: int, n_threads: int, dtype: Any
    ) -> None:
        n_entries = int(np.sort(np.diff(X.indptr))[::-1][:rows].sum())
        n_own = -(-n_columns // n_threads)
        n_slots = min(n_entries, n_own)
        shape = n_threads, STEPS + 1, len(NOTHING_YET)
        self.columns = Columns(
            marks=np.full((n_threads, n_own, 2), (NO_SLOT, 0), dtype=np.int32),
            touched=np.empty((n_threads, n_slots), dtype=np.int32),
            starts=np.zeros((n_threads, n_slots + 1), dtype=np.int64),
            met=np.empty((n_threads, n_entries, 2), dtype=np.int32),
            met_values=np.empty((n_threads, n_entries), dtype=dtype),
            members=np.empty((n_threads, n_entries), dtype=np.int32),
            values=np.empty((n_threads, n_entries), dtype=dtype),
            counters=np.zeros((n_threads, COUNTERS_APART), dtype=np.int64),
            owed=np.zeros((n_threads, n_own)),
            lines=vector(math.prod(shape), np.float64).reshape(shape),
        )
        self._settled_by_block = np.zeros(min(BLOCKS, n_columns))
        self._begin()

    def _begin(self) -> None:
        self.columns.counters[:, STEPS_DONE] = 0
        self.columns.lines[:] = NOTHING_YET

    @property
    def steps_left(self) -> int:
        return STEPS - int(self.columns.counters[0, STEPS_DONE])

    @property
    def is_new(self) -> bool:
        """Whether no step has been made since it was closed."""
        return int(self.columns.counters[0, STEPS_DONE]) == 0

    def compile(self, mode: int, W: Array, V: Array) -> None:
        """Have the kernel ready that closes it, by asking it for no row."""
        none = self._settled_by_block[:0]
        close_ledger(0, 1, mode, W, V, self.columns, none)

    def close(self, mode: int, W: Array, V: Array, team: Team) -> float:
        """Bring every row up to date and begin anew; what the penalty of all rows was.

        W and V are (n_columns, d_h): the weights and their velocities.  The penalty is
        that of the first layer's weights in all steps since the ledger was opened,
        each times the examples of its batch, but for what the kernel has counted.
        """
        arguments = team.n_threads, mode, W, V, self.columns, self._settled_by_block
        team.run(lambda thread: close_ledger(thread, *arguments), barrier.new())
        self._begin()
        return float(self._settled_by_block.sum())
