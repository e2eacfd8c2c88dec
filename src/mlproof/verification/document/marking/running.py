"""NumPy expressions of a document, run in a process of their own with limits.

The limits are a fence against accidents: an endless loop, a full memory, a file
overwritten.  They are no prison; whoever runs the code of a document trusts it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlproof.verification.document.marking.stretches import Stretch

SECONDS = 20.0
MEMORY = 4 << 30
_WORKER = Path(__file__).with_name("running_worker.py")


class Outcome(NamedTuple):
    """What a stretch of code gave: a value, or the reason why it has none."""

    name: str  # that is assigned last; empty for an expression
    value: np.ndarray | None
    error: str | None = None


def run_stretches(
    stretches: Sequence[Stretch],
    trials: Sequence[Mapping[str, np.ndarray | int]],
    seconds: float = SECONDS,
) -> list[list[Outcome]]:
    """Run all stretches in order, anew for each trial.

    Parameters
    ----------
    stretches
        Python that may use ``np`` and the names bound.
    trials
        For each trial the values of names: arrays of float64, or whole numbers.  They
        have them again behind each stretch, but for those that it leaves unfinished.
    seconds
        How long all of it may take.

    Returns
    -------
    list of list of Outcome
        For each trial the outcome of each stretch.
    """
    if not stretches or not trials:
        return [[] for _ in trials]
    job = json.dumps(
        {
            "stretches": [(s.source, s.name, s.unfinished) for s in stretches],
            "trials": [_plain(bound) for bound in trials],
        }
    )
    lines, reason = _run(job, seconds)
    found = [_outcome(line) for line in lines]
    missing = len(stretches) * len(trials) - len(found)
    found += [Outcome("", None, reason)] * missing
    width = len(stretches)
    return [found[i * width : (i + 1) * width] for i in range(len(trials))]


def _plain(bound: Mapping[str, np.ndarray | int]) -> dict[str, Any]:
    return {
        name: (list(np.shape(value)), np.ravel(value).tolist())
        if np.ndim(value)
        else ([], value if isinstance(value, int) else float(value))
        for name, value in bound.items()
    }


def _outcome(line: str) -> Outcome:
    found = json.loads(line)
    if found.get("error"):
        return Outcome(found["name"], None, found["error"])
    value = np.array(found["value"], dtype=float).reshape(found["shape"])
    return Outcome(found["name"], value)


def _run(job: str, seconds: float) -> tuple[list[str], str]:
    """The lines of the answer, and why there are no more."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as into:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_WORKER), str(into.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            pass_fds=(into.fileno(),),
            start_new_session=True,
            preexec_fn=_limit,
            text=True,
        )
        reason = "it ended the process"
        try:
            process.communicate(job, timeout=seconds)
        except subprocess.TimeoutExpired:
            reason = f"it did not end within {seconds:g} s"
        finally:
            _kill(process)
        into.seek(0)
        # A line that was cut off when the process ended is no answer.
        lines = [line for line in into.read().split("\n") if line.endswith("}")]
    return lines, reason


def _limit() -> None:
    try:
        import resource
    except ImportError:  # there are no such limits here
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS) + 5, int(SECONDS) + 5))


def _kill(process: "subprocess.Popen[str]") -> None:
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
