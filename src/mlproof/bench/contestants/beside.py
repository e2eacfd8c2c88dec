"""A contestant beside another program that keeps a core busy."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlproof.bench.contestants import Contestant, Run

# It ends with its parent, however that ends.
PROGRAM = """
import os
parent = os.getppid()
print(flush=True)
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextmanager
def a_busy_core() -> Iterator[None]:
    """A process that is at work, until the end of this."""
    other = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        other.stdout.readline()
        yield
    finally:
        other.kill()
        other.wait()  # so that what it has worked counts as ours
        other.stdout.close()


def beside_another(contestant: Contestant) -> Contestant:
    """The same, with somebody else at work on a core of the machine in every run."""

    def prepare() -> Run:
        run = contestant.prepare()

        def run_beside() -> float:
            with a_busy_core():
                return run()

        return run_beside

    return Contestant(contestant.name, prepare)
