"""Threads that wait for the next call: in order, ended with their caller, forked."""

import gc
import os
import threading
import time

import numpy as np
import pytest
from trainings import run_python

from mlproof import MLPClassifier
from mlproof.engines import numpy_engine, pool
from mlproof.engines.pool import share_out


def threads_of_a_call(n_threads: int) -> set[threading.Thread]:
    """All of them: none goes on before everybody has come."""
    everybody = threading.Barrier(n_threads, timeout=30)

    def who(_: int) -> threading.Thread:
        everybody.wait()
        return threading.current_thread()

    return set(share_out(n_threads, who, range(2 * n_threads)))


def test_results_come_in_the_order_of_the_items() -> None:
    def late(item: int) -> int:
        time.sleep(0.01 * (5 - item))
        return item * item

    assert share_out(3, late, range(5)) == [0, 1, 4, 9, 16]
    assert share_out(3, late, []) == []


def test_the_next_call_finds_the_same_threads() -> None:
    first = threads_of_a_call(3)
    assert len(first) == 3
    assert threads_of_a_call(3) == first
    assert threading.current_thread() in first
    assert len(threads_of_a_call(2)) == 2


def test_callers_at_the_same_time_have_threads_of_their_own() -> None:
    found: list[set[threading.Thread]] = []
    callers = [
        threading.Thread(target=lambda: found.append(threads_of_a_call(2)))
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert len(found) == 2
    assert not found[0] & found[1]
    gc.collect()
    assert {*callers} <= found[0] | found[1]
    for thread in found[0] | found[1]:
        thread.join(30)  # it ends with its caller
        assert not thread.is_alive()


def test_work_for_which_no_thread_can_be_started_is_not_done_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []
    kept, start = pool.Pool(2), threading.Thread.start

    def refuse(_: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        raise RuntimeError("can't start new thread")

    kept.submit(done.append, 1).result(30)
    block = threading.Event()
    kept.submit(lambda _: block.wait(30), None)  # so that another thread is needed
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        kept.submit(done.append, 2)
    block.set()
    kept.submit(done.append, 3).result(30)
    kept.close()
    assert sorted(done) == [1, 2, 3]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_goes_on_after_an_error(error: type[BaseException]) -> None:
    begun: list[int] = []
    ended: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.02)
        ended.append(item)
        if item == 1:
            raise error

    with pytest.raises(error):
        share_out(2, work, range(100))
    assert sorted(begun) == sorted(ended)
    assert len(begun) < 100  # what nobody had begun is not begun any more
    assert share_out(2, abs, [-1]) == [1]


def test_an_index_error_of_the_work_is_no_end_of_it() -> None:
    with pytest.raises(IndexError):
        share_out(2, [0, 1].__getitem__, range(5))


def test_who_comes_too_late_is_not_waited_for() -> None:
    free = threading.Event()
    share_out(2, abs, [-1, -2])  # now there is one to keep from coming
    held = pool._kept.pools[2].submit(lambda _: free.wait(30), None)
    assert share_out(2, abs, [-3, -4]) == [3, 4]
    assert not held.done()
    free.set()
    assert share_out(2, abs, [-5, -6]) == [5, 6]


AT_THE_END = """
import atexit
from mlproof.engines.pool import share_out

atexit.register(lambda: print(share_out(2, abs, [-1, -2])))
share_out(2, abs, [-1, -2])
"""


def test_the_caller_does_it_alone_where_no_thread_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run_python(AT_THE_END).stdout == "[1, 2]\n"

    def refuse(self: pool.Pool, *_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool.Pool, "submit", refuse)
    assert share_out(2, abs, [-1, -2]) == [1, 2]


FORKED = """
import os
import threading
from mlproof.engines.pool import share_out

everybody = threading.Barrier(2, timeout=30)

def work(item):
    everybody.wait()
    return abs(item)

assert share_out(2, work, [-1, -2]) == [1, 2]
child = os.fork()
if not child:
    os._exit(share_out(2, work, [-3, -4]) != [3, 4])
assert os.waitpid(child, 0)[1] == 0
assert share_out(2, work, [-5, -6]) == [5, 6]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_starts_its_own() -> None:
    run_python(FORKED)


def test_rows_predicted_by_threads_have_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numpy_engine, "WORTH_A_THREAD", 1)
    X = np.random.default_rng(0).standard_normal((3000, 5))
    clf = MLPClassifier((9,), max_iter=2, random_state=0, n_threads=1)
    with pytest.warns(Warning, match="had not converged"):
        alone = clf.fit(X, X[:, 0] > 0).predict_proba(X)
    for n_threads in (2, 5):
        found = clf.set_params(n_threads=n_threads).predict_proba(X)
        assert found.tobytes() == alone.tobytes()
