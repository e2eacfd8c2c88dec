"""The smallest network and numbers on which a mistake shows, to be followed by hand."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.network import Theta
from mlproof.penalties import Penalty
from mlproof.verification.backward.problem import (
    BACKWARD_ORDER,
    INTERMEDIATE,
    Answer,
    Convention,
    NoGradientError,
    Problem,
    Sizes,
    ask,
    told,
)
from mlproof.verification.backward.replay import derived, forward

# What every number is: few digits, none 0, no two alike in size.
NUMBERS = (1.0, -0.5, 2.0, -1.0, 0.5, -2.0, 1.5, -1.5)
LARGE = 1000.0  # times W2, for logits whose exp overflows
TOLERANCE = 1e-4


def smallest(
    backward: Callable[..., Any], convention: Convention, penalty: Penalty
) -> str:
    """The first of these networks, by size, on which something is wrong; or ''.

    Rather one with a wrong gradient than one on which nothing but the call goes wrong,
    and rather one with small logits than one on which exp overflows.
    """
    small = _simplest(convention, penalty)
    large = [replace(p, theta=p.theta._replace(W2=LARGE * p.theta.W2)) for p in small]
    answers = [(p, _asked(backward, p)) for p in (*small, *large)]
    for shown in (_wrong_gradient, _wrong_call):
        for problem, answer in answers:
            if lines := shown(problem, answer):
                title = f"The smallest network on which it shows: {problem.sizes}"
                return "\n  ".join([title, *lines])
    return ""


def _asked(backward: Callable[..., Any], problem: Problem) -> Answer:
    try:
        return ask(backward, problem)
    except NoGradientError as error:
        return Answer({}, error, ())


def _simplest(convention: Convention, penalty: Penalty) -> list[Problem]:
    """Networks by their size, but first those in which every example gets through."""
    counts = (1,) if convention.single_example else (1, 2, 3)
    sizes = sorted(
        (Sizes(*each) for each in product(counts, (1, 2), (1, 2, 3), (2, 3))),
        key=lambda s: (s.d_h * (s.d + 1) + s.m * (s.d_h + 1) + s.n * s.d, s),
    )
    problems = [
        _simple(each, convention, penalty, seed) for each in sizes for seed in range(3)
    ]
    return sorted(problems, key=lambda p: not _all_alive(p))


def _all_alive(problem: Problem) -> bool:
    return bool(np.any(forward(problem).h_a > 0, axis=1).all())


def _simple(
    sizes: Sizes, convention: Convention, penalty: Penalty, seed: int
) -> Problem:
    n, d, d_h, m = sizes
    rng = np.random.default_rng(seed)
    theta = Theta(
        *(rng.choice(NUMBERS, shape) for shape in ((d_h, d), d_h, (m, d_h), m))
    )
    y = (np.arange(n) + seed) % m
    return Problem(theta, rng.choice(NUMBERS, (n, d)), y, convention, penalty)


def _wrong(given: Array, right: Array, problem: Problem, name: str) -> bool:
    on_kink = problem.convention.activation.name == "rect" and np.any(
        forward(problem).h_a == 0
    )
    if on_kink:
        return False
    if given.shape != right.shape:
        if given.size != right.size:
            return True
        given = given.reshape(right.shape)
    scales = [1.0]
    if name in INTERMEDIATE:
        scales.append(1 / problem.scale)  # without the 1/n, which is as good
    return all(
        not np.allclose(given, scale * right, rtol=TOLERANCE, atol=TOLERANCE)
        for scale in scales
    )


def _wrong_gradient(problem: Problem, answer: Answer) -> list[str]:
    """The numbers from theta to the first gradient that is wrong, if one is."""
    right = derived(problem)
    for name, given in answer.blocks.items():
        if _wrong(given, right[name], problem, name):
            f = forward(problem)
            above = BACKWARD_ORDER[: BACKWARD_ORDER.index(name)]
            values = {
                **_arguments(problem),
                "h_a": f.h_a,
                "h_s": f.h_s,
                "o_a": f.o_a,
                "o_s": f.o_s,
                **{key: right[key] for key in above if key in INTERMEDIATE},
            }
            yours, should = (
                _numbers(_as_stated(problem, name, block))
                for block in (given, right[name])
            )
            return [*_listed(problem, values), f"{name} is {yours}, should be {should}"]
    return []


def _wrong_call(problem: Problem, answer: Answer) -> list[str]:
    """The arguments of a call that raises or that changes them, if it does."""
    if answer.error is not None:
        ending = f"the call raises {told(answer.error)}"
    elif answer.changed:
        ending = f"the call changes {', '.join(answer.changed)}"
    else:
        return []
    return [*_listed(problem, _arguments(problem)), ending]


def _arguments(problem: Problem) -> dict[str, Array]:
    y = problem.y + problem.convention.first_label
    return {**problem.theta._asdict(), "X": problem.X, "y": y}


def _listed(problem: Problem, values: dict[str, Array]) -> list[str]:
    return [
        f"{name} = {_numbers(_as_stated(problem, name, value))}"
        for name, value in values.items()
    ]


def _as_stated(problem: Problem, name: str, value: Array) -> Array:
    turned = problem.convention.orientation == "inputs_first"
    return value.T if turned and "W" in name and value.ndim == 2 else value


def _numbers(values: Array) -> str:
    values = np.asarray(values)
    if values.dtype.kind == "f":  # what is rounding only is 0, and 0 has no sign
        values = np.where(np.abs(values) < 1e-12, 0.0, values)
    return np.array2string(
        values,
        separator=", ",
        formatter={"float_kind": lambda x: f"{x:.4g}"},
    ).replace("\n", "")
