"""Threads that fail, Ctrl-C, how many threads, and what a fit leaves behind."""

import faulthandler
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
import pytest
from conftest import make_case
from scipy import sparse
from trainings import LARGE, RATE, blobs, compiled, run_python, train, with_x

from mlproof.engines import compiled as compiled_engine
from mlproof.engines import threads
from mlproof.engines.compiled import (
    SECONDS_PER_CALL,
    CompiledEngine,
    barrier,
    claims,
)
from mlproof.engines.compiled.team import Team
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.optimizers import Adam

# Three epochs are no training to the end, and say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("all_is_shared"),
]


# ---- threads that fail, and Ctrl-C -------------------------------------------------


@numba.njit(nogil=True)
def rounds(n: int, meeting: Any, n_threads: int) -> int:
    for i in range(n):
        if not barrier.meet(meeting, n_threads):
            return i
    return n


@pytest.fixture
def in_time(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Calls a function of no arguments, unless it hangs, which ends everything."""

    def call(work: Callable[[], Any], seconds: float = 60) -> Any:
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)
        if not outcome:  # threads that hang keep a process from ending by itself
            with capfd.disabled():
                print("a team of threads hangs", file=sys.stderr)
                faulthandler.dump_traceback()
            os._exit(1)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    return call


# On a core that others need, eight take seconds to meet so often.
@pytest.mark.parametrize(
    "n_threads", [1, 2, 3, pytest.param(8, marks=pytest.mark.slow)]
)
def test_all_threads_of_a_team_meet(n_threads: int, in_time: Any) -> None:
    team, meeting, ended = Team(n_threads), barrier.new(), {}

    def work(thread: int) -> None:
        ended[thread] = rounds(2000, meeting, n_threads)

    for _ in range(3):
        ended.clear()
        in_time(partial(team.run, work, meeting))
        assert ended == dict.fromkeys(range(n_threads), 2000)


@numba.njit(**OPTIONS)
def offer(counters: Any, thread: int, first: int) -> None:
    claims.offer(counters, thread, first)


@numba.njit(**OPTIONS)
def take(counters: Any, ends: Any, thread: int, done: Any) -> None:
    n_threads = ends.size - 1
    for turn in range(n_threads):
        owner = (thread + turn) % n_threads
        i = claims.claim(counters, owner)
        while i < ends[owner + 1]:
            done[thread, i] += 1
            i = claims.claim(counters, owner)


@pytest.mark.parametrize("ends", [[0, 4], [0, 3, 3, 9], [0, 0, 5000, 9000]])
def test_every_tile_is_taken_once_also_of_who_never_comes(
    ends: list[int], in_time: Any
) -> None:
    n_threads, table = len(ends) - 1, np.array(ends)
    team, counters = Team(n_threads), claims.new(n_threads)
    done = np.zeros((n_threads, ends[-1]), int)

    def work(thread: int) -> None:
        take(counters, table, thread, done)

    for run in (partial(team.run, work, None), partial(work, 0)):
        for thread in range(n_threads):
            offer(counters, thread, ends[thread])
        done[:] = 0
        in_time(run)
        assert (done.sum(axis=0) == 1).all()
    assert (done[0] == 1).all()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("who", [0, 1, 2])
def test_nobody_waits_for_a_thread_that_has_failed(
    error: type[BaseException], who: int, in_time: Any
) -> None:
    team, meeting, ended = Team(3), barrier.new(), {}

    def work(thread: int) -> None:
        ended[thread] = rounds(10 if thread == who else 10**9, meeting, 3)
        if thread == who:
            raise error

    with pytest.raises(error):
        in_time(partial(team.run, work, meeting))
    # Those who did not fail were waiting, had gone on to wait, or had not yet begun.
    assert ended.pop(who) == 10
    assert all(met <= 11 for met in ended.values())
    ended.clear()
    again = barrier.new()
    in_time(partial(team.run, lambda i: ended.update({i: rounds(50, again, 3)}), again))
    assert ended == {0: 50, 1: 50, 2: 50}


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_engine_can_be_used_after_one_of_its_threads_has_failed(
    who: int,
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    in_time: Any,
) -> None:
    case = make_case(24, **LARGE, n=600)
    expected = train(CompiledEngine(case.network), case, "adam", 200, [None])
    engine, run = CompiledEngine(case.network, 2), Team.run

    def failing(self: Team, kernel: Any, meeting: Any) -> None:
        def work(thread: int) -> None:
            if thread == who:
                raise error
            kernel(thread)

        run(self, work, meeting)

    monkeypatch.setattr(Team, "run", failing)
    with pytest.raises(error):
        in_time(partial(train, engine, case, "adam", 200, [None]))
    monkeypatch.setattr(Team, "run", run)
    found = in_time(partial(train, engine, case, "adam", 200, [None]))
    np.testing.assert_array_equal(found.theta, expected.theta)
    assert found.losses == expected.losses


def test_the_steps_before_an_interruption_are_counted(interrupted: Any) -> None:
    # theta and the moments have made them, and partial_fit goes on from there.
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(25, **shape)
    interrupted(2)
    theta, adam = case.theta.copy(), Adam(RATE)
    with pytest.raises(KeyboardInterrupt):
        CompiledEngine(case.network).epoch(
            theta, adam, case.examples, None, 5, case.penalty
        )
    steps, reached, numpy = [], case.theta.copy(), Adam(RATE)
    for start in range(0, 50, 5):
        batch = case.examples.take(slice(start, start + 5))
        NumpyEngine(case.network).epoch(reached, numpy, batch, None, 5, case.penalty)
        if np.allclose(reached, theta, rtol=0, atol=1e-12):
            steps.append(numpy.t)
    assert [adam.t] == steps


CTRL_C = """
import gc, os, signal, threading, time, warnings
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from mlproof import MLPClassifier

# A shell has its background jobs ignore Ctrl-C, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
y = rng.integers(0, 3, 200_000)
X = np.broadcast_to(rng.standard_normal(200, dtype=np.float32), (len(y), 200))

def new(**options):
    options = {"max_iter": 3, "random_state": 0, **options}
    return MLPClassifier((500, 500), engine="compiled", n_threads=2, **options)

def blas():
    return [(each["filepath"], each["num_threads"]) for each in threadpool_info()]

def team_is_at_work():
    return any(thread.name.startswith("mlproof") for thread in threading.enumerate())

def fit(classifier):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classifier.fit(X[:500], y[:500])

expected = fit(new())
gc.collect()
while team_is_at_work():
    time.sleep(0.01)
threadpool_limits(3, "blas")
before, sent = blas(), []

def press():
    while not team_is_at_work():
        time.sleep(0.01)
    time.sleep(0.5)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
classifier = new(max_iter=1000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    classifier.fit(X, y)
    waited = time.monotonic() - sent[0]
said = [str(w.message) for w in caught]
assert sum("Training interrupted by user." in each for each in said) == 1, said
assert classifier.n_iter_ == 0, "the epoch was too short to be interrupted"
assert waited < 5, waited
assert blas() == before
assert np.isfinite(classifier.predict_proba(X[:10])).all()
again = fit(classifier.set_params(max_iter=3))
assert again.theta_.tobytes() == expected.theta_.tobytes()
assert again.loss_curve_ == expected.loss_curve_
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its Ctrl-C reaches every process")
def test_ctrl_c_is_answered_within_an_epoch() -> None:
    # Between two calls of a kernel, a twentieth of a second each; the epoch takes
    # many seconds.
    run_python(CTRL_C)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_python_comes_to_word_many_times_in_an_epoch(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ctrl-C and a progress bar are answered between two calls of a kernel.
    case = make_case(26, **LARGE, n=40_000)
    if form == "sparse":
        case = with_x(case, sparse.csr_array(case.examples.X))
    engine, seconds, run = CompiledEngine(case.network), [], Team.run

    def watched(self: Team, *arguments: Any) -> None:
        began = time.perf_counter()
        run(self, *arguments)
        seconds.append(time.perf_counter() - began)

    train(engine, case, "adam", 100, [None])  # the kernels are loaded
    monkeypatch.setattr(Team, "run", watched)
    train(engine, case, "adam", 100, [None] * 3)
    assert np.median(seconds) < 3 * SECONDS_PER_CALL < 0.2
    seconds.clear()
    monkeypatch.setattr(compiled_engine, "SECONDS_PER_CALL", SECONDS_PER_CALL / 50)
    train(engine, case, "adam", 100, [None] * 3)
    assert len(seconds) > 3 * 10


# ---- what is left as it was found --------------------------------------------------


LATE = """
import atexit, logging, sys, threading
import numpy as np
from mlproof import MLPClassifier
X = np.random.default_rng(0).random((600, 200), dtype=np.float32)
logging.getLogger("mlproof").setLevel(logging.ERROR)  # what is compiled, perhaps

def fit():
    clf = MLPClassifier((256,), engine="compiled", n_threads=2, max_iter=1, tol=1e9)
    print(clf.fit(X, np.arange(600) % 3).predict(X[:100]).shape)

if sys.argv[1] == "atexit":
    atexit.register(fit)
else:
    main = threading.main_thread()
    threading.Thread(target=lambda: (main.join(), fit())).start()
"""


@pytest.mark.parametrize("when", ["atexit", "after the main thread"])
def test_threads_train_also_when_the_main_one_has_ended(when: str) -> None:
    said = run_python(LATE, when, PYTHONWARNINGS="ignore")
    assert (said.stdout, said.stderr) == ("(100,)\n", "")


def test_a_fit_leaves_no_threads_behind() -> None:
    X, y = blobs(600, 40)
    before = set(threading.enumerate())
    compiled(n_threads=3).fit(X, y)
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # it ends with its engine
        assert not thread.is_alive()


# ---- how many threads --------------------------------------------------------------


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_all_cores_are_used_unless_fewer_are_allowed(
    eight_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert threads.available() == 8
    for told, number in (("3", 3), ("1", 1), ("8", 8), ("64", 8), ("2,4", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert threads.available() == number


@pytest.mark.parametrize(
    "told", ["", " ", ",", ",2", "0", "-1", "1.5", "two", "1e1", "0x2", "²", "9" * 5000]
)
def test_what_is_no_number_of_threads_is_ignored(
    told: str, eight_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.available() == 8


def test_the_threads_of_an_engine_are_those_asked_for_or_all(
    eight_cores: None, monkeypatch: pytest.MonkeyPatch, teams: set[int]
) -> None:
    X, y = blobs(600, 40)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    compiled(max_iter=1).fit(X, y)
    assert teams == {3}
    compiled(max_iter=1, n_threads=4).fit(X, y)
    assert teams == {3, 4}
