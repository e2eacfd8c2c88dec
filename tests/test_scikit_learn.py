"""scikit-learn is the judge here: its checks, its own tests, and its weights."""

import importlib.util
import inspect
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlproof import MLPClassifier


def _expected_to_fail(estimator):
    if estimator.solver != "lbfgs":
        return {}
    # It trains to probabilities that round to 0 and 1.
    return {
        "check_classifiers_train": "wants log-probabilities of -inf for them",
        "check_classifiers_multilabel_output_format_predict_proba": (
            "wants none of them; fails for scikit-learn's own lbfgs too"
        ),
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [MLPClassifier(), MLPClassifier(solver="lbfgs")],
    expected_failed_checks=_expected_to_fail,
)
def test_every_check_of_an_estimator_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        MLPClassifier(solver="sgd", learning_rate_init=0.1),
        MLPClassifier(solver="gd", learning_rate_init=0.5),
        MLPClassifier(engine="compiled", n_threads=2),
    ],
)
def test_every_check_of_an_estimator_passes_by_other_solvers(estimator, check):
    check(estimator)


# ---- scikit-learn's tests of its own MLPClassifier, with ours in its place -----------

LEFT_OUT = {
    "test_fit": "builds the model by hand out of private attributes",
    "test_gradient": "calls the private _loss_grad_lbfgs; ours: test_gradients.py",
    "test_adaptive_learning_rate": "reads the private _optimizer",
    "test_n_iter_no_change": "reads the private _no_improvement_count",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count",
    "test_lbfgs_regression": "of the regressor",
    "test_lbfgs_regression_maxfun": "of the regressor",
    "test_multioutput_regression": "of the regressor",
    "test_partial_fit_regression": "of the regressor",
    "test_shuffle": "of the regressor",
    "test_mlp_regressor_dtypes_casting": "of the regressor",
    "test_mlp_loading_from_joblib_partial_fit": "of the regressor",
    "test_mlp_diverging_loss": "of the regressor",
    "test_mlp_sample_weight_with_early_stopping": "of the regressor",
    "test_mlp_vs_poisson_glm_equivalent": "of the regressor",
}


def _their_tests():
    """The module of scikit-learn's tests, in which MLPClassifier is ours."""
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    spec = importlib.util.spec_from_file_location("their_test_mlp", found.origin)
    module = importlib.util.module_from_spec(spec)
    theirs = sklearn.neural_network.MLPClassifier
    sklearn.neural_network.MLPClassifier = MLPClassifier
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sklearn.neural_network.MLPClassifier = theirs
    return module


THEIRS = _their_tests()
ALL_TESTS = {name: t for name, t in vars(THEIRS).items() if name.startswith("test_")}


def _cases() -> Iterator:
    """Each test that is not left out, once for each set of its parameters."""
    for name, test in ALL_TESTS.items():
        if name in LEFT_OUT:
            continue
        cases = [({}, name)]
        for mark in getattr(test, "pytestmark", []):
            if mark.name != "parametrize":
                continue
            names = [n.strip() for n in mark.args[0].split(",")]
            values = [v if len(names) > 1 else (v,) for v in mark.args[1]]
            cases = [
                (given | dict(zip(names, value, strict=True)), f"{label}-{i}")
                for given, label in cases
                for i, value in enumerate(values)
            ]
        for given, label in cases:
            if not any(value is MLPRegressor for value in given.values()):
                yield pytest.param(test, given, id=label)


def test_every_left_out_test_exists_in_this_version():
    assert set(LEFT_OUT) <= set(ALL_TESTS)
    assert len(ALL_TESTS) - len(LEFT_OUT) >= 25


@pytest.mark.filterwarnings(
    "default"
)  # scikit-learn's suite does not raise on warnings
@pytest.mark.parametrize(("test", "given"), list(_cases()))
def test_their_test_passes_with_our_class(test, given, request):
    assert THEIRS.MLPClassifier is MLPClassifier
    for fixture in inspect.signature(test).parameters:
        if fixture not in given:
            given = given | {fixture: request.getfixturevalue(fixture)}
    test(**given)


# ---- the same weights, epoch by epoch -----------------------------------------------

SOLVERS = {
    "plain sgd": {"solver": "sgd", "momentum": 0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {
        "solver": "sgd",
        "learning_rate": "invscaling",
        "learning_rate_init": 0.1,
    },
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0},
    "adam": {"solver": "adam"},
    "no shuffling": {"solver": "adam", "shuffle": False},
    "early stopping": {"solver": "adam", "early_stopping": True},
}


def _digits(n_classes, dtype):
    X, y = load_digits(return_X_y=True)
    assert len(X) % 200 != 0  # the last batch is a short one
    sample_weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    return (X / 16).astype(dtype), y % n_classes, sample_weight


def _both(parameters, X, y, sample_weight, engine="auto"):
    theirs, ours = SklearnMLPClassifier(), MLPClassifier(engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for kind in (theirs, ours):
            kind.set_params(**parameters).fit(X, y, sample_weight)
    return theirs, ours


def _distance(theirs, ours):
    """max|dW| / max|W| over all layers, biases included."""
    pairs = zip(
        theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True
    )
    largest = max(np.abs(W).max() for W in theirs.coefs_)
    return max(np.abs(a - b).max() for a, b in pairs) / largest


def _weights_cases() -> Iterator:
    """Every solver with relu, and every activation with Adam; the others are slow.

    "auto" takes NumPy for so small a problem.
    """
    for solver in SOLVERS:
        for n_classes in (2, 10):
            for activation in ("relu", "tanh", "logistic", "identity"):
                quick = activation == "relu" or (solver, n_classes) == ("adam", 10)
                marks = () if quick else pytest.mark.slow
                yield pytest.param(solver, n_classes, activation, "auto", marks=marks)
        yield pytest.param(solver, 10, "relu", "compiled")


@pytest.mark.parametrize(
    ("solver", "n_classes", "activation", "engine"), list(_weights_cases())
)
def test_float64_weights_are_theirs_after_20_epochs(
    solver, n_classes, activation, engine
):
    data = _digits(n_classes, np.float64)
    parameters = {
        "hidden_layer_sizes": (30, 17),
        "max_iter": 20,
        "random_state": 7,
        "activation": activation,
    }
    theirs, ours = _both(parameters | SOLVERS[solver], *data, engine)
    assert ours.engine_ == ("numpy" if engine == "auto" else engine)
    assert _distance(theirs, ours) < 1e-9
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-9)
    assert ours.validation_scores_ == theirs.validation_scores_
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_weights_are_theirs_after_one_epoch(solver, n_classes):
    data = _digits(n_classes, np.float32)
    parameters = {"hidden_layer_sizes": (30,), "max_iter": 1, "random_state": 7}
    theirs, ours = _both(parameters | SOLVERS[solver], *data)
    assert ours.theta_.dtype == np.float32
    assert _distance(theirs, ours) < 1e-4
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-4)


# scikit-learn evaluates the loss of float32 input in float32: its rounding parts the
# two after some thirty iterations: from there on they end in different minima.
@pytest.mark.parametrize(("dtype", "max_iter"), [(np.float64, 200), (np.float32, 20)])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_lbfgs_ends_at_a_loss_no_higher(n_classes, dtype, max_iter):
    data = _digits(n_classes, dtype)
    for seed in range(3):
        parameters = {
            "hidden_layer_sizes": (30,),
            "max_iter": max_iter,
            "random_state": seed,
            "solver": "lbfgs",
        }
        theirs, ours = _both(parameters, *data)
        assert ours.theta_.dtype == dtype
        assert ours.loss_ <= theirs.loss_ * (
            1 + 1e-3
        )  # what rounding makes of the path


def test_multilabel_weights_are_theirs():
    X, y, sample_weight = _digits(10, np.float64)
    Y = np.stack([y % 2 == 0, y > 4, y == 3], axis=1).astype(int)
    parameters = {"hidden_layer_sizes": (20,), "max_iter": 20, "random_state": 1}
    theirs, ours = _both(parameters, X, Y, sample_weight)
    assert _distance(theirs, ours) < 1e-9
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))


def test_their_signature_is_ours_but_for_what_we_add():
    theirs = inspect.signature(SklearnMLPClassifier).parameters
    ours = inspect.signature(MLPClassifier).parameters
    assert {name: ours[name] for name in theirs} == dict(theirs) or {
        name: (ours[name].default, ours[name].kind) for name in theirs
    } == {name: (p.default, p.kind) for name, p in theirs.items()}
    assert set(ours) - set(theirs) == {
        "l1",
        "l2",
        "engine",
        "n_threads",
        "sparse_adam",
        "input_scale",
    }


def test_every_public_attribute_of_theirs_is_there():
    data = _digits(10, np.float64)
    theirs, ours = _both({"max_iter": 2, "hidden_layer_sizes": (5,)}, *data)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public - set(dir(ours)) == {"loss"}  # the regressor's parameter, fixed here
