"""No kernel reads or writes beside its arrays: tests again, every index checked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CHOSEN))
def test_no_kernel_reads_or_writes_beside_its_arrays(
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
    assert " passed" in done.stdout
