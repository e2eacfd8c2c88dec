"""What the kernels need besides theta and the examples: allocated once, then reused."""

import math
from typing import Any

import numpy as np

from mlproof.deep import Network
from mlproof.engines.compiled import barrier, claims, units
from mlproof.engines.compiled.plan import SIZE, Plan, Table
from mlproof.engines.compiled.zero_inputs import ZeroInputs
from mlproof.functions import Array
from mlproof.parameters import vector


class Workspace:
    """The tables and buffers for batches of up to so many rows, in this dtype."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        dtype: Any,
        rows: int,
        n_threads: int,
        effort: Array,
    ) -> None:
        self.plan, self.dtype = plan, np.dtype(dtype)
        self.rows, self.n_threads = rows, n_threads
        self._activation = units.ACTIVATIONS.index(network.activation.name)
        self._output = units.OUTPUTS.index(network.output.name)
        self._apart = n_threads > 1 and plan.apart(rows)
        shares = (plan.shares(n_threads, effort, copies) for copies in (1, 2))
        self._shares = table(*shares)
        # Of a shorter batch there may be more chunks, up to the next power of two.
        n_chunks = 1 << (len(plan.cuts(rows)) - 2).bit_length()
        # The sums of a tile that wait for their partners in the tree, for each thread.
        height = n_chunks.bit_length() + 1
        tile_size = max(int(plan.tiles[:, SIZE].max()), plan.units[1])
        self._work = vector(plan.columns * rows, dtype)
        shape = n_threads, height, tile_size
        self._sums = vector(math.prod(shape), dtype).reshape(shape)
        # The gradients of both halves of a batch, where threads exchange them.
        n_theta = int(plan.tiles[:, SIZE].sum()) if self._apart else 0
        self.halves = self._matrix(2, n_theta)
        # For each thread, what it copies from a layer for a product.
        self._room = self._matrix(n_threads, plan.room)
        self.zero_inputs = (
            ZeroInputs.of(plan, dtype, rows, n_chunks, n_threads)
            if plan.marked
            else None
        )
        self._top = np.empty(rows, dtype=np.int64)
        self._risks = np.zeros((2, n_chunks + len(plan.tiles)))
        self._cuts: dict[tuple[int, ...], Table] = {}
        self.totals = np.zeros(3)
        self.barrier, self.claims = barrier.new(), claims.new(n_threads)

    def _matrix(self, rows: int, columns: int) -> Array:
        return vector(rows * columns, self.dtype).reshape(rows, columns)

    def fits(self, plan: Plan, dtype: Any, rows: int) -> bool:
        """Whether these batches can be worked on in it."""
        return self.plan == plan and self.dtype == dtype and self.rows >= rows

    def cuts(self, *lengths: int) -> Table:
        """Where the chunks of batches of these lengths begin, a row for each."""
        if lengths not in self._cuts:  # the same in every epoch
            self._cuts[lengths] = table(*(self.plan.cuts(length) for length in lengths))
        return self._cuts[lengths]

    def tables(self, rule: int, batch_size: int, cuts: Table) -> tuple[Table, ...]:
        """What describes the network, the rule and the batches to a kernel."""
        description = (
            self._activation,
            self._output,
            rule,
            batch_size,
            self.rows,
            self.plan.spare_at,
            self.plan.widest,
            self.n_threads,
            self._apart,
            self.plan.half_at,
        )
        return (
            self.plan.layers,
            self.plan.tiles,
            self._shares,
            cuts,
            np.array(description, dtype=np.int64),
        )

    @property
    def buffers(self) -> tuple[Array, ...]:
        """What a kernel writes to."""
        return (
            self._work,
            self._sums,
            self._room,
            self._top,
            self._risks,
            self.totals,
            self.barrier,
        )


def table(*rows: Table) -> Table:
    """Rows of different lengths as one table, filled up with a number past them all."""
    filled = np.full((len(rows), max(map(len, rows)) + 1), np.iinfo(np.int64).max)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = row
    return filled
