"""The smallest network and numbers on which a mistake shows, to be followed by hand."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.network import Theta
from mlproof.penalties import Penalty
from mlproof.verification.backward.problem import (
    BACKWARD_ORDER,
    INTERMEDIATE,
    Convention,
    Problem,
    Sizes,
    ask,
)
from mlproof.verification.backward.replay import derived, forward

# What every number is: few digits, none 0, no two alike in size.
NUMBERS = (1.0, -0.5, 2.0, -1.0, 0.5, -2.0, 1.5, -1.5)
TOLERANCE = 1e-4


def smallest(
    backward: Callable[..., Any], convention: Convention, penalty: Penalty
) -> str:
    """The first of these networks, by size, whose gradient comes out wrong; or ''."""
    counts = (1,) if convention.single_example else (1, 2, 3)
    sizes = sorted(
        (Sizes(*each) for each in product(counts, (1, 2), (1, 2, 3), (2, 3))),
        key=lambda s: (s.d_h * (s.d + 1) + s.m * (s.d_h + 1) + s.n * s.d, s),
    )
    problems = [
        _simple(each, convention, penalty, seed) for each in sizes for seed in range(3)
    ]
    # Rather one in which every example gets through.
    alive = [np.any(forward(p).h_a > 0, axis=1).all() for p in problems]
    for wanted in (True, False):
        for problem in (p for p, a in zip(problems, alive, strict=True) if a == wanted):
            answer = ask(backward, problem)
            if answer.error is not None:
                continue
            right = derived(problem)
            for name, given in answer.blocks.items():
                if _wrong(given, right[name], problem, name):
                    return _written(problem, name, given, right)
    return ""


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


def _written(problem: Problem, name: str, given: Array, right: dict[str, Array]) -> str:
    """The numbers from theta to the first wrong gradient, in the form stated."""
    turned = problem.convention.orientation == "inputs_first"

    def called(key: str, value: Array) -> Array:
        return value.T if turned and "W" in key and value.ndim == 2 else value

    f = forward(problem)
    above = BACKWARD_ORDER[: BACKWARD_ORDER.index(name)]
    values: dict[str, Array] = {
        **problem.theta._asdict(),
        "X": problem.X,
        "y": problem.y + problem.convention.first_label,
        "h_a": f.h_a,
        "h_s": f.h_s,
        "o_a": f.o_a,
        "o_s": f.o_s,
        **{key: right[key] for key in above if key in INTERMEDIATE},
    }
    lines = [f"The smallest network on which it shows: {problem.sizes}"]
    for key, value in values.items():
        lines.append(f"  {key} = {_numbers(called(key, value))}")
    yours, should = (_numbers(called(name, block)) for block in (given, right[name]))
    return "\n".join([*lines, f"  {name} is {yours}, should be {should}"])


def _numbers(values: Array) -> str:
    values = np.asarray(values)
    if values.dtype.kind == "f":  # what is rounding only is 0, and 0 has no sign
        values = np.where(np.abs(values) < 1e-12, 0.0, values)
    return np.array2string(
        values,
        separator=", ",
        formatter={"float_kind": lambda x: f"{x:.4g}"},
    ).replace("\n", "")
