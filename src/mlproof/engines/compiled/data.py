"""Examples in the form that kernels read them."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from mlproof.deep import scaled
from mlproof.engines import Examples
from mlproof.engines.compiled import gather
from mlproof.engines.compiled.plan import Table
from mlproof.functions import Array

NONE = np.empty(0)  # what a kernel is given that has no use for an argument


class Data(NamedTuple):
    """Nothing is copied but what a kernel could not read."""

    X: tuple[Any, ...]  # dense: three integers and a scale, see gather.py; or the CSR
    y: Table  #            (n,)    class numbers, or none
    labels: Array  #       (n, m)  zeros and ones, or none
    weight: Array  #       (n,)    float64, or none
    held: Any  #           the dense array that X describes

    @classmethod
    def of(cls, examples: Examples, theta: Array, scale: float) -> "Data":
        X, y, weight = examples
        described: tuple[Any, ...]
        if sparse.issparse(X):
            described = (
                X.indptr.astype(np.int64, copy=False),
                X.indices.astype(np.int32, copy=False),
                scaled(X.data, scale, theta).astype(theta.dtype, copy=False),
            )
        else:
            in_rows = X.shape[1] == 1 or X.strides[1] == X.itemsize
            if X.dtype.name not in gather.DTYPES or not in_rows:
                X = np.ascontiguousarray(X, dtype=theta.dtype)
            described = gather.describe(X), scale
        classes, labels = (y, NONE[:, None]) if y.ndim == 1 else (NONE, y)
        return cls(
            described,
            np.ascontiguousarray(classes, dtype=np.int64),
            np.ascontiguousarray(labels, dtype=np.uint8),
            np.ascontiguousarray(NONE if weight is None else weight, dtype=np.float64),
            X,
        )

    @property
    def sparse(self) -> bool:
        return len(self.X) == 3

    @property
    def arguments(self) -> tuple[Any, ...]:
        return *self.X, self.y, self.labels, self.weight
