"""Threads that wait for the next call: in order, ended with their caller, forked."""

import gc
import os
import threading
import time
from typing import Any

import numpy as np
import pytest
from trainings import run_python

from mlproof import MLPClassifier
from mlproof.engines import numpy_engine
from mlproof.engines.pool import share_out


def who(_: Any) -> threading.Thread:
    time.sleep(0.01)  # so that one thread alone cannot be quick enough for all
    return threading.current_thread()


def test_results_come_in_the_order_of_the_items() -> None:
    def late(item: int) -> int:
        time.sleep(0.01 * (5 - item))
        return item * item

    assert share_out(3, late, range(5)) == [0, 1, 4, 9, 16]
    assert share_out(3, late, []) == []


def test_the_next_call_finds_the_same_threads() -> None:
    first, second = set(share_out(3, who, range(9))), set(share_out(3, who, range(9)))
    assert len(first) == 3
    assert first == second
    assert threading.current_thread() not in first
    assert len(set(share_out(2, who, range(9)))) == 2


def test_callers_at_the_same_time_have_threads_of_their_own() -> None:
    found: list[set[threading.Thread]] = []
    callers = [
        threading.Thread(target=lambda: found.append(set(share_out(2, who, range(6)))))
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert len(found) == 2
    assert not found[0] & found[1]
    gc.collect()
    for thread in found[0] | found[1]:
        thread.join(30)  # it ends with its caller
        assert not thread.is_alive()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_goes_on_after_an_error(error: type[BaseException]) -> None:
    at_work, most = 0, 0

    def work(item: int) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, item)
        time.sleep(0.02)
        at_work -= 1
        if item == 1:
            raise error

    with pytest.raises(error):
        share_out(2, work, range(100))
    assert at_work == 0
    assert most < 99  # what nobody had begun is not begun any more
    assert share_out(2, abs, [-1]) == [1]


FORKED = """
import os
from mlproof.engines.pool import share_out

assert share_out(2, abs, [-1, -2]) == [1, 2]
child = os.fork()
if not child:
    os._exit(share_out(2, abs, [-3, -4]) != [3, 4])
assert os.waitpid(child, 0)[1] == 0
assert share_out(2, abs, [-5]) == [5]
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
