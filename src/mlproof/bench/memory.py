"""Peak memory of a fit beyond the data, each in a process of its own.

    python -m mlproof.bench.memory mlproof uint8 [--early-stopping]

prints it in bytes.  A small fit before has loaded and compiled what is needed.
"""

import argparse
import ctypes
import gc
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlproof.bench import problems
from mlproof.bench.contestants import Contestant, Run, Unavailable
from mlproof.bench.contestants.estimators import mlproof, scikit_learn, train
from mlproof.bench.tasks import Task

FEW = 1_000
PAGE = 4096  # what the smallest fit is said to take, so that a ratio exists
ESTIMATORS: dict[str, Any] = {"mlproof": mlproof, "scikit-learn": scikit_learn}


def task_on(dtype: str) -> Task:
    """One epoch on Fashion-MNIST, its pixels as float32 or as they are."""
    problem = problems.fashion_pixels() if dtype == "uint8" else problems.fashion()
    return Task(problem, (100,), batch_size=200, epochs=1)


def fitting(library: str, dtype: str, *, early_stopping: bool = False) -> Contestant:
    """A process a run."""
    command = [sys.executable, "-m", __name__, library, dtype]
    command += ["--early-stopping"] * early_stopping

    def run() -> float:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise Unavailable(ended.stderr.strip().split("\n")[-1])
        return float(ended.stdout)

    def prepare() -> Run:
        return run

    return Contestant(library, prepare)


def bytes_of_a_fit(library: str, task: Task, *, early_stopping: bool) -> int:
    """What this process holds at most during a fit, less what it held before."""
    more: dict[str, Any] = {"early_stopping": early_stopping}
    if library == "mlproof" and task.problem.X.dtype == np.uint8:
        more["input_scale"] = 1 / 255
    X, y = task.problem.X, task.problem.y
    train(ESTIMATORS[library](task, **more), X[:FEW], y[:FEW])
    estimator = ESTIMATORS[library](task, **more)
    gc.collect()
    _give_back()
    before = _forget_the_peak()
    train(estimator, X, y)
    return max(_peak() - before, PAGE)


def _give_back() -> None:
    """What was freed but kept for later goes back to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _forget_the_peak() -> int:
    """Begin a new peak from what is held now; where that is not possible, go on."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mlproof.bench.memory")
    parser.add_argument("library", choices=ESTIMATORS)
    parser.add_argument("dtype", choices=["float32", "uint8"])
    parser.add_argument("--early-stopping", action="store_true")
    chosen = parser.parse_args()
    task = task_on(chosen.dtype)
    print(bytes_of_a_fit(chosen.library, task, early_stopping=chosen.early_stopping))


if __name__ == "__main__":
    _main()
