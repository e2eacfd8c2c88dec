"""Sparse X: the training that the dense array would get, with work for its entries.

The compiled engine brings the weights of a column up to date when a batch needs them,
so it is compared with the NumPy engine on the dense array, which knows nothing of that.
What is read between two epochs, by whomever, must be what NumPy would have there.
"""

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import KINKED, Case, assert_close, make_case
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mlproof import MLPClassifier
from mlproof.deep import Network
from mlproof.engines import Examples
from mlproof.engines.compiled import CompiledEngine, ledger, plan
from mlproof.engines.compiled.team import Team
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS, SOFTMAX
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.parameters import n_theta
from mlproof.penalties import Penalty, no_penalty

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FLOATS = (np.float32, np.float64)
ENGINES = ("numpy", "compiled")

# So small that two trainings which begin an ulp apart are still together at the end.
OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "plain": lambda: SGD(0.02),
    "momentum": lambda: SGD(0.02, 0.9),
    "nesterov": lambda: SGD(0.02, 0.9, nesterov=True),
    "adam": lambda: Adam(2e-3),
}
# What each asks of a row that is not touched: nothing, to shrink, or to be visited.
PENALTIES: dict[str, Callable[[int], Penalty]] = {
    "none": no_penalty,
    "l2 and alpha": lambda k: Penalty((0.0,) * k, (0.03, *(0.02,) * (k - 1)), 0.5),
    "alpha": lambda k: no_penalty(k)._replace(alpha=0.5),
    "l1": lambda k: Penalty((0.005,) * k, (0.01,) * k, 0.1),
    "l1 above": lambda k: Penalty((0.0, *(0.005,) * (k - 1)), (0.01,) * k),
}
WEIGHTS = ("none", "positive", "some 0")


class Pair(NamedTuple):
    """The same case twice: with a dense X, and with its entries alone."""

    dense: Case
    thin: Case


def pair(
    seed: int,
    *,
    density: float = 0.25,
    weights: str = "none",
    penalty: str = "l2 and alpha",
    **shape: Any,
) -> Pair:
    """A random case with an empty row and an empty column, where there are several."""
    usual = {"units": (30, 9, 5, 3), "activation": "tanh", "output": "softmax", "n": 60}
    # No weight is so small that float32 would see it change its sign elsewhere; but
    # so far from every kink no batch lies.
    shape = usual | shape
    clearance = 1e-10 if shape["activation"] in KINKED else 0.02
    case = make_case(seed, **shape, clearance=clearance)
    X, y, _ = case.examples
    n, d = X.shape
    rng = np.random.default_rng(seed)
    X = X * (rng.uniform(size=X.shape) < density)
    X[n // 2], X[:, d // 2] = (0 if n > 1 else X[n // 2]), 0
    weight = rng.uniform(0.2, 2, n)
    if weights == "some 0":  # the first rows, so that whole batches count nothing
        weight[: 2 * n // 5] = 0
        weight[rng.permutation(n)[: n // 7]] = 0
    examples = Examples(X, y, None if weights == "none" else weight)
    chosen = PENALTIES[penalty](case.network.n_layers)
    dense = case._replace(examples=examples, penalty=chosen)
    return Pair(dense, with_x(dense, sparse.csr_array(X)))


def with_x(case: Case, X: Any) -> Case:
    return case._replace(examples=case.examples._replace(X=X))


def widened(case: Case) -> Case:
    """The same case, computed in float64."""
    return case._replace(theta=case.theta.astype(np.float64))


class Trained(NamedTuple):
    """Where training ended, and all that it leaves behind."""

    theta: Array
    losses: list[float]
    moments: list[Array]
    optimizer: Optimizer


def train(
    engine: Any, case: Case, rule: str, batch_size: int, orders: list[Any]
) -> Trained:
    """An epoch for each order of the rows."""
    theta, optimizer = case.theta.copy(), OPTIMIZERS[rule]()
    losses = [
        engine.epoch(theta, optimizer, case.examples, order, batch_size, case.penalty)
        for order in orders
    ]
    if isinstance(optimizer, Adam):
        moments = [optimizer.m, optimizer.v]
    else:
        assert isinstance(optimizer, SGD)
        moments = [optimizer.velocity]
    return Trained(theta, losses, [m for m in moments if m is not None], optimizer)


def some_orders(n: int, seed: int = 0) -> list[Any]:
    """As the rows come, shuffled, and a part of them, as early stopping leaves."""
    rng = np.random.default_rng(seed)
    return [None, rng.permutation(n), rng.permutation(n)[: -(-4 * n // 5)]]


def distance(found: Any, expected: Any) -> float:
    """The largest difference, beside the largest number that is expected."""
    largest = float(np.max(np.abs(expected)))
    difference = float(np.max(np.abs(np.subtract(found, expected))))
    return difference / largest if largest else difference


def distances(found: Trained, expected: Trained) -> list[float]:
    """Those of theta, of the losses, and of each moment."""
    assert len(found.moments) == len(expected.moments)
    return [
        distance(found.theta, expected.theta),
        distance(found.losses, expected.losses),
        *map(distance, found.moments, expected.moments),
    ]


def assert_alike(
    case: Pair, rule: str, batch_size: int, *, lazy: bool = False, n_threads: int = 1
) -> None:
    """The compiled engine on the entries trains as NumPy's on the dense array.

    The lazy rule asks where the entries are, so NumPy is shown them too.
    """
    orders = some_orders(len(case.dense.examples.y))
    engine = CompiledEngine(case.thin.network, n_threads, lazy_adam=lazy)
    numpy_engine = NumpyEngine(case.dense.network, lazy_adam=lazy)
    shown = case.thin if lazy else case.dense
    found = train(engine, case.thin, rule, batch_size, orders)
    numpy = train(numpy_engine, shown, rule, batch_size, orders)
    assert {a.dtype for a in (found.theta, *found.moments)} == {case.thin.theta.dtype}
    assert getattr(found.optimizer, "t", 0) == getattr(numpy.optimizer, "t", 0)
    assert found.optimizer.learning_rate == numpy.optimizer.learning_rate
    if found.theta.dtype == np.float64:
        # Hundreds of steps, each a few roundings of 1e-16 away.
        assert max(distances(found, numpy)) <= 1e-11
        return
    # How far float32 carries a training depends on the training: as far as it carries
    # NumPy's, to a factor, and a few roundings, is what is allowed.
    exact = train(numpy_engine, widened(shown), rule, batch_size, orders)
    for ours, theirs in zip(
        distances(found, exact), distances(numpy, exact), strict=True
    ):
        assert ours <= 10 * theirs + 2e-6


# ---- what NumPy computes on the dense array ----------------------------------------

RULES = sorted(OPTIMIZERS)
BATCH_SIZES = (1, 7, 32, 60)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("rule", RULES)
def test_epochs_are_those_of_numpy_on_the_dense_array(
    rule: str, penalty: str, batch_size: int
) -> None:
    assert_alike(pair(1, penalty=penalty, weights="some 0"), rule, batch_size)


@pytest.mark.parametrize("batch_size", [7, 60])
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("rule", RULES)
def test_epochs_in_float32_are_those_of_numpy_on_the_dense_array(
    rule: str, penalty: str, batch_size: int
) -> None:
    case = pair(2, penalty=penalty, weights="positive", dtype=np.float32)
    assert_alike(case, rule, batch_size)


@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("hidden", [(), (9,), (17, 5), (4, 8, 6)])
@pytest.mark.parametrize("rule", RULES)
def test_networks_of_any_depth_train_as_on_the_dense_array(
    rule: str, hidden: tuple[int, ...], output: str
) -> None:
    for activation in ("rect", "softplus"):
        case = pair(3, units=(20, *hidden, 4), activation=activation, output=output)
        assert_alike(case, rule, 7)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 13, 70]),
    st.sampled_from([1, 3, 16, 33]),
    st.sampled_from([1, 2, 9, 41]),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.sampled_from(sorted(PENALTIES)),
    st.sampled_from(WEIGHTS),
    st.sampled_from(RULES),
    st.sampled_from([1, 4, 1000]),
    st.booleans(),
)
def test_epochs_of_every_shape_are_those_of_numpy(
    seed: int,
    d: int,
    d_h: int,
    n: int,
    density: float,
    penalty: str,
    weights: str,
    rule: str,
    batch_size: int,
    lazy: bool,
) -> None:
    kind = {"density": density, "penalty": penalty, "weights": weights}
    case = pair(seed, units=(d, d_h, 3), n=n, **kind)
    assert_alike(case, rule, batch_size, lazy=lazy)


@pytest.mark.parametrize(("steps", "batch_size"), [(1, 7), (3, 1), (3, 7)])
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("rule", RULES)
def test_an_epoch_may_have_more_steps_than_the_ledger(
    steps: int,
    batch_size: int,
    penalty: str,
    rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "STEPS", steps)
    case = pair(4, penalty=penalty, weights="some 0")
    assert_alike(case, rule, batch_size)
    if rule == "adam":
        assert_alike(case, rule, batch_size, lazy=True)


@pytest.mark.parametrize("rule", RULES)
def test_a_training_longer_than_the_ledger_is_that_of_numpy(rule: str) -> None:
    # 3 x 700 steps; a column in a hundred is touched, so most are behind by many.
    case = pair(5, units=(300, 4, 3), n=700, density=0.01, weights="some 0")
    assert_alike(case, rule, 1)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lazy", [False, True])
def test_a_batch_longer_than_the_workspace_is_left_to_numpy(
    rule: str, lazy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CAPACITY_BYTES", 5000)
    assert_alike(pair(6, weights="positive"), rule, 32, lazy=lazy)


def test_an_epoch_goes_on_from_the_velocity_there_is() -> None:
    dense, thin = pair(7)
    theta = [dense.theta.copy(), dense.theta.copy()]
    sgds = [SGD(0.02, 0.9, nesterov=True) for _ in range(2)]
    ours, theirs = CompiledEngine(thin.network), NumpyEngine(dense.network)
    # By turns, so that each engine takes up what the other has left.
    for turn in range(6):
        for i in range(2):
            engine: Any = (ours, theirs)[(turn + i) % 2]
            case = (thin, dense)[(turn + i) % 2]
            engine.epoch(theta[i], sgds[i], case.examples, None, 16, case.penalty)
    assert_close(theta[0], theta[1], 1e-12)
    assert sgds[0].velocity is not None
    assert sgds[1].velocity is not None
    assert_close(sgds[0].velocity, sgds[1].velocity, 1e-12)


def test_a_schedule_of_learning_rates_reaches_the_rows_that_wait() -> None:
    dense, thin = pair(8, penalty="alpha")
    theta = []
    for engine, case in (
        (CompiledEngine(thin.network), thin),
        (NumpyEngine(dense.network), dense),
    ):
        reached = case.theta.copy()
        sgd = SGD(0.05, 0.8, nesterov=True, schedule="invscaling")
        for number in range(1, 4):
            engine.epoch(reached, sgd, case.examples, None, 7, case.penalty)
            sgd.end_epoch(60 * number)
        theta.append(reached)
    assert_close(theta[0], theta[1], 1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_one_engine_takes_one_matrix_after_the_other(rule: str) -> None:
    engine: Any = None
    for seed, n, density in ((9, 20, 0.1), (10, 60, 0.9), (11, 60, 0.02), (9, 20, 0.1)):
        case = pair(seed, n=n, density=density)
        engine = engine or CompiledEngine(case.thin.network)
        for one in (case.thin, case.dense):
            found = train(engine, one, rule, 16, [None])
            expected = train(NumpyEngine(one.network), case.dense, rule, 16, [None])
            assert max(distances(found, expected)) <= 1e-12


# ---- the lazy Adam -----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_the_lazy_adam_is_that_of_numpy(penalty: str, batch_size: int) -> None:
    for weights in WEIGHTS:
        case = pair(12, penalty=penalty, weights=weights)
        assert_alike(case, "adam", batch_size, lazy=True)
    case = pair(12, penalty=penalty, dtype=np.float32)
    assert_alike(case, "adam", batch_size, lazy=True)


def by_definition(case: Pair, batch_size: int, orders: list[Any]) -> Trained:
    """(O.6), one parameter at a time."""
    engine = NumpyEngine(case.dense.network)
    d, d_h = case.dense.network.units[:2]
    X = case.thin.examples.X
    entries = [set(X.indices[i:j].tolist()) for i, j in pairwise(X.indptr)]
    theta, t, losses = case.dense.theta.copy(), 0, []
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for order in orders:
        rows = np.arange(len(entries)) if order is None else order
        total, visited = 0.0, 0
        for start in range(0, len(rows), batch_size):
            those = rows[start : start + batch_size]
            batch = case.dense.examples.take(those)
            if batch.total_weight() == 0:
                continue
            risk, g = engine.risk_and_gradient(theta, batch, case.dense.penalty)
            total, visited, t = total + risk * len(those), visited + len(those), t + 1
            touched = set().union(*(entries[i] for i in those))
            eta = 2e-3 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
            for p in range(theta.size):
                if p < d * d_h and p // d_h not in touched:
                    continue
                m[p] = 0.9 * m[p] + (1 - 0.9) * g[p]
                v[p] = 0.999 * v[p] + (1 - 0.999) * g[p] ** 2
                theta[p] -= eta * m[p] / (v[p] ** 0.5 + 1e-8)
        losses.append(total / visited)
    return Trained(theta, losses, [m, v], Adam(2e-3, t=t))


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
def test_the_lazy_adam_is_what_its_definition_says(engine: Any, penalty: str) -> None:
    case = pair(13, units=(30, 4, 3), density=0.05, penalty=penalty, weights="some 0")
    orders = some_orders(60)
    expected = by_definition(case, 7, orders)
    lazy = engine(case.thin.network, lazy_adam=True)
    found = train(lazy, case.thin, "adam", 7, orders)
    assert max(distances(found, expected)) <= 1e-12
    assert isinstance(found.optimizer, Adam)
    assert isinstance(expected.optimizer, Adam)
    assert found.optimizer.t == expected.optimizer.t


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_the_lazy_adam_does_not_touch_keeps_its_bits(
    engine: Any, penalty: str, dtype: Any
) -> None:
    case = pair(14, units=(200, 4, 3), penalty=penalty, density=0.1, dtype=dtype).thin
    lazy, adam = engine(case.network, lazy_adam=True), Adam(2e-3)
    theta, n_weights = case.theta.copy(), 200 * 4
    for order in (None, np.arange(9)):  # moments for all, and then nine rows alone
        if order is not None:
            assert adam.m is not None
            assert adam.v is not None
            before = [a.copy() for a in (theta, adam.m, adam.v)]
        lazy.epoch(theta, adam, case.examples, order, 4, case.penalty)
    columns = np.ones(200, dtype=bool)
    columns[case.examples.X[:9].indices] = False
    assert 20 < columns.sum() < 180
    assert adam.m is not None
    assert adam.v is not None
    for now, then in zip((theta, adam.m, adam.v), before, strict=True):
        rows, earlier = (a[:n_weights].reshape(200, 4) for a in (now, then))
        assert rows[columns].tobytes() == earlier[columns].tobytes()
        assert (rows[~columns] != earlier[~columns]).all()
        assert (now[n_weights:] != then[n_weights:]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entry_touches_its_column_even_if_it_is_0(engine: str) -> None:
    X, y = rows_of_words(40, 12)
    stored = sparse.csr_array(X.shape)
    stored.indptr[:] = np.arange(41) * 12
    stored.indices = np.tile(np.arange(12, dtype=np.int32), 40)
    stored.data = X.ravel()
    lazy = new(engine=engine, sparse_adam="lazy", batch_size=5).fit(stored, y)
    exact = new(engine=engine, sparse_adam="exact", batch_size=5).fit(stored, y)
    left_out = new(engine=engine, sparse_adam="lazy", batch_size=5)
    left_out.fit(sparse.csr_array(X), y)
    assert_close(lazy.theta_, exact.theta_, 1e-12)
    assert np.abs(left_out.theta_ - exact.theta_).max() > 1e-6


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_where_all_columns_are_touched_lazy_is_exact(engine: Any, penalty: str) -> None:
    case = pair(15, density=1.0, penalty=penalty)
    X = case.dense.examples.X.copy()
    X[:, 15], X[30] = 0.1, 0.2  # the empty column, and the empty row
    thin = with_x(case.thin, sparse.csr_array(X))
    lazy, exact = (
        train(engine(thin.network, lazy_adam=lazy), thin, "adam", 7, some_orders(60))
        for lazy in (True, False)
    )
    assert max(distances(lazy, exact)) <= 1e-12


@pytest.mark.parametrize("engine", ENGINES)
def test_only_adam_on_sparse_x_can_be_lazy(engine: str) -> None:
    X, y = rows_of_words(60, 12)
    for x, solver in ((X, "adam"), (sparse.csr_array(X), "sgd")):
        exact, lazy = (
            new(engine=engine, solver=solver, sparse_adam=how).fit(x, y)
            for how in ("exact", "lazy")
        )
        np.testing.assert_array_equal(lazy.theta_, exact.theta_)


# ---- rows are up to date whenever somebody looks -----------------------------------


def rows_of_words(
    n: int, d: int, dtype: Any = np.float64, seed: int = 0
) -> tuple[Array, Array]:
    """Three classes of rows, most of whose entries are 0, and their numbers."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    kept = rng.uniform(size=(n, d)) < rng.uniform(0, 0.4, (3, d))[y]
    X = (kept * rng.uniform(0.5, 2, (n, d))).astype(dtype)
    X[n // 2], X[:, d // 2] = 0, 0
    return X, y


def new(**options: Any) -> MLPClassifier:
    usual = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0}
    return MLPClassifier(**usual | options)


SOLVERS: dict[str, dict[str, Any]] = {
    "plain": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "alpha": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0},
    "exact": {"solver": "adam"},
    "lazy": {"solver": "adam", "sparse_adam": "lazy"},
    "l1": {"solver": "sgd", "l1": 0.01},
}


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("early_stopping", [False, True])
def test_after_every_epoch_the_weights_are_those_of_the_dense_run(
    solver: str, early_stopping: bool
) -> None:
    X, y = rows_of_words(80, 25)
    options = {"batch_size": 7, "max_iter": 6, "early_stopping": early_stopping}
    options |= {"validation_fraction": 0.25} | SOLVERS[solver]
    ours = new(engine="compiled", **options)
    theirs = new(engine="numpy", **options)
    thin = sparse.csr_array(X)
    n_epochs = 0
    for ours_epoch, theirs_epoch in zip(
        ours.iter_fit(thin, y),
        # The lazy rule depends on where the entries are.
        theirs.iter_fit(thin if solver == "lazy" else X, y),
        strict=True,
    ):
        n_epochs += 1
        assert ours_epoch.loss == pytest.approx(theirs_epoch.loss, rel=1e-11)
        assert ours_epoch.validation_score == theirs_epoch.validation_score
        for found, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
            assert_close(found, expected, 1e-11)
        assert_close(ours.predict_proba(X), theirs.predict_proba(X), 1e-11)
    assert n_epochs == 6
    assert ours.engine_ == "compiled"
    assert ours.validation_scores_ == theirs.validation_scores_
    assert_close(ours.theta_, theirs.theta_, 1e-11)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_weights_changed_between_two_epochs_are_trained_on_from(solver: str) -> None:
    X, y = rows_of_words(80, 25)
    options = {"batch_size": 7, "max_iter": 6} | SOLVERS[solver]
    trained = []
    for engine, x in (
        ("compiled", sparse.csr_array(X)),
        ("numpy", sparse.csr_array(X) if solver == "lazy" else X),
    ):
        clf = new(engine=engine, **options)
        for epoch in clf.iter_fit(x, y):
            if epoch.number == 2:
                clf.coefs_[0][3:9] += 0.25
            elif epoch.number == 3:
                clf.coefs_ = [-0.5 * W for W in clf.coefs_]
            elif epoch.number == 4:
                clf.theta_[::7] = 0.125
        trained.append(clf)
    untouched = new(engine="compiled", **options).fit(sparse.csr_array(X), y)
    assert_close(trained[0].theta_, trained[1].theta_, 1e-11)
    assert trained[0].loss_curve_ == pytest.approx(trained[1].loss_curve_, rel=1e-11)
    assert trained[0].loss_curve_[1] == untouched.loss_curve_[1]
    assert abs(trained[0].loss_ - untouched.loss_) > 1e-3


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_leaving_the_loop_and_partial_fit_go_on_as_the_dense_run_does(
    solver: str,
) -> None:
    X, y = rows_of_words(80, 25)
    options = {"batch_size": 7} | SOLVERS[solver]
    trained = []
    for engine, x in (
        ("compiled", sparse.csr_array(X)),
        ("numpy", sparse.csr_array(X) if solver == "lazy" else X),
    ):
        clf = new(engine=engine, **options)
        for epoch in clf.iter_fit(x, y):
            if epoch.number == 2:
                break
        for rows in (slice(0, 50), slice(30, 80)):
            clf.partial_fit(x[rows], y[rows])
        trained.append(clf)
    assert_close(trained[0].theta_, trained[1].theta_, 1e-11)
    assert trained[0].loss_curve_ == pytest.approx(trained[1].loss_curve_, rel=1e-11)


@pytest.mark.parametrize("rule", ["plain", "momentum", "nesterov"])
def test_an_interrupted_epoch_leaves_every_row_where_numpy_would(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The threads are called together to add up the squares of the weights, for the
    # first batch, for more of them, and to bring all rows up to date.
    dense, thin = pair(16)
    engine, run, n_runs = CompiledEngine(thin.network), Team.run, 0

    def interrupted(self: Team, *arguments: Any) -> None:
        nonlocal n_runs
        n_runs += 1
        if n_runs == 3:
            raise KeyboardInterrupt
        run(self, *arguments)

    monkeypatch.setattr(Team, "run", interrupted)
    theta, sgd = thin.theta.copy(), OPTIMIZERS[rule]()
    with pytest.raises(KeyboardInterrupt):
        engine.epoch(theta, sgd, thin.examples, None, 5, thin.penalty)
    assert n_runs == 4
    expected = train(NumpyEngine(dense.network), dense, rule, 5, [np.arange(5)])
    assert_close(theta, expected.theta, 1e-13)
    if rule != "plain":
        assert isinstance(sgd, SGD)
        assert sgd.velocity is not None
        assert_close(sgd.velocity, expected.moments[0], 1e-13)


# ---- the same bits for any threads -------------------------------------------------

# 26 entries a row, 64 hidden units: 90 rows are worth a second thread.
LARGE = {"units": (650, 64, 16, 3), "activation": "softplus", "n": 600, "density": 0.04}


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Fills up with how many threads have worked together."""
    sizes: set[int] = set()
    run = Team.run

    def watched(self: Team, *arguments: Any) -> None:
        sizes.add(self.n_threads)
        return run(self, *arguments)

    monkeypatch.setattr(Team, "run", watched)
    return sizes


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rule", [*RULES, "lazy adam"])
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
def test_any_number_of_threads_trains_to_the_same_bits(
    dtype: Any, rule: str, penalty: str, teams: set[int]
) -> None:
    case = pair(17, **LARGE, dtype=dtype, penalty=penalty, weights="some 0").thin
    name, lazy = rule.split()[-1], rule == "lazy adam"
    # Whole chunks, one chunk, and several with a shorter batch at the end.
    for batch_size in (200, 90, 450):
        alone, *others = (
            train(
                CompiledEngine(case.network, n_threads, lazy_adam=lazy),
                case,
                name,
                batch_size,
                some_orders(600),
            )
            for n_threads in (1, 2, 3, 5)
        )
        for found in others:
            assert found.theta.tobytes() == alone.theta.tobytes()
            np.testing.assert_array_equal(found.moments, alone.moments)
            assert found.losses == alone.losses
    assert teams == {1, 2, 3, 5}


def test_more_threads_than_columns_are_touched_train_to_the_same_bits(
    teams: set[int],
) -> None:
    shape = {"units": (2, 100, 20, 2), "n": 300}
    for rule in RULES:
        case = pair(18, **shape, density=0.6).thin
        alone, many = (
            train(CompiledEngine(case.network, k), case, rule, 100, [None])
            for k in (1, 24)
        )
        np.testing.assert_array_equal(many.theta, alone.theta)
        assert many.losses == alone.losses
    assert teams == {1, 24}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rule", ["nesterov", "adam"])
@pytest.mark.parametrize("who", [0, 1])
def test_an_engine_can_be_used_after_one_of_its_threads_has_failed(
    rule: str, lazy: bool, who: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = pair(19, **LARGE).thin
    expected = train(
        CompiledEngine(case.network, lazy_adam=lazy), case, rule, 200, [None]
    )
    # When a batch has been turned round, perhaps, and not yet forgotten.
    for failing_run in (1, 2, 3):
        engine = CompiledEngine(case.network, 2, lazy_adam=lazy)
        run, n_runs = Team.run, 0

        def failing(
            self: Team,
            kernel: Any,
            meeting: Any,
            run: Any = run,
            failing_run: int = failing_run,
        ) -> None:
            nonlocal n_runs
            n_runs += 1
            number = n_runs

            def work(thread: int) -> None:
                if thread == who and number == failing_run:
                    raise MemoryError
                kernel(thread)

            run(self, work, meeting)

        monkeypatch.setattr(Team, "run", failing)
        try:
            train(engine, case, rule, 200, [None])
        except MemoryError:
            pass
        else:
            assert n_runs < failing_run
        monkeypatch.undo()
        found = train(engine, case, rule, 200, [None])
        np.testing.assert_array_equal(found.theta, expected.theta)
        assert found.losses == expected.losses


def run_python(
    code: str, *arguments: Any, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """A new process that can import this file; it must end well, if that is asked."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parent,
    )
    if check:
        assert done.returncode == 0, done.stderr[-4000:]
    return done


PRINT_BITS = """
import hashlib, json, sys, warnings
from scipy import sparse
from mlproof import MLPClassifier
from test_sparse import SOLVERS, rows_of_words
warnings.simplefilter("ignore")
bits = {}
for dtype in ("float32", "float64"):
    X, y = rows_of_words(500, 120, dtype)
    for name, options in SOLVERS.items():
        clf = MLPClassifier(
            (64, 16), max_iter=3, random_state=0, engine="compiled",
            n_threads=int(sys.argv[1]), **options,
        ).fit(sparse.csr_matrix(X), y)
        assert clf.engine_ == "compiled" and clf.theta_.dtype == dtype
        bits[f"{dtype} {name}"] = [
            hashlib.sha256(clf.theta_.tobytes()).hexdigest(),
            [loss.hex() for loss in clf.loss_curve_],
        ]
print(json.dumps(bits))
"""


def test_new_processes_with_any_threads_train_to_the_same_bits() -> None:
    with ThreadPoolExecutor(2) as pool:
        processes = pool.map(partial(run_python, PRINT_BITS), (1, 2))
    alone, other = [json.loads(process.stdout) for process in processes]
    assert len(alone) == len({theta for theta, _ in alone.values()}) == 14
    assert other == alone


# ---- every format, and matrices that are hardly there ------------------------------


def int64_indices(X: Array) -> Any:
    thin = sparse.csr_matrix(X)
    thin.indices = thin.indices.astype(np.int64)
    thin.indptr = thin.indptr.astype(np.int64)
    return thin


def unsorted_indices(X: Array) -> Any:
    thin = sparse.csr_array(X)
    for i, j in pairwise(thin.indptr):
        thin.indices[i:j] = thin.indices[i:j][::-1].copy()
        thin.data[i:j] = thin.data[i:j][::-1].copy()
    thin.has_sorted_indices = False
    return thin


def duplicates(X: Array) -> Any:
    """Every entry in two halves, one behind the other's row."""
    thin = sparse.coo_array(X)
    rows, columns = thin.coords
    twice = np.tile(rows, 2), np.tile(columns, 2)
    order = np.argsort(twice[0], kind="stable")
    indptr = np.concatenate([[0], np.cumsum(2 * np.bincount(rows, minlength=len(X)))])
    halves = np.tile(thin.data / 2, 2)[order]
    return sparse.csr_array((halves, twice[1][order], indptr), shape=X.shape)


def coo_duplicates(X: Array) -> Any:
    thin = sparse.coo_matrix(X)
    halves = np.tile(thin.data / 2, 2), (np.tile(thin.row, 2), np.tile(thin.col, 2))
    return sparse.coo_matrix(halves, shape=X.shape)


def explicit_zeros(X: Array) -> Any:
    thin = sparse.csr_array(np.where(X == 0, 7.0, X))
    thin.data[thin.data == 7] = 0
    return thin


def read_only(X: Array) -> Any:
    thin = sparse.csr_array(X)
    for array in (thin.data, thin.indices, thin.indptr):
        array.flags.writeable = False
    return thin


FORMATS: dict[str, Callable[[Array], Any]] = {
    f"{name}_{kind}": getattr(sparse, f"{name}_{kind}")
    for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    for kind in ("matrix", "array")
} | {
    made.__name__: made
    for made in (
        int64_indices,
        unsorted_indices,
        duplicates,
        coo_duplicates,
        explicit_zeros,
        read_only,
    )
}


def assert_all_methods_agree(X: Array, made: Callable[[Array], Any], y: Array) -> None:
    """Everything an estimator does with a sparse X is what it does with the array."""
    n, thin = len(X), made(X)
    early = {"early_stopping": True, "validation_fraction": 0.3}
    ways = [{"solver": name} for name in ("adam", "sgd", "gd", "lbfgs")]
    for options in [*ways, *([early] if n >= 20 else [])]:
        kind = {"batch_size": min(13, n), "alpha": 0.01, **options}
        expected = new(engine="numpy", **kind).fit(X, y)
        for engine in ENGINES:
            found = new(engine=engine, **kind).fit(thin, y)
            assert found.engine_ == engine
            # A few steps carry the roundings of the first on.
            assert_close(found.theta_, expected.theta_, 1e-10)
            for x in (thin, X):
                probabilities = found.predict_proba(x)
                assert type(probabilities) is np.ndarray
                assert_close(probabilities, expected.predict_proba(X), 1e-10)
                np.testing.assert_array_equal(found.predict(x), expected.predict(X))
                assert found.score(x, y) == expected.score(X, y)
    partly = [new(engine=name, batch_size=min(13, n)) for name in (*ENGINES, "numpy")]
    for _ in range(2):
        for clf, x in zip(partly, (thin, thin, X), strict=True):
            clf.partial_fit(x, y, classes=[0, 1, 2])
    assert_close(partly[0].theta_, partly[2].theta_, 1e-11)
    assert_close(partly[1].theta_, partly[2].theta_, 1e-11)


@pytest.mark.parametrize("made", sorted(FORMATS))
def test_a_matrix_of_every_format_is_its_dense_array(made: str) -> None:
    X, y = rows_of_words(40, 8)
    assert_all_methods_agree(X, FORMATS[made], y)


def small(kind: str) -> tuple[Array, Array]:
    X, y = rows_of_words(40, 8)
    if kind == "empty rows":
        X[np.arange(40) % 3 > 0] = 0
    elif kind == "empty columns":
        X[:, 2:] = 0
    elif kind == "no entries":
        X[:] = 0
    elif kind == "one row":
        X, y = X[:1], y[:1]
    elif kind == "one empty row":
        X, y = 0 * X[:1], y[:1]
    elif kind == "one column":
        X = X[:, :1]
    elif kind == "one entry":
        X, y = X[:1, :1] + 1, y[:1]
    elif kind == "no zeros":
        X = X + 0.5
    return X, y


@pytest.mark.parametrize("made", ["csr_array", "csc_matrix"])
@pytest.mark.parametrize(
    "kind",
    [
        "empty rows",
        "empty columns",
        "no entries",
        "one row",
        "one empty row",
        "one column",
        "one entry",
        "no zeros",
    ],
)
def test_a_matrix_that_is_hardly_there_is_its_dense_array(kind: str, made: str) -> None:
    X, y = small(kind)
    assert_all_methods_agree(X, FORMATS[made], y)


@pytest.mark.parametrize("made", sorted(FORMATS))
def test_a_matrix_is_left_as_it_was(made: str) -> None:
    X, y = rows_of_words(40, 8)
    thin, other = FORMATS[made](X), FORMATS[made](X)
    new(engine="compiled").fit(thin, y).predict(thin)
    assert type(thin) is type(other)
    for name in ("data", "indices", "indptr"):
        if isinstance(getattr(other, name, None), np.ndarray):
            found, expected = getattr(thin, name), getattr(other, name)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("engine", ENGINES)
def test_entries_of_any_dtype_train_as_the_dense_array_does(
    dtype: str, engine: str
) -> None:
    X, y = rows_of_words(40, 8)
    X = np.rint(2 * X).astype(dtype)
    found = new(engine=engine).fit(sparse.csr_array(X), y)
    expected = new(engine="numpy").fit(X, y)
    assert found.theta_.dtype == expected.theta_.dtype
    assert found.theta_.dtype == (np.float32 if dtype in ("float32", "uint8") else "f8")
    # float32 carries a rounding in the sixth digit through five epochs of one batch.
    tolerance = 1e-5 if found.theta_.dtype == np.float32 else 1e-11
    assert_close(found.theta_, expected.theta_, tolerance)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_gradient_is_right_after_compiled_training(solver: str, dtype: Any) -> None:
    X, y = rows_of_words(60, 12, dtype)
    thin = sparse.csr_array(X)
    options = {"activation": "tanh", "batch_size": 7} | SOLVERS[solver]
    clf = new(engine="compiled", **options).fit(thin, y)
    assert clf.engine_ == "compiled"
    report = clf.check_gradient(thin, y)
    assert report.ok, report
    assert clf.check_gradient(X, y).ok


# ---- work for the entries, none for the zeros --------------------------------------

MANY_COLUMNS = 2_000_000


def scattered(n: int, d: int, dtype: Any = np.float32) -> Any:
    """Twenty entries in every row, anywhere."""
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, d, (n, 20)), axis=1).astype(np.int32)
    data = rng.uniform(0.5, 1, 20 * n).astype(dtype)
    return sparse.csr_array((data, indices.ravel(), np.arange(n + 1) * 20), (n, d))


@pytest.mark.parametrize("solver", ["lazy", "exact", "nesterov"])
def test_no_array_has_an_element_for_every_zero(solver: str) -> None:
    n, d = 600, MANY_COLUMNS
    X, y = scattered(n, d), np.arange(n) % 3
    options = {"hidden_layer_sizes": (16,), "engine": "compiled", "max_iter": 1}
    options |= {"batch_size": 300} | SOLVERS[solver]
    new(**options).fit(X[:, :1000], y)  # the kernels are loaded
    tracemalloc.start()
    try:
        clf = new(**options).fit(X, y)
        clf.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # theta, two moments, and the weights as they are drawn in float64; a byte for
    # every element of X would be more.
    assert peak < 5 * clf.theta_.nbytes < n * d


def test_the_time_of_a_lazy_step_is_not_that_of_the_columns() -> None:
    seconds = []
    for d in (MANY_COLUMNS // 100, MANY_COLUMNS):
        units = (d, 16, 3)
        network = Network(units, ACTIVATIONS["rect"], SOFTMAX)
        theta, adam = np.zeros(n_theta(units), np.float32), Adam(1e-3)
        examples = Examples(scattered(300, d), np.arange(300) % 3, None)
        engine, times = CompiledEngine(network, lazy_adam=True), []
        for _ in range(8):
            began = time.perf_counter()
            engine.epoch(theta, adam, examples, None, 30, no_penalty(2))
            times.append(time.perf_counter() - began)
        seconds.append(min(times))
    # Proportional to the columns it would be a hundred; the caches make some of that.
    assert seconds[1] < 25 * seconds[0]


# ---- matrices that contradict themselves -------------------------------------------


def compressed(**changes: Any) -> Callable[[Any], None]:
    """Writes into the arrays of a CSR or CSC matrix: name=(index, value)."""

    def spoil(X: Any) -> None:
        for name, (index, value) in changes.items():
            getattr(X, name)[index] = value

    return spoil


def replaced(**arrays: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Puts other arrays in the place of these: name=function of X."""

    def spoil(X: Any) -> None:
        for name, made in arrays.items():
            setattr(X, name, made(X))

    return spoil


def listed(columns: list[int], values: list[float]) -> Callable[[Any], None]:
    def spoil(X: Any) -> None:
        X.rows[3], X.data[3] = columns, values

    return spoil


FAR = 10**8  # from there a read is a crash, wherever the array lies
SPOILT_COMPRESSED: dict[str, Callable[[Any], None]] = {
    "an index just out of range": compressed(indices=(5, 40)),
    "an index far out of range": compressed(indices=(5, FAR)),
    "a negative index": compressed(indices=(5, -1)),
    "an index far below 0": compressed(indices=(5, -FAR)),
    "pointers that fall": compressed(indptr=(3, 40)),
    "a negative pointer": compressed(indptr=(3, -FAR)),
    "a pointer far past the entries": compressed(indptr=(3, FAR)),
    "a first pointer that is not 0": compressed(indptr=(0, 2)),
    "a first pointer below 0": compressed(indptr=(0, -FAR)),
    "a last pointer past the entries": compressed(indptr=(-1, FAR)),
    "too few pointers": replaced(indptr=lambda X: X.indptr[:-2].copy()),
    "too many pointers": replaced(indptr=lambda X: np.append(X.indptr, X.indptr[-1])),
    "fewer values than indices": replaced(data=lambda X: X.data[:3].copy()),
    "fewer indices than values": replaced(indices=lambda X: X.indices[:3].copy()),
}
SPOILT: dict[str, tuple[str, Callable[[Any], None]]] = (
    {
        f"{made}: {name}": (made, spoil)
        for made in ("csr_matrix", "csr_array", "csc_matrix", "int64_indices")
        for name, spoil in SPOILT_COMPRESSED.items()
    }
    | {
        f"{made}: {name}": (made, spoil)
        for made in ("coo_matrix", "coo_array")
        for name, spoil in {
            "a row out of range": replaced(
                coords=lambda X: (X.coords[0] + 40, X.coords[1])
            ),
            "a row far out of range": replaced(
                coords=lambda X: (X.coords[0] + FAR, X.coords[1])
            ),
            "a row far below 0": replaced(
                coords=lambda X: (X.coords[0] - FAR, X.coords[1])
            ),
            "a column far out of range": replaced(
                coords=lambda X: (X.coords[0], X.coords[1] + FAR)
            ),
            "a negative column": replaced(
                coords=lambda X: (X.coords[0], X.coords[1] - 1)
            ),
            "fewer rows than columns": replaced(
                coords=lambda X: (X.coords[0][:3], X.coords[1])
            ),
            "fewer values than rows": replaced(data=lambda X: X.data[:3]),
        }.items()
    }
    | {
        "bsr_array: an index far out of range": (
            "bsr_array",
            compressed(indices=(2, FAR)),
        ),
        "lil_matrix: an index far out of range": ("lil_matrix", listed([FAR], [1.0])),
        "lil_matrix: an index far below 0": ("lil_matrix", listed([-FAR], [1.0])),
        "lil_matrix: more values than indices": (
            "lil_matrix",
            listed([0], [1.0] * 9999),
        ),
        "lil_matrix: more indices than values": (
            "lil_matrix",
            listed([0, 1, 2], [1.0]),
        ),
        "lil_matrix: more lists than rows": (
            "lil_matrix",
            replaced(
                rows=lambda X: np.tile(X.rows, 999), data=lambda X: np.tile(X.data, 999)
            ),
        ),
        "lil_matrix: fewer lists than rows": (
            "lil_matrix",
            replaced(rows=lambda X: X.rows[:5], data=lambda X: X.data[:5]),
        ),
    }
)
METHODS = ("fit", "partial_fit", "predict", "predict_proba", "score", "check_gradient")


def attack(name: str) -> None:
    """Hand such a matrix to every method; print what each says, a line for each."""
    made, spoil = SPOILT[name]
    X, y = rows_of_words(40, 8)
    for method in METHODS:
        thin = FORMATS[made](X)
        spoil(thin)
        clf = new(engine="compiled")
        if method != "fit":
            clf.fit(X, y)
        arguments = (thin,) if method.startswith("predict") else (thin, y)
        said = [name, method, "no error", ""]
        try:
            getattr(clf, method)(*arguments)
        except Exception as error:
            said[2:] = [type(error).__name__, str(error)]
        print(json.dumps(said), flush=True)


ATTACK = """
import faulthandler, sys
from test_sparse import attack
for name in sys.argv[1:]:
    faulthandler.dump_traceback_later(30, exit=True)  # it may hang, too
    attack(name)
"""


@cache
def attacked() -> tuple[list[str], dict[tuple[str, str], tuple[str, str]]]:
    """Which of the matrices ended the process that met them, and what the others got.

    After such an end a new process goes on with the next one.
    """
    names, fatal = sorted(SPOILT), []
    answers: dict[tuple[str, str], tuple[str, str]] = {}
    while names and len(fatal) < 5:
        done = run_python(ATTACK, *names, check=False)
        for line in done.stdout.splitlines():
            name, method, kind, text = json.loads(line)
            answers[name, method] = kind, text
        if done.returncode == 0:
            break
        names = [name for name in names if (name, METHODS[-1]) not in answers]
        fatal.append(names.pop(0) if names else done.stderr)
    return fatal, answers


def test_no_matrix_that_contradicts_itself_ends_the_process() -> None:
    fatal, _ = attacked()
    assert fatal == []


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_a_matrix_that_contradicts_itself_is_a_value_error(name: str) -> None:
    _, answers = attacked()
    for method in METHODS:
        kind, text = answers.get((name, method), ("the process ended", ""))
        assert (method, kind) == (method, "ValueError")
        assert text.startswith("X is a sparse matrix that contradicts itself: ")
        assert "\n" not in text
        assert len(text) < 250


def test_a_refused_matrix_leaves_the_estimator_as_it_was() -> None:
    X, y = rows_of_words(40, 8)
    clf = new(engine="compiled").fit(sparse.csr_array(X), y)
    before, thin = clf.theta_.copy(), sparse.csr_array(X)
    thin.indices[5] = 8
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="contradicts itself"):
            getattr(clf, method)(thin, y)
        np.testing.assert_array_equal(clf.theta_, before)
        assert clf.n_iter_ == 5
    thin.indices[5] = 0
    assert clf.predict(thin).shape == (40,)


# ---- slow --------------------------------------------------------------------------


def texts(seed: int, n: int, d: int) -> tuple[Any, Array]:
    """Rows of about 60 words, most of them rare, as each of four classes uses them.

    The frequency of a word falls with its rank (Zipf); a class uses a tenth of the
    words 2.5 times as often as the others do.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    usage = 1 / np.arange(1, d + 1)
    favoured = np.where(rng.uniform(size=(4, d)) < 0.1, 2.5, 1.0)
    p = usage * favoured
    p /= p.sum(axis=1, keepdims=True)
    counts = np.zeros((n, d))
    for label in range(4):
        rows = np.flatnonzero(y == label)
        lengths = rng.poisson(60, len(rows))
        counts[rows] = [rng.multinomial(length, p[label]) for length in lengths]
    X = sparse.csr_array(np.log1p(counts).astype(np.float32))
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    X.data /= np.repeat(np.maximum(norms, 1e-6), np.diff(X.indptr))
    return X, y


@pytest.mark.slow
def test_the_lazy_adam_learns_as_well_as_the_exact_one() -> None:
    accuracies: dict[str, list[float]] = {"exact": [], "lazy": []}
    for seed in range(10):
        X, y = texts(seed, 3000, 5000)
        for how, found in accuracies.items():
            clf = MLPClassifier(
                (32,),
                max_iter=15,
                batch_size=50,
                random_state=seed,
                engine="compiled",
                sparse_adam=how,
            )
            found.append(clf.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]))
    exact, lazy = (np.array(accuracies[how]) for how in ("exact", "lazy"))
    print(f"accuracy, exact: {np.median(exact):.4f}, lazy: {np.median(lazy):.4f}")
    print(f"median of the differences: {np.median(lazy - exact):+.4f}")
    assert np.median(exact) > 0.5  # of four classes: there is something to learn
    assert np.median(lazy - exact) >= -0.005


@pytest.mark.slow
def test_no_kernel_reads_or_writes_beside_its_arrays(tmp_path: Path) -> None:
    # The same tests with every index checked, which needs kernels of their own.
    chosen = "dense or numpy or lazy or ledger or any_number or columns or every_epoch"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", __file__, "-k", chosen],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "MLPROOF_CACHE_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
