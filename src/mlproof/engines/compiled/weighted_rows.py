"""A sum of some rows of a matrix, each times a number, in the registers.

    c = s + sum_e x[e] M[rows[e]],   e = 0 .. n-1

It is the product of a sparse row with a dense matrix: what a sparse example makes of
the weights of its columns, and what the examples with an entry in a column make of its
gradient.  The columns of M are taken by vectors, as in microkernel.py.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.microkernel import (
    I32,
    I64,
    REGISTERS,
    VECTOR_BYTES,
    Vectors,
    by_shape,
    shape_of,
)
from mlproof.engines.compiled.toolchain import part

# The vectors that are summed together: enough that no sum waits for the one before.
MOST_VECTORS = 4 if REGISTERS == 32 else 8


@intrinsic
def _strip(
    typingctx: Any,
    like: Any,
    shape: Any,
    S: Any,
    x: Any,
    rows: Any,
    n: Any,
    M: Any,
    M_step: Any,
    C: Any,
    columns: Any,
) -> Any:
    """Some columns of c: all by address, M_step in bytes; no S if its address is 0."""
    if getattr(like, "dtype", None) not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, shape, S, x, rows, n, M, M_step, C, columns = args
        row_of = builder.inttoptr(rows, I32.as_pointer())

        def of(vectors: int, quarter: bool) -> None:
            vector = Vectors(context, builder, like.dtype, vectors, columns)
            sums = vector.slots()
            vector.begin(S, [(S, sums)])
            size = I64(vector.size)
            with cgutils.for_range(builder, n) as loop:
                row = builder.load(builder.gep(row_of, [loop.index]))
                at = builder.mul(builder.sext(row, I64), M_step)
                values = vector.load(builder.add(M, at))
                number = vector.number(builder.add(x, builder.mul(loop.index, size)))
                vector.add_products(number, values, sums)
            vector.end([(C, sums)])

        by_shape(builder, shape, range(1, MOST_VECTORS + 1), (), of)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 9), generate


@part
def weighted_rows(S: int, x: int, rows: int, n: int, M: Any, C: int) -> None:
    """Write s + sum_e x[e] M[rows[e]], e < n, to C: all by their addresses but M.

    S, x and C are of M's type, rows int32.  S is left out if its address is 0.
    """
    columns = M.shape[1]
    lanes = VECTOR_BYTES // M.itemsize
    n_vectors = (columns + lanes - 1) // lanes
    n_strips = (n_vectors + MOST_VECTORS - 1) // MOST_VECTORS
    for strip in range(n_strips):
        v = strip * n_vectors // n_strips
        vectors = (strip + 1) * n_vectors // n_strips - v
        at, width = v * VECTOR_BYTES, min(vectors * lanes, columns - v * lanes)
        _strip(
            M,
            shape_of(vectors, width, M.itemsize),
            S + at if S else 0,
            x,
            rows,
            n,
            address_of(M) + at,
            columns * M.itemsize,
            C + at,
            width,
        )
