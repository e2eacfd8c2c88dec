"""BLAS has one thread while an engine computes by it, and then what it had before."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits
from trainings import blobs, compiled, new

from mlproof.engines import numpy_engine
from mlproof.engines.blas import single_threaded_blas
from mlproof.engines.compiled.team import Team

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def blas_threads() -> set[int]:
    """What the libraries are set to, which is the same for all of them here."""
    return {
        each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"
    }


@pytest.fixture(autouse=True)
def three_blas_threads() -> Iterator[None]:
    """A number that nobody would choose, so that it shows if it is put back."""
    with threadpool_limits(3, "blas"), ThreadPoolExecutor(1) as other:
        if other.submit(blas_threads).result(60) != {3}:
            pytest.skip("this BLAS has no threads that belong to the process")
        yield


@pytest.fixture
def two_threads() -> Iterator[list[ThreadPoolExecutor]]:
    """Two that live on, each in a pool of its own."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        yield [one, other]


@pytest.mark.parametrize("first_to_leave", [0, 1])
def test_the_last_of_overlapping_users_puts_it_back(
    first_to_leave: int, two_threads: list[ThreadPoolExecutor]
) -> None:
    # Whichever thread it is in: threadpoolctl may listen to the first alone.
    users = [(thread, ExitStack()) for thread in two_threads]
    for thread, stack in users:
        thread.submit(stack.enter_context, single_threaded_blas()).result(60)
        assert blas_threads() == {1}
    last = users.pop(1 - first_to_leave)
    for thread, stack in (*users, last):
        assert blas_threads() == {1}
        thread.submit(stack.close).result(60)
    assert blas_threads() == {3}


def test_any_thread_is_a_user(two_threads: list[ThreadPoolExecutor]) -> None:
    def use() -> set[int]:
        with single_threaded_blas():
            return blas_threads()

    for thread in two_threads * 2:
        assert thread.submit(use).result(60) == {1}
        assert use() == {1}
        assert blas_threads() == {3}


def test_a_user_that_fails_puts_it_back() -> None:
    with pytest.raises(MemoryError), single_threaded_blas():
        raise MemoryError
    assert blas_threads() == {3}


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """Fills up with what BLAS was set to whenever a product was to be made by it."""
    found: list[set[int]] = []
    forward = numpy_engine.forward

    def watched(*arguments: Any) -> Any:
        found.append(blas_threads())
        return forward(*arguments)

    monkeypatch.setattr(numpy_engine, "forward", watched)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "numpy"},
        {"engine": "numpy", "solver": "lbfgs"},
        {"engine": "compiled", "early_stopping": True},  # whose scores are NumPy's
    ],
    ids=str,
)
def test_a_fit_computes_by_one_thread_of_blas(
    options: dict[str, Any], meanwhile: list[set[int]]
) -> None:
    X, y = blobs(100, 5)
    clf = new(max_iter=2, **options).fit(X, y)
    assert meanwhile
    assert blas_threads() == {3}
    clf.predict(X)
    clf.check_gradient(X[:20], y[:20])
    assert blas_threads() == {3}
    assert all(found == {1} for found in meanwhile)


def test_kernels_need_no_blas_and_leave_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, meanwhile = Team.run, []

    def watched(self: Team, kernel: Any, meeting: Any) -> None:
        def work(thread: int) -> None:
            kernel(thread)
            meanwhile.append(blas_threads())

        run(self, work, meeting)

    monkeypatch.setattr(Team, "run", watched)
    X, y = blobs(600, 40)
    for solver in ("adam", "gd", "lbfgs"):
        compiled(n_threads=2, solver=solver).fit(X, y)
        assert blas_threads() == {3}
    assert meanwhile
    assert all(found == {3} for found in meanwhile)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_fit_that_fails_leaves_it_as_it_was(
    engine: str, solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any) -> Any:
        assert blas_threads() == ({1} if engine == "numpy" else {3})
        raise MemoryError

    monkeypatch.setattr(numpy_engine, "forward", failing)
    monkeypatch.setattr(Team, "run", failing)
    X, y = blobs(600, 40)
    with pytest.raises(MemoryError):
        compiled(engine=engine, solver=solver).fit(X, y)
    assert blas_threads() == {3}


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_two_fits_that_overlap_leave_it_as_it_was(
    engine: str, two_threads: list[ThreadPoolExecutor]
) -> None:
    X, y = blobs(600, 40)
    together = threading.Barrier(2)

    def fit(max_iter: int) -> None:
        together.wait(60)
        compiled(engine=engine, n_threads=2, max_iter=max_iter, tol=0.0).fit(X, y)

    for lengths in ((2, 20), (20, 2)):
        fits = [
            thread.submit(fit, length)
            for thread, length in zip(two_threads, lengths, strict=True)
        ]
        for each in fits:
            each.result(120)
        assert blas_threads() == {3}


def test_a_fit_beside_another_user_leaves_it_to_the_last(
    meanwhile: list[set[int]],
) -> None:
    X, y = blobs(100, 5)
    clf = new(engine="numpy", max_iter=2)
    entered, left = threading.Event(), threading.Event()

    def use() -> None:
        with single_threaded_blas():
            entered.set()
            left.wait(60)

    other = threading.Thread(target=use)
    other.start()
    entered.wait(60)
    clf.fit(X, y)
    assert blas_threads() == {1}  # that of the other, who has not ended
    left.set()
    other.join(60)
    assert blas_threads() == {3}
    assert np.isfinite(clf.theta_).all()
    assert all(found == {1} for found in meanwhile)
