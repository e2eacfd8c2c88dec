"""Kernels that kernels call: who compiles them, and that their callers find them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import types
from trainings import blobs, compiled, run_python

from mlproof.engines import compiled as engine
from mlproof.engines.compiled import helper as helpers
from mlproof.engines.compiled import passes, toolchain
from mlproof.engines.compiled.helper import Calls, helper
from mlproof.engines.compiled.stages import Stage, stage, types_of
from mlproof.engines.compiled.toolchain import OPTIONS

REAL = types_of(1.0)

Started = list["subprocess.Popen[bytes]"]


@stage(types.float64)
def halved(x: float) -> float:
    return x / 2


CALLS = [(halved.stage, REAL)]


@stage(types.float64)
def reciprocal(x: float) -> float:
    if x == 0:
        raise ZeroDivisionError("no reciprocal")
    return 1 / x


@numba.njit(**OPTIONS)
def inverted(x: float) -> Any:
    return reciprocal(x)


def test_a_caller_may_be_compiled_before_what_it_calls() -> None:
    @numba.njit(**OPTIONS)
    def quartered(x: float) -> Any:
        return halved(halved(x))

    with pytest.raises(RuntimeError, match="halved is not compiled"):
        quartered(8.0)
    halved.stage.compile(REAL)
    assert quartered(8.0) == 2.0


def test_what_it_raises_its_caller_raises() -> None:
    reciprocal.stage.compile(REAL)
    assert inverted(4.0) == 0.25
    with pytest.raises(ZeroDivisionError, match="no reciprocal"):
        inverted(0.0)


def test_one_that_returns_another_type_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toolchain, "FOLDER", None)
    wrong = stage(types.float64)(lambda x: x > 0)
    with pytest.raises(AssertionError):
        wrong.stage.compile(REAL)


# ---- the other process --------------------------------------------------------------

SOME_STAGES = """
from numba import types
from mlproof.engines.compiled.stages import stage

@stage(types.float64)
def doubled(x):
    return 2 * x

@stage(types.float64)
def quadrupled(x):
    return doubled(doubled(x))
"""

HELPED = """
import sys
sys.path.append(sys.argv[1])
from some_stages import doubled, quadrupled
from mlproof.engines.compiled.helper import helper
from mlproof.engines.compiled.stages import types_of
types = types_of(1.0)
calls = [(doubled.stage, types), (quadrupled.stage, types)]
for stage, types in calls:
    stage.declare(types)
{before}
with helper(calls[1:], calls):
    pass
print([stage.load(types) for stage, types in calls])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("", "[False, True]"),
        # Found by another process meanwhile.
        ("quadrupled.stage.compile(types)", "[False, True]"),
        ("sys.executable = '/nowhere/python'", "[False, False]"),
        ("sys.path.remove(sys.argv[1])", "[False, False]"),  # it ends with an error
    ],
)
def test_what_the_helper_compiles_is_found_and_need_not_be(
    before: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "some_stages.py").write_text(SOME_STAGES)
    script = HELPED.format(before=before)
    done = run_python(script, tmp_path, MLPROOF_CACHE_DIR=str(tmp_path / "kept"))
    assert done.stdout.strip() == found
    assert done.stderr == ""


FIRST_FIT = """
import warnings
warnings.simplefilter("ignore")
import numpy as np
from mlproof import MLPClassifier
from mlproof.engines import compiled
compiled.available = lambda: 2
X, y = np.eye(40, dtype=np.float32), np.arange(40) % 3
MLPClassifier(max_iter=1, engine="compiled", n_threads=2).fit(X, y)
from mlproof.engines.compiled.chunk import through_the_network
from mlproof.engines.compiled.update import tile_gradient
for called in through_the_network, tile_gradient:
    print(sum(called.stage._kernel.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_a_first_fit_finds_what_its_helper_has_compiled(tmp_path: Path) -> None:
    done = run_python(FIRST_FIT, MLPROOF_CACHE_DIR=str(tmp_path))
    by_helper, here = map(int, done.stdout.split())
    assert by_helper == 0
    assert here == 1


FIRST_FITS = """
import threading, warnings
warnings.simplefilter("ignore")
import numpy as np
from scipy import sparse
from mlproof import MLPClassifier
X, y = np.eye(40, dtype=np.float32), np.arange(40) % 3
fitted = []

def fit(form):
    clf = MLPClassifier(max_iter=1, engine="compiled", n_threads=1, random_state=0)
    fitted.append(clf.fit(form(X), y).loss_)

threads = [
    threading.Thread(target=fit, args=[form])
    for form in (np.array, sparse.csr_array, np.array, sparse.csr_array)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(fitted))
"""


@pytest.mark.slow
def test_first_fits_in_several_threads_compile_what_they_need(tmp_path: Path) -> None:
    for _ in range(2):  # and find it later
        done = run_python(FIRST_FITS, MLPROOF_CACHE_DIR=str(tmp_path))
        assert done.stdout.strip() == "4", done.stderr


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """Those that are to start; all of them wait for a minute."""
    monkeypatch.setattr(toolchain, "FOLDER", tmp_path)
    started: Started = []
    start = subprocess.Popen

    class Watched(start):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            started.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(helpers, "PROGRAM", "import time; time.sleep(60)")
    monkeypatch.setattr(helpers, "PATIENCE", 0.1)
    return started


def test_a_helper_that_takes_too_long_is_not_waited_for(processes: Started) -> None:
    with helper(CALLS, CALLS):
        assert processes[0].poll() is None
    assert processes[0].poll() is not None


def test_ctrl_c_ends_the_helper_too(processes: Started) -> None:
    with pytest.raises(KeyboardInterrupt), helper(CALLS, CALLS):
        raise KeyboardInterrupt
    assert processes[0].poll() is not None


@pytest.mark.parametrize(
    ("of", "name", "value"),
    [
        (toolchain, "FOLDER", None),
        (sys, "executable", ""),
        (sys, "executable", "/usr/bin/a-program-with-python-inside"),
        (sys, "frozen", True),
    ],
)
def test_no_process_is_started_in_vain(
    of: Any, name: str, value: Any, processes: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    with helper([], CALLS):
        assert processes == []
    monkeypatch.setattr(of, name, value, raising=False)
    with helper(CALLS, CALLS):  # which starts one in the tests above
        assert processes == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("n_threads", "expected"), [(1, []), (2, ["through_the_network", "product"])]
)
def test_of_two_threads_one_leaves_half_of_what_is_missing_to_a_process(
    n_threads: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(60, 5)
    clf = compiled(max_iter=1, n_threads=n_threads).fit(X, y)  # all is ready
    theta, left, done = clf.theta_, [], []

    @contextmanager
    def helpless(work: Calls, declared: Calls) -> Iterator[None]:
        left.extend(stage.name for stage, _ in work)
        assert len(declared) == 4
        yield
        assert not set(left) & set(done)

    monkeypatch.setattr(engine, "_compiled", set())
    monkeypatch.setattr(engine, "available", lambda: 8)
    monkeypatch.setattr(passes, "helper", helpless)
    monkeypatch.setattr(Stage, "load", lambda self, of: self.name in done)
    monkeypatch.setattr(Stage, "compile", lambda self, of: done.append(self.name))
    clf.fit(X, y)
    assert left == expected
    assert sorted(done) == ["change", "product", "through_the_network", "tile_gradient"]
    assert np.array_equal(clf.theta_, theta)
