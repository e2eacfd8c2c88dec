"""Where threads wait for each other, inside compiled code.

Between two products there is less time than a lock of the operating system takes, so a
thread that waits first looks again and again, and then, in case the thread it waits for
has no core to run on, gives its own away.
"""

from typing import Any

import numpy as np

from mlproof.engines.compiled.machine import (
    atomic_add,
    atomic_load,
    atomic_store,
    let_others_run,
)
from mlproof.engines.compiled.toolchain import part

# Places in the array that all threads share, each in a cache line of its own.
ARRIVED, ROUND, BROKEN, SIZE = 0, 8, 16, 24

LOOKS = 2000  # some microseconds


def new() -> Any:
    return np.zeros(SIZE, dtype=np.int64)


@part
def meet(barrier: Any, n_threads: int) -> Any:
    """Wait until all threads have come here; False if the barrier has been broken."""
    if n_threads == 1:
        return True
    now = atomic_load(barrier, ROUND)
    if atomic_add(barrier, ARRIVED, 1) == n_threads - 1:
        atomic_store(barrier, ARRIVED, 0)
        atomic_store(barrier, ROUND, now + 1)
        return True
    looks = 0
    while atomic_load(barrier, ROUND) == now:
        looks += 1
        if looks > LOOKS:
            if atomic_load(barrier, BROKEN):
                return False
            let_others_run()
    return True


def break_(barrier: Any) -> None:
    """Let every thread that waits, or comes to wait, go on its way."""
    barrier[BROKEN] = 1
