"""Train on standardised columns; get a network that takes the columns as they are."""

from collections.abc import Generator
from typing import Any

import numpy as np

from mlproof.classifier import MLPClassifier
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
    mean = np.mean(X, axis=0, dtype=np.float64)
    scale = np.std(X, axis=0, dtype=np.float64)
    scale[scale <= 1e-12 * np.abs(mean)] = 1  # constant but for rounding
    try:
        yield from classifier.iter_fit(((X - mean) / scale).astype(X.dtype), y)
    finally:  # also when the caller has seen enough; not when training never began
        if getattr(classifier, "theta_", None) is not before:
            coef = classifier.coefs_[0] / scale[:, None]
            classifier.coefs_[0] = coef
            classifier.intercepts_[0] = classifier.intercepts_[0] - mean @ coef
