"""Which mistakes explain a wrong gradient, found by making them.

Each gradient is compared with what every story (replay.py) makes of it, summed over the
batch or of its last example alone.  It may differ from that by a factor, and by other
coefficients of the penalty: both come out of one regression over several draws, which
has few unknowns and many equations.  An explanation has to hold at other sizes too;
and of those that hold, the ones chosen need the fewest mistakes in all.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.backward.coefficients import (
    Coefficients,
    Fitted,
    Mistake,
    near,
    of_all,
    of_data,
    of_penalty,
)
from mlproof.verification.backward.problem import INTERMEDIATE, PARAMETERS, Problem
from mlproof.verification.backward.replay import (
    NOTHING_WRONG,
    UPDATED,
    Pass,
    Story,
    derived,
    replay,
    stories,
)

# The most mistakes above a gradient that are looked for together.
MOST_MISTAKES = 2


class Reading(NamedTuple):
    """Gradients in the shape they should have, and what had to be done for that."""

    blocks: list[Array]
    done: tuple[Mistake, ...]
    reshaped: bool = False  # whether axes of length 1 were added or dropped


# Gradients of one shape, which may be returned under each other's name.
EACH_OTHERS = {"grad_h_s": "grad_h_a", "grad_h_a": "grad_h_s"}


class Trial:
    """The answers of a backward pass on draws of the same sizes."""

    def __init__(
        self,
        problems: Sequence[Problem],
        answers: Sequence[Mapping[str, Array]],
        tolerance: float,
    ) -> None:
        self.problems, self.answers, self.tolerance = problems, answers, tolerance
        self._passes: dict[Story, list[Pass] | None] = {}

    @cached_property
    def right(self) -> list[Pass]:
        passes = self.under(NOTHING_WRONG)
        assert passes is not None
        return passes

    def under(self, story: Story) -> list[Pass] | None:
        """The gradients under a story, for each problem."""
        if story not in self._passes:
            passes = []
            for problem, answer in zip(self.problems, self.answers, strict=True):
                step = None
                if UPDATED in story:
                    step = answer["grad_W1"], answer["grad_W2"]
                    if any(
                        s.shape != problem.shape(name)
                        for s, name in zip(step, ("grad_W1", "grad_W2"), strict=True)
                    ):
                        break
                found = replay(problem, story, step)
                if found is None:
                    break
                passes.append(found)
            self._passes[story] = passes if len(passes) == len(self.problems) else None
        return self._passes[story]

    def fit(
        self, name: str, blocks: Sequence[Array], story: Story, last: bool
    ) -> Coefficients | None:
        """The coefficients with which a story gives these gradients, if it does."""
        passes = self.under(story)
        if passes is None or (last and name in INTERMEDIATE):
            return None
        given = np.concatenate([block.ravel() for block in blocks])
        made = [p.lasts if last else p.sums for p in passes]
        columns = [np.concatenate([m[name].ravel() for m in made])]
        if story and UPDATED not in story and not last:
            right = np.concatenate([p.sums[name].ravel() for p in self.right])
            if np.allclose(columns[0], right, rtol=1e-12, atol=1e-14):
                return None  # with this activation, that is no mistake
        if name in PARAMETERS:
            weights = np.concatenate([p.parameter(name).ravel() for p in self.problems])
            columns += [np.sign(weights), weights]
        else:
            columns += [np.zeros_like(given)] * 2
        if UPDATED in story:
            if last or name not in passes[0].extras:
                return None
            extras = zip(*(p.extras[name] for p in passes), strict=True)
            columns += [np.concatenate([e.ravel() for e in each]) for each in extras]
        basis = np.column_stack(columns)
        lengths = np.linalg.norm(basis, axis=0)
        there = lengths > 1e-12 * max(float(lengths.max()), 1e-300)
        if not there[0]:
            return None
        found = np.zeros(len(columns))
        scaled = basis[:, there] / lengths[there]
        found[there] = np.linalg.lstsq(scaled, given, rcond=1e-9)[0] / lengths[there]
        largest = float(np.max(np.abs(given)))
        if np.max(np.abs(given - basis @ found)) > self.tolerance * largest:
            return None
        # A part that is no more than rounding is not there.
        heights = np.max(np.abs(basis), axis=0)
        blurs = 10 * self.tolerance * largest / np.where(there, heights, 1.0)
        found[np.abs(found) <= blurs] = 0.0
        data, l1, l2 = (float(value) for value in found[:3])
        blur = float(blurs[0]), float(blurs[1]), float(blurs[2])
        return Coefficients(data, l1, l2, bool(np.any(found[3:])), blur)

    def is_right(self, name: str) -> bool:
        """Whether these are the derivatives, in the right shape."""
        for problem, answer in zip(self.problems, self.answers, strict=True):
            expected = derived(problem)[name]
            if answer[name].shape != expected.shape:
                return False
            largest = float(np.max(np.abs(expected)))
            with np.errstate(invalid="ignore"):
                off = np.abs(answer[name] - expected)
            if not np.all(off <= self.tolerance * largest):
                return False
        return True


def readings(trial: Trial, name: str) -> Iterator[Reading]:
    """The ways to bring a gradient into the shape it should have."""
    shapes = {problem.shape(name) for problem in trial.problems}
    blocks = [answer[name] for answer in trial.answers]
    (shape,) = shapes
    n = trial.problems[0].sizes.n
    got = blocks[0].shape
    if any(block.shape != got for block in blocks):
        return
    if got == shape:
        yield Reading(blocks, ())
    if len(shape) == 2 and got == shape[::-1]:
        done = () if name in INTERMEDIATE else (Mistake("transposed", "returned"),)
        yield Reading([block.T for block in blocks], done)
    if len(shape) == 2 and got == shape and name in PARAMETERS:
        done = (Mistake("reshaped", "returned"),)
        yield Reading(
            [block.ravel().reshape(shape, order="F") for block in blocks], done
        )
        yield Reading([block.ravel(order="F").reshape(shape) for block in blocks], done)
    if got != shape and squeezed(got) == squeezed(shape):
        yield Reading([block.reshape(shape) for block in blocks], (), True)
    if len(shape) == 2 and got == (shape[0] * shape[1],):
        done = (Mistake("reshaped", "flattened"),)
        yield Reading([block.reshape(shape) for block in blocks], done)
    if name in PARAMETERS and got == (n, *shape):
        done = (Mistake("not_summed_over_batch", "returned"),)
        yield Reading([block.sum(axis=0) for block in blocks], done)
    if name in PARAMETERS and got == (*shape, n):
        done = (Mistake("not_summed_over_batch", "returned"),)
        yield Reading([block.sum(axis=-1) for block in blocks], done)
    other = EACH_OTHERS.get(name)
    if all(other in answer for answer in trial.answers):
        there = [answer[str(other)] for answer in trial.answers]
        if all(block.shape == shape for block in there):
            yield Reading(there, (Mistake("blocks_swapped"),))


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for k in shape if k > 1)


def explain(first: Trial, second: Trial, name: str) -> list[frozenset[Mistake]]:
    """What explains this gradient: sets of mistakes, the smallest first.

    An explanation that does not hold for the second trial is none.
    """
    if first.is_right(name) and second.is_right(name):
        return [frozenset()]
    blocks = [answer[name] for answer in first.answers]
    if not all(np.isfinite(block).all() for block in blocks):
        return [frozenset({Mistake("not_finite")})]
    found: set[frozenset[Mistake]] = set(summed_over_units(first, name))
    trials = first, second
    for read in zip(*(readings(trial, name) for trial in trials), strict=False):
        done = read[0].done
        if any(each.done != done for each in read):
            continue
        for level in range(MOST_MISTAKES + 1):
            enough = min((len(mistakes) for mistakes in found), default=99)
            if level + len(done) > enough:
                break
            for story, last in product(stories(name, level), (False, True)):
                fits = fitted(name, trials, read, story, last)
                if fits is not None:
                    named = tell(name, fits, story, last, done)
                    # Without a mistake it is right but for its shape or its 1/n.
                    accepted = name in INTERMEDIATE or read[0].reshaped
                    if named or (named is not None and accepted):
                        found.add(named)
    least = min((len(mistakes) for mistakes in found), default=0)
    kept = [mistakes for mistakes in found if len(mistakes) <= least + 1]
    return sorted(
        kept, key=lambda mistakes: (len(mistakes), sorted(map(str, mistakes)))
    )


def summed_over_units(trial: Trial, name: str) -> Iterator[frozenset[Mistake]]:
    """What explains a bias whose gradient was added up over the wrong axis."""
    rows = {"grad_b2": "grad_o_a", "grad_b1": "grad_h_a"}.get(name)
    got = trial.answers[0][name].shape
    if rows is None or got not in ((), (trial.problems[0].sizes.n,)):
        return
    axis = 1 if got else None
    for story in (*stories(name, 0), *stories(name, 1)):
        passes = trial.under(story)
        if passes and all(
            np.allclose(
                answer[name],
                passed.sums[rows].sum(axis=axis),
                rtol=trial.tolerance,
                atol=trial.tolerance,
            )
            for answer, passed in zip(trial.answers, passes, strict=True)
        ):
            mistakes = {Mistake(code, detail) for code, detail in story}
            yield frozenset({Mistake("summed_over_wrong_axis"), *mistakes})


def fitted(
    name: str,
    trials: Sequence[Trial],
    read: Sequence[Reading],
    story: Story,
    last: bool,
) -> list[Fitted] | None:
    """The coefficients of a story in every trial, if it fits in all."""
    fits = []
    for trial, reading in zip(trials, read, strict=True):
        found = trial.fit(name, reading.blocks, story, last)
        if found is None:
            return None
        fits.append(Fitted(trial.problems[0], found))
    return fits


def tell(
    name: str,
    trials: Sequence[Fitted],
    story: Story,
    last: bool,
    done: tuple[Mistake, ...],
) -> frozenset[Mistake] | None:
    """The mistakes by which these coefficients come about; None if there are none."""
    found = trials[0].found
    if UPDATED in story and not found.updated:
        return None  # the same as without
    mistakes = {*done, *(Mistake(code, detail) for code, detail in story)}
    if last:
        mistakes.add(Mistake("last_example_only"))
    if found.data == 0:
        if story or last:
            return None
        mistakes.add(Mistake("zero_block", factor=0.0))
        if found.l1 == found.l2 == 0:
            return frozenset(mistakes)
        return joined(mistakes, of_penalty(name, trials))
    if is_step(trials[0]):
        return frozenset(mistakes | {Mistake("step_returned")})
    if of_penalty(name, trials) != []:
        whole = of_all(name, trials)
        if whole is not None:
            return frozenset(mistakes | set(whole))
    data = of_data(trials)
    if data is None:
        return None
    # Each example by itself, whose mean is the gradient; or without the 1/n, which
    # gradients of single examples need not have.
    unsummed = any(mistake.code == "not_summed_over_batch" for mistake in done)
    if unsummed or name in INTERMEDIATE:
        data = [mistake for mistake in data if mistake.code != "missing_mean"]
    return joined(mistakes | set(data), of_penalty(name, trials))


def is_step(trial: Fitted) -> bool:
    """Whether it is theta - eta grad; beside a penalty, W may have a part in grad."""
    (problem, found), none = trial, (0.0, 0.0)
    if (problem.penalty.l1, problem.penalty.l2) != (none, none):
        return False
    return near(found.l2, 1.0, found.blur[2]) and found.l1 == 0 and found.data < 0


def joined(
    mistakes: set[Mistake], more: Sequence[Mistake] | None
) -> frozenset[Mistake] | None:
    return None if more is None else frozenset(mistakes | set(more))
