"""What Numba does not offer: memory by address, views of it, and atomic counters.

Everything here is a few machine instructions or one call of a foreign function.
"""

import ctypes
import sys
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

if sys.platform == "win32":
    _yield = ctypes.windll.kernel32.SwitchToThread
else:
    _yield = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol("mlproof_yield", ctypes.cast(_yield, ctypes.c_void_p).value)

# Bytes of a line of the cache.  Not that of parameters.py: what kernels are compiled
# from is in the folder of the engines, which is how a change is noticed.
LINE = 64

# Numba compiles a function anew for every constant that it is called with, but for one
# that is a number of NumPy's.
ZERO = np.int64(0)

let_others_run = types.ExternalFunction("mlproof_yield", types.int32())


@intrinsic
def address_of(typingctx: Any, array: Any) -> Any:
    """Where the first element of an array lies, without the cost of array.ctypes."""
    if not isinstance(array, types.Array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(array)(context, builder, args[0])
        return builder.ptrtoint(struct.data, ir.IntType(64))

    return types.int64(array), generate


@intrinsic
def row_address(typingctx: Any, matrix: Any, row: Any) -> Any:
    """Where a row of a matrix begins, whose rows lie one after the other."""
    if not isinstance(matrix, types.Array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(matrix)(context, builder, args[0])
        step = cgutils.unpack_tuple(builder, struct.strides)[0]
        first = builder.ptrtoint(struct.data, ir.IntType(64))
        return builder.add(first, builder.mul(args[1], step))

    return types.int64(matrix, types.int64), generate


def _array_at(context: Any, builder: Any, of: Any, data: Any, shape: Any) -> Any:
    """The array of this type whose elements lie one after the other from data on."""
    size = context.get_abi_sizeof(context.get_data_type(of.dtype))
    itemsize = context.get_constant(types.intp, size)
    strides: list[Any] = []
    step = itemsize
    for length in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, length)
    array = context.make_array(of)(context, builder)
    populate_array(
        array,
        data=data,
        shape=list(shape),
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()


@intrinsic
def view(typingctx: Any, array: Any, at: Any, rows: Any, columns: Any) -> Any:
    """The matrix that lies in an array from this element on."""
    if not isinstance(array, types.Array):
        return None
    of = types.Array(array.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, at, *shape = args
        data = _element(context, builder, array, value, at)
        return _array_at(context, builder, of, data, shape)

    return of(array, types.int64, types.int64, types.int64), generate


@intrinsic
def flat(typingctx: Any, matrix: Any) -> Any:
    """The same numbers as a vector."""
    if not isinstance(matrix, types.Array):
        return None
    of = types.Array(matrix.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(matrix)(context, builder, args[0])
        return _array_at(context, builder, of, struct.data, [struct.nitems])

    return of(matrix), generate


@intrinsic
def load(typingctx: Any, address: Any, index: Any, like: Any) -> Any:
    """The number with this index among those at this address, of the type of like."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], context.get_data_type(like).as_pointer())
        return context.unpack_value(builder, like, builder.gep(pointer, [args[1]]))

    return like(types.int64, types.int64, like), generate


def _prefetch(*, to_write: bool) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i8, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        pointer = builder.inttoptr(args[0], i8)
        function_type = ir.FunctionType(ir.VoidType(), [i8, i32, i32, i32])
        function = cgutils.get_or_insert_function(
            builder.module, function_type, "llvm.prefetch.p0"
        )
        how, keep, data = (ir.Constant(i32, value) for value in (int(to_write), 3, 1))
        builder.call(function, [pointer, how, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line at this address, and do not wait for it."""
    return _prefetch(to_write=False)


@intrinsic
def prefetch_to_write(typingctx: Any, address: Any) -> Any:
    """Ask for it as no other core's, which would have to be told of a change."""
    return _prefetch(to_write=True)


@intrinsic
def same_bits(typingctx: Any, number: Any) -> Any:
    """The floating-point number with the bits of a whole number, and the reverse."""
    pairs = (types.int32, types.float32), (types.int64, types.float64)
    of = dict(pairs) | {real: whole for whole, real in pairs}
    if number not in of:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(of[number]))

    return of[number](number), generate


def _element(context: Any, builder: Any, array: Any, value: Any, index: Any) -> Any:
    struct = context.make_array(array)(context, builder, value)
    return builder.gep(struct.data, [index])


@intrinsic
def atomic_add(typingctx: Any, array: Any, index: Any, amount: Any) -> Any:
    """Add to an element in one indivisible step; what it held before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, array, args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def atomic_load(typingctx: Any, array: Any, index: Any) -> Any:
    """What an element holds now, after all that its writer wrote before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, array, args[0], args[1])
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def atomic_store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Set an element, after all that this thread wrote before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, array, args[0], args[1])
        builder.store_atomic(args[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate
