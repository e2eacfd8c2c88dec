"""What the kernels need besides theta and the examples: allocated once, then reused."""

import math
from typing import Any, NamedTuple

import numpy as np

from mlproof.deep import Network
from mlproof.engines.compiled import barrier, claims, units
from mlproof.engines.compiled.plan import SIZE, Plan, Table, Tables
from mlproof.engines.compiled.zero_inputs import ZeroInputs
from mlproof.functions import Array
from mlproof.parameters import vector

# What an epoch adds up: risk times rows, rows, and steps of the optimiser.
RISK, ROWS, STEPS = range(3)


class Buffers(NamedTuple):
    """What a kernel writes to."""

    work: Array  #    the matrices that plan.py names, one after the other
    sums: Array  #    (n_threads, .., ..)  of a tile, that wait for their partners
    halves: Array  #  (2, n_theta)  the gradients of both halves of a batch, or nothing
    room: Array  #    (n_threads, ..)  what a thread copies from a layer for a product
    top: Table  #     (n,)  each row's largest logit
    risks: Array  #   (2, ..)  of chunks and tiles, in turn for every second batch
    totals: Array  #  (3,)
    barrier: Table
    claims: Table


class Workspace:
    """The tables and buffers for batches of up to so many rows, and so many threads."""

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
        self._effort = effort
        # Of a shorter batch there may be more chunks, up to the next power of two.
        n_chunks = 1 << (len(plan.cuts(rows)) - 2).bit_length()
        # The sums of a tile that wait for their partners in the tree, for each thread.
        height = n_chunks.bit_length() + 1
        tile_size = max(int(plan.tiles[:, SIZE].max()), plan.units[1])
        shape = n_threads, height, tile_size
        # Threads exchange gradients of halves where that is less than what they are of.
        n_theta = int(plan.tiles[:, SIZE].sum()) if self._apart else 0
        self.buffers = Buffers(
            work=vector(plan.columns * rows, dtype),
            sums=vector(math.prod(shape), dtype).reshape(shape),
            halves=self._matrix(2, n_theta),
            room=self._matrix(n_threads, plan.room),
            top=np.empty(rows, dtype=np.int64),
            risks=np.zeros((2, n_chunks + len(plan.tiles))),
            totals=np.zeros(3),
            barrier=barrier.new(),
            claims=claims.new(n_threads),
        )
        self.zero_inputs = (
            ZeroInputs.of(plan, dtype, rows, n_chunks, n_threads)
            if plan.marked
            else None
        )
        self._cuts: dict[tuple[int, ...], Table] = {}

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

    def tables(self, rule: int, batch_size: int, cuts: Table, n_threads: int) -> Tables:
        """What describes the network, the rule and the batches to a kernel.

        n_threads may be fewer than there is room for.
        """
        shares = (self.plan.shares(n_threads, self._effort, n) for n in (1, 2))
        description = (
            self._activation,
            self._output,
            rule,
            batch_size,
            self.rows,
            self.plan.spare_at,
            self.plan.widest,
            n_threads,
            self._apart and n_threads > 1,
            self.plan.half_at,
        )
        return Tables(
            self.plan.layers,
            self.plan.tiles,
            table(*shares),
            cuts,
            np.array(description, dtype=np.int64),
        )


def table(*rows: Table) -> Table:
    """Rows of different lengths as one table, filled up with a number past them all."""
    filled = np.full((len(rows), max(map(len, rows)) + 1), np.iinfo(np.int64).max)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = row
    return filled
