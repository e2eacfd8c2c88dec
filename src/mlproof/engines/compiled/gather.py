"""Rows of X into the workspace: the only kernel that knows of what type X is.

X is told in four integers, so one compiled kernel serves every dtype and read-only
flag, and nothing of X is copied or converted but the rows of one batch.
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.engines.compiled.machine import LINE, load, prefetch, view
from mlproof.engines.compiled.toolchain import part

# The integers: which of DTYPES, where X begins, how far its rows and numbers lie apart.
DTYPE, ADDRESS, ROW_BYTES, ITEM_BYTES = range(4)
DTYPES = ("float32", "float64", "uint8")
# From rows of so many bytes on, the next one is asked for ahead of its turn.
ASKED_FROM_BYTES = 512
# One number of each, as compiled code wants a type.
FLOAT32, FLOAT64, UINT8 = np.float32(0), np.float64(0), np.uint8(0)


class Dense(NamedTuple):
    """A dense X as kernels are told of it: they see scale * X."""

    described: Any  # by four integers
    scale: float


def describe(X: Any) -> Any:
    """The four integers of an array whose rows lie in one piece each."""
    dtype = DTYPES.index(X.dtype.name)
    return np.array([dtype, X.ctypes.data, X.strides[0], X.itemsize], dtype=np.int64)


@part
def worth_asking(X: Any, first: int, last: int) -> Any:
    """Whether so many columns of a row are more than the processor asks for itself."""
    return (last - first) * X[ITEM_BYTES] >= ASKED_FROM_BYTES


@part
def ask_for(X: Any, rows: Any, first: int, last: int) -> None:
    """Ask for the columns from first to last of these rows, and do not wait."""
    if not worth_asking(X, first, last):
        return
    columns = X[ADDRESS] + first * X[ITEM_BYTES]
    for row in rows:
        begin = columns + row * X[ROW_BYTES]
        for at in range(begin, begin + (last - first) * X[ITEM_BYTES], LINE):
            prefetch(at)


@part
def _copy(
    like: Any, X: Any, scale: Any, rows: Any, first: int, last: int, out: Any
) -> None:
    n, width = out.shape
    place, columns = view(out, first, n, width), last - first
    for i in range(n):
        start = X[ADDRESS] + rows[i] * X[ROW_BYTES] + first * X[ITEM_BYTES]
        for j in range(columns):
            place[i, j] = out.dtype.type(load(start, j, like)) * scale


@part
def gather(X: Dense, rows: Any, first: int, last: int, out: Any) -> None:
    """out[i] = scale * X[rows[i]] in the columns from first to last, in out's type."""
    factor, dtype = out.dtype.type(X.scale), X.described[DTYPE]
    if dtype == 0:
        _copy(FLOAT32, X.described, factor, rows, first, last, out)
    elif dtype == 1:
        _copy(FLOAT64, X.described, factor, rows, first, last, out)
    else:
        _copy(UINT8, X.described, factor, rows, first, last, out)
