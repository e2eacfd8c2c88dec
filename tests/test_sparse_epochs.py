"""Sparse X trains as the dense array, whenever somebody looks at the weights.

The compiled engine brings the weights of a column up to date when a batch needs them,
so it is compared with the NumPy engine on the dense array, which knows nothing of that.
What is read between two epochs, by whomever, must be what NumPy would have there.
"""

from typing import Any

import numpy as np
import pytest
from conftest import assert_close
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from trainings import (
    OPTIMIZERS,
    PENALTIES,
    RULES,
    SOLVERS,
    SPARSE_RATE,
    WEIGHTS,
    assert_alike,
    distances,
    new,
    pair,
    rows_of_words,
    train_sparse,
    widened,
)

from mlproof.engines.compiled import CompiledEngine, ledger, plan
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import Array
from mlproof.losses import OUTPUTS
from mlproof.optimizers import SGD

# Most fits here are cut short.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("all_is_shared"),
]


# ---- what NumPy computes on the dense array ----------------------------------------


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
def test_a_batch_longer_than_the_workspace_is_taken_in_parts(
    rule: str, lazy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CAPACITY_BYTES", 5000)
    assert_alike(pair(6, weights="positive"), rule, 32, lazy=lazy)


@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_is_that_of_numpy_on_the_dense_array(
    dtype: Any, weights: str, penalty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = pair(11, n=700, weights=weights, penalty=penalty, dtype=dtype)
    arguments = case.thin.theta, case.thin.examples, case.thin.penalty
    wide = widened(case.dense)
    expected, slope = NumpyEngine(wide.network).risk_and_gradient(
        wide.theta, wide.examples, wide.penalty
    )
    # Some numbers in float32 are sums of hundreds of roundings.
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for capacity in (plan.CAPACITY_BYTES, 40_000):  # as a whole, and in parts
        monkeypatch.setattr(plan, "CAPACITY_BYTES", capacity)
        engine = CompiledEngine(case.thin.network)
        risk, gradient = engine.risk_and_gradient(*arguments)
        assert gradient.dtype == dtype
        assert risk == pytest.approx(expected, rel=tolerance)
        assert_close(gradient, slope, tolerance)
        for n_threads in (2, 3):
            engine = CompiledEngine(case.thin.network, n_threads)
            found, other = engine.risk_and_gradient(*arguments)
            np.testing.assert_array_equal(other, gradient)
            assert found == risk


def test_an_engine_makes_gradients_in_one_dtype_and_in_another() -> None:
    thin = pair(12).thin
    engine = CompiledEngine(thin.network)
    arguments = thin.examples, thin.penalty
    _, expected = engine.risk_and_gradient(thin.theta, *arguments)
    theta = thin.theta.astype(np.float32)
    _, found = engine.risk_and_gradient(theta, *arguments)
    assert found.dtype == np.float32
    assert_close(found, expected, 1e-5)


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
            found = train_sparse(engine, one, rule, 16, [None])
            numpy_engine = NumpyEngine(one.network)
            expected = train_sparse(numpy_engine, case.dense, rule, 16, [None])
            assert max(distances(found, expected)) <= 1e-12


# ---- rows are up to date whenever somebody looks -----------------------------------


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


def sparse_and_judge(X: Array, solver: str) -> tuple[tuple[str, Any], ...]:
    """The engine under test with X as it likes it, and the one it is compared with."""
    thin = sparse.csr_array(X)
    return ("compiled", thin), ("numpy", thin if solver == "lazy" else X)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_weights_changed_between_two_epochs_are_trained_on_from(solver: str) -> None:
    X, y = rows_of_words(80, 25)
    options = {"batch_size": 7, "max_iter": 6} | SOLVERS[solver]
    trained = []
    for engine, x in sparse_and_judge(X, solver):
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
    for engine, x in sparse_and_judge(X, solver):
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
    rule: str, interrupted: Any
) -> None:
    # The threads are called together for the first batch, for more of them, and to
    # bring all rows up to date.
    dense, thin = pair(16)
    engine, n_runs = CompiledEngine(thin.network), interrupted(2)
    theta, sgd = thin.theta.copy(), OPTIMIZERS[rule](SPARSE_RATE)
    with pytest.raises(KeyboardInterrupt):
        engine.epoch(theta, sgd, thin.examples, None, 5, thin.penalty)
    assert n_runs() == 3
    expected = train_sparse(NumpyEngine(dense.network), dense, rule, 5, [np.arange(5)])
    assert_close(theta, expected.theta, 1e-13)
    if rule != "plain":
        assert isinstance(sgd, SGD)
        assert sgd.velocity is not None
        assert_close(sgd.velocity, expected.moments[0], 1e-13)
