"""training.py: epochs as a generator, its stopping rules, and L-BFGS in its thread."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest
from conftest import Case, make_case

from mlproof.deep import Network
from mlproof.engines import Examples
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.penalties import Penalty, no_penalty
from mlproof.training import Epoch, History, Rules, descend, lbfgs

NETWORK = Network((2, 2), ACTIVATIONS["identity"], OUTPUTS["softmax"])
N = 12
EXAMPLES = Examples(np.zeros((N, 2)), np.zeros(N, dtype=int), None)


@dataclass
class ScriptedEngine:
    """Reports the losses it was given, one an epoch, and notes what it was asked."""

    losses: list[float]
    network: Network = NETWORK
    orders: list[Any] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)

    def logits(self, theta: Array, X: Any) -> Array:
        raise NotImplementedError

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        raise NotImplementedError

    def epoch(
        self,
        theta: Array,
        optimizer: Optimizer,
        examples: Examples,
        order: Array | None,
        batch_size: int,
        penalty: Penalty,
    ) -> float:
        self.orders.append(None if order is None else order.copy())
        self.batch_sizes.append(batch_size)
        theta += 1  # so that theta tells how many epochs it has seen
        return self.losses[len(self.orders) - 1]


def rules(**changes: Any) -> Rules:
    usual = Rules(max_iter=50, batch_size=5, shuffle=False, tol=0.1, n_iter_no_change=2)
    return usual._replace(**changes)


def descent(
    engine: ScriptedEngine,
    *,
    history: History | None = None,
    optimizer: Optimizer | None = None,
    theta: Array | None = None,
    rows: Array | None = None,
    scores: list[float] | None = None,
    **changes: Any,
) -> Iterator[Epoch]:
    following = iter(scores or [])
    return descend(
        engine,
        np.zeros(6) if theta is None else theta,
        SGD(1.0) if optimizer is None else optimizer,
        EXAMPLES,
        no_penalty(1),
        rules(**changes),
        History() if history is None else history,
        np.random.RandomState(0),
        rows,
        None if scores is None else lambda: next(following),
    )


# ---- stopping ----------------------------------------------------------------------


def test_training_stops_after_more_than_n_iter_no_change_epochs_without_a_fall() -> (
    None
):
    # tol = 0.1: 0.95 and 0.91 are no fall below the best loss, 1 and 0.95, less tol.
    losses = [2.0, 1.0, 0.95, 0.91, 0.9, 0.0]
    history = History()
    epochs = list(descent(ScriptedEngine(losses), history=history))
    assert [epoch.loss for epoch in epochs] == losses[:5]
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert [epoch.message for epoch in epochs[:4]] == [None] * 4
    assert epochs[4].message == (
        "Training loss did not improve by more than tol=0.1 for 2 consecutive epochs. "
        "Stopping."
    )
    assert history.loss_curve == losses[:5]
    assert (history.n_iter, history.loss, history.best_loss) == (5, 0.9, 0.9)
    assert history.warning is None


def test_a_fall_of_exactly_tol_counts_as_one() -> None:
    losses = [1.0, 0.75, 0.5, 0.25, 0.0]
    epochs = descent(ScriptedEngine(losses), tol=0.25, n_iter_no_change=1, max_iter=5)
    assert len(list(epochs)) == 5


def test_a_fall_starts_the_count_again() -> None:
    losses = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
    assert len(list(descent(ScriptedEngine(losses)))) == 7


def test_slow_falls_do_not_add_up_to_one() -> None:
    # Each loss is compared with the best so far, not with the last that counted.
    losses = [1.0, 0.94, 0.88, 0.82, 0.76, 0.7]
    assert len(list(descent(ScriptedEngine(losses)))) == 4


def test_training_that_does_not_converge_says_so() -> None:
    history = History()
    losses = [3.0, 2.0, 1.0]
    epochs = list(descent(ScriptedEngine(losses), history=history, max_iter=3))
    assert len(epochs) == 3
    assert history.warning is not None
    assert "max_iter=3" in history.warning


def test_no_patience_ends_only_if_it_is_infinite() -> None:
    epochs = descent(ScriptedEngine([1.0] * 9), n_iter_no_change=np.inf, max_iter=9)
    assert len(list(epochs)) == 9


def test_a_loss_that_is_nan_does_not_become_the_best_one() -> None:
    # If it did, the next loss, however bad, would count as an improvement on it.
    losses = [1.0, np.nan, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    history = History()
    list(descent(ScriptedEngine(losses), history=history, max_iter=8))
    assert history.best_loss == 1.0


def test_an_adaptive_rate_falls_at_a_plateau_and_training_goes_on() -> None:
    optimizer = SGD(2e-5, schedule="adaptive")
    epochs = list(descent(ScriptedEngine([1.0] * 30), optimizer=optimizer))
    # Epoch 1 is an improvement; then 3 without end each plateau: 2e-5 becomes 4e-6 and
    # 8e-7, which is the end of it.
    assert [epoch.number for epoch in epochs if epoch.message] == [4, 7, 10]
    assert [epochs[k].learning_rate for k in (2, 3, 6, 9)] == pytest.approx(
        [2e-5, 4e-6, 8e-7, 8e-7], rel=1e-12
    )
    assert epochs[3].message is not None
    assert epochs[3].message.endswith("Learning rate set to 4e-06.")
    assert epochs[9].message is not None
    assert epochs[9].message.endswith("Stopping.")
    assert len(epochs) == 10


def test_invscaling_sees_the_examples_of_earlier_runs_too() -> None:
    optimizer = SGD(1.0, schedule="invscaling", power_t=1.0)
    history = History(n_seen=87)
    (epoch,) = descent(
        ScriptedEngine([1.0]), optimizer=optimizer, history=history, max_iter=1
    )
    assert history.n_seen == 87 + N
    assert epoch.learning_rate == 1 / (87 + N + 1)


# ---- validation --------------------------------------------------------------------


def test_the_theta_of_the_best_score_is_kept() -> None:
    theta, history = np.zeros(6), History()
    scores = [0.1, 0.8, 0.5, 0.7, 0.6]
    epochs = list(
        descent(ScriptedEngine([1.0] * 9), theta=theta, history=history, scores=scores)
    )
    # 0.5, 0.7 and 0.6 are not 0.8 + tol.
    assert [epoch.validation_score for epoch in epochs] == scores
    assert history.validation_scores == scores
    assert history.best_validation_score == 0.8
    np.testing.assert_array_equal(history.best_theta, np.full(6, 2.0))
    np.testing.assert_array_equal(theta, np.full(6, 5.0))
    assert epochs[-1].message is not None
    assert epochs[-1].message.startswith("Validation score did not improve")
    assert history.loss_curve == [1.0] * 5


def test_the_score_decides_and_the_loss_does_not() -> None:
    scores = [0.1, 0.3, 0.5, 0.7, 0.9]
    epochs = descent(ScriptedEngine([1.0] * 9), scores=scores, max_iter=5)
    assert len(list(epochs)) == 5


def test_a_score_below_tol_above_the_best_is_kept_but_no_improvement() -> None:
    history = History()
    scores = [0.5, 0.55, 0.56, 0.57]
    assert (
        len(list(descent(ScriptedEngine([1.0] * 9), history=history, scores=scores)))
        == 4
    )
    assert history.best_validation_score == 0.57
    np.testing.assert_array_equal(history.best_theta, np.full(6, 4.0))


def test_the_best_theta_is_a_copy() -> None:
    theta, history = np.zeros(6), History()
    for _ in descent(
        ScriptedEngine([1.0]), theta=theta, history=history, scores=[0.5], max_iter=1
    ):
        theta[...] = -1
    np.testing.assert_array_equal(history.best_theta, np.ones(6))


# ---- order -------------------------------------------------------------------------


def test_without_shuffling_the_examples_come_as_they_are() -> None:
    engine = ScriptedEngine([3.0, 2.0, 1.0])
    list(descent(engine, max_iter=3))
    assert engine.orders == [None] * 3
    assert engine.batch_sizes == [5] * 3


@pytest.mark.parametrize("rows", [None, np.array([7, 1, 4, 11])])
def test_shuffling_visits_every_training_row_once_an_epoch(rows: Any) -> None:
    engine = ScriptedEngine([4.0, 3.0, 2.0, 1.0])
    kept = None if rows is None else rows.copy()
    history = History()
    list(descent(engine, rows=rows, shuffle=True, max_iter=4, history=history))
    expected = np.arange(N) if rows is None else rows
    for order in engine.orders:
        np.testing.assert_array_equal(np.sort(order), np.sort(expected))
    assert len({tuple(order) for order in engine.orders}) == 4
    assert history.n_seen == 4 * len(expected)
    np.testing.assert_array_equal(rows, kept)


def test_each_epoch_shuffles_the_order_of_the_one_before() -> None:
    engine = ScriptedEngine([3.0, 2.0, 1.0])
    list(descent(engine, shuffle=True, max_iter=3))
    rng = np.random.RandomState(0)
    order = np.arange(N)
    for found in engine.orders:
        order = order[rng.permutation(N)]
        np.testing.assert_array_equal(found, order)


def test_rows_alone_are_visited_without_shuffling() -> None:
    engine = ScriptedEngine([1.0])
    list(descent(engine, rows=np.array([5, 2]), max_iter=1))
    np.testing.assert_array_equal(engine.orders[0], [5, 2])


# ---- the iterating caller ----------------------------------------------------------


def test_nothing_happens_before_the_first_epoch_is_asked_for() -> None:
    engine = ScriptedEngine([1.0] * 9)
    epochs = descent(engine)
    assert engine.orders == []
    next(epochs)
    assert len(engine.orders) == 1


def test_the_caller_may_stop_whenever_it_likes() -> None:
    history = History()
    for epoch in descent(ScriptedEngine([1.0] * 50), history=history, tol=-1.0):
        if epoch.number == 3:
            break
    assert history.n_iter == 3
    assert history.warning is None


# ---- training in earnest -----------------------------------------------------------


def problem(dtype: Any = np.float64) -> Case:
    """A smooth one, without an L1 norm: L-BFGS is made for no other."""
    shape = {"units": (3, 4, 2), "activation": "tanh", "output": "softmax", "n": 40}
    case = make_case(3, **shape, penalised=True, dtype=dtype)
    return case._replace(penalty=case.penalty._replace(l1=(0.0, 0.0)))


def run_lbfgs(
    case: Case,
    engine: Any = None,
    history: History | None = None,
    *,
    max_iter: int = 500,
    max_fun: int = 15_000,
    tol: float = 1e-7,
) -> Iterator[Epoch]:
    return lbfgs(
        NumpyEngine(case.network) if engine is None else engine,
        case.theta,
        case.examples,
        case.penalty,
        History() if history is None else history,
        max_iter=max_iter,
        max_fun=max_fun,
        tol=tol,
    )


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.05, momentum=0.9), Adam(0.02)])
def test_the_loss_falls_in_earnest(optimizer: Optimizer) -> None:
    case, history = problem(), History()
    engine = NumpyEngine(case.network)
    before, _ = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
    epochs = descend(
        engine,
        case.theta,
        optimizer,
        case.examples,
        case.penalty,
        rules(max_iter=60, batch_size=40, shuffle=True, n_iter_no_change=np.inf),
        history,
        np.random.RandomState(1),
    )
    assert len(list(epochs)) == 60
    after, _ = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
    assert history.loss_curve[0] == pytest.approx(before, rel=1e-12)
    assert after < history.loss_curve[-1] < 0.9 * before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_ends_where_the_gradient_vanishes(dtype: Any) -> None:
    case, history = problem(dtype), History()
    theta = case.theta
    epochs = list(run_lbfgs(case, history=history))
    assert case.theta is theta
    assert theta.dtype == dtype
    assert history.warning is None
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
    losses = [epoch.loss for epoch in epochs]
    assert losses == history.loss_curve
    assert history.n_iter == len(epochs)
    assert all(np.diff(losses) <= 0)
    assert all(e.learning_rate is None and e.message is None for e in epochs)
    exact = case._replace(theta=theta.astype(np.float64))
    engine = NumpyEngine(case.network)
    risk, gradient = engine.risk_and_gradient(exact.theta, case.examples, case.penalty)
    assert risk == pytest.approx(history.loss, rel=1e-6)
    # SciPy also stops where the loss no longer falls by 2e-9 of itself: a gradient of
    # the root of that at most.  Theta in float32 adds its rounding, 6e-8 times the
    # curvature.
    assert np.max(np.abs(gradient)) < 1e-4


def test_theta_follows_every_iterate_of_lbfgs() -> None:
    case = problem()
    engine = NumpyEngine(case.network)
    for epoch in run_lbfgs(case):
        risk, _ = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
        assert risk == pytest.approx(epoch.loss, rel=1e-12)


@pytest.mark.parametrize("limit", [{"max_iter": 3}, {"max_fun": 4}])
def test_lbfgs_that_is_cut_short_says_so(limit: Any) -> None:
    case, history = problem(), History()
    epochs = list(run_lbfgs(case, history=history, **limit))
    assert 1 <= len(epochs) <= 4
    assert history.n_iter == len(epochs)
    assert history.warning is not None
    assert "had not converged" in history.warning


def test_lbfgs_at_a_minimum_has_nothing_to_do() -> None:
    case, history = problem(), History()
    list(run_lbfgs(case))
    there = case.theta.copy()
    assert len(list(run_lbfgs(case, history=history, tol=1e-3))) == 0
    np.testing.assert_array_equal(case.theta, there)
    assert history.warning is None
    assert np.isfinite(history.loss)


# ---- the thread --------------------------------------------------------------------


class FailingEngine(NumpyEngine):
    """Does something else at the third gradient."""

    def __init__(self, network: Network, third: Callable[[], Any]) -> None:
        super().__init__(network)
        object.__setattr__(self, "third", third)
        object.__setattr__(self, "calls", [])

    def risk_and_gradient(
        self, theta: Array, batch: Examples, penalty: Penalty
    ) -> tuple[float, Array]:
        self.calls.append(threading.current_thread())
        if len(self.calls) == 3:
            self.third()
        return super().risk_and_gradient(theta, batch, penalty)


def test_breaking_out_of_lbfgs_ends_its_thread() -> None:
    before = threading.active_count()
    case, history = problem(), History()
    engine = FailingEngine(case.network, lambda: None)
    for epoch in run_lbfgs(case, engine, history):
        assert threading.active_count() == before + 1
        if epoch.number == 2:
            break
    assert threading.active_count() == before
    calls = len(engine.calls)
    assert calls >= 2
    assert history.n_iter == 2
    # Theta stays where the last epoch left it.
    risk, _ = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
    assert risk == pytest.approx(history.loss, rel=1e-12)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_lbfgs_ends_its_thread_wherever_it_is(taken: int) -> None:
    before = threading.active_count()
    epochs = run_lbfgs(problem())
    assert len(list(islice(epochs, taken))) == taken
    epochs.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_finished_lbfgs_leaves_no_thread() -> None:
    before = threading.active_count()
    list(run_lbfgs(problem()))
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, MemoryError])
def test_an_error_in_the_objective_reaches_the_caller(
    error: type[BaseException],
) -> None:
    def fail() -> None:
        raise error("third")

    before = threading.active_count()
    case = problem()
    with pytest.raises(error, match="third"):
        list(run_lbfgs(case, FailingEngine(case.network, fail)))
    assert threading.active_count() == before


def test_an_error_in_the_loop_of_the_caller_ends_the_thread() -> None:
    def loop() -> None:
        for _ in run_lbfgs(problem()):
            raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        loop()
    assert threading.active_count() == before


@pytest.mark.parametrize("how", ["raise", "ignore"])
def test_the_errstate_of_the_caller_holds_in_the_thread(how: Any) -> None:
    def divide() -> None:
        np.float64(1) / np.float64(0)

    case = problem()
    engine = FailingEngine(case.network, divide)
    with np.errstate(divide=how):
        if how == "raise":
            with pytest.raises(FloatingPointError, match="divide"):
                list(run_lbfgs(case, engine))
        else:
            list(run_lbfgs(case, engine))
    assert len(engine.calls) >= 3
    assert all(thread is not threading.main_thread() for thread in engine.calls)


def test_two_runs_of_lbfgs_may_be_driven_in_turn() -> None:
    alone = problem()
    list(run_lbfgs(alone, max_iter=4))
    one, other = problem(), problem()
    for _ in zip(run_lbfgs(one, max_iter=4), run_lbfgs(other, max_iter=4), strict=True):
        pass
    np.testing.assert_array_equal(one.theta, alone.theta)
    np.testing.assert_array_equal(other.theta, alone.theta)
