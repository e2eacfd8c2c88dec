"""What is asked of the data before anything reads it, beyond what scikit-learn asks."""

import copy
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_sample_weight

from mlproof.functions import Array

# For sklearn.utils.validation.validate_data.
X_FORMATS: dict[str, Any] = {
    "accept_sparse": ["csr", "csc"],
    "dtype": (np.float64, np.float32, np.uint8),  # others become the first
}

# What SciPy's shorter indices hold.
SHORT_INDICES = {np.dtype(name) for name in ("i1", "i2", "i4", "u1", "u2")}


def sound(matrix: Any, name: str = "X") -> Any:
    """The matrix, unless it is sparse and its indices lead out of it: ValueError.

    SciPy and every kernel trust the indices, and scikit-learn does not check them.
    SciPy's own check passes over some of what is wrong, and changes what it is given;
    here the caller's matrix stays as it is, and may be read by others meanwhile.
    """
    if isinstance(matrix, np.ndarray) or not sparse.issparse(matrix):
        return matrix
    try:
        _SOUND.get(matrix.format, _anything)(matrix)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(
            f"{name} is a sparse matrix that contradicts itself: {error}. Build it "
            "again, or call its check_format() to find out where it goes wrong."
        ) from error
    return _tidied(matrix) if _SOUND.get(matrix.format) is _compressed else matrix


def check_sample_weight(sample_weight: Any, X: Any) -> Array | None:
    """The weights as a floating array, not all 0; or None for none."""
    return None if sample_weight is None else _check_sample_weight(sample_weight, X)


# ---- a check for each sparse format that holds indices -------------------------------


def _compressed(matrix: Any) -> None:
    pointers, indices, data = matrix.indptr, matrix.indices, matrix.data
    blocked = matrix.format == "bsr"
    if (pointers.ndim, indices.ndim, data.ndim) != (1, 1, 3 if blocked else 1):
        raise ValueError("its arrays have not the dimensions of its format")
    shape = matrix.shape
    if blocked:
        sizes = list(zip(shape, data.shape[1:], strict=True))
        if any(size % block for size, block in sizes):
            raise ValueError(f"its blocks do not make up the shape {shape}")
        shape = tuple(size // block for size, block in sizes)
    rows, columns = (1, *shape)[-2:] if matrix.format != "csc" else shape[::-1]
    _whole_numbers(pointers)
    _whole_numbers(indices)
    if len(pointers) != rows + 1:
        raise ValueError(f"it has {len(pointers)} pointers and not {rows + 1}")
    if pointers[0] != 0 or (pointers[1:] < pointers[:-1]).any():
        raise ValueError("its pointers do not rise from 0")
    n_entries = int(pointers[-1])
    if n_entries > min(len(indices), len(data)):
        raise ValueError(
            f"its pointers lead to {n_entries} entries, and it has {len(indices)} "
            f"indices and {len(data)} values"
        )
    _within(indices[:n_entries], columns, matrix.shape)


def _tidied(matrix: Any) -> Any:
    """The same arrays in another matrix, as SciPy wants them: no longer than they are
    used, indices and pointers of one dtype, values in the machine's order of bytes.
    """
    tidied, arrays = copy.copy(matrix), (matrix.indptr, matrix.indices)
    dtype = np.int32 if {a.dtype for a in arrays} <= SHORT_INDICES else np.int64
    tidied.indptr, tidied.indices = (a.astype(dtype, copy=False) for a in arrays)
    tidied.check_format(full_check=False)
    return tidied


def _coordinates(matrix: Any) -> None:
    if {len(index) for index in matrix.coords} != {len(matrix.data)}:
        raise ValueError("its indices and its values are not equally many")
    for index, size in zip(matrix.coords, matrix.shape, strict=True):
        _within(index, size, matrix.shape)


def _diagonals(matrix: Any) -> None:
    _whole_numbers(matrix.offsets)
    if matrix.offsets.shape != matrix.data.shape[:1] or matrix.data.ndim != 2:
        raise ValueError("its offsets and its diagonals are not equally many")


def _lists(matrix: Any) -> None:
    if not len(matrix.rows) == len(matrix.data) == matrix.shape[0]:
        raise ValueError("it has not as many lists as rows")
    for columns, values in zip(matrix.rows, matrix.data, strict=True):
        if len(columns) != len(values):
            raise ValueError("a row has not as many indices as values")
        _within(np.asarray(columns), matrix.shape[1], matrix.shape)


def _anything(matrix: Any) -> None:
    """A format whose own conversions look at its indices."""


_SOUND = {
    "csr": _compressed,
    "csc": _compressed,
    "bsr": _compressed,
    "coo": _coordinates,
    "dia": _diagonals,
    "lil": _lists,
}


def _within(index: Array, size: int, shape: tuple[int, ...]) -> None:
    if not len(index):
        return
    _whole_numbers(index)
    if not 0 <= index.min() <= index.max() < size:
        raise ValueError(f"an index lies outside the shape {shape}")


def _whole_numbers(index: Array) -> None:
    if index.dtype.kind not in "iu":
        raise ValueError(f"its indices are {index.dtype.name}, not whole numbers")
