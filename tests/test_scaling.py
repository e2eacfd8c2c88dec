"""scaling.py: what is learned from standardised columns is folded into W1 and b1."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from mlproof import MLPClassifier
from mlproof.functions import Array
from mlproof.scaling import fit_standardised

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 150)
X = RNG.standard_normal((150, 4))
X[:, 0] += 2 * Y
X[:, 1] -= Y

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def new(**parameters: Any) -> MLPClassifier:
    return MLPClassifier((7,), **{"max_iter": 15, "random_state": 0} | parameters)


def standardised(X: Array) -> Array:
    scaler = StandardScaler().fit(X.astype(np.float64))
    return scaler.transform(X.astype(np.float64)).astype(X.dtype)


def folded(X: Array, y: Any = Y, **parameters: Any) -> MLPClassifier:
    classifier = new(**parameters)
    for _ in fit_standardised(classifier, X, y):
        pass
    return classifier


def assert_same_logits(X: Array, tolerance: float, **parameters: Any) -> None:
    """The folded network on X is the one trained on standardised X, on that."""
    Z = standardised(X)
    reference = new(**parameters).fit(Z, Y)
    found = folded(X, **parameters)
    np.testing.assert_allclose(
        found.predict_log_proba(X),
        reference.predict_log_proba(Z),
        rtol=0,
        atol=tolerance,
    )
    assert np.ptp(reference.predict_log_proba(Z), axis=0).max() > 0.1
    assert found.loss_curve_ == pytest.approx(reference.loss_curve_, rel=1e-5)
    assert found.theta_.dtype == reference.theta_.dtype


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd", "lbfgs"])
def test_the_folded_network_has_the_logits_of_the_standardised_one(solver: str) -> None:
    rate = {"learning_rate_init": 0.1}
    assert_same_logits(
        X * [1, 10, 1e-3, 1e3] + [0, -5, 1e-3, 4e3], 1e-10, solver=solver, **rate
    )


def test_the_folded_network_is_the_same_with_early_stopping() -> None:
    assert_same_logits(5 * X + 3, 1e-10, early_stopping=True)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, -1e8 / 3, 1e-20, 1e20])
def test_a_constant_column_is_only_centred(constant: float) -> None:
    with_it = np.column_stack([X, np.full(len(X), constant)])
    classifier = folded(with_it)
    assert np.isfinite(classifier.theta_).all()
    without = classifier.predict_log_proba(with_it)
    reference = new().fit(np.column_stack([standardised(X), np.zeros(len(X))]), Y)
    expected = reference.predict_log_proba(
        np.column_stack([standardised(X), np.zeros(len(X))])
    )
    rounding = 1e-10 + 1e-14 * abs(constant)
    np.testing.assert_allclose(without, expected, rtol=0, atol=rounding)


def test_an_offset_of_1e8_costs_only_the_digits_it_takes_from_x() -> None:
    shifted = X + 1e8
    assert_same_logits(shifted, 1e-5)
    assert folded(shifted).score(shifted, Y) == folded(X).score(X, Y)


@pytest.mark.parametrize(
    "unit", [1e-300, 1e-165, 1e-13, 1e-9, 1e9, 1e100, 1e160, 1e300]
)
def test_the_unit_of_a_column_makes_no_difference(unit: float) -> None:
    np.testing.assert_allclose(
        folded(X * unit).predict_log_proba(X * unit),
        folded(X).predict_log_proba(X),
        rtol=0,
        atol=1e-8,
    )


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 1e-42), (float, 1e-313)])
def test_weights_too_large_for_the_dtype_are_refused(dtype: Any, unit: float) -> None:
    with pytest.raises(ValueError, match=r"^column 1 of X varies by .* too large for"):
        folded((X * unit).astype(dtype))


def test_float32_stays_float32() -> None:
    assert_same_logits((3 * X + 2).astype(np.float32), 1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float16])
def test_every_other_dtype_becomes_float64(dtype: Any) -> None:
    coarse = (20 * X + 100).clip(0, 255).astype(dtype) if dtype is not bool else X > 0
    assert_same_logits(coarse.astype(np.float64), 1e-10)
    np.testing.assert_array_equal(
        folded(coarse).theta_, folded(coarse.astype(np.float64)).theta_
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_breaking_off_leaves_a_folded_network(
    solver: str, early_stopping: bool
) -> None:
    parameters = {"solver": solver, "early_stopping": early_stopping}
    shifted = 10 * X + 100
    classifier, reference = new(**parameters), new(**parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lbfgs does not stop early
        for epoch in fit_standardised(classifier, shifted, Y):
            if epoch.number == 4:
                break
        for epoch in reference.iter_fit(standardised(shifted), Y):
            if epoch.number == 4:
                break
    assert classifier.n_iter_ == 4
    np.testing.assert_allclose(
        classifier.predict_log_proba(shifted),
        reference.predict_log_proba(standardised(shifted)),
        rtol=0,
        atol=1e-10,
    )


def test_an_error_in_the_loop_leaves_a_folded_network() -> None:
    shifted = 10 * X + 100
    classifier = new()
    epochs = fit_standardised(classifier, shifted, Y)
    next(epochs)
    with pytest.raises(ZeroDivisionError):
        epochs.throw(ZeroDivisionError)
    reference = new(max_iter=1).fit(standardised(shifted), Y)
    np.testing.assert_allclose(
        classifier.predict_log_proba(shifted),
        reference.predict_log_proba(standardised(shifted)),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("bad", ["nan", "short y", "parameter"])
def test_data_that_cannot_be_used_leave_a_fitted_network_as_it_was(bad: str) -> None:
    classifier = folded(X)
    before = classifier.theta_.copy()
    other, y = X + 5, Y
    if bad == "nan":
        other[3, 1] = np.nan
    elif bad == "short y":
        y = Y[:-1]
    else:
        classifier.set_params(alpha=-1)
    with pytest.raises(ValueError, match=r"."):
        list(fit_standardised(classifier, other, y))
    np.testing.assert_array_equal(classifier.theta_, before)


def test_x_is_not_changed() -> None:
    before = X.copy()
    folded(X)
    np.testing.assert_array_equal(X, before)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    st.lists(st.floats(1e-6, 1e6), min_size=4, max_size=4),
)
def test_folding_is_exact_up_to_rounding_at_any_place_and_scale(
    offsets: list[float], scales: list[float]
) -> None:
    moved = X * scales + offsets
    Z = standardised(moved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference = new(max_iter=1).fit(Z, Y)
        found = folded(moved, max_iter=1)
    size = np.max(np.abs(moved), axis=0) / np.std(moved, axis=0)  # digits lost in X
    np.testing.assert_allclose(
        found.predict_log_proba(moved),
        reference.predict_log_proba(Z),
        rtol=0,
        atol=1e-13 * float(size.sum()) + 1e-12,
    )
