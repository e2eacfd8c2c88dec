"""Which numbers of a matrix are not 0: a bit for each, 64 in a word.

For the product X W a word has the marks of a stretch of a row of X, for X' G those of a
stretch of a column.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.microkernel import I64, VECTOR_BYTES, Vectors
from mlproof.engines.compiled.plan import WORD
from mlproof.engines.compiled.products import row_address
from mlproof.engines.compiled.toolchain import part


@intrinsic
def _along(typingctx: Any, like: Any, address: Any, count: Any) -> Any:
    """The marks of up to 64 numbers, one after the other from this address on."""
    if getattr(like, "dtype", None) not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, address, count = args
        lanes = Vectors(context, builder, like.dtype, 1, count).lanes
        word = I64(0)
        for first in range(0, WORD, lanes):
            left = builder.sub(count, I64(first))
            vector = Vectors(context, builder, like.dtype, 1, left)
            marks = vector.not_zero(builder.add(address, I64(first * vector.size)))
            bits = builder.zext(builder.bitcast(marks, ir.IntType(lanes)), I64)
            word = builder.or_(word, builder.shl(bits, I64(first)))
        return word

    return types.int64(like, types.int64, types.int64), generate


@intrinsic
def _down(
    typingctx: Any, like: Any, address: Any, step: Any, rows: Any, out: Any, count: Any
) -> Any:
    """The marks of up to 64 rows, a word for each number of a vector, from out on."""
    if getattr(like, "dtype", None) not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, address, step, rows, out, count = args
        vector = Vectors(context, builder, like.dtype, 1, count)
        several = ir.VectorType(I64, vector.lanes)
        none = ir.Constant(several, [0] * vector.lanes)
        words = cgutils.alloca_once_value(builder, none)
        with cgutils.for_range(builder, rows) as loop:
            row = builder.add(address, builder.mul(step, loop.index))
            bit = vector.filled(builder.shl(I64(1), loop.index))
            marked = builder.select(vector.not_zero(row), bit, none)
            builder.store(builder.or_(builder.load(words), marked), words)
        place = builder.inttoptr(out, several.as_pointer())
        builder.store(builder.load(words), place, align=I64.width // 8)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 5), generate


@part
def mark_rows(X: Any, first: int, last: int, marks: Any, word: int, start: int) -> None:
    """Set marks[word + w, start + i] for row i, w for 64 columns each from first on."""
    rows, columns = X.shape
    size, whole = X.itemsize, (last - first) // WORD
    left = last - first - whole * WORD
    for i in range(rows):
        row = address_of(X) + (i * columns + first) * size
        for w in range(whole):
            marks[word + w, start + i] = _along(X, row + w * WORD * size, WORD)
        if left:
            end = row + whole * WORD * size
            marks[word + whole, start + i] = _along(X, end, left)


@part
def mark_columns(X: Any, first: int, last: int, marks: Any, word: int) -> None:
    """Set marks[word + w, j] for column j from first to last, w for every 64 rows.

    first is a multiple of 16, as last is or is the number of columns.  The columns of
    marks are those of X, filled up to such a multiple.
    """
    rows, columns = X.shape
    step, lanes = columns * X.itemsize, VECTOR_BYTES // X.itemsize
    for w in range((rows + WORD - 1) // WORD):
        some = min(WORD, rows - w * WORD)
        row, out = row_address(X, w * WORD), row_address(marks, word + w)
        for j in range(first, last, lanes):
            place, count = out + j * marks.itemsize, min(lanes, last - j)
            _down(X, row + j * X.itemsize, step, some, place, count)
