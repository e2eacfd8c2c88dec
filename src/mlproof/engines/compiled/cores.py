"""How many threads there are cores for, while others may want some too.

Threads that meet after every step of a batch are as fast as the slowest of them, and
one that has to share its core is away for thousands of times as long as a step takes:
two threads beside a process that is busy are slower than one.  How many there are does
not show in the bits, so it may change from one call of a kernel to the next.
"""

import time
from collections.abc import Callable

# Seconds of work after which is judged, and for which fewer threads are then taken:
# ever longer while they do no better.
JUDGED_AFTER = 0.1
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


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
        self._given = self._passed = 0.0
        self._pause, self._until = SHORTEST_PAUSE, 0.0

    def n_threads(self) -> int:
        """How many to take next."""
        if self._now < self._most and self._clock() >= self._until:
            self._now = self._most
        return self._now

    def worked(self, n_threads: int, given: float, passed: float) -> None:
        """So many threads were given so much time of cores while so much passed."""
        if n_threads < self._most:  # others may have gone, but that does not show
            return
        self._given += given
        self._passed += passed
        if self._passed < JUDGED_AFTER:
            return
        cores = self._given / self._passed
        self._given = self._passed = 0.0
        # While one of n is away, nobody gets on; without it they lose an nth.
        if (n_threads - cores) * n_threads > 1:
            self._now = max(min(int(cores), n_threads - 1), 1)
            self._until = self._clock() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        else:
            self._pause = SHORTEST_PAUSE
