"""A sparse batch turned round: for each column it touches, the entries there.

The columns are dealt out to the threads like cards.  A thread reads all entries of the
batch and keeps those in its own columns; it then needs no other thread to bring the
weights of these columns up to date, nor to change them.
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.engines.compiled.machine import LINE, address_of, prefetch
from mlproof.engines.compiled.plan import Table
from mlproof.engines.compiled.toolchain import part
from mlproof.functions import Array

# What is kept of a column: its number among those that this batch touches, NO_SLOT if
# it does not; and how many steps of the ledger it has gone through.
SLOT, LAST_STEP = range(2)
NO_SLOT = -1
# Counters of a thread: its columns that this batch touches, steps of the ledger so far.
TOUCHED, STEPS_DONE = range(2)
# How many examples, and columns, are asked for before their turn comes.
ROWS_AHEAD, MARKS_AHEAD = 4, 16


class CSR(NamedTuple):
    """A sparse X: row i has the entries from indptr[i] up to indptr[i + 1]."""

    indptr: Table
    indices: Any  # int32
    data: Array


class Columns(NamedTuple):
    """What a thread knows of its own columns, or, with an axis more, every thread."""

    marks: Any  #       (n_own, 2)      int32
    touched: Any  #     (n_slots,)      int32, the columns that a batch touches
    starts: Table  #    (n_slots + 1,)  where the entries of each begin
    met: Any  #         (n_entries, 2)  int32, and their values: used by index_batch
    met_values: Array
    members: Any  #     (n_entries,)    int32, the rows of the batch they are in
    values: Array
    counters: Table
    owed: Array  #      (n_own,)        float64, the penalty of each that is not counted
    lines: Array  #     (.., 8)         float64, of the ledger; see sparse_rows.py


@part
def dealer(n_threads: int) -> Any:
    """What dealt divides by: column // n_threads is column * multiplier >> shift.

    Exact for every column below 2^31 (Granlund and Montgomery 1994, "Division by
    invariant integers using multiplication").
    """
    shift = 33
    while n_threads >> (shift - 32):
        shift += 1
    multiplier = ((1 << shift) + n_threads - 1) // n_threads
    return np.uint64(n_threads), np.uint64(multiplier), np.uint64(shift)


@part
def dealt(column: Any, by: Any) -> Any:
    """The thread that a column belongs to, and its place among the columns there."""
    n_threads, multiplier, shift = by
    number = np.uint64(column)
    place = (number * multiplier) >> shift
    return np.int64(number - place * n_threads), np.int64(place)


@part
def index_batch(thread: int, n_threads: int, rows: Any, X: CSR, own: Columns) -> None:
    """The entries in the columns of this thread: column by column, in order of rows.

    A column's slot is its number in the order in which the batch meets them.  Its
    entries are those from starts[slot] up to starts[slot + 1] of members, the rows they
    are in, and of values.
    """
    indptr, indices, data = X.indptr, X.indices, X.data
    marks, touched, starts = own.marks, own.touched, own.starts
    met, met_values = own.met, own.met_values
    # Nothing is branched on here: whose an entry is, and whether its column has been
    # met before, cannot be foreseen.
    by, n_met = dealer(n_threads), 0
    for i in range(rows.size):
        ahead = rows[min(i + ROWS_AHEAD, rows.size - 1)]
        for e in range(indptr[ahead], indptr[ahead + 1], LINE // data.itemsize):
            prefetch(address_of(indices) + e * indices.itemsize)
            prefetch(address_of(data) + e * data.itemsize)
        for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
            owner, place = dealt(indices[e], by)
            met[n_met, 0], met[n_met, 1], met_values[n_met] = place, i, data[e]
            n_met += 1 if owner == thread else 0
    for slot in range(min(n_met, touched.size)):
        starts[slot] = 0
    n_touched, mark = 0, address_of(marks)
    for e in range(n_met):
        ahead = met[min(e + MARKS_AHEAD, n_met - 1), 0]
        prefetch(mark + ahead * marks.itemsize * marks.shape[1])
        place = met[e, 0]
        new = marks[place, SLOT] == NO_SLOT
        slot = n_touched if new else marks[place, SLOT]
        marks[place, SLOT], met[e, 0] = slot, slot
        touched[slot] = place * n_threads + thread
        starts[slot] += 1
        n_touched += 1 if new else 0
    # From how many there are to where they end, and, filled from the back, begin.
    end = 0
    for slot in range(n_touched):
        end += starts[slot]
        starts[slot] = end
    starts[n_touched] = end
    for e in range(n_met - 1, -1, -1):
        slot = met[e, 0]
        starts[slot] -= 1
        own.members[starts[slot]] = met[e, 1]
        own.values[starts[slot]] = met_values[e]
    own.counters[TOUCHED] = n_touched


@part
def forget_batch(n_threads: int, own: Columns) -> None:
    """Take the slots back from the columns of this thread."""
    by = dealer(n_threads)
    for slot in range(own.counters[TOUCHED]):
        _, place = dealt(own.touched[slot], by)
        own.marks[place, SLOT] = NO_SLOT
