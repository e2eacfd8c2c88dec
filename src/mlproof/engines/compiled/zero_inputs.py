"""The first layer on dense examples of which much is 0: what is 0 is passed over.

    n  rows    X  (n, d)    W  (d, d_h)    A  (n, d_h), then its gradient G

The products are those of products.py, and their results the same to the bit.
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.engines.compiled.machine import ZERO, address_of, row_address, view
from mlproof.engines.compiled.marks import mark_columns, mark_rows
from mlproof.engines.compiled.nonzeros import (
    pack,
    panel_bytes,
    panel_of_nonzeros,
    panels,
)
from mlproof.engines.compiled.plan import (
    CAPACITY,
    FAN_OUT,
    OUT_AT,
    WORD,
    WORDS_OF_CHUNK,
    Plan,
    Table,
    Tables,
)
from mlproof.engines.compiled.toolchain import part
from mlproof.functions import Array
from mlproof.parameters import vector


class ZeroInputs(NamedTuple):
    """Room for what is known of the zeros of a batch, and for copies."""

    row_marks: Table  #          (n_words, n)  a half of the inputs begins a new word
    column_marks: Table  #       (n_chunks * WORDS_OF_CHUNK, d filled up to a word)
    packed_weights: Array  #     (n_threads, ..)  64 rows of W, panel by panel
    packed_gradient: Array  #    (n, ..)          those of a chunk of G, panel by panel

    @classmethod
    def of(
        cls, plan: Plan, dtype: Any, rows: int, n_chunks: int, n_threads: int
    ) -> "ZeroInputs":
        n_words, width = -(-plan.units[0] // WORD), plan.packed_width
        return cls(
            np.empty((n_words + 1, rows), np.int64),
            np.empty((n_chunks * WORDS_OF_CHUNK, n_words * WORD), np.int64),
            vector(n_threads * WORD * width, dtype).reshape(n_threads, WORD * width),
            vector(rows * width, dtype).reshape(rows, width),
        )


@part
def forwards_marked(
    X: Any,
    first: int,
    last: int,
    W: Any,
    b: Any,
    A: Any,
    zero_inputs: Any,
    start: int,
    chunk: int,
    thread: int,
) -> None:
    """``forwards``, and the marks of these rows and columns  (D.1)."""
    packed = row_address(zero_inputs.packed_weights, thread)
    row_marks = zero_inputs.row_marks
    fan_in, fan_out, size = X.shape[1], W.shape[1], W.itemsize
    word = (first + WORD - 1) // WORD
    mark_rows(X, first, last, row_marks, word, start)
    columns = zero_inputs.column_marks
    mark_columns(X, first, last, columns, chunk * WORDS_OF_CHUNK)
    for panel in range(panels(fan_out, size)):
        for k in range(first, last, WORD):
            pack(W, panel, k, min(k + WORD, last), packed)
            S, S_step = address_of(A), fan_out * size
            if k == first:
                S, S_step = address_of(b) if b.size else 0, 0
            panel_of_nonzeros(
                panel,
                S,
                S_step,
                address_of(X) + k * size,
                fan_in * size,
                size,
                row_address(row_marks, word + (k - first) // WORD)
                + start * row_marks.itemsize,
                packed,
                A,
            )


@part
def pack_gradient(
    tables: Tables, work: Any, start: int, stop: int, zero_inputs: Any
) -> None:
    """Copy the gradient of a chunk to where those of all tiles read it."""
    packed = row_address(zero_inputs.packed_gradient, start)
    rows, fan_out = stop - start, tables.layers[0, FAN_OUT]
    at = tables.layers[0, OUT_AT] * tables.network[CAPACITY]
    G = view(work, at + start * fan_out, rows, fan_out)
    for panel in range(panels(fan_out, G.itemsize)):
        begin, _ = panel_bytes(panel, fan_out, G.itemsize)
        pack(G, panel, ZERO, rows, packed + begin * rows)


@part
def weights_gradient_marked(
    X: Any, first: int, grad_W: Any, zero_inputs: Any, start: int, chunk: int
) -> None:
    """``weights_gradient`` for the inputs from first on of a marked chunk  (D.4)."""
    rows, d = X.shape
    fan_out, size = grad_W.shape[1], X.itemsize
    marks, word = zero_inputs.column_marks, chunk * WORDS_OF_CHUNK
    packed = row_address(zero_inputs.packed_gradient, start)
    for panel in range(panels(fan_out, size)):
        begin, end = panel_bytes(panel, fan_out, size)
        for w in range((rows + WORD - 1) // WORD):
            k = w * WORD
            panel_of_nonzeros(
                panel,
                address_of(grad_W) if w else 0,
                fan_out * size,
                address_of(X) + (k * d + first) * size,
                size,
                d * size,
                row_address(marks, word + w) + first * marks.itemsize,
                packed + begin * rows + k * (end - begin),
                grad_W,
            )
