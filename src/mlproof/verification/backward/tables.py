"""What was found of a backward pass, as a report."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.penalties import Penalty
from mlproof.verification.backward.coefficients import Mistake
from mlproof.verification.backward.example import smallest
from mlproof.verification.backward.lessons import FOR_OTHERS, lesson
from mlproof.verification.backward.problem import (
    INTERMEDIATE,
    Convention,
    along,
)
from mlproof.verification.backward.replay import derived
from mlproof.verification.backward.trying import Verdict
from mlproof.verification.findings import Finding
from mlproof.verification.report import BlockReport, GradientReport
from mlproof.verification.slopes import FIRST_STEP, complex_step, quotient


def report(
    verdict: Verdict,
    stated: Convention,
    backward: Callable[..., Any],
    penalty: Penalty,
) -> GradientReport:
    convention = verdict.convention
    blocks = tuple(
        _block(name, verdict, verdict.blocks[name]) for name in verdict.blocks
    )

    def evidence(mistake: Mistake, name: str) -> Mistake:
        if mistake.code != "unknown":
            return mistake
        block = next(block for block in blocks if block.name == name)
        seen = block.verdict().removeprefix("WRONG")
        if block.ok:
            seen = "; it is right on some of the examples and wrong on others"
        elif 0 < block.error < 1e-4:
            seen += f", relatively {block.error:.1e} apart"
        return mistake._replace(detail=seen)

    findings = [
        Finding(
            mistake.code,
            names[0],
            names,
            mistake.factor,
            lesson(evidence(mistake, names[0]), names, convention),
        )
        for mistake, names in (_renamed(each, convention) for each in verdict.findings)
    ]
    differs = convention.differs_from(stated)
    if differs:
        findings.insert(0, _of_convention(differs, tuple(verdict.blocks)))
    example = ""
    if findings:
        shown = convention if verdict.findings else stated
        example = smallest(backward, shown, penalty)
    return GradientReport(blocks, tuple(findings), verdict.notes, example)


def _renamed(
    found: tuple[Mistake, tuple[str, ...]], convention: Convention
) -> tuple[Mistake, tuple[str, ...]]:
    mistake, names = found
    if convention.activation.name != "rect":
        mistake = mistake._replace(code=FOR_OTHERS.get(mistake.code, mistake.code))
    return mistake, names


def _of_convention(differs: dict[str, Any], names: tuple[str, ...]) -> Finding:
    detail = ", ".join(f"{key}={value!r}" for key, value in differs.items())
    message = (
        f"{', '.join(names)}: yours is written for {detail};\n"
        f"  if that is meant, say so: check_backward(backward, {detail})."
    )
    code = "one_hot_off_by_one" if set(differs) == {"first_label"} else "convention"
    return Finding(code, names[0], names, None, message)


def _block(name: str, verdict: Verdict, given: Array) -> BlockReport:
    """A gradient beside its derivative by differences and by the complex step."""
    problem, tolerance = verdict.problem, verdict.tolerance
    right = derived(problem)[name]
    shape_given = None
    if name in INTERMEDIATE and given.shape == right.shape[::-1] != right.shape:
        given = given.T
    if given.shape != right.shape:
        if given.size == right.size and sorted(given.shape) != sorted(right.shape):
            given = given.reshape(right.shape)
        else:
            shape_given, given = given.shape, np.full(right.shape, np.nan)
    ratio = np.linalg.norm(given) / np.linalg.norm(right)
    if name in INTERMEDIATE and abs(ratio * problem.scale - 1) < 1e-6:
        given = given * problem.scale
    central, complex_ = np.empty(right.shape), np.empty(right.shape)
    value = float(problem.risk(problem.here()))
    for i in np.ndindex(right.shape):
        moved = along(problem, name, i)
        central[i] = quotient(moved, value, FIRST_STEP, 0.0).central
        complex_[i] = complex_step(moved)
    scale = float(np.max(np.abs(complex_))) or 1.0
    with np.errstate(invalid="ignore"):
        off = np.nan_to_num(np.abs(given - complex_), nan=np.inf)
        worst = np.unravel_index(int(np.argmax(off)), right.shape)
        ok = bool(np.max(off) <= tolerance * scale)
        central_error = float(np.max(np.abs(given - central))) / scale
    return BlockReport(
        name=name,
        shape=right.shape,
        n_checked=right.size,
        n_kinks=0,
        worst_index=tuple(int(k) for k in worst),
        analytic=float(given[worst]),
        numeric=float(complex_[worst]),
        central_error=central_error,
        complex_error=float(np.max(off)) / scale,
        direction_error=None,
        unnoticed=tolerance,
        vacuous=False,
        ok=ok,
        shape_given=shape_given,
    )
