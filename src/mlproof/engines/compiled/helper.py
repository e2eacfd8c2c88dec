"""A second process that compiles some stages while this one compiles the rest.

Numba compiles one function at a time.  What the helper has compiled is found in the
folder that keeps kernels.  Where there is no such folder, or no helper to be had, there
is only more left to do here.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlproof.engines.compiled import toolchain
from mlproof.engines.compiled.stages import Stage, Types

Calls = Sequence[tuple[Stage, Types]]  # stages, for arguments of these types

# Seconds for which it is waited for when nothing else is left to do.
PATIENCE = 120.0

# All is read before anything is imported: that takes long, and a pipe holds little.
PROGRAM = """
import pickle, sys
sys.path[:], told = pickle.load(sys.stdin.buffer)
from mlproof.engines.compiled import helper
helper.do(*pickle.loads(told))
"""


@contextmanager
def helper(work: Calls, declared: Calls) -> Iterator[None]:
    """Another process does this work meanwhile; afterwards it has ended.

    Work is to compile stages; all that are declared are those that these may call.
    """
    if not work or toolchain.FOLDER is None or not _is_python():
        yield
        return
    told = pickle.dumps((toolchain.FOLDER, work, declared))
    process = None
    try:
        with suppress(OSError):  # it cannot be started, or has ended
            process = _start()
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(pickle.dumps((sys.path, told)))
        yield
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _is_python() -> bool:
    """Whether what runs here is no other program, which would be started once more."""
    name = Path(sys.executable or "").stem.lower()
    return name.startswith("python") and not getattr(sys, "frozen", False)


def _start() -> "subprocess.Popen[bytes]":
    assert toolchain.FOLDER is not None
    return subprocess.Popen(
        [sys.executable, "-I", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {toolchain.CACHE_VARIABLE: str(toolchain.FOLDER.parent)},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def do(folder: Path, work: Calls, declared: Calls) -> None:
    """What the other process does, if what it keeps will be found."""
    if folder != toolchain.FOLDER:
        return
    for stage, types in declared:
        stage.declare(types)
    with toolchain.uncollected():
        for stage, types in work:
            stage.compile(types)
