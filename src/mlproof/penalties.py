"""The elastic-net penalty on the weights of each layer, biases left out (Q2.18)."""

from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import (
    Array,
    l1_norm,
    l1_norm_prime,
    squared_norm,
    squared_norm_prime,
)


class Penalty(NamedTuple):
    """l1[k] ||W[k]||_1 + l2[k] ||W[k]||_2^2, summed over the layers k.

    ``alpha`` is scikit-learn's, whose strength depends on the batch: see ``over``.
    """

    l1: tuple[float, ...]
    l2: tuple[float, ...]
    alpha: float = 0.0

    def over(self, s: float) -> "Penalty":
        """The same penalty for a batch whose weights sum to s, alpha put into l2."""
        return Penalty(
            self.l1, tuple(l2 + self.alpha / (2 * s) for l2 in self.l2)
        )  # (S.3)

    def value(self, W: list[Array]) -> Any:
        return sum(
            (l1 * l1_norm(W_k) if l1 else 0) + (l2 * squared_norm(W_k) if l2 else 0)
            for l1, l2, W_k in zip(self.l1, self.l2, W, strict=True)
        )  # (Q2.18)

    def gradient(self, W: list[Array]) -> list[Array]:
        """One array per layer, in the shape of its W[k]."""
        # A norm reads every weight, so one whose coefficient is 0 is left out.
        return [
            (l1 * l1_norm_prime(W_k) if l1 else np.zeros_like(W_k))
            + (l2 * squared_norm_prime(W_k) if l2 else 0)
            for l1, l2, W_k in zip(self.l1, self.l2, W, strict=True)
        ]  # (Q2.18)


def no_penalty(n_layers: int) -> Penalty:
    return Penalty((0.0,) * n_layers, (0.0,) * n_layers)
