"""The kernels on the disk: compiled once, and again when their sources change."""

import errno
import gc
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.caching import FunctionCache
from scipy import sparse
from trainings import blobs, compiled, run_python

from mlproof.engines import compiled as engine
from mlproof.engines.compiled import ledger, toolchain
from mlproof.engines.compiled.passes import DensePass, SparsePass

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_folder_of_the_kernels_is_that_of_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = tmp_path / "engines"
    shutil.copytree(Path(toolchain.__file__).parents[1], engines)
    sources = engines / "compiled"
    monkeypatch.setattr(toolchain, "__file__", str(sources / "toolchain.py"))
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path / "kept"))
    folders = [toolchain._cache_folder()]
    assert folders[0] is not None
    assert folders[0].parent == tmp_path / "kept"
    assert toolchain._cache_folder() == folders[0]
    # A function that kernels of other files call; a constant that is compiled in.
    for changed in (sources / "products.py", engines / "chunks.py"):
        changed.write_bytes(changed.read_bytes() + b"# changed\n")
        folders.append(toolchain._cache_folder())
    (sources / "another.py").write_bytes(b"")
    monkeypatch.setattr(toolchain, "version", lambda name: f"{name} of tomorrow")
    folders.append(toolchain._cache_folder())
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    folders.append(toolchain._cache_folder())
    assert len(set(folders)) == len(folders)
    assert all(folder is not None and folder.is_dir() for folder in folders)


def test_the_sources_as_they_are_have_the_folder_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path))
    folder = toolchain._cache_folder()
    assert folder is not None
    assert toolchain.FOLDER is not None
    assert folder.name == toolchain.FOLDER.name


def test_a_folder_that_cannot_be_written_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for unusable in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(unusable))
        with pytest.warns(UserWarning, match=toolchain.CACHE_VARIABLE) as caught:
            assert toolchain._cache_folder() is None
        assert len(caught) == 1


def twice(x: float) -> float:
    return 2 * x


@pytest.mark.parametrize("kept", [0, 1, 40])  # bytes
@pytest.mark.parametrize("damaged", ["*.nbi", "*.nbc"])
def test_a_damaged_file_is_as_good_as_none(
    damaged: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "FOLDER", tmp_path)
    assert toolchain.kernel(twice)(1.5) == 3
    [file] = tmp_path.rglob(damaged)
    file.write_bytes(file.read_bytes()[:kept])
    for hits in (0, 1):  # it is compiled and kept again
        again = toolchain.kernel(twice)
        assert again(1.5) == 3
        assert sum(again.stats.cache_hits.values()) == hits


def test_a_file_that_two_processes_took_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "FOLDER", tmp_path)
    numbers = np.float32(1.5), np.float64(1.5)
    first = toolchain.kernel(twice)
    for x in numbers:
        first(x)
    one, other = sorted(tmp_path.rglob("*.nbc"))
    one.write_bytes(other.read_bytes())
    again = toolchain.kernel(twice)
    for x in numbers:
        again.compile((numba.typeof(x),))
        assert again.overloads[numba.typeof(x),].signature.args == (numba.typeof(x),)


def test_a_full_disk_costs_a_warning_and_not_the_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, sig: Any, data: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(toolchain, "FOLDER", tmp_path)
    monkeypatch.setattr(FunctionCache, "save_overload", full)
    message = (
        f"{tmp_path} cannot be written: No space left .*{toolchain.CACHE_VARIABLE}"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        assert toolchain.kernel(twice)(1.5) == 3
    assert len(caught) == 1


def test_only_what_takes_long_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setattr(toolchain.logger, "warning", lambda message: said.set())
    with toolchain.announced("float64"):
        pass
    monkeypatch.setattr(toolchain, "ANNOUNCED_AFTER", 0.1)
    assert not said.is_set()
    with toolchain.announced("float64"):
        assert said.wait(30)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_what_compiles_is_announced_and_collects_no_garbage(
    form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(60, 5)
    X = form(X.astype(np.float32))
    compiled(max_iter=1).fit(X, y)  # what is left out below is there
    announced, ready = [], []

    @contextmanager
    def announce(what: str) -> Iterator[None]:
        announced.append(what)
        assert gc.isenabled()
        yield

    def compile_(self: DensePass, helped: bool) -> None:
        ready.append(not gc.isenabled())

    monkeypatch.setattr(engine, "_compiled", set())
    monkeypatch.setattr(engine, "announced", announce)
    monkeypatch.setattr(DensePass, "compile", compile_)
    monkeypatch.setattr(SparsePass, "compile", compile_)
    for _ in range(2):
        compiled(max_iter=1).fit(X, y)
    kind = "float32" if form is np.asarray else "sparse float32"
    assert announced == [f"{kind} rows"]
    assert ready == [True]


def test_a_first_pass_has_every_kernel_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[int, ...]] = []

    def watched(thread: int, first: int, last: int, *_: Any) -> None:
        called.append((thread, first, last))

    monkeypatch.setattr(engine, "_compiled", set())
    monkeypatch.setattr(SparsePass, "kernel", staticmethod(watched))
    monkeypatch.setattr(ledger, "close_ledger", lambda *_: called.append(()))
    X, y = blobs(60, 5)
    compiled(max_iter=1, solver="sgd").fit(sparse.csr_array(X), y)
    assert called[:2] == [(0, 0, 0), ()]


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_again_as_before(enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with toolchain.uncollected():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


FIT_ONCE = """
import numpy as np
from sklearn.exceptions import ConvergenceWarning
import warnings
warnings.simplefilter("ignore", ConvergenceWarning)
from mlproof import MLPClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((300, 7)), rng.integers(0, 3, 300)
for _ in range(2):
    clf = MLPClassifier((130, 16), max_iter=3, random_state=0, engine="compiled")
    clf.fit(X, y)
print(clf.theta_.tobytes().hex())
"""


@pytest.mark.slow
def test_a_second_process_does_not_compile_again(tmp_path: Path) -> None:
    def kept() -> set[tuple[Path, int]]:
        return {(path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.nb?")}

    first = run_python(FIT_ONCE, MLPROOF_CACHE_DIR=str(tmp_path))
    assert first.stderr.count("compiles its kernels for float64 rows, once") == 1
    assert str(tmp_path) in first.stderr
    before = kept()
    assert before
    second = run_python(FIT_ONCE, MLPROOF_CACHE_DIR=str(tmp_path))
    assert kept() == before
    assert second.stdout == first.stdout


@pytest.mark.slow
def test_kernels_that_cannot_be_kept_are_compiled_with_one_warning(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run_python(FIT_ONCE, MLPROOF_CACHE_DIR=str(tmp_path / "file" / "below"))
    assert done.stderr.count("cannot be written") == 1
    assert done.stderr.count("they cannot be kept") == 1
    assert done.stdout == run_python(FIT_ONCE).stdout
