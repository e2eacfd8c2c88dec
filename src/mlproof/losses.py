"""The output of the network and its loss, both read off the logits o_a.

    n  examples    o_a  (n, m)  logits    y  the targets, as their output needs them:
    m  logits                                (n,)   class numbers 0 .. m-1, softmax
                                             (n, m) zeros and ones, logistic units

A loss taken from the logits stays exact when a probability underflows; -log(o_s[y]) is
the same formula but becomes infinite.  The derivation counts classes 1 .. m, the code
0 .. m-1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlproof.functions import Array, sigmoid, softplus

Labels = npt.NDArray[Any]


def onehot(y: Labels, like: Array) -> Array:
    """Row i is 1 in column y[i] and 0 elsewhere, in the shape and dtype of ``like``."""
    rows = np.zeros_like(like)
    rows[np.arange(len(y)), y] = 1
    return rows  # (Q2.7)


def log_softmax(o_a: Array) -> Array:
    """The logarithms of the class probabilities, (n, m).

    The largest logit is taken out of the sum and its own term, exp(0) = 1, is left to
    log1p, so that a probability next to 1 keeps the digits of its tiny logarithm.
    """
    rows, top = np.arange(len(o_a)), np.argmax(o_a.real, axis=1)
    shifted = o_a - o_a[rows, top, None]
    others = np.exp(shifted)
    others[rows, top] = 0
    log_o_s: Array = shifted - np.log1p(np.sum(others, axis=1, keepdims=True))
    return log_o_s  # (Q2.3)


def softmax(o_a: Array) -> Array:
    """The class probabilities, (n, m): positive, each row sums to 1."""
    # softmax is the same for o_a - constant; this one keeps exp from overflowing.
    e = np.exp(o_a - np.maximum.reduce(o_a.real, axis=1, keepdims=True))
    o_s: Array = e / np.add.reduce(e, axis=1, keepdims=True)
    return o_s  # (Q2.3)


def cross_entropy(o_a: Array, y: Labels) -> Array:
    """L = -log o_s[y] = logsumexp(o_a) - o_a[y], one number per example: (n,)."""
    L: Array = -log_softmax(o_a)[np.arange(len(y)), y]
    return L  # (Q2.4)


def cross_entropy_gradient(o_a: Array, y: Labels) -> Array:
    o_s = softmax(o_a)
    return o_s - onehot(y, like=o_s)  # (n, m)  (Q2.7)


def logistic_loss(o_a: Array, y: Labels) -> Array:
    """Minus the log-likelihood of the units, summed over them: (n,).

    softplus(o) - y o, which is softplus(-o) for y = 1 and softplus(o) for y = 0; in
    this form neither cancels.
    """
    L: Array = np.sum(softplus(np.where(y, -o_a, o_a)), axis=1)
    return L  # (L.2, L.4)


def logistic_loss_gradient(o_a: Array, y: Labels) -> Array:
    grad_o_a: Array = sigmoid(o_a) - y.astype(o_a.dtype)
    return grad_o_a  # (n, m)  (L.3)


def log_sigmoid(o_a: Array) -> Array:
    return -softplus(-o_a)  # (Q1.2)


class Output(NamedTuple):
    """How logits become probabilities, the loss of one example, and its gradient."""

    name: str
    probabilities: Callable[[Array], Array]
    log_probabilities: Callable[[Array], Array]
    loss: Callable[[Array, Labels], Array]
    grad_o_a: Callable[[Array, Labels], Array]


SOFTMAX = Output("softmax", softmax, log_softmax, cross_entropy, cross_entropy_gradient)
LOGISTIC = Output(
    "logistic", sigmoid, log_sigmoid, logistic_loss, logistic_loss_gradient
)
OUTPUTS = {output.name: output for output in (SOFTMAX, LOGISTIC)}
