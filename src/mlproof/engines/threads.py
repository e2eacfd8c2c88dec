"""How many threads there are to compute with."""

import os

from joblib import cpu_count


def available() -> int:
    """The cores this process may use, as joblib counts them, or fewer if so told.

    A container's share and the affinity of the process count; a joblib worker is told
    its own share of the cores by OMP_NUM_THREADS, as OpenMP programs are.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    cores = int(cpu_count())
    # Nine digits are more than enough; int refuses thousands of them.
    is_number = told.isdecimal() and len(told) < 10 and int(told) > 0
    return min(cores, int(told)) if is_number else cores


def number(n_threads: int | None) -> int:
    """The number asked for, None meaning all that are available."""
    return available() if n_threads is None else n_threads
