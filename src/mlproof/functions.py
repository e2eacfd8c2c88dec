"""The scalar functions of the network, each beside its derivative (Q1.1 to Q1.9).

Every function works element by element on arrays of any shape and keeps their dtype:
float32 in, float32 out.  For finite input none overflows and none returns NaN.

Complex input is accepted so that a derivative can be read off as Im f(x + ih)/h, the
complex step: a function that branches does so on the real part, which the step leaves
alone, and is the same analytic formula on either side.

At a kink the derivative is a convention, one of the subgradients:
rect'(0) = 0, abs'(0) = sign(0) = 0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]  # float32, float64, or complex in a complex step


def indicator(condition: Array, like: Array) -> Array:
    """1 where the condition holds and 0 elsewhere, in the dtype of ``like``."""
    return condition.astype(like.dtype)


def sign(x: Array) -> Array:
    x = np.asarray(x)
    return indicator(x.real > 0, like=x) - indicator(x.real < 0, like=x)  # (Q1.5)


def identity(x: Array) -> Array:
    return np.asarray(x)


def identity_prime(x: Array) -> Array:
    return np.ones_like(x)


def rect(x: Array) -> Array:
    # max(x, 0); the condition is turned round so that NaN stays NaN.
    x = np.asarray(x)
    if x.dtype.kind != "c":
        return np.asarray(np.maximum(x, 0))  # (Q1.7)
    return np.where(x.real <= 0, np.zeros_like(x), x)  # (Q1.7)


def rect_prime(x: Array) -> Array:
    x = np.asarray(x)
    return indicator(x.real > 0, like=x)  # (Q1.7)


def abs_(x: Array) -> Array:
    # Not np.abs: the modulus of x + ih is x to first order, its derivative lost.
    x = np.asarray(x)
    return np.where(x.real < 0, -x, x)  # (Q1.6)


def abs_prime(x: Array) -> Array:
    return sign(x)  # (Q1.6)


def sigmoid(x: Array) -> Array:
    # 1/2 (tanh(x/2) + 1), written with exp(-|x|): nothing overflows, and small values
    # keep the digits that the tanh form cancels; below x = -37 it would be 0.
    x = np.asarray(x)
    e = np.exp(-abs_(x))
    s: Array = np.where(x.real < 0, e, np.ones_like(e)) / (1 + e)
    return s  # (Q1.1)


def sigmoid_prime(x: Array) -> Array:
    # sigmoid(x) (1 - sigmoid(x)), where 1 - sigmoid(x) is sigmoid(-x) and cancels less.
    return sigmoid(x) * sigmoid(-np.asarray(x))  # (Q1.3)


def tanh(x: Array) -> Array:
    return np.asarray(np.tanh(x))  # (Q1.4)


def tanh_prime(x: Array) -> Array:
    # 1 - tanh(x)^2, as 1/cosh(x)^2: equal, without the cancellation at large |x|.
    e = np.exp(-abs_(x))
    t: Array = np.square(2 * e / (1 + np.square(e)))
    return t  # (Q1.4)


def softplus(x: Array) -> Array:
    # ln(1 + exp(x)) = -ln sigmoid(-x), with the larger exponent taken out.  At 0 both
    # terms must branch to the same side, or a complex step would see a kink.
    x = np.asarray(x)
    s: Array = rect(x) + np.log1p(np.exp(np.where(x.real <= 0, x, -x)))
    return s  # (Q1.2)


def softplus_prime(x: Array) -> Array:
    return sigmoid(x)  # (Q1.2)


def squared_norm(x: Array) -> Any:
    """The squared L2 norm, the sum of x_i^2 over all entries."""
    return np.sum(np.square(x))  # (Q1.8)


def squared_norm_prime(x: Array) -> Array:
    return 2 * np.asarray(x)  # (Q1.8)


def l1_norm(x: Array) -> Any:
    """The L1 norm, the sum of |x_i| over all entries."""
    return np.sum(abs_(x))  # (Q1.9)


def l1_norm_prime(x: Array) -> Array:
    return sign(x)  # (Q1.9)


class Activation(NamedTuple):
    """What a hidden unit does to its pre-activation, and the derivative of that."""

    name: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("rect", rect, rect_prime),
        Activation("tanh", tanh, tanh_prime),
        Activation("sigmoid", sigmoid, sigmoid_prime),
        Activation("identity", identity, identity_prime),
        Activation("softplus", softplus, softplus_prime),
        Activation("abs", abs_, abs_prime),
    )
}
