"""Who takes part: each is prepared once, and then runs when it is its turn."""

import time
from collections.abc import Callable
from typing import NamedTuple

from mlproof.engines.threads import available

# Of everybody; more than two would measure the machine rather than the programs.
THREADS = min(2, available())

Run = Callable[[], float]


class Contestant(NamedTuple):
    """A name, and what makes it ready; its run returns seconds, or bytes."""

    name: str
    prepare: Callable[[], Run]


class Unavailable(Exception):
    """Why a contestant does not take part."""


def clocked(work: Callable[[], object]) -> Run:
    """The seconds that this work takes."""

    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run
