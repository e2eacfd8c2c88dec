"""A second process that compiles some stages while this one compiles the rest.

Numba compiles one function at a time.  What the helper has compiled is found in the
folder that keeps kernels.  Where there is no such folder, or no helper to be had, there
is only more left to do here.
"""

import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlproof.engines.compiled import toolchain
from mlproof.engines.compiled.stages import Stage, Types

Work = Sequence[tuple[Stage, Types]]  # stages, for arguments of these types

# Seconds for which it is waited for when nothing else is left to do.
PATIENCE = 120.0

# Nothing is imported before it is known from where.
PROGRAM = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from mlproof.engines.compiled import helper
helper.do(pickle.load(sys.stdin.buffer))
"""


@contextmanager
def helper(work: Work) -> Iterator[None]:
    """Another process does this work meanwhile; afterwards it has ended."""
    process = _started(work) if work and toolchain.FOLDER is not None else None
    try:
        yield
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _started(work: Work) -> "subprocess.Popen[bytes] | None":
    # A program with Python inside would be started once more itself.
    if not Path(sys.executable or "").stem.lower().startswith("python"):
        return None
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return None
    assert process.stdin is not None
    with suppress(OSError), process.stdin as told:  # it may have ended
        told.write(pickle.dumps(sys.path) + pickle.dumps(work))
    return process


def do(work: Work) -> None:
    """What the other process does."""
    for stage, of in work:
        stage.declare(of)
    with toolchain.uncollected():
        for stage, of in work:
            stage.compile(of)
