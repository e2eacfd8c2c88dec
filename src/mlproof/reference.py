"""The network once more, one number at a time: slow, plain, and hard to get wrong.

This is the oracle that the fast code is compared with, so it shares nothing with
it: each equation of the derivation is a loop or a sum over named indices, on plain
Python floats, for one example at a time. NumPy only carries arrays in and out.

Shapes, for K layers of weights; layer k (from 0) maps units[k] to units[k+1] numbers:

    x            d = units[0]               the input of one example
    W[k]         units[k+1] x units[k]      k = 0..K-1; W[k][j][i] leads from i to j
    b[k]         units[k+1]
    h_a[k]       units[k+1]                 k = 0..K-2, before the activation
    h_s[k]       units[k+1]                 k = 0..K-2, after it
    o_a, o_s     m = units[K]               logits and probabilities
    y            a class 0..m-1 (softmax), or m numbers 0 or 1 (logistic)
    grad_v       the shape of v             derivative of the loss by each of v
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = list[float]
Matrix = list[list[float]]
Arrays = Sequence[ArrayLike]


class Example(NamedTuple):
    """Everything the network computes on the way from one input to its output."""

    h_a: Matrix
    h_s: Matrix
    o_a: Vector
    o_s: Vector


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), equal to (tanh(x/2) + 1) / 2."""
    # The exponential is only ever taken of a negative number: it cannot overflow,
    # and far to the left the result keeps digits that tanh(x/2) + 1 cancels.
    small = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else small) / (1.0 + small)  # (Q1.1)


def softplus(x: float) -> float:
    """Return log(1 + exp(x)), equal to -log(sigmoid(-x))."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))  # (Q1.2)


def sign(x: float) -> float:
    """Return 1, 0 or -1 as x is positive, zero or negative."""
    return float(x > 0.0) - float(x < 0.0)  # (Q1.5)


# Each activation with its derivative, both as functions of h_a.
ACTIVATIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "rect": (lambda x: max(x, 0.0), lambda x: float(x > 0.0)),  # (Q1.7)
    "tanh": (math.tanh, lambda x: 1.0 - math.tanh(x) ** 2),  # (Q1.4)
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),  # (Q1.3)
    "identity": (lambda x: x, lambda _: 1.0),
    "softplus": (softplus, sigmoid),
    "abs": (abs, sign),  # (Q1.6)
}


def log_sum_exp(values: Vector) -> float:
    """Return the logarithm of the sum of the exponentials, without overflow."""
    top = max(range(len(values)), key=lambda k: values[k])
    rest = sum(
        math.exp(values[k] - values[top]) for k in range(len(values)) if k != top
    )
    return values[top] + math.log1p(rest)


def forward(
    W: Arrays,
    b: Arrays,
    x: ArrayLike,
    activation: str = "rect",
    output: str = "softmax",
) -> Example:
    """Return every intermediate value of the network for one input x."""
    act, _ = ACTIVATIONS[activation]
    weights, biases = _as_lists(W, b)
    below = [float(value) for value in np.asarray(x)]
    h_a: Matrix = []
    h_s: Matrix = []
    for k in range(len(weights) - 1):
        h_a.append(_affine(weights[k], biases[k], below))  # (Q2.1, D.1)
        h_s.append([act(value) for value in h_a[k]])  # (Q2.1, D.1)
        below = h_s[k]
    o_a = _affine(weights[-1], biases[-1], below)  # (Q2.2, D.2)
    if output == "softmax":
        top = max(o_a)
        parts = [math.exp(logit - top) for logit in o_a]
        o_s = [part / sum(parts) for part in parts]  # (Q2.3)
    elif output == "logistic":
        o_s = [sigmoid(logit) for logit in o_a]  # (Q1.1)
    else:
        raise ValueError(f"the output is 'softmax' or 'logistic', not {output!r}")
    return Example(h_a, h_s, o_a, o_s)


def loss(
    W: Arrays,
    b: Arrays,
    x: ArrayLike,
    y: Any,
    activation: str = "rect",
    output: str = "softmax",
) -> float:
    """Return the loss of one example."""
    o_a = forward(W, b, x, activation, output).o_a
    target = _target(y, len(o_a), output)
    if output == "softmax":
        # The logit of y is subtracted before the sum, so that nothing cancels after.
        o_y = o_a[target.index(1.0)]
        return log_sum_exp([logit - o_y for logit in o_a])  # (Q2.4)
    total = 0.0
    for o, t in zip(o_a, target, strict=True):
        # softplus(o) - t o, the two large terms taken together.
        total += (max(o, 0.0) - t * o) + math.log1p(math.exp(-abs(o)))  # (L.2)
    return total


def risk(
    W: Arrays,
    b: Arrays,
    X: ArrayLike,
    y: Any,
    *,
    activation: str = "rect",
    output: str = "softmax",
    sample_weight: ArrayLike | None = None,
    l1: Sequence[float] | None = None,
    l2: Sequence[float] | None = None,
) -> float:
    """Return the mean loss, weighted if asked, plus the penalties of the weights."""
    rows, labels, shares = _examples(X, y, sample_weight)
    total = 0.0
    for x, label, share in zip(rows, labels, shares, strict=True):
        total += share * loss(W, b, x, label, activation, output)  # (Q2.5, S.1)
    weights, _ = _as_lists(W, b)
    c1, c2 = (_coefficients(given, len(weights)) for given in (l1, l2))
    for layer, of_l1, of_l2 in zip(weights, c1, c2, strict=True):
        for row in layer:
            for w in row:
                total += of_l1 * abs(w) + of_l2 * w**2  # (Q2.18)
    return total


def gradient(
    W: Arrays,
    b: Arrays,
    X: ArrayLike,
    y: Any,
    *,
    activation: str = "rect",
    output: str = "softmax",
    sample_weight: ArrayLike | None = None,
    l1: Sequence[float] | None = None,
    l2: Sequence[float] | None = None,
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return the derivatives of the risk by every weight and by every bias."""
    rows, labels, shares = _examples(X, y, sample_weight)
    weights, biases = _as_lists(W, b)
    c1, c2 = (_coefficients(given, len(weights)) for given in (l1, l2))
    grad_W = [np.zeros((len(w), len(w[0]))) for w in weights]
    grad_b = [np.zeros(len(bias)) for bias in biases]
    for x, label, share in zip(rows, labels, shares, strict=True):
        example = forward(W, b, x, activation, output)
        below = [[float(value) for value in x], *example.h_s]
        grad_a, _ = _backward(weights, example, label, activation, output)
        for k in range(len(weights)):
            for j in range(len(weights[k])):
                for i in range(len(weights[k][j])):
                    of_one = grad_a[k][j] * below[k][i]  # (Q2.9, Q2.15, D.4)
                    grad_W[k][j, i] += share * of_one  # (Q2.5, S.1)
                of_one = grad_a[k][j]  # (Q2.9, Q2.15, D.4)
                grad_b[k][j] += share * of_one  # (Q2.5, S.1)
    for layer, grad, of_l1, of_l2 in zip(weights, grad_W, c1, c2, strict=True):
        for j in range(len(layer)):
            for i in range(len(layer[j])):
                w = layer[j][i]
                grad[j, i] += of_l1 * sign(w)  # (Q1.9, Q2.18)
                grad[j, i] += of_l2 * 2.0 * w  # (Q1.8, Q2.18)
    return grad_W, grad_b


def input_gradient(
    W: Arrays,
    b: Arrays,
    x: ArrayLike,
    y: Any,
    activation: str = "rect",
    output: str = "softmax",
) -> NDArray[np.float64]:
    """Return the derivatives of the loss of one example by each of its inputs."""
    weights, _ = _as_lists(W, b)
    example = forward(W, b, x, activation, output)
    _, grad_x = _backward(weights, example, y, activation, output)
    return np.array(grad_x)


def _backward(
    weights: list[Matrix], example: Example, y: Any, activation: str, output: str
) -> tuple[Matrix, Vector]:
    """Return the derivatives of one loss by the result of each layer, and by x.

    The first are grad_h_a[0], ..., grad_h_a[K-1], grad_o_a, in the order of layers.
    """
    _, derivative = ACTIVATIONS[activation]
    target = _target(y, len(example.o_s), output)
    grad_a: Matrix = [[] for _ in weights]
    for p, t in zip(example.o_s, target, strict=True):
        grad_a[-1].append(p - t)  # (Q2.7, L.3, D.3)
    for k in reversed(range(1, len(weights))):
        h_a = example.h_a[k - 1]
        grad_s = _through(weights[k], grad_a[k])  # (Q2.11, D.5)
        for s, a in zip(grad_s, h_a, strict=True):
            grad_a[k - 1].append(s * derivative(a))  # (Q2.13, D.5)
    return grad_a, _through(weights[0], grad_a[0])  # (Q2.17)


def _through(weights: Matrix, grad_a: Vector) -> Vector:
    """Return the derivatives by what enters a layer, from those by its result.

    Each entry i acts on the loss through every unit j of the layer.
    """
    grad_s = [0.0 for _ in weights[0]]
    for i in range(len(weights[0])):
        for j in range(len(weights)):
            grad_s[i] += weights[j][i] * grad_a[j]  # (Q2.11, Q2.17)
    return grad_s


def _affine(weights: Matrix, biases: Vector, below: Vector) -> Vector:
    """Return b[j] + sum over i of W[j][i] below[i], for every unit j."""
    result = []
    for j in range(len(weights)):
        total = biases[j]
        for w, value in zip(weights[j], below, strict=True):
            total += w * value  # (Q2.1, Q2.2)
        result.append(total)
    return result


def _target(y: Any, m: int, output: str) -> Vector:
    """Return what the output should be: onehot_m(y), or the m numbers y themselves."""
    if output == "logistic":
        target = [float(value) for value in y]
        if len(target) != m or any(value not in (0.0, 1.0) for value in target):
            raise ValueError(f"a label has to be {m} numbers 0 or 1, not {target}")
        return target
    label = operator.index(y)
    # Python would take a negative label as counted from the end.
    if not 0 <= label < m:
        raise ValueError(f"a label has to be from 0 to {m - 1}, not {label}")
    return [1.0 if k == label else 0.0 for k in range(m)]  # (Q2.7)


def _as_lists(W: Arrays, b: Arrays) -> tuple[list[Matrix], list[Vector]]:
    """Return the parameters as lists of Python floats, their shapes checked."""
    weights = [np.asarray(w, dtype=np.float64) for w in W]
    biases = [np.asarray(bias, dtype=np.float64) for bias in b]
    if not weights or len(weights) != len(biases):
        raise ValueError("W and b need one array each for every layer, one at least")
    units = [weights[0].shape[-1], *(len(bias) for bias in biases)]
    for k in range(len(weights)):
        if weights[k].shape != (units[k + 1], units[k]):
            raise ValueError(
                f"W[{k}] has shape {weights[k].shape}, not {(units[k + 1], units[k])}"
            )
    return [w.tolist() for w in weights], [bias.tolist() for bias in biases]


def _examples(
    X: ArrayLike, y: Any, sample_weight: ArrayLike | None
) -> tuple[Matrix, list[Any], Vector]:
    """Return the examples, their labels, and the share of each in the mean."""
    rows = np.asarray(X, dtype=np.float64).tolist()
    labels = list(y)
    raw = np.ones(len(rows)) if sample_weight is None else sample_weight
    raw = np.asarray(raw, dtype=np.float64)
    if not len(rows) == len(labels) == len(raw):
        raise ValueError("X, y and sample_weight need the same number of examples")
    total = float(raw.sum())
    if not total > 0.0:
        raise ValueError("the weights of the examples have to add up to more than 0")
    return rows, labels, [float(s) / total for s in raw]  # (Q2.5, S.1)


def _coefficients(given: Sequence[float] | None, layers: int) -> Vector:
    """Return the coefficients of one penalty, 0 for every layer where none is given."""
    return [0.0] * layers if given is None else [float(c) for c in given]
