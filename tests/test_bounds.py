"""No kernel has an index beside its array: tests again, every index checked.

What kernels read by address (microkernel.py, weighted_rows.py, gather.py) is not
checked so; their own tests look at what lies beside.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import run_python

FOLDER = Path(__file__).parent
# The tests that go through every kernel, and not through new processes.
CHOSEN = {
    "compiled": "numpy or bits_of_the_whole or any_number_of_threads or layout",
    "sparse": "(dense or numpy or lazy or ledger or any_number or columns"
    " or every_epoch) and not learns",
}


@pytest.fixture(scope="module")
def checked_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for kernels that check, which are other kernels."""
    return tmp_path_factory.mktemp("kernels")


BESIDE = """
import numba
import numpy as np
from mlproof.engines.compiled.toolchain import OPTIONS, part

@part
def beside(array, i):
    return array[i]

@numba.njit(**OPTIONS)
def reads(array, i):
    return beside(array, i)

reads(np.zeros(3), 3)
"""


@pytest.mark.parametrize(("checked", "said"), [("1", "IndexError"), ("0", "")])
def test_an_index_in_a_part_is_checked_if_that_is_asked(
    checked: str, said: str, tmp_path: Path
) -> None:
    kept = {"NUMBA_BOUNDSCHECK": checked, "MLPROOF_CACHE_DIR": str(tmp_path)}
    done = run_python(BESIDE, check=False, **kept)
    assert done.stderr.strip().rpartition("\n")[2].partition(":")[0] == said


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CHOSEN))
def test_no_kernel_has_an_index_beside_its_array(
    kind: str, checked_kernels: Path
) -> None:
    files = sorted(FOLDER.glob(f"test_{kind}_*.py"))
    assert files
    # With those that are slow.
    options = ["-x", "-m", "slow or not slow", "-k", CHOSEN[kind]]
    kept = {"NUMBA_BOUNDSCHECK": "1", "MLPROOF_CACHE_DIR": str(checked_kernels)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=os.environ | kept,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted is not None
    assert int(counted[1]) > 100
