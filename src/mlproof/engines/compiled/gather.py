"""Rows of X into the workspace: the only kernel that knows of what type X is.

X is told in three integers, so one compiled kernel serves every dtype and read-only
flag, and nothing of X is copied or converted but the rows of one batch.
"""

from typing import Any

import numpy as np

from mlproof.engines.compiled.machine import load
from mlproof.engines.compiled.toolchain import part

# The three integers: which of DTYPES, where X begins, and how far its rows lie apart.
DTYPE, ADDRESS, ROW_BYTES = range(3)
DTYPES = ("float32", "float64", "uint8")
# One number of each, as compiled code wants a type.
FLOAT32, FLOAT64, UINT8 = np.float32(0), np.float64(0), np.uint8(0)


def describe(X: Any) -> Any:
    """The three integers of an array whose rows lie in one piece each."""
    dtype = DTYPES.index(X.dtype.name)
    return np.array([dtype, X.ctypes.data, X.strides[0]], dtype=np.int64)


@part
def _copy(like: Any, X: Any, scale: Any, rows: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        start = X[ADDRESS] + rows[i] * X[ROW_BYTES]
        for j in range(out.shape[1]):
            out[i, j] = out.dtype.type(load(start, j, like)) * scale


@part
def gather(X: Any, scale: float, rows: Any, out: Any) -> None:
    """out[i] = scale * X[rows[i]], in the type of out."""
    factor, dtype = out.dtype.type(scale), X[DTYPE]
    if dtype == 0:
        _copy(FLOAT32, X, factor, rows, out)
    elif dtype == 1:
        _copy(FLOAT64, X, factor, rows, out)
    else:
        _copy(UINT8, X, factor, rows, out)
