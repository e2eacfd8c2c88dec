"""How many threads there are cores for, and that it does not show in the bits."""

import os
from collections.abc import Iterator
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pytest
from conftest import make_case
from test_sparse_threads import LARGE as SPARSE
from trainings import (
    FLOATS,
    LARGE,
    RULES,
    pair,
    run_python,
    some_orders,
    train,
    train_sparse,
)

from mlproof.engines import compiled
from mlproof.engines.compiled import CompiledEngine, ledger
from mlproof.engines.compiled.cores import Cores

# ---- how many ----------------------------------------------------------------------


class Machine:
    """Where a thread gets what is left of its core, and time passes as it is told."""

    def __init__(self, n_threads: int) -> None:
        self.now = 100.0
        self.cores = Cores(n_threads, lambda: self.now)

    def go_on(self, given: float, seconds: float = 0.06) -> int:
        """A call of a kernel, to whose threads so many cores are given."""
        n = self.cores.n_threads()
        self.now += seconds
        self.cores.worked(n, (n - min(given, n)) * seconds, seconds)
        return n


@pytest.mark.parametrize(
    ("n_threads", "given", "fewer"),
    [
        (2, 1.99, 2),
        (2, 1.6, 2),  # both gain more than they wait
        (2, 1.33, 1),  # three that want two cores
        (2, 0.5, 1),
        (3, 2.5, 2),
        (16, 15.8, 16),
        (16, 15.5, 15),
        (16, 8.2, 8),
        (1, 0.3, 1),
    ],
)
def test_so_many_threads_go_on_as_get_a_core(
    n_threads: int, given: float, fewer: int
) -> None:
    machine = Machine(n_threads)
    assert [machine.go_on(given) for _ in range(3)] == [n_threads, n_threads, fewer]


def test_short_calls_are_judged_together() -> None:
    machine = Machine(2)
    # The first few are away for most of it, as a thread may be by chance.
    taken = [machine.go_on(0.5 if i < 3 else 2, seconds=0.005) for i in range(60)]
    assert set(taken) == {2}


def test_one_disturbance_is_judged_once() -> None:
    # Where rows wait, all threads have to go on for a while.
    machine = Machine(2)
    for _ in range(40):
        machine.now += 0.06
        machine.cores.worked(2, 0.06, 0.06)
    taken = [machine.go_on(1) for _ in range(30)]
    assert taken[:3] == [2, 2, 1]
    assert 2 in taken[3:]


def test_a_long_call_is_not_tried_again_at_once() -> None:
    machine = Machine(2)
    taken = [machine.go_on(1.3, seconds=10) for _ in range(12)]
    assert taken == [2, 1, 1, 1, 1, 1] * 2


def test_all_are_tried_again_ever_later_while_others_stay() -> None:
    machine = Machine(2)
    began, tried = machine.now, []
    while machine.now < began + 60:
        at = machine.now
        if machine.go_on(1.3) == 2:
            tried.append(at - began)
    pauses = [later - sooner for sooner, later in pairwise(tried)]
    # Two calls until it is judged.
    assert pauses[1::2] == pytest.approx([0.5, 1, 2, 4, *[8] * 6], abs=0.2)
    assert 0.06 * len(tried) < 0.025 * 60


def test_all_go_on_when_the_others_have_gone() -> None:
    machine = Machine(2)
    for _ in range(100):
        machine.go_on(1.3)
    there = [machine.go_on(2) for _ in range(200)]
    assert there[-50:] == [2] * 50
    # And the next who comes is not waited for any longer than the first.
    for _ in range(3):
        machine.go_on(1.3)
    assert machine.go_on(1.3) == 1
    assert 2 in [machine.go_on(1.3) for _ in range(10)]


ON_ONE_CORE = """
import os, time
from conftest import make_case
from mlproof.engines.compiled import CompiledEngine, team
from trainings import LARGE, train

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sizes, run = [], team.Team.run

def watched(self, *given):
    sizes.append(self.n_threads)
    run(self, *given)

team.Team.run = watched
case = make_case(16, **LARGE, n=600)
engine, end = CompiledEngine(case.network, 2), time.monotonic() + 60
while not sizes or (sizes[-1] == 2 and time.monotonic() < end):
    train(engine, case, "adam", 100, [None])
print(sizes[0], sizes[-1])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_two_threads_that_share_a_core_become_one() -> None:
    assert run_python(ON_ONE_CORE).stdout.split() == ["2", "1"]


# ---- the bits ----------------------------------------------------------------------


@pytest.fixture
def fickle(monkeypatch: pytest.MonkeyPatch, all_is_shared: None) -> None:
    """Every batch is for other threads than the one before."""
    turns: dict[Cores, Iterator[int]] = {}

    def next_number(self: Cores) -> int:
        most = self._most
        return next(turns.setdefault(self, cycle([most, 1, *range(2, most)])))

    monkeypatch.setattr(Cores, "n_threads", next_number)
    monkeypatch.setattr(compiled, "SECONDS_PER_CALL", 0)


# What their threads share: the halves of a batch, those of the inputs, rows alone.
NETWORKS = {
    "halves of the rows": LARGE,
    "halves of the inputs": LARGE | {"units": (640, 24, 3)},
    "tiles alone": LARGE | {"units": (300, 600, 3)},
}


def test_these_are_all_ways_to_share_a_batch() -> None:
    ways = []
    for shape in NETWORKS.values():
        engine = CompiledEngine(make_case(30, **shape, n=200).network, 4)
        case = make_case(30, **shape, n=600, dtype=np.float32)
        train(engine, case, "plain", 200, [None])
        assert engine._workspace is not None
        plan = engine._workspace.plan
        ways.append((bool(plan.apart(200)), plan.half_at > 0))
    assert ways == [(True, False), (False, True), (False, False)]


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("rule", ["adam", "nesterov"])
@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS)
def test_threads_may_come_and_go_between_batches(
    shape: dict[str, Any], rule: str, zeros: bool, fickle: None, teams: set[int]
) -> None:
    case = make_case(30, **shape, n=600, dtype=np.float32, penalised=True)
    if zeros:
        X = case.examples.X
        X[np.random.default_rng(1).random(X.shape) < 0.7] = 0
    orders = some_orders(600)
    alone = train(CompiledEngine(case.network), case, rule, 200, orders)
    found = train(CompiledEngine(case.network, 4), case, rule, 200, orders)
    assert found.theta.tobytes() == alone.theta.tobytes()
    np.testing.assert_array_equal(found.moments, alone.moments)
    assert found.losses == alone.losses
    assert teams == {1, 2, 3, 4}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
@pytest.mark.parametrize("rule", [*RULES, "lazy adam"])
def test_threads_may_come_and_go_where_rows_wait(
    rule: str,
    penalty: str,
    dtype: Any,
    fickle: None,
    monkeypatch: pytest.MonkeyPatch,
    teams: set[int],
) -> None:
    monkeypatch.setattr(ledger, "STEPS", 2)  # in the middle of an epoch, too
    case = pair(31, **SPARSE, dtype=dtype, penalty=penalty).thin
    name, lazy = rule.split()[-1], rule == "lazy adam"
    alone, found = (
        train_sparse(
            CompiledEngine(case.network, n_threads, lazy_adam=lazy),
            case,
            name,
            90,
            some_orders(600),
        )
        for n_threads in (1, 3)
    )
    assert found.theta.tobytes() == alone.theta.tobytes()
    np.testing.assert_array_equal(found.moments, alone.moments)
    assert found.losses == alone.losses
    assert teams == {1, 2, 3}


def test_gradients_are_of_the_threads_that_have_a_core(
    fickle: None, teams: set[int]
) -> None:
    for case in (make_case(32, **LARGE, n=900), pair(33, **SPARSE).thin):
        arguments = case.theta, case.examples, case.penalty
        alone = CompiledEngine(case.network).risk_and_gradient(*arguments)
        engine = CompiledEngine(case.network, 3)
        for _ in range(4):
            risk, gradient = engine.risk_and_gradient(*arguments)
            assert risk == alone[0]
            assert gradient.tobytes() == alone[1].tobytes()
    assert teams == {1, 2, 3}
