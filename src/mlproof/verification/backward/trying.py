"""A backward pass, tried on examples in one convention or another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.penalties import Penalty
from mlproof.verification.backward.choose import Findings, findings
from mlproof.verification.backward.coefficients import Mistake
from mlproof.verification.backward.explain import Trial, explain
from mlproof.verification.backward.problem import (
    BACKWARD_ORDER,
    DISTINCT,
    EQUAL,
    INTERMEDIATE,
    PARAMETERS,
    Answer,
    Convention,
    NoGradientError,
    Problem,
    Sizes,
    ask,
    drawn,
    told,
)

# How far a right gradient may be off, relative to the largest entry of its block: for
# one that computes in float64, and for one that does not.
TOLERANCE, COARSE = 1e-9, 1e-4
# After these, what large logits do is no mistake of its own.
BREAKS_SOFTMAX = {
    *("not_finite", "softmax_jacobian_diagonal", "softmax_over_wrong_axis"),
    *("softmax_missing", "unknown"),
}


@dataclass(frozen=True)
class Verdict:
    """What was found of a backward pass under one convention."""

    convention: Convention
    problem: Problem
    blocks: dict[str, Array]
    findings: Findings
    notes: tuple[str, ...] = ()
    error: Exception | None = None
    tolerance: float = TOLERANCE

    @property
    def misshapen(self) -> bool:
        """Whether a gradient without an explanation has another shape too."""
        return any(
            self.blocks[name].shape != self.problem.shape(name)
            for mistake, names in self.findings
            for name in names
            if mistake.code == "unknown"
        )

    @property
    def named(self) -> bool:
        """Whether there is nothing left that has no name."""
        nameless = ("unknown", "raises", "not_finite")
        return all(mistake.code not in nameless for mistake, _ in self.findings)


@dataclass(frozen=True)
class Trying:
    """A backward pass, and what it is tried with."""

    backward: Callable[..., Any]
    penalty: Penalty
    seed: int

    def judge(self, convention: Convention, sizes: Sequence[Sizes]) -> Verdict:
        """Try it in one convention."""
        problems = [drawn(s, convention, self.penalty, self.seed) for s in sizes]
        answers = [
            [ask(self.backward, problem) for problem in each] for each in problems
        ]
        flat = [answer for each in answers for answer in each]
        failed = next((answer.error for answer in flat if answer.error), None)
        if failed is not None:
            k = [answer.error is not None for answer in flat].index(True)
            problem = [problem for each in problems for problem in each][k]
            detail = f"{told(failed)}, with {problem.sizes}"
            finding = Mistake("raises", detail), PARAMETERS
            return Verdict(convention, problem, {}, [finding], (), failed)
        self._same_again(problems[0][0], answers[0][0])
        tolerance = self._tolerance(problems[0][0], answers[0][0].blocks)
        blocks, moved = _in_place([a.blocks for a in answers[0]], problems[0][0])
        again, moved_again = _in_place([a.blocks for a in answers[1]], problems[1][0])
        first = Trial(problems[0], blocks, tolerance)
        second = Trial(problems[1], again, tolerance)
        explained = {name: explain(first, second, name) for name in blocks[0]}
        found = findings(explained)
        if moved and moved == moved_again:
            found.insert(0, (Mistake("blocks_swapped"), moved))
        found += self._large_logits(problems[0], found)
        changed = tuple(dict.fromkeys(name for a in flat for name in a.changed))
        codes = {mistake.code for mistake, _ in found}
        if changed and "weights_updated_before_use" not in codes:
            found.append((Mistake("arguments_changed", ", ".join(changed)), PARAMETERS))
        notes = _notes(first, explained)
        return Verdict(
            convention, problems[0][0], blocks[0], found, notes, None, tolerance
        )

    def is_right(self, convention: Convention) -> bool:
        """Whether it is right in this convention; mistakes are not looked for."""
        problems = drawn(DISTINCT[0], convention, self.penalty, self.seed)
        try:
            answers = [ask(self.backward, problem) for problem in problems]
        except NoGradientError:
            return False
        if any(answer.error is not None for answer in answers):
            return False
        blocks = [answer.blocks for answer in answers]
        trial = Trial(problems, blocks, self._tolerance(problems[0], blocks[0]))
        return all(trial.is_right(name) for name in PARAMETERS)

    def judge_other(self, convention: Convention) -> Verdict | None:
        """Try it in a convention that was not stated; None if it returns nonsense."""
        try:
            return self.judge(convention, DISTINCT)
        except ValueError:
            return None

    def on_equal_sizes(self, failed: Verdict) -> Verdict:
        """The same where all sizes are equal, if that can be computed."""
        try:
            found = self.judge(failed.convention, EQUAL)
        except ValueError:
            return failed
        if found.error is not None or not found.named:
            return failed
        where, how = "shapes do not fit", "comes out in another shape"
        if failed.error is not None:
            where, how = failed.findings[0][0].detail, "cannot be computed"
        note = f"It {how} ({where}), and was tried with equal sizes instead."
        findings = found.findings or [(Mistake("only_equal_sizes", where), PARAMETERS)]
        return replace(found, findings=findings, notes=(note, *found.notes))

    def _same_again(self, problem: Problem, answer: Answer) -> None:
        again = ask(self.backward, problem)
        for name, block in answer.blocks.items():
            if again.error or not np.array_equal(
                block, again.blocks.get(name, np.empty(0)), equal_nan=True
            ):
                raise ValueError(
                    f"backward returns another {name} when it is called again with the "
                    "same arguments, so there is nothing to check; make it "
                    "deterministic."
                )

    def _tolerance(self, problem: Problem, blocks: dict[str, Array]) -> float:
        """How exact it can be, by whether the last digits of float64 count."""
        if any(block.dtype.itemsize < 8 for block in blocks.values()):
            return COARSE
        step = 1e-11
        for name, values in {**problem.theta._asdict(), "X": problem.X}.items():
            near = replace(
                problem,
                theta=problem.theta._replace(**{name: values * (1 + step)})
                if name != "X"
                else problem.theta,
                X=values * (1 + step) if name == "X" else problem.X,
            )
            moved = ask(self.backward, near).blocks
            if not 0 < _largest_change(blocks, moved) < 1e3 * step:
                return COARSE
        return TOLERANCE

    def _large_logits(self, problems: list[Problem], found: Findings) -> Findings:
        """Whether it breaks down where exp does, if it does not do so before."""
        if any(mistake.code in BREAKS_SOFTMAX for mistake, _ in found):
            return []
        broken: dict[str, None] = {}
        for problem, sign in product(problems, (1, -1)):
            W2 = sign * 1000 * problem.theta.W2
            large = replace(problem, theta=problem.theta._replace(W2=W2))
            answer = ask(self.backward, large)
            if answer.error is not None:  # as math.exp has it
                broken |= dict.fromkeys(PARAMETERS)
            for name, block in answer.blocks.items():
                if not np.isfinite(block).all():
                    broken[name] = None
        if not broken:
            return []
        names = tuple(name for name in BACKWARD_ORDER if name in broken)
        return [(Mistake("softmax_overflow"), names)]


def _largest_change(blocks: dict[str, Array], moved: dict[str, Array]) -> float:
    """How far two answers are apart, relative to the largest entry of each block."""
    changes = [
        float(np.max(np.abs(moved[name] - block)) / np.max(np.abs(block)))
        for name, block in blocks.items()
        if name in moved
        and moved[name].shape == block.shape
        and np.any(block)
        and np.isfinite([block, moved[name]]).all()
    ]
    return max(changes, default=0.0)


def _in_place(
    answers: list[dict[str, Array]], problem: Problem
) -> tuple[list[dict[str, Array]], tuple[str, ...]]:
    """The parameters' gradients in their places, told by shape; and which had moved."""
    shapes = {name: answers[0][name].shape for name in PARAMETERS}
    if all(shapes[name] == problem.shape(name) for name in PARAMETERS):
        return answers, ()
    for order in permutations(PARAMETERS):
        if all(
            shapes[there] == problem.shape(name)
            for name, there in zip(PARAMETERS, order, strict=True)
        ):
            source = dict(zip(PARAMETERS, order, strict=True))
            moved = tuple(n for n in BACKWARD_ORDER if source.get(n, n) != n)
            return [
                {name: each[source.get(name, name)] for name in each}
                for each in answers
            ], moved
    return answers, ()


def _notes(
    trial: Trial, explained: dict[str, list[frozenset[Mistake]]]
) -> tuple[str, ...]:
    """What was accepted though it is not what the contract says."""
    problem, answer, right = trial.problems[0], trial.answers[0], trial.right[0].sums
    notes = []
    without: list[str] = []
    within: list[str] = []
    for name, found in explained.items():
        block, shape = answer[name], problem.shape(name)
        if found[:1] == [frozenset()] and block.shape != shape:
            notes.append(
                f"{name} came in the shape {block.shape} and was read as {shape}."
            )
        if (
            name in INTERMEDIATE
            and found[:1] == [frozenset()]
            and block.size == right[name].size
        ):
            ratio = np.linalg.norm(block) / np.linalg.norm(right[name])
            (within if abs(ratio - 1) < 1e-3 else without).append(name)
    if problem.scale != 1:
        for names, how in ((within, "with"), (without, "without")):
            if names:
                notes.append(f"{', '.join(names)}: {how} the 1/n of the mean.")
    return tuple(notes)
