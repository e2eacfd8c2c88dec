"""Who makes which tile: each thread its own first, then what others have not begun.

A thread's own tiles are those that lie in its caches.  But one core may be slower than
another, or have something else to do meanwhile, and who has made a tile does not show
in its bits; so a thread that is ready takes over from those that are not.
"""

from typing import Any

import numpy as np

from mlproof.engines.compiled.machine import atomic_add, atomic_store
from mlproof.engines.compiled.toolchain import part

# Numbers from one thread's counter to the next: each in a line of the cache of its own.
STEP = 8


def new(n_threads: int) -> Any:
    """A counter for each thread: its first tile that nobody has begun."""
    return np.zeros(n_threads * STEP, dtype=np.int64)


@part
def offer(claims: Any, thread: int, first_tile: int) -> None:
    """Begin a thread's share anew, while nobody claims any of it."""
    atomic_store(claims, thread * STEP, first_tile)


@part
def claim(claims: Any, owner: int) -> Any:
    """The next tile of this thread's share; past its end there is none."""
    return atomic_add(claims, owner * STEP, 1)
