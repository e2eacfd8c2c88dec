"""Where everything lies: theta, the workspace of a batch, and the tiles of the update.

A kernel that serves every network cannot name its layers; it reads these tables.  Only
the derivation's quantities are in them, one matrix after the other:

    theta   W[0], b[0], W[1], b[1], ...
    work    X, then h_a[k] and h_s[k] of each hidden layer, o_a, and a spare matrix as
            wide as the widest layer, for R rows each

R is the capacity, the most rows that are worked on together.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mlproof.engines.chunks import MAX_ROWS, chunks
from mlproof.engines.compiled.microkernel import VECTOR_BYTES

Table = npt.NDArray[np.int64]

# The columns of layers: their sizes; where W[k] and b[k] begin in theta; which column
# of the workspace their input and their pre-activations begin with.
FAN_IN, FAN_OUT, W_AT, B_AT, IN_AT, OUT_AT = range(6)
# The columns of tiles: the layer; from and up to which of its inputs, the biases being
# the weights of one more; where the tile begins in theta, how many numbers it has.
LAYER, FIRST, LAST, AT, SIZE = range(5)

# Multiplications from which BLAS takes less time than the kernel of microkernel.py
# where that has short vectors; where they are long it does not.
BLAS_FROM = 2**18
# Numbers in a tile, about: all that is done with it is done in the cache.
TILE_SIZE = 8192
# How much larger activations and their gradients must be than theta for two threads to
# make gradients of their own rows, and exchange these.
APART_FROM = 2
# Bytes that the rows worked on together may take; a longer batch is taken in turns.
CAPACITY_BYTES = 32 * 2**20


def by_blas(rows: int, fan_in: int, fan_out: int) -> bool:
    """Whether a product of these sizes is made by BLAS; kernels ask the same."""
    return VECTOR_BYTES < 64 and rows * fan_in * fan_out >= BLAS_FROM


@dataclass(frozen=True)
class Plan:
    """The tables for a network, its dtype and the length of a batch."""

    units: tuple[int, ...]
    itemsize: int
    # Sparse examples are not copied into the workspace, and the weights of the columns
    # they touch are changed row by row, unless all of them are changed, tile by tile.
    sparse: bool = False
    by_rows: bool = False

    @cached_property
    def layers(self) -> Table:
        rows, at, inputs = [], 0, 0
        column = 0 if self.sparse else self.units[0]
        for fan_in, fan_out in pairwise(self.units):
            rows.append((fan_in, fan_out, at, at + fan_in * fan_out, inputs, column))
            at += fan_in * fan_out + fan_out
            inputs = column + fan_out
            column += 2 * fan_out
        return np.array(rows, dtype=np.int64)

    @property
    def spare_at(self) -> int:
        # The output has no activations: the spare matrix takes their place.
        return int(self.layers[-1, OUT_AT] + self.units[-1])

    def calls_blas(self, batch_size: int) -> bool:
        """Whether any product of a chunk of such batches is a call of BLAS."""
        rows = min(batch_size, MAX_ROWS)
        return any(
            by_blas(rows, fan_in, fan_out) for fan_in, fan_out in pairwise(self.units)
        )

    @property
    def columns(self) -> int:
        """How many numbers the workspace holds for each row."""
        return self.spare_at + self.widest

    @property
    def widest(self) -> int:
        return max(self.units[1:])

    @property
    def transposed_size(self) -> int:
        """The numbers of the largest matrix of weights that is used backwards."""
        return max((m * n for m, n in pairwise(self.units[1:])), default=0)

    @cached_property
    def tiles(self) -> Table:
        rows: list[tuple[int, ...]] = []
        for k, (fan_in, fan_out, W_at, *_) in enumerate(self.layers.tolist()):
            first = fan_in if k == 0 and self.by_rows else 0
            inputs = fan_in + 1 - first
            count = min(max(round(inputs * fan_out / TILE_SIZE), 1), inputs)
            cuts = [first + i * inputs // count for i in range(count + 1)]
            if k == 0 and self.sparse and not self.by_rows:
                # Of sparse examples the biases alone have a gradient like the others.
                cuts[-1:] = [fan_in, fan_in + 1]
            rows += [
                (k, first, last, W_at + first * fan_out, (last - first) * fan_out)
                for first, last in pairwise(cuts)
            ]
        return np.array(rows, dtype=np.int64)

    def shares(self, n_threads: int, copies: int = 1) -> Table:
        """Where the tiles of each thread begin, and the end: nearly equal stretches.

        Of so many copies of all tiles, one copy after the other.
        """
        sizes = np.tile(self.tiles[:, SIZE], copies)
        ends = np.cumsum(sizes)
        goals = ends[-1] * np.arange(n_threads + 1) / n_threads
        before = ends - sizes / 2  # a tile goes where its middle lies
        return np.searchsorted(before, goals).astype(np.int64)

    def apart(self, rows: int) -> bool:
        """Whether threads exchange less by gradients than by what these come from."""
        read = rows * sum(map(sum, pairwise(self.units)))
        return not self.sparse and read > APART_FROM * self.tiles[:, SIZE].sum()

    def cuts(self, n_rows: int) -> Table:
        """Where the chunks of a batch begin, and its end."""
        starts = [c.start for c in chunks(n_rows, self.units, self.itemsize)]
        return np.array([*starts, n_rows], dtype=np.int64)

    @property
    def capacity(self) -> int:
        """The most rows worked on together."""
        return max(CAPACITY_BYTES // (self.itemsize * self.columns), 1)


@lru_cache(maxsize=64)
def plan_for(
    units: tuple[int, ...], itemsize: int, sparse: bool = False, by_rows: bool = False
) -> Plan:
    """The plan, made once: a small network's epoch takes no longer than its tables."""
    return Plan(units, itemsize, sparse, by_rows)
