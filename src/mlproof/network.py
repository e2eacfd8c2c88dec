"""One hidden layer, one batch: forward, loss, backward, line by line as derived.

Every line is one equation of docs/derivation.md, in its order and under its names; the
tag at its end is its label there.  Rows are examples, so the column equation
h_a = b1 + W1 x becomes h_a = b1 + X @ W1.T.

    n    examples    X  (n, d)                    W1  (d_h, d)    b1  (d_h,)
    d    inputs      y  (n,) classes 0 .. m-1     W2  (m, d_h)    b2  (m,)
    d_h  hidden      m  classes
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array, rect, rect_prime
from mlproof.losses import Labels, cross_entropy, onehot, softmax
from mlproof.penalties import Penalty


class Theta(NamedTuple):
    """The parameters (Q2.5), in the order in which the flat vector holds them."""

    W1: Array  # (d_h, d)
    b1: Array  # (d_h,)
    W2: Array  # (m, d_h)
    b2: Array  # (m,)


class Trace(NamedTuple):
    """What forward computed, kept because backward reads it again."""

    h_a: Array  # (n, d_h)  hidden pre-activations
    h_s: Array  # (n, d_h)  hidden activations
    o_a: Array  # (n, m)    logits
    o_s: Array  # (n, m)    class probabilities


class Gradients(NamedTuple):
    """The derivative of the risk with respect to each quantity, in backward order."""

    grad_o_a: Array  # (n, m)
    grad_W2: Array  # (m, d_h)
    grad_b2: Array  # (m,)
    grad_h_s: Array  # (n, d_h)
    grad_h_a: Array  # (n, d_h)
    grad_W1: Array  # (d_h, d)
    grad_b1: Array  # (d_h,)
    grad_x: Array  # (n, d)


def forward(theta: Theta, X: Array) -> Trace:
    h_a = theta.b1 + X @ theta.W1.T  #   (Q2.1)
    h_s = rect(h_a)  #                   (Q2.1)
    o_a = theta.b2 + h_s @ theta.W2.T  # (Q2.2)
    o_s = softmax(o_a)  #                (Q2.3)
    return Trace(h_a, h_s, o_a, o_s)


def risk(theta: Theta, X: Array, y: Labels) -> Any:
    L = cross_entropy(forward(theta, X).o_a, y)  # (n,)  (Q2.4)
    return np.mean(L)  #                                 (Q2.5)


def backward(theta: Theta, X: Array, y: Labels, trace: Trace) -> Gradients:
    """The gradient of the risk; its 1/n enters once, in grad_o_a."""
    h_a, h_s, _, o_s = trace
    grad_o_a = (o_s - onehot(y, like=o_s)) / len(y)  # (n, m)    (Q2.7, Q2.8)
    grad_W2 = grad_o_a.T @ h_s  #                      (m, d_h)  (Q2.9, Q2.10)
    grad_b2 = np.sum(grad_o_a, axis=0)  #              (m,)      (Q2.9, Q2.10)
    grad_h_s = grad_o_a @ theta.W2  #                  (n, d_h)  (Q2.11, Q2.12)
    grad_h_a = grad_h_s * rect_prime(h_a)  #           (n, d_h)  (Q2.13, Q2.14)
    grad_W1 = grad_h_a.T @ X  #                        (d_h, d)  (Q2.15, Q2.16)
    grad_b1 = np.sum(grad_h_a, axis=0)  #              (d_h,)    (Q2.15, Q2.16)
    grad_x = grad_h_a @ theta.W1  #                    (n, d)    (Q2.17)
    return Gradients(
        grad_o_a, grad_W2, grad_b2, grad_h_s, grad_h_a, grad_W1, grad_b1, grad_x
    )


def regularised_risk(theta: Theta, X: Array, y: Labels, penalty: Penalty) -> Any:
    return risk(theta, X, y) + penalty.value([theta.W1, theta.W2])  # (Q2.18)


def regularised_gradient(theta: Theta, X: Array, y: Labels, penalty: Penalty) -> Theta:
    """The gradient of the regularised risk with respect to theta."""
    grad = backward(theta, X, y, forward(theta, X))
    grad_W1, grad_W2 = penalty.gradient([theta.W1, theta.W2])  # (Q2.18)
    return Theta(
        grad.grad_W1 + grad_W1, grad.grad_b1, grad.grad_W2 + grad_W2, grad.grad_b2
    )


def gradient_descent_step(theta: Theta, grad: Theta, eta: float) -> Theta:
    """One step against the gradient: theta <- theta - eta grad, with eta > 0."""
    return Theta(*(p - eta * g for p, g in zip(theta, grad, strict=True)))  # (Q2.6)
