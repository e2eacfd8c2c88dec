"""Kernels that kernels call: who compiles them, and that their callers find them."""

import subprocess
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
from mlproof.engines.compiled.helper import Work, helper
from mlproof.engines.compiled.stages import Stage, stage, types_of
from mlproof.engines.compiled.toolchain import OPTIONS

REAL = types_of(1.0)


@stage(types.float64)
def halved(x: float) -> float:
    return x / 2


@stage(types.float64)
def reciprocal(x: float) -> float:
    if x == 0:
        raise ZeroDivisionError("no reciprocal")
    return 1 / x


@numba.njit(**OPTIONS)
def quartered(x: float) -> Any:
    return halved(halved(x))


@numba.njit(**OPTIONS)
def inverted(x: float) -> Any:
    return reciprocal(x)


def test_a_caller_may_be_compiled_before_what_it_calls() -> None:
    quartered.compile(REAL)
    with pytest.raises(RuntimeError, match="halved is not compiled"):
        quartered(8.0)
    halved.stage.ready(REAL)
    assert quartered(8.0) == 2.0


def test_what_it_raises_its_caller_raises() -> None:
    reciprocal.stage.ready(REAL)
    assert inverted(4.0) == 0.25
    with pytest.raises(ZeroDivisionError, match="no reciprocal"):
        inverted(0.0)


def test_one_that_returns_another_type_is_not_used() -> None:
    wrong = stage(types.float64)(lambda x: x > 0)
    for _ in range(2):  # compiled, and as it was kept
        with pytest.raises(AssertionError):
            wrong.stage.ready(REAL)


# ---- the other process --------------------------------------------------------------

STAGES = """
from numba import types
from mlproof.engines.compiled.stages import stage

@stage(types.float64)
def doubled(x):
    return 2 * x
"""

HELPED = """
import sys
sys.path.append(sys.argv[1])
import numpy as np
from some_stages import doubled
from mlproof.engines.compiled.helper import helper
from mlproof.engines.compiled.stages import types_of
of = types_of(1.0)
assert not doubled.stage.load(of)
with helper([(doubled.stage, of)]):
    pass
print(doubled.stage.load(of))
"""


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("", "True"),
        ("sys.executable = '/usr/bin/true'", "False"),
        ("sys.executable = ''", "False"),
        ("sys.executable = '/nowhere/python'", "False"),
        ("sys.path.remove(sys.argv[1])", "False"),  # it ends with an error
    ],
)
def test_what_the_helper_compiles_is_found_and_need_not_be(
    before: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "some_stages.py").write_text(STAGES)
    script = HELPED.replace("of = types", f"{before}\nof = types")
    done = run_python(script, tmp_path, MLPROOF_CACHE_DIR=str(tmp_path / "kept"))
    assert done.stdout.strip() == found
    assert done.stderr == ""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """Those that are started; all of them wait for a minute."""
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    class Watched(start):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(helpers, "PROGRAM", "import time; time.sleep(60)")
    return started


def test_a_helper_that_takes_too_long_is_not_waited_for(
    process: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers, "PATIENCE", 0.1)
    with helper([(halved.stage, REAL)]):
        assert process[0].poll() is None
    assert process[0].poll() is not None


def test_ctrl_c_ends_the_helper_too(process: list["subprocess.Popen[bytes]"]) -> None:
    with pytest.raises(KeyboardInterrupt), helper([(halved.stage, REAL)]):
        raise KeyboardInterrupt
    assert process[0].poll() is not None


def test_no_process_is_started_in_vain(
    process: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    with helper([]):
        pass
    monkeypatch.setattr(toolchain, "FOLDER", None)
    with helper([(halved.stage, REAL)]):
        pass
    assert process == []


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
    def helpless(work: Work) -> Iterator[None]:
        left.extend(stage.name for stage, _ in work)
        yield
        assert not set(left) & set(done)

    monkeypatch.setattr(engine, "_compiled", set())
    monkeypatch.setattr(passes, "helper", helpless)
    monkeypatch.setattr(Stage, "load", lambda self, of: self.name in done)
    monkeypatch.setattr(Stage, "compile", lambda self, of: done.append(self.name))
    clf.fit(X, y)
    assert left == expected
    assert sorted(done) == ["change", "product", "through_the_network", "tile_gradient"]
    assert np.array_equal(clf.theta_, theta)
