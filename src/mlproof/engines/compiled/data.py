"""Examples in the form that kernels read them."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from mlproof.deep import scaled
from mlproof.engines import Examples
from mlproof.engines.compiled import gather
from mlproof.engines.compiled.batch_columns import CSR
from mlproof.engines.compiled.gather import Dense
from mlproof.engines.compiled.plan import Table
from mlproof.functions import Array

NONE = np.empty(0)  # what a kernel is given that has no use for an argument
SAMPLE = 256  # rows, about, of which the zeros are counted


def writable(array: Array, dtype: Any) -> Array:
    """The same numbers in this dtype, one after the other.

    Copied only if they must be.  A read-only array would need kernels of its own.
    """
    found = np.ascontiguousarray(array, dtype=dtype)
    return found if found.flags.writeable else found.copy()


class Targets(NamedTuple):
    """What is wanted of each example, and what it counts."""

    y: Table  #       (n,)    class numbers, or none
    labels: Array  #  (n, m)  zeros and ones, or none
    weight: Array  #  (n,)    float64, or none
    # If not 0, the sum of the weights of a longer batch that these rows belong to.
    total_weight: float


class Data(NamedTuple):
    """Nothing is copied but what a kernel could not read."""

    X: Dense | CSR
    targets: Targets
    held: Any  #        the dense array that X describes
    nonzeros: Array  #  (d,) how often each input is not 0, in a sample of rows

    @classmethod
    def of(cls, examples: Examples, theta: Array, scale: float) -> "Data":
        X, y, weight = examples
        described: Dense | CSR
        nonzeros = np.ones(X.shape[1])
        if sparse.issparse(X):
            described = CSR(
                writable(X.indptr, np.int64),
                writable(X.indices, np.int32),
                writable(scaled(X.data, scale, theta), theta.dtype),
            )
        else:
            in_rows = X.shape[1] == 1 or X.strides[1] == X.itemsize
            known = X.dtype.name in gather.DTYPES and X.dtype.isnative
            if not (known and in_rows):
                X = np.ascontiguousarray(X, dtype=X.dtype if known else theta.dtype)
            described = Dense(gather.describe(X), float(scale))
            sample = X[:: max(X.shape[0] // SAMPLE, 1)]
            nonzeros = np.count_nonzero(sample, axis=0) / max(len(sample), 1)
        classes, labels = (y, NONE[:, None]) if y.ndim == 1 else (NONE, y)
        return cls(
            described,
            Targets(
                writable(classes, np.int64),
                writable(labels, np.uint8),
                writable(NONE if weight is None else weight, np.float64),
                total_weight=0.0,
            ),
            X,
            nonzeros,
        )

    @property
    def sparse(self) -> bool:
        return isinstance(self.X, CSR)
