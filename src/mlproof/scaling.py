"""Train on standardised columns; get a network that takes the columns as they are."""

from collections.abc import Generator
from typing import Any

import numpy as np

from mlproof.classifier import MLPClassifier
from mlproof.functions import Array
from mlproof.training import Epoch


def fit_standardised(
    classifier: MLPClassifier, X: Any, y: Any
) -> Generator[Epoch, None, None]:
    """Train as ``iter_fit`` does, on columns of mean 0 and standard deviation 1.

    The standardisation is then folded into the first layer, so that the classifier
    takes X itself, as W1 (x - mean) / scale is (W1 / scale) x - (W1 / scale) mean.
    A constant column is only centred.  X is dense, in any real dtype.  Until the last
    epoch has been asked for, the classifier takes standardised columns.

    Raises
    ------
    ValueError
        As ``fit``; and for ``warm_start``, as the weights no longer fit standardised
        columns once the standardisation is in them.
    """
    if classifier.warm_start:
        raise ValueError("warm_start=True does not go with standardised columns.")
    before = getattr(classifier, "theta_", None)
    X = np.asarray(X, dtype=np.float32 if X.dtype == np.float32 else np.float64)
    # In units of a power of 2, in which no square overflows and nothing is rounded.
    _, exponent = np.frexp(np.max(np.abs(X), axis=0, initial=0).astype(np.float64))
    unit = np.ldexp(1.0, exponent - 1)
    mean = np.mean(X / unit, axis=0)
    scale = np.std(X / unit, axis=0)
    constant = scale <= 1e-12 * np.abs(mean)  # but for rounding
    with np.errstate(over="ignore"):
        scale[constant] = 1 / unit[constant]
    standardised = ((X / unit - mean) / scale).astype(X.dtype)
    mean, scale = mean * unit, scale * unit
    try:
        yield from classifier.iter_fit(standardised, y)
    finally:  # also when the caller has seen enough; not when training never began
        if getattr(classifier, "theta_", None) is not before:
            trained = np.isfinite(classifier.theta_).all()  # or diverged, as fit says
            with np.errstate(over="ignore", invalid="ignore"):
                coef = classifier.coefs_[0] / scale[:, None]
                classifier.coefs_[0] = coef
            classifier.intercepts_[0] = classifier.intercepts_[0] - mean @ coef
            if trained:
                _expect_finite(classifier.coefs_[0], scale)


def _expect_finite(coef: Array, scale: Array) -> None:
    """Refuse weights that only a wider dtype, or other units of X, could hold."""
    large = np.flatnonzero(~np.isfinite(coef).all(axis=1))
    if len(large):
        raise ValueError(
            f"column {large[0] + 1} of X varies by {scale[large[0]]:.3g} only, and its "
            f"weights are too large for {coef.dtype.name}. Give it in other units."
        )
