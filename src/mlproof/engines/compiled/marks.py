"""Which numbers of a matrix are not 0: a bit for each, 64 in a word.

For the product X W a word has the marks of a stretch of a row of X, for X' G those of a
stretch of a column.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mlproof.engines.compiled.machine import address_of, row_address
from mlproof.engines.compiled.microkernel import I64, VECTOR_BYTES, Vectors
from mlproof.engines.compiled.plan import WORD
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


def _as(builder: Any, value: Any, of: Any) -> Any:
    """A whole number of another length, or a vector of them."""
    width = getattr(of, "element", of).width
    now = getattr(value.type, "element", value.type).width
    if width == now:
        return value
    return builder.zext(value, of) if width > now else builder.trunc(value, of)


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
        # Bits for so many rows at a time that they are as long as a number.
        bits = 8 * vector.size
        some = ir.VectorType(ir.IntType(bits), vector.lanes)
        none = ir.Constant(some, [0] * vector.lanes)
        several = ir.VectorType(I64, vector.lanes)
        words = ir.Constant(several, [0] * vector.lanes)
        for first in range(0, WORD, bits):
            marks = cgutils.alloca_once(builder, some)
            builder.store(none, marks)
            left = builder.sub(rows, I64(first))
            many = builder.icmp_signed("<", I64(bits), left)
            with cgutils.for_range(builder, builder.select(many, I64(bits), left)) as i:
                row = builder.mul(step, builder.add(i.index, I64(first)))
                not_zero = vector.not_zero(builder.add(address, row))
                bit = builder.shl(some.element(1), _as(builder, i.index, some.element))
                marked = builder.select(not_zero, vector.filled(bit), none)
                builder.store(builder.or_(builder.load(marks), marked), marks)
            found = _as(builder, builder.load(marks), several)
            shift = ir.Constant(several, [first] * vector.lanes)
            words = builder.or_(words, builder.shl(found, shift))
        place = builder.inttoptr(out, several.as_pointer())
        builder.store(words, place, align=I64.width // 8)
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
