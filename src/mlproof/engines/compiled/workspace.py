"""What the kernels need besides theta and the examples: allocated once, then reused."""

from typing import Any

import numpy as np

from mlproof.deep import Network
from mlproof.engines.compiled import barrier, units
from mlproof.engines.compiled.plan import SIZE, Plan, Table
from mlproof.functions import Array


class Workspace:
    """The tables and buffers for batches of up to so many rows, in this dtype."""

    def __init__(self, network: Network, dtype: Any, rows: int, n_threads: int) -> None:
        self.dtype, self.n_threads = np.dtype(dtype), n_threads
        self.plan = plan = Plan(network.units, self.dtype.itemsize)
        self.rows = rows
        self.activation = units.ACTIVATIONS.index(network.activation.name)
        self.output = units.OUTPUTS.index(network.output.name)
        self.shares = plan.shares(n_threads)
        n_chunks = len(plan.cuts(rows)) - 1
        self.work = np.empty(plan.columns * rows, dtype)
        # The sums of a tile that wait for their partners in the tree, for each thread.
        height = n_chunks.bit_length() + 1
        tile_size = int(plan.tiles[:, SIZE].max())
        self.sums = np.empty((n_threads, height, tile_size), dtype)
        self.top = np.empty(rows, dtype=np.int64)
        self.risks = np.zeros((2, n_chunks + len(plan.tiles)))
        self.totals = np.zeros(3)
        self.barrier = barrier.new()

    @property
    def buffers(self) -> tuple[Array, ...]:
        """The last arguments of the kernel."""
        return (self.work, self.sums, self.top, self.risks, self.totals, self.barrier)

    def description(self, rule: int, batch_size: int) -> Table:
        """The integers that epoch.py names."""
        return np.array(
            [
                self.activation,
                self.output,
                rule,
                batch_size,
                self.rows,
                self.plan.spare_at,
                self.plan.widest,
                self.n_threads,
            ],
            dtype=np.int64,
        )


def table(*rows: Table) -> Table:
    """Rows of different lengths as one table, filled up with a number past them all."""
    filled = np.full((len(rows), max(map(len, rows)) + 1), np.iinfo(np.int64).max)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = row
    return filled
