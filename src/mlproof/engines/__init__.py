"""Engines: who computes the batch gradient, and how fast.

Every engine computes what deep.py defines, over the chunks that chunks.py defines, so
they agree to rounding; numpy_engine.py is the readable one that others are judged by.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import sparse

from mlproof.deep import Network
from mlproof.functions import Array
from mlproof.losses import Labels
from mlproof.optimizers import Optimizer
from mlproof.parameters import n_theta
from mlproof.penalties import Penalty


class Examples(NamedTuple):
    """What a network is trained on, in the form the derivation layer takes it."""

    X: Any  #                       (n, d)  dense, or sparse CSR
    y: Labels  #                    (n,) class numbers, or (n, m) zeros and ones
    sample_weight: Array | None  #  (n,)    what each example counts, or all the same

    def take(self, rows: Any) -> "Examples":
        """These rows only: an array of row numbers copies, a slice does not."""
        weight = self.sample_weight
        return Examples(
            self.X[rows], self.y[rows], None if weight is None else weight[rows]
        )

    def total_weight(self) -> float:
        """s, the sum of the weights, or the number of examples (S.1)."""
        if self.sample_weight is None:
            return float(self.X.shape[0])
        return float(np.sum(self.sample_weight, dtype=np.float64))


def products_per_row(units: tuple[int, ...], X: Any) -> int:
    """About how many multiplications a row of X takes on its way to the logits."""
    d, d_h = units[:2]
    entries = X.nnz // X.shape[0] if sparse.issparse(X) else d
    return n_theta(units) + (entries - d) * d_h


class Engine(Protocol):
    """One way to compute with a network; theta is always the flat vector."""

    @property
    def network(self) -> Network: ...

    def logits(self, theta: Array, X: Any, rows: Array | None = None) -> Array:
        """o_a of all rows or of these, (n, m), in bounded memory beyond the result."""

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        """The regularised risk of the batch, and its gradient, flat like theta."""

    def epoch(
        self,
        theta: Array,
        optimizer: Optimizer,
        examples: Examples,
        order: Array | None,
        batch_size: int,
        penalty: Penalty,
    ) -> float:
        """One pass over the examples in this order, changing theta after every batch.

        ``order`` holds row numbers, each at most once; None stands for all in turn.
        A batch whose weights sum to 0 is passed over.  Returns the mean over the other
        examples of the regularised risk of their batch.
        """
