"""A matrix product that passes over the zeros of its first matrix.

    C = S + A B      C  (rows, columns)   A  (rows, depth)   B  (depth, columns)

Half of the pixels of an image may be 0, and nearly all of a table of indicators.  What
of A is not 0 is marked beforehand (marks.py), 64 numbers in a word.  C is made by
panels of some vectors of columns: of so many rows of B as a word has bits a panel is
copied to one place, where its rows begin with a line of the cache and stay in the
nearest; then each row of C takes those that it has a mark of.

Passing over a zero leaves a sum as it is, and what is left is added in the order of
microkernel.py: the results are the same to the bit, as long as B is finite.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mlproof.engines.compiled.machine import ZERO, address_of, row_address
from mlproof.engines.compiled.microkernel import (
    I64,
    REGISTERS,
    VECTOR_BYTES,
    Vectors,
    by_shape,
    copy_of_panel,
    shape_of,
)
from mlproof.engines.compiled.plan import MARKED_FROM_VECTORS
from mlproof.engines.compiled.stages import Types, stage, types_of
from mlproof.engines.compiled.toolchain import part
from mlproof.functions import Array

# The vectors of a row of C that are summed together: enough of them that no sum waits
# for the one before, and few enough that the rows of B stay in the nearest cache.
MOST_VECTORS = 7 if REGISTERS == 32 else 13
PANELS = range(MARKED_FROM_VECTORS, MOST_VECTORS + 1)
# For 50 and 100 units, in float32 and with 512 bits; every other takes time to compile.
QUARTER_PANELS = 4, 7

I1 = ir.IntType(1)


@intrinsic
def _panel(
    typingctx: Any,
    like: Any,
    shape: Any,
    S: Any,
    S_step: Any,
    words: Any,
    A: Any,
    A_row: Any,
    A_depth: Any,
    B: Any,
    C: Any,
    C_step: Any,
    rows: Any,
    columns: Any,
) -> Any:
    """A panel of C: all by address, the steps in bytes; no S where its address is 0."""
    if getattr(like, "dtype", None) not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, shape, S, S_step, words, A, A_row, A_depth, B, C, C_step, rows, columns = (
            args
        )
        left = cgutils.alloca_once(builder, I64)
        word_at = builder.inttoptr(words, I64.as_pointer())
        trailing_zeros = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(I64, [I64, I1]), "llvm.cttz.i64"
        )

        def at(address: Any, step: Any, index: Any) -> Any:
            return builder.add(address, builder.mul(step, index))

        def of(vectors: int, quarter: bool) -> None:
            vector = Vectors(
                context, builder, like.dtype, vectors, columns, quarter=quarter
            )
            sums = vector.slots()
            with cgutils.for_range(builder, rows) as row:
                vector.begin(S, [(at(S, S_step, row.index), sums)])
                begin = at(A, A_row, row.index)
                builder.store(builder.load(builder.gep(word_at, [row.index])), left)
                test, body, end = (
                    builder.append_basic_block(name) for name in ("test", "body", "end")
                )
                builder.branch(test)
                builder.position_at_end(test)
                marks = builder.load(left)
                builder.cbranch(cgutils.is_not_null(builder, marks), body, end)
                builder.position_at_end(body)
                k = builder.call(trailing_zeros, [marks, I1(True)])
                builder.store(builder.and_(marks, builder.sub(marks, I64(1))), left)
                values = vector.load_lines(at(B, I64(vectors * VECTOR_BYTES), k))
                number = vector.number(at(begin, A_depth, k))
                vector.add_products(number, values, sums)
                builder.branch(test)
                builder.position_at_end(end)
                vector.end([(at(C, C_step, row.index), sums)])

        by_shape(builder, shape, PANELS, QUARTER_PANELS, of)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 12), generate


_copy = copy_of_panel(PANELS, QUARTER_PANELS)


@part
def panels(columns: int, size: int) -> Any:
    """How many panels there are of a matrix with so many columns of this size."""
    total = (columns * size + VECTOR_BYTES - 1) // VECTOR_BYTES
    return (total + MOST_VECTORS - 1) // MOST_VECTORS


@part
def panel_bytes(panel: int, columns: int, size: int) -> Any:
    """Where a panel begins in a row, and where it ends, filled up to a vector."""
    total = (columns * size + VECTOR_BYTES - 1) // VECTOR_BYTES
    n_panels = panels(columns, size)
    begin, end = panel * total // n_panels, (panel + 1) * total // n_panels
    return begin * VECTOR_BYTES, end * VECTOR_BYTES


@part
def panel_shape(begin: int, end: int, columns: int, size: int) -> Any:
    """The shape of the rows of such a panel, and of how many numbers they are."""
    width = (min(end, columns * size) - begin) // size
    return shape_of((end - begin) // VECTOR_BYTES, width, size), width


@part
def pack(B: Any, panel: int, first: int, last: int, packed: int) -> None:
    """Copy these rows of a panel to this address, a line of the cache's."""
    columns, size = B.shape[1], B.itemsize
    begin, end = panel_bytes(panel, columns, size)
    shape, width = panel_shape(begin, end, columns, size)
    source = row_address(B, first) + begin
    _copy(B, shape, source, columns * size, last - first, width, packed)


@stage(types.void)
def panel_of_nonzeros(
    panel: int,
    S: int,
    S_step: int,
    A: int,
    A_row: int,
    A_depth: int,
    words: int,
    packed: int,
    C: Any,
) -> None:
    """A panel of C = S + A B for a depth of up to 64: all by their addresses but C.

    words are int64, one for each row of A and C, and packed is where ``pack`` has left
    the panel of B.  Steps are in bytes.  S is left out if its address is 0.
    """
    rows, columns = C.shape
    size = C.itemsize
    begin, end = panel_bytes(panel, columns, size)
    shape, width = panel_shape(begin, end, columns, size)
    _panel(
        C,
        shape,
        S + begin if S else 0,
        S_step,
        words,
        A,
        A_row,
        A_depth,
        packed,
        address_of(C) + begin,
        columns * size,
        rows,
        width,
    )


def types_of_panel(matrix: Array) -> Types:
    """Those of the arguments of ``panel_of_nonzeros``, for a C like this matrix."""
    return types_of(*[ZERO] * 8, matrix)
