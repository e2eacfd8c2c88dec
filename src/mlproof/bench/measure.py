"""Turns and ratios.

A machine that others use is faster at one moment than at the next, for everybody.  So
the contestants take turns, and what is kept is how they stood to each other within
every round: the median of these ratios, and the quartiles around it.
"""

import gc
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from mlproof.bench.contestants import THREADS, Contestant, Run, Unavailable
from mlproof.bench.machine import work_of_others

# Seconds that a turn waits at most for threads of others, which BLAS lets look for more
# work for a tenth of a second, and how long it watches whether any still does.
MOST_REST, GLANCE = 1.0, 0.02
# Seconds that a turn lasts at least, by as many runs as that takes.
SHORTEST = 0.2
# The standard error of a median ratio, relative to it, below which it is known.
KNOWN_TO = 0.03


class Turn(NamedTuple):
    """Who runs next, and what share of all turns is over."""

    contestant: str
    over: float


@dataclass
class Scores:
    """What each contestant's first run returned, and those of a round on average."""

    first: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # and why
    cores_of_others: float | None = None  # that worked for other programs meanwhile


def take_turns(
    contestants: Sequence[Contestant],
    repeats: int,
    scores: Scores,
    most: int | None = None,
) -> Iterator[Turn]:
    """Run everybody once, which warms up and compiles, and then round by round.

    After ``repeats`` rounds there are more, up to ``most``, while a ratio to the first
    contestant is not well known.  How large it is has no part in that, only how much
    it differs between rounds, so going on favours nobody.
    """
    most = max(repeats, most or 0)
    ready: dict[str, Run] = {}
    for i, (name, prepare) in enumerate(contestants):
        yield Turn(name, i / len(contestants) / (most + 1))
        try:
            run = prepare()
            scores.first[name] = _turn(run)
            ready[name], scores.rounds[name] = run, []
        except Unavailable as reason:
            scores.skipped[name] = str(reason)
    began, before = time.perf_counter(), work_of_others()
    for number in range(1, most + 1):
        if number > repeats and not _in_doubt(scores):
            break
        for i, (name, run) in enumerate(ready.items()):
            yield Turn(name, (number + i / len(ready)) / (most + 1))
            scores.rounds[name].append(_turn(run, SHORTEST))
    after, elapsed = work_of_others(), time.perf_counter() - began
    if before is not None and after is not None:
        scores.cores_of_others = max(after - before, 0.0) / elapsed


def _in_doubt(scores: Scores) -> bool:
    """Whether some median ratio is known less well than it should be."""
    subject, *others = scores.rounds.values() or [[]]
    ratios = [ratio(other, subject) for other in others]
    return any(error(r, len(subject)) > KNOWN_TO * r.median for r in ratios)


def _turn(run: Run, shortest: float = 0) -> float:
    gc.collect()
    rest()
    with threadpool_limits(THREADS, user_api="blas"):
        began, returned = time.perf_counter(), [run()]
        while time.perf_counter() - began < shortest:
            returned.append(run())
    return sum(returned) / len(returned)


def rest() -> None:
    """Wait until no thread of this process works."""
    end = time.perf_counter() + MOST_REST
    while time.perf_counter() < end:
        worked = time.process_time()
        time.sleep(GLANCE)
        if time.process_time() - worked < GLANCE / 10:
            return


class Ratio(NamedTuple):
    """How many times as much, and the middle half of all rounds."""

    median: float
    lower: float
    upper: float


def ratio(other: Sequence[float], subject: Sequence[float]) -> Ratio:
    """What the other took in each round, in units of what the subject took in it."""
    lower, median, upper = np.quantile(np.divide(other, subject), [0.25, 0.5, 0.75])
    return Ratio(float(median), float(lower), float(upper))


def error(ratio: Ratio, rounds: int) -> float:
    """The standard error of the median.

    That of n normal deviates is sqrt(pi / 2 n) of their standard deviation, and their
    middle half is 1.35 standard deviations wide.
    """
    return (ratio.upper - ratio.lower) / 1.35 * math.sqrt(math.pi / 2 / rounds)
