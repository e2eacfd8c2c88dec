"""The backward pass as derived, and as it comes out under each common mistake.

A mistake changes one line of the derivation.  ``STORIES`` lists the lines it can be and
what people write there instead; ``replay`` then computes every gradient under one or
two of them, so that a wrong gradient can be recognised by its values.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.losses import onehot, softmax
from mlproof.network import Theta
from mlproof.verification.backward.problem import BACKWARD_ORDER, Problem


class Forward(NamedTuple):
    """What the backward pass reads."""

    h_a: Array  # (n, d_h)
    h_s: Array  # (n, d_h)
    o_a: Array  # (n, m)
    o_s: Array  # (n, m)
    hot: Array  # (n, m)  the one-hot rows of y
    label: Array  # (n, 1)  y as the function is given it
    prime: Callable[[Array], Array]  # the derivative of the hidden activation
    grad_h_s: Array  # (n, d_h)  once it is known


# A mistake: its code, and which of the ways to make it.
Slip = tuple[str, str]
Story = frozenset[Slip]
RIGHT: Slip = ("", "")
NOTHING_WRONG: Story = frozenset()

# Each line as it is derived, and as it is written by mistake.
GRAD_O_A: dict[Slip, Callable[[Forward], Array]] = {
    RIGHT: lambda f: f.o_s - f.hot,
    ("one_hot_missing", "o_s alone"): lambda f: f.o_s,
    ("one_hot_missing", "the number of the class"): (lambda f: f.o_s - f.label),
    ("one_hot_off_by_one", "y - 1, from the end"): (
        lambda f: f.o_s - np.roll(f.hot, -1, axis=1)
    ),
    ("one_hot_off_by_one", "y - 1, or none"): (lambda f: f.o_s - shifted(f.hot, -1)),
    ("one_hot_off_by_one", "y + 1, from the start"): (
        lambda f: f.o_s - np.roll(f.hot, 1, axis=1)
    ),
    ("one_hot_off_by_one", "y + 1, or none"): lambda f: f.o_s - shifted(f.hot, 1),
    ("one_hot_off_by_one", "y + 1, or the last"): (lambda f: f.o_s - clipped(f.hot)),
    ("softmax_missing", ""): lambda f: f.o_a - f.hot,
    ("softmax_jacobian_diagonal", "o_s (1 - o_s)"): (lambda f: -f.hot * (1 - f.o_s)),
    ("softmax_jacobian_diagonal", "o_s"): lambda f: -f.hot,
    ("extra_softmax_derivative", "o_s (1 - o_s)"): (
        lambda f: (f.o_s - f.hot) * f.o_s * (1 - f.o_s)
    ),
    ("extra_softmax_derivative", "o_s"): lambda f: (f.o_s - f.hot) * f.o_s,
    ("extra_softmax_derivative", "the Jacobian"): (
        lambda f: jacobian_times(f.o_s, f.o_s - f.hot)
    ),
    ("softmax_over_wrong_axis", "over the examples"): (
        lambda f: softmax(f.o_a.T).T - f.hot
    ),
    ("softmax_over_wrong_axis", "the sum over the examples, the maximum not"): (
        lambda f: softmax(less_its_maximum(f.o_a).T).T - f.hot
    ),
    ("softmax_over_wrong_axis", "over everything"): (
        lambda f: softmax(f.o_a.reshape(1, -1)).reshape(f.o_a.shape) - f.hot
    ),
    ("softmax_over_wrong_axis", "the sum over everything, the maximum not"): (
        lambda f: (
            softmax(less_its_maximum(f.o_a).reshape(1, -1)).reshape(f.o_a.shape) - f.hot
        )
    ),
}
H_S_IN_GRAD_W2: dict[Slip, Callable[[Forward], Array]] = {
    RIGHT: lambda f: f.h_s,
    ("preactivation_for_activation", ""): lambda f: f.h_a,
}
# The matrix by which grad_o_a is multiplied.  Those of other shapes fit only where
# sizes coincide.
W2_IN_GRAD_H_S: dict[Slip, Callable[[Theta], Array]] = {
    RIGHT: lambda theta: theta.W2,
    ("transposed", "W2"): lambda theta: theta.W2.T,
    ("weights_swapped", "W1"): lambda theta: theta.W1,
    ("weights_swapped", "W1.T"): lambda theta: theta.W1.T,
}
W1_IN_GRAD_X: dict[Slip, Callable[[Theta], Array]] = {
    RIGHT: lambda theta: theta.W1,
    ("transposed", "W1"): lambda theta: theta.W1.T,
    ("weights_swapped", "W2"): lambda theta: theta.W2,
    ("weights_swapped", "W2.T"): lambda theta: theta.W2.T,
}
# The factor that makes grad_h_a of grad_h_s.
DERIVATIVE: dict[Slip, Callable[[Forward], Array]] = {
    RIGHT: lambda f: f.prime(f.h_a),
    ("relu_mask_missing", ""): lambda f: np.ones_like(f.h_a),
    ("relu_mask_inverted", ""): lambda f: 1 - f.prime(f.h_a),
    ("activation_for_derivative", ""): lambda f: f.h_s,
    ("activation_derivative_of_wrong_argument", "h_s"): (lambda f: f.prime(f.h_s)),
    ("activation_derivative_of_wrong_argument", "1 - h_a^2"): lambda f: 1 - f.h_a**2,
    ("activation_derivative_of_wrong_argument", "h_a (1 - h_a)"): (
        lambda f: f.h_a * (1 - f.h_a)
    ),
    ("activation_derivative_of_wrong_argument", "grad_h_s"): (
        lambda f: f.prime(f.grad_h_s)
    ),
    ("preactivation_for_derivative", ""): lambda f: f.h_a,
    ("derivative_of_another_activation", "rect"): lambda f: f.h_a > 0,
    ("derivative_of_another_activation", "tanh"): lambda f: 1 - f.h_s**2,
    ("derivative_of_another_activation", "sigmoid"): (lambda f: f.h_s * (1 - f.h_s)),
}
NO_DERIVATIVE = ("relu_mask_missing", "")
# Where else the derivative of the activation may have been put; with or without
# the right place.
ELSEWHERE = (
    ("relu_mask_on_wrong_layer", "grad_o_a instead"),
    ("relu_mask_on_wrong_layer", "grad_o_a too"),
    ("relu_mask_on_wrong_layer", "grad_h_s already"),
    ("relu_mask_on_wrong_layer", "grad_x instead"),
    ("relu_mask_on_wrong_layer", "grad_x too"),
)
UPDATED = ("weights_updated_before_use", "")

# The mistakes by line; of two in the same line only one would be seen.
SITES: dict[str, tuple[Slip, ...]] = {
    "grad_o_a": tuple(GRAD_O_A)[1:],
    "grad_W2": tuple(H_S_IN_GRAD_W2)[1:],
    "grad_h_s": (*tuple(W2_IN_GRAD_H_S)[1:], UPDATED),
    "grad_h_a": (*tuple(DERIVATIVE)[1:], *ELSEWHERE),
    "grad_x": tuple(W1_IN_GRAD_X)[1:],
}
# The lines that each gradient is computed by.
ABOVE = {
    **dict.fromkeys(("grad_o_a", "grad_b2"), ("grad_o_a", "grad_h_a")),
    "grad_W2": ("grad_o_a", "grad_W2", "grad_h_a"),
    "grad_h_s": ("grad_o_a", "grad_h_s", "grad_h_a"),
    **dict.fromkeys(
        ("grad_h_a", "grad_W1", "grad_b1"), ("grad_o_a", "grad_h_s", "grad_h_a")
    ),
    "grad_x": ("grad_o_a", "grad_h_s", "grad_h_a", "grad_x"),
}


def stories(name: str, n_mistakes: int) -> Iterator[Story]:
    """Every choice of so many mistakes above a gradient, each in another line."""
    for lines in combinations(ABOVE[name], n_mistakes):
        yield from map(frozenset, product(*(SITES[line] for line in lines)))


class Pass(NamedTuple):
    """The gradients under one story.

    ``sums`` are over the batch, ``lasts`` of the last example alone.  What a premature
    update adds is a combination of ``extras``, as its rate is not known.
    """

    sums: dict[str, Array]
    lasts: dict[str, Array]
    extras: dict[str, list[Array]]


def forward(problem: Problem) -> Forward:
    W1, b1, W2, b2 = problem.theta
    h_a = b1 + problem.X @ W1.T  #                           (Q2.1)
    h_s = problem.convention.activation.function(h_a)  #     (Q2.1)
    o_a = b2 + h_s @ W2.T  #                                 (Q2.2)
    o_s = softmax(o_a)  #                                    (Q2.3)
    hot = onehot(problem.y, like=o_s)
    label = problem.y[:, None] + problem.convention.first_label
    prime = problem.convention.activation.derivative
    return Forward(h_a, h_s, o_a, o_s, hot, label, prime, np.empty(0))


def replay(
    problem: Problem, story: Story, step: tuple[Array, Array] | None = None
) -> Pass | None:
    """Every gradient under this story; None if its shapes do not fit.

    ``step`` are the gradients by which W1 and W2 may have been updated too early.
    """
    f, theta = forward(problem), problem.theta

    def written(line: dict[Slip, Any]) -> Any:
        return next((line[slip] for slip in story if slip in line), line[RIGHT])

    elsewhere = {detail for code, detail in story if code == "relu_mask_on_wrong_layer"}
    grad_o_a = written(GRAD_O_A)(f) * problem.scale  # (n, m)  (Q2.7, Q2.8)
    if elsewhere & {"grad_o_a instead", "grad_o_a too"}:
        grad_o_a = grad_o_a * f.prime(f.o_a)
    W2, W1 = written(W2_IN_GRAD_H_S)(theta), written(W1_IN_GRAD_X)(theta)
    if W2.shape != theta.W2.shape or W1.shape != theta.W1.shape:
        return None
    h_s = written(H_S_IN_GRAD_W2)(f)
    derivative = written(DERIVATIVE)
    if elsewhere & {"grad_o_a instead", "grad_x instead"}:
        derivative = DERIVATIVE[NO_DERIVATIVE]

    def below(G: Array, W2: Array, W1: Array, mask: Array | None) -> dict[str, Array]:
        grad_h_s = G @ W2  #  (n, d_h)  (Q2.11, Q2.12)
        if mask is None:
            mask = derivative(f._replace(grad_h_s=grad_h_s))
        grad_h_a = grad_h_s * mask  #  (n, d_h)  (Q2.13, Q2.14)
        if "grad_h_s already" in elsewhere:
            grad_h_s = grad_h_a
        grad_x = grad_h_a @ W1  #  (n, d)  (Q2.17)
        if elsewhere & {"grad_x instead", "grad_x too"}:
            grad_x = grad_x * f.prime(problem.X)
        return {"grad_h_s": grad_h_s, "grad_h_a": grad_h_a, "grad_x": grad_x}

    rows = {"grad_o_a": grad_o_a} | below(grad_o_a, W2, W1, None)
    sums = rows | reduced(rows, h_s, problem.X, slice(None))
    lasts = reduced(rows, h_s, problem.X, slice(-1, None))
    extras: dict[str, list[Array]] = {}
    if UPDATED in story and step is not None:
        # W - eta step in the place of W: what is computed with it is linear in eta.
        mask = derivative(f._replace(grad_h_s=rows["grad_h_s"]))
        moved = below(grad_o_a, -step[1], W1, mask)
        sums_moved = reduced(
            {"grad_o_a": grad_o_a} | moved, h_s, problem.X, slice(None)
        )
        extras = {
            "grad_h_s": [moved["grad_h_s"]],
            "grad_h_a": [moved["grad_h_a"]],
            "grad_W1": [sums_moved["grad_W1"]],
            "grad_b1": [sums_moved["grad_b1"]],
            "grad_x": [
                moved["grad_x"],
                rows["grad_h_a"] @ -step[0],
                moved["grad_h_a"] @ -step[0],
            ],
        }
    return Pass(sums, lasts, extras)


def derived(problem: Problem) -> dict[str, Array]:
    """Every gradient as derived, in backward order, the penalty included."""
    found = replay(problem, NOTHING_WRONG)
    assert found is not None
    gradients = dict(found.sums)
    for name in ("grad_W1", "grad_W2"):
        l1, l2 = problem.strengths(name)
        W = problem.parameter(name)
        gradients[name] = gradients[name] + l1 * np.sign(W) + l2 * W  # (Q2.18)
    return {name: gradients[name] for name in BACKWARD_ORDER}


def reduced(
    rows: dict[str, Array], h_s: Array, X: Array, taken: slice
) -> dict[str, Array]:
    """The gradients of the parameters, summed over these examples."""
    G, H = rows["grad_o_a"][taken], rows["grad_h_a"][taken]
    return {
        "grad_W2": G.T @ h_s[taken],  #     (m, d_h)  (Q2.9, Q2.10)
        "grad_b2": np.sum(G, axis=0),  #    (m,)      (Q2.9, Q2.10)
        "grad_W1": H.T @ X[taken],  #       (d_h, d)  (Q2.15, Q2.16)
        "grad_b1": np.sum(H, axis=0),  #    (d_h,)    (Q2.15, Q2.16)
    }


def shifted(hot: Array, by: int) -> Array:
    """The one-hot rows moved by one class; what leaves at an end is lost."""
    moved = np.zeros_like(hot)
    if by > 0:
        moved[:, by:] = hot[:, :-by]
    else:
        moved[:, :by] = hot[:, -by:]
    return moved


def clipped(hot: Array) -> Array:
    """The one-hot rows moved up by one class; the last class stays where it is."""
    moved = shifted(hot, 1)
    moved[:, -1] += hot[:, -1]
    return moved


def less_its_maximum(o_a: Array) -> Array:
    maximum: Array = o_a - o_a.max(axis=1, keepdims=True)
    return maximum


def jacobian_times(o_s: Array, G: Array) -> Array:
    """Each row multiplied by the Jacobian of softmax, diag(o_s) - o_s o_s^T."""
    times: Array = o_s * (G - np.sum(o_s * G, axis=1, keepdims=True))
    return times
