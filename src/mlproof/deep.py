"""The same network at any depth, with any hidden activation and either output.

network.py is the derivation, one hidden layer by name; this is its extension (D.1 to
D.5), a loop over the layers.  For one hidden layer of rect units under a softmax the
two compute the same numbers.

    units    (d, d_h, .., m)  layer sizes; K = len(units) - 1 layers of weights
    X        (n, d)           examples, dense or sparse (CSR)
    y        the targets, as the output wants them (see losses.py)
    weight   (n,)             what each example counts: s_i / sum(s), or 1/n
    h_a[k]   (n, units[k+1])  pre-activations of hidden layer k = 0 .. K-2
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Activation, Array
from mlproof.losses import Labels, Output
from mlproof.parameters import Parameters, views


class Network(NamedTuple):
    """Everything about a network but its parameters."""

    units: tuple[int, ...]
    activation: Activation
    output: Output
    input_scale: float = 1.0  # the network sees input_scale * X

    @property
    def n_layers(self) -> int:
        """How many layers of weights there are, K."""
        return len(self.units) - 1


class Trace(NamedTuple):
    """What forward computed, kept because backward reads it again."""

    h_a: list[Array]  # K-1 arrays (n, units[k+1])
    h_s: list[Any]  #   K arrays (n, units[k]), the first scaled X, perhaps sparse
    o_a: Array  #       (n, m)


def scaled(X: Any, scale: float, theta: Array) -> Any:
    """X as the first layer sees it; whole numbers become the numbers of theta."""
    if scale != 1:
        return X * theta.real.dtype.type(scale)
    return X if X.dtype.kind in "fc" else X.astype(theta.real.dtype)


def forward(network: Network, theta: Array, X: Any) -> Trace:
    return forward_through(network, views(theta, network.units), X)


def forward_through(network: Network, parameters: Parameters, X: Any) -> Trace:
    W, b = parameters
    h_a: list[Array] = []
    h_s = [scaled(X, network.input_scale, b[0])]
    for W_k, b_k in zip(W[:-1], b[:-1], strict=True):
        h_a.append(b_k + h_s[-1] @ W_k.T)  #                (D.1)
        h_s.append(network.activation.function(h_a[-1]))  # (D.1)
    o_a = b[-1] + h_s[-1] @ W[-1].T  #                      (D.2)
    return Trace(h_a, h_s, o_a)


def backward(
    network: Network, theta: Array, y: Labels, weight: Array, trace: Trace
) -> Array:
    """The gradient of sum_i weight[i] L_i, as a flat vector like theta."""
    W, _ = views(theta, network.units)
    grad = np.empty_like(theta)
    grad_W, grad_b = views(grad, network.units)
    # grad_a is grad_o_a at first, then the grad_h_a of each hidden layer downwards.
    grad_a = network.output.grad_o_a(trace.o_a, y) * weight[:, None]  # (n, m)    (D.3)
    for k in reversed(range(network.n_layers)):
        # W[k] is stored transposed, and so is its gradient computed.
        grad_W[k].T[...] = trace.h_s[k].T @ grad_a  #     (units[k], units[k+1])  (D.4)
        grad_b[k][...] = np.sum(grad_a, axis=0)  #        (units[k+1],)           (D.4)
        if k > 0:
            grad_h_s = grad_a @ W[k]  #                             (n, units[k]) (D.5)
            grad_a = grad_h_s * network.activation.derivative(trace.h_a[k - 1])  # (D.5)
    return grad


def weighted_loss(
    network: Network, theta: Array, X: Any, y: Labels, weight: Array
) -> Any:
    """sum_i weight[i] L_i: the risk when the weights are 1/n."""
    return weight @ network.output.loss(forward(network, theta, X).o_a, y)  # (Q2.5)
