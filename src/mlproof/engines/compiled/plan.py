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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlproof.engines.chunks import MAX_ROWS, chunks, worth_sharing
from mlproof.engines.compiled.microkernel import PACKED_BYTES, VECTOR_BYTES
from mlproof.engines.compiled.toolchain import part
from mlproof.functions import Array
from mlproof.parameters import n_theta

Table = npt.NDArray[np.int64]

# The columns of layers: their sizes; where W[k] and b[k] begin in theta; which column
# of the workspace their input and their pre-activations begin with.
FAN_IN, FAN_OUT, W_AT, B_AT, IN_AT, OUT_AT = range(6)
# The columns of tiles: the layer; from and up to which of its inputs, the biases being
# the weights of one more; where the tile begins in theta, how many numbers it has.
LAYER, FIRST, LAST, AT, SIZE = range(5)
# The integers that describe the network, the optimiser and the length of a batch.
ACTIVATION, OUTPUT, RULE, BATCH_SIZE, CAPACITY = range(5)
SPARE_AT, WIDEST, N_THREADS, APART, HALF_AT = range(5, 10)

# Numbers in a tile, about: all that is done with it is done in the cache.
TILE_SIZE = 8192
# How much larger activations and their gradients must be than theta for two threads to
# make gradients of their own rows, and exchange these.
APART_FROM = 2
# A word has the marks of 64 numbers of X, and chunks have up to 128 rows.
WORD = 64
WORDS_OF_CHUNK = -(-MAX_ROWS // WORD)
# Fewer inputs, or vectors of hidden units, are not worth marking.
MARKED_FROM, MARKED_FROM_VECTORS = 32, 3
# Threads share the inputs where there are so many, and so many times a batch's rows.
HALVED_FROM, HALVED_FROM_ROWS = 512, 2
# Halves begin with a vector of any processor's.
HALVES_ALIGNED = 16
# What an input costs besides its products, where a product with one costs 1.
EFFORT_BESIDES = 0.15
# Bytes that the rows worked on together may take; a longer batch is taken in turns.
CAPACITY_BYTES = 32 * 2**20


def worth_marking(nonzeros: float, units: tuple[int, ...], itemsize: int) -> bool:
    """Whether the first layer is faster past the zeros, for this share of the others.

    A number that is passed over saves a multiplication for each vector of hidden units;
    one that is not costs some instructions for finding it.
    """
    vectors = -(-units[1] * itemsize // VECTOR_BYTES)
    paid = nonzeros * (vectors + 3) < 0.9 * vectors
    return bool(units[0] >= MARKED_FROM and vectors >= MARKED_FROM_VECTORS and paid)


def effort_of(nonzeros: Array, marked: bool) -> Array:
    """What each input costs that is not 0 so often, (d,)."""
    return nonzeros + EFFORT_BESIDES if marked else np.ones_like(nonzeros)


def half_of(units: tuple[int, ...], rows: int, effort: Array) -> int:
    """Where the second half of the inputs begins, or 0 if threads share the rows."""
    d, d_h = units[:2]
    wide = d >= HALVED_FROM and d >= HALVED_FROM_ROWS * rows and d_h > 1
    if not wide or not worth_sharing(rows * n_theta(units)):
        return 0
    done = np.cumsum(effort)
    middle = int(np.searchsorted(done, done[-1] / 2))
    most = (d - 1) // HALVES_ALIGNED
    return min(max(round(middle / HALVES_ALIGNED), 1), most) * HALVES_ALIGNED


class Tables(NamedTuple):
    """What describes the network, the optimiser and the batches to a kernel."""

    layers: Table
    tiles: Table
    shares: Table  #  which tiles are whose; whose halves of their gradients
    cuts: Table  #    where the chunks begin of a batch, and of the last, shorter one
    network: Table


@dataclass(frozen=True)
class Plan:
    """The tables for a network, its dtype and the length of a batch."""

    units: tuple[int, ...]
    itemsize: int
    # Sparse examples are not copied into the workspace, and the weights of the columns
    # they touch are changed row by row, unless all of them are changed, tile by tile.
    sparse: bool = False
    by_rows: bool = False
    # Of dense examples what is not 0 is marked, and the first layer passes over zeros.
    marked: bool = False
    # Where the second half of the inputs begins, if they are worked on by halves.
    half_at: int = 0

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

    @property
    def columns(self) -> int:
        """How many numbers the workspace holds for each row."""
        return self.spare_at + self.widest

    @property
    def widest(self) -> int:
        return max(self.units[1:])

    @property
    def room(self) -> int:
        """Numbers for a panel of weights, and for a matrix of them used backwards."""
        backwards = max((m * n for m, n in pairwise(self.units[1:])), default=0)
        return self._whole_vectors(PACKED_BYTES // self.itemsize + backwards)

    @property
    def packed_width(self) -> int:
        """The first layer's units, filled up to a vector."""
        return self._whole_vectors(self.units[1])

    def _whole_vectors(self, numbers: int) -> int:
        lanes = VECTOR_BYTES // self.itemsize
        return -(-numbers // lanes) * lanes

    @cached_property
    def tiles(self) -> Table:
        rows: list[tuple[int, ...]] = []
        for k, (fan_in, fan_out, W_at, *_) in enumerate(self.layers.tolist()):
            first = fan_in if k == 0 and self.by_rows else 0
            halves = [first, self.half_at, fan_in + 1]
            if k > 0 or not self.half_at:
                del halves[1]
            cuts = [first]
            for begin, end in pairwise(halves):
                cuts += _stretches(begin, end, fan_out)
            if k == 0 and self.sparse and not self.by_rows:
                # Of sparse examples the biases alone have a gradient like the others.
                cuts[-1:] = [fan_in, fan_in + 1]
            rows += [
                (k, first, last, W_at + first * fan_out, (last - first) * fan_out)
                for first, last in pairwise(cuts)
            ]
        return np.array(rows, dtype=np.int64)

    def shares(self, n_threads: int, effort: Array, copies: int = 1) -> Table:
        """Where the tiles of each thread begin, and the end: nearly equal stretches.

        Of so many copies of all tiles, one copy after the other.
        """
        efforts = np.tile(self._efforts(effort), copies)
        ends = np.cumsum(efforts)
        goals = ends[-1] * np.arange(n_threads + 1) / n_threads
        before = ends - efforts / 2  # a tile goes where its middle lies
        return np.searchsorted(before, goals).astype(np.int64)

    def _efforts(self, effort: Array) -> Array:
        """What each tile costs, where ``effort`` (d,) tells what each input does."""
        efforts = self.tiles[:, SIZE].astype(np.float64)
        for i, (layer, first, last, *_) in enumerate(self.tiles.tolist()):
            if layer == 0 and first < len(effort):
                efforts[i] *= effort[first:last].mean()
        return efforts

    def apart(self, rows: int) -> bool:
        """Whether threads exchange less by gradients than by what these come from."""
        read = rows * sum(map(sum, pairwise(self.units)))
        if self.half_at:  # each reads the inputs that are its own
            read -= rows * self.units[0]
        return not self.sparse and read > APART_FROM * self.tiles[:, SIZE].sum()

    def cuts(self, n_rows: int) -> Table:
        """Where the chunks of a batch begin, and its end."""
        starts = [c.start for c in chunks(n_rows, self.units, self.itemsize)]
        return np.array([*starts, n_rows], dtype=np.int64)

    @property
    def capacity(self) -> int:
        """The most rows worked on together."""
        return max(CAPACITY_BYTES // (self.itemsize * self.columns), 1)


def _stretches(begin: int, end: int, fan_out: int) -> list[int]:
    """Where stretches of inputs end that have about TILE_SIZE weights each."""
    inputs = end - begin
    count = min(max(round(inputs * fan_out / TILE_SIZE), 1), inputs)
    return [begin + (i + 1) * inputs // count for i in range(count)]


@part
def spare_at(network: Any, start: int) -> Any:
    """Where in the workspace the spare matrix of the rows from start on begins."""
    return network[SPARE_AT] * network[CAPACITY] + start * network[WIDEST]


@lru_cache(maxsize=64)
def plan_for(
    units: tuple[int, ...],
    itemsize: int,
    sparse: bool = False,
    by_rows: bool = False,
    marked: bool = False,
    half_at: int = 0,
) -> Plan:
    """The plan, made once: a small network's epoch takes no longer than its tables."""
    return Plan(units, itemsize, sparse, by_rows, marked, half_at)
