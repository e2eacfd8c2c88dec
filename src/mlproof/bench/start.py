"""A new Python: from its start to the end of its first fit."""

import os
import subprocess
import sys
import tempfile

from mlproof.bench.contestants import Contestant, Run, Unavailable, clocked
from mlproof.engines.compiled.toolchain import CACHE_VARIABLE

TITLE = "digits, 64-100-10, 20 epochs of Adam, from the start of Python"

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_digits
from {package} import MLPClassifier
X, y = load_digits(return_X_y=True)
MLPClassifier((100,), max_iter=20, random_state=0{more}).fit((X / 16).astype("f"), y)
"""


def starting(
    name: str, package: str, *, engine: str | None = None, compiling: bool = False
) -> Contestant:
    """A process a run; when compiling, each finds no kernels of an earlier one."""
    more = "" if engine is None else f", engine={engine!r}"
    program = PROGRAM.format(package=package, more=more)

    def start(environment: dict[str, str]) -> None:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise Unavailable(ended.stderr.strip().split("\n")[-1])

    def run_with_kernels_to_compile() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return clocked(lambda: start({CACHE_VARIABLE: folder}))()

    def prepare() -> Run:
        return run_with_kernels_to_compile if compiling else clocked(lambda: start({}))

    return Contestant(name, prepare)
