"""check_backward: whether a hand-written backward pass is right, and if not, why."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from mlproof.penalties import Penalty
from mlproof.verification.backward.problem import (
    DISTINCT,
    HIDDEN,
    Convention,
)
from mlproof.verification.backward.tables import report
from mlproof.verification.backward.trying import Trying
from mlproof.verification.report import GradientReport


def check_backward(
    backward: Callable[..., Any],
    *,
    l1: float | tuple[float, float] = 0.0,
    l2: float | tuple[float, float] = 0.0,
    reduction: str = "mean",
    first_label: int = 0,
    orientation: str = "outputs_first",
    single_example: bool = False,
    hidden_activation: str = "relu",
    seed: int = 0,
) -> GradientReport:
    """Check a hand-written backward pass of the network with one hidden layer.

    The examples are made here: several sizes, n, d, d_h and m all different, away from
    kinks.  Each gradient is compared with its derivative, and one that is wrong with
    what the common mistakes would make of it.

    Parameters
    ----------
    backward : callable
        ``backward(W1, b1, W2, b2, X, y)`` with W1 (d_h, d), b1 (d_h,), W2 (m, d_h),
        b2 (m,), X (n, d) of float64 and y (n,) of classes from 0, returns the gradient
        of the risk (Q2.5): ``(grad_W1, grad_b1, grad_W2, grad_b2)``, or a dict of
        these that may hold grad_o_a (n, m), grad_h_s (n, d_h), grad_h_a (n, d_h) and
        grad_x (n, d) too, with the 1/n or without.
    l1, l2 : float or pair of floats, default=0
        The strengths of the penalty it includes (Q2.18), of both layers or of each:
        (l11, l21) and (l12, l22).
    reduction : {"mean", "sum"}, default="mean"
        Whether the losses of the examples are averaged or added up.
    first_label : {0, 1}, default=0
        The number of the first class.
    orientation : {"outputs_first", "inputs_first"}, default="outputs_first"
        With the second, W1 is (d, d_h) and W2 is (d_h, m).
    single_example : bool, default=False
        Whether it takes one example, x (d,) and y an int, and returns its gradient.
    hidden_activation : {"relu", "tanh", "sigmoid"}, default="relu"
        What makes h_s of h_a.
    seed : int, default=0
        Draws the examples.

    Returns
    -------
    GradientReport
        ``ok``; ``diagnosis`` with a finding for each mistake; ``str()`` ends with the
        smallest network on which a mistake shows.

    Raises
    ------
    ValueError, TypeError
        If an argument is none of the above, or ``backward`` returns something else
        than gradients.  What it raises itself is a finding.

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof import check_backward
    >>> def backward(W1, b1, W2, b2, X, y):
    ...     h_a = b1 + X @ W1.T
    ...     h_s = np.maximum(h_a, 0)
    ...     o_a = b2 + h_s @ W2.T
    ...     e = np.exp(o_a - o_a.max(axis=1, keepdims=True))
    ...     grad_o_a = e / e.sum(axis=1, keepdims=True)
    ...     grad_o_a[np.arange(len(y)), y] -= 1
    ...     grad_o_a /= len(y)
    ...     grad_h_a = grad_o_a @ W2  # times 1{h_a > 0}
    ...     return grad_h_a.T @ X, grad_h_a.sum(0), grad_o_a.T @ h_s, grad_o_a.sum(0)
    >>> [(found.code, found.blocks) for found in check_backward(backward).diagnosis]
    [('relu_mask_missing', ('grad_W1', 'grad_b1'))]
    """
    if not callable(backward):
        raise TypeError(
            "check_backward takes a function backward(W1, b1, W2, b2, X, y); got "
            f"{type(backward).__name__}."
        )
    stated = Convention(
        _one_of("reduction", reduction, ("mean", "sum")),
        _one_of("first_label", first_label, (0, 1)),
        _one_of("orientation", orientation, ("outputs_first", "inputs_first")),
        _one_of_two("single_example", single_example),
        _one_of("hidden_activation", hidden_activation, tuple(HIDDEN)),
    )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0; got {seed!r}.")
    penalty = Penalty(_pair("l1", l1), _pair("l2", l2))
    trying = Trying(backward, penalty, seed)
    verdict = trying.judge(stated, DISTINCT)
    if not verdict.named:
        right = [other for other in _others(stated) if trying.is_right(other)]
        near = right[:1] or (_others(stated) if verdict.error is not None else [])
        tried = [trying.judge_other(other) for other in near]
        others = [v for v in tried if v is not None and v.named]
        if others:
            verdict = min(others, key=lambda v: len(v.findings))
        elif verdict.error is not None or verdict.misshapen:
            verdict = trying.on_equal_sizes(verdict)
    return report(verdict, stated, backward, penalty)


def _one_of(name: str, value: Any, known: Sequence[Any]) -> Any:
    if isinstance(value, bool | np.ndarray) or value not in known:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}."
        )
    return known[known.index(value)]  # an int, where 1.0 was given


def _one_of_two(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False; got {value!r}.")
    return bool(value)


def _pair(name: str, value: Any) -> tuple[float, float]:
    try:
        pair = np.broadcast_to(np.asarray(value, dtype=np.float64), (2,))
    except (TypeError, ValueError):
        pair = np.array([np.nan])
    if not np.all(np.isfinite(pair)) or np.any(pair < 0):
        raise ValueError(
            f"{name} must be a number from 0, or one for each layer; got {value!r}."
        )
    return float(pair[0]), float(pair[1])


def _others(stated: Convention) -> list[Convention]:
    """Other ways in which the function may have been meant, the nearest first."""
    ways = product(
        (stated.hidden_activation, "relu", "tanh", "sigmoid"),
        ("outputs_first", "inputs_first"),
        (0, 1),
        (False, True),
    )
    others = {
        replace(
            stated,
            orientation=orientation,
            first_label=first_label,
            single_example=single_example,
            hidden_activation=activation,
        )
        for activation, orientation, first_label, single_example in ways
    } - {stated}
    return sorted(
        others, key=lambda other: (len(other.differs_from(stated)), str(other))
    )
