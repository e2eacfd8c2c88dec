"""How many threads there are cores for, while others may want some too.

Threads that meet after every step of a batch are as fast as the slowest of them, and
one that has to share its core is away for thousands of times as long as a step takes:
two threads beside a process that is busy are slower than one.  How many there are does
not show in the bits, so it may change from one call of a kernel to the next.
"""

import sys
import time
from collections.abc import Callable
from functools import cache

# Seconds of work after which is judged.  Windows counts a thread's time in ticks of a
# 64th of a second, so that little of it tells nothing.
JUDGED_AFTER = 1.0 if sys.platform == "win32" else 0.1
# Seconds for which fewer threads are then taken: ever longer while they do no better,
# and this many times as long as the judgement took.
SHORTEST_PAUSE, LONGEST_PAUSE, TIMES_AS_LONG = 0.5, 8.0, 5
# The part of a core that must be lacking.  Of two or three threads it takes more, since
# they do a good part of what all do also where they now and then wait.
LACKING = 0.25


class Cores:
    """Of so many threads those that are worth their waiting for one another.

    A thread that waits for another looks and does not sleep, so where all have a core,
    each is given as much of its time as passes.
    """

    def __init__(
        self, n_threads: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._most = self._now = n_threads
        self._clock = clock
        self._away = self._passed = 0.0
        self._pause, self._until = SHORTEST_PAUSE, 0.0

    def n_threads(self) -> int:
        """How many to take next."""
        if self._now < self._most and self._clock() >= self._until:
            self._now = self._most
        return self._now

    def worked(self, n_threads: int, away: float, passed: float) -> None:
        """So many threads have worked, while they had no core for this long in all.

        In seconds, and in those that have passed meanwhile.
        """
        # Of fewer than all it does not show whether the others' core is free again.
        if n_threads < self._most or self._now < self._most:
            return
        self._away += away
        self._passed += passed
        if self._passed < JUDGED_AFTER:
            return
        lacking, took = self._away / self._passed, self._passed
        self._away = self._passed = 0.0
        if lacking > max(1 / n_threads, LACKING):  # nobody gets on while one is away
            self._now = max(min(int(n_threads - lacking), n_threads - 1), 1)
            self._until = self._clock() + max(self._pause, TIMES_AS_LONG * took)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        else:
            self._pause = SHORTEST_PAUSE


@cache
def cores_for(n_threads: int) -> Cores:
    """What is known of the machine, for all fits of this process by so many threads."""
    return Cores(n_threads)
