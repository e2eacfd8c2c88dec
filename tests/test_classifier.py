"""MLPClassifier as its users meet it: what goes in, what comes out, what is kept.

What it shares with scikit-learn is in test_scikit_learn.py, where it differs in
test_deviations.py.
"""

import builtins
import copy
import operator
import pickle
import warnings
from fractions import Fraction
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlproof import MLPClassifier, load, network, reference
from mlproof.functions import ACTIVATIONS

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

RNG = np.random.default_rng(0)
N, D = 60, 4
X = RNG.normal(size=(N, D))
Y = np.argmax(X[:, :3] + RNG.normal(size=(N, 3)), axis=1)  # three classes
Y_MULTILABEL = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
TARGETS = {"three classes": Y, "two classes": Y == 1, "multilabel": Y_MULTILABEL}
NAMES = {  # scikit-learn's for the activations, and the derivation's
    "relu": "rect",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "identity": "identity",
    "softplus": "softplus",
    "abs": "abs",
}
SOLVERS = ["adam", "sgd", "gd", "lbfgs"]


def new(**parameters):
    small = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0}
    return MLPClassifier(**small | parameters)


def derivation_parameters(fitted):
    """The weights in the derivation's orientation, and the biases."""
    return [W.T for W in fitted.coefs_], list(fitted.intercepts_)


# ---- coefs_ and intercepts_: views into theta_ --------------------------------------


def by_hand(fitted, X):
    """The probabilities of a relu network of three classes."""
    (W1, W2), (b1, b2) = fitted.coefs_, fitted.intercepts_
    o_a = np.maximum(X @ W1 + b1, 0) @ W2 + b2
    e = np.exp(o_a)
    return e / e.sum(axis=1, keepdims=True)


def test_predictions_are_those_of_coefs_and_intercepts():
    fitted = new().fit(X, Y)
    np.testing.assert_allclose(fitted.predict_proba(X), by_hand(fitted, X), rtol=1e-13)
    np.testing.assert_array_equal(
        fitted.predict(X), fitted.classes_[np.argmax(by_hand(fitted, X), axis=1)]
    )


def assign_list(fitted, W1, W2):
    fitted.coefs_ = [W1, W2]


def assign_nested_lists(fitted, W1, W2):
    fitted.coefs_ = (W1.tolist(), W2.tolist())


def assign_items(fitted, W1, W2):
    fitted.coefs_[0] = W1
    fitted.coefs_[-1] = W2


def assign_slice(fitted, W1, W2):
    fitted.coefs_[:] = [W1, W2]


def assign_backward_slice(fitted, W1, W2):
    fitted.coefs_[::-1] = [W2, W1]


def write_in_place(fitted, W1, W2):
    for W, value in zip(fitted.coefs_, (W1, W2), strict=True):
        W[...] = value


def write_into_a_copy_of_the_list(fitted, W1, W2):
    write_in_place(type("Holder", (), {"coefs_": list(fitted.coefs_)}), W1, W2)


def add_in_place(fitted, W1, W2):
    fitted.coefs_[0] *= 0
    fitted.coefs_[0] += W1
    fitted.coefs_[1] *= 0
    fitted.coefs_[1] += W2


def write_theta(fitted, W1, W2):
    fitted.theta_[: W1.size] = W1.ravel()
    start = W1.size + len(fitted.intercepts_[0])
    fitted.theta_[start : start + W2.size] = W2.ravel()


def replace_theta(fitted, W1, W2):
    fitted.theta_ = fitted.theta_.copy()
    write_theta(fitted, W1, W2)


@pytest.mark.parametrize(
    "write",
    [
        assign_list,
        assign_nested_lists,
        assign_items,
        assign_slice,
        assign_backward_slice,
        write_in_place,
        write_into_a_copy_of_the_list,
        add_in_place,
        write_theta,
        replace_theta,
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_way_to_write_weights_reaches_theta_and_predictions(write, dtype):
    fitted = new().fit(X.astype(dtype), Y)
    b = [b_k.copy() for b_k in fitted.intercepts_]
    W = [RNG.normal(size=(D, 5)), RNG.normal(size=(5, 3))]
    write(fitted, *W)
    blocks = [W[0].ravel(), b[0], W[1].ravel(), b[1]]
    np.testing.assert_array_equal(fitted.theta_, np.concatenate(blocks).astype(dtype))
    for found, expected in zip(fitted.coefs_, W, strict=True):
        np.testing.assert_array_equal(found, expected.astype(dtype))
        assert found.dtype == dtype
        assert np.shares_memory(found, fitted.theta_)
    # Predicted in float64 or float32, whose eps is 1.2e-7, from logits below 100.
    np.testing.assert_allclose(
        fitted.predict_proba(X.astype(dtype)), by_hand(fitted, X), atol=1e-4, rtol=0
    )


def test_intercepts_can_be_written_too():
    fitted = new().fit(X, Y)
    fitted.intercepts_[0] = np.arange(5)
    fitted.intercepts_[1][1] = 1e3
    np.testing.assert_array_equal(fitted.theta_[4 * 5 : 4 * 5 + 5], np.arange(5))
    np.testing.assert_array_equal(fitted.predict(X), np.ones(N))
    fitted.intercepts_ = [np.zeros(5), [0, 0, 2e3]]
    np.testing.assert_array_equal(fitted.predict(X), np.full(N, 2))


@pytest.mark.parametrize(
    ("name", "index", "value", "message"),
    [
        ("coefs_", 0, np.ones((5, 4)), r"coefs_\[0\] must have shape \(4, 5\)"),
        ("coefs_", 0, 1.0, r"coefs_\[0\] must have shape \(4, 5\); got \(\)"),
        ("coefs_", -1, np.ones(15), r"coefs_\[1\] must have shape \(5, 3\)"),
        ("coefs_", slice(None), [np.ones((4, 5))], "coefs_ must be 2 arrays"),
        ("coefs_", slice(0, 1), [], "coefs_ must be 1 arrays"),
        ("coefs_", None, [np.ones((4, 5)), np.ones((5, 4))], r"coefs_\[1\] must have"),
        ("coefs_", None, [np.ones((4, 5))], "coefs_ must be 2 arrays.*; got 1"),
        ("coefs_", None, [], "coefs_ must be 2 arrays.*; got 0"),
        ("coefs_", None, [np.ones((4, 5)), np.full((5, 3), "a")], "could not convert"),
        ("intercepts_", 1, np.ones((3, 1)), r"intercepts_\[1\] must have shape \(3,\)"),
        ("intercepts_", None, [np.ones(5)] * 3, "intercepts_ must be 2 arrays"),
        ("intercepts_", None, [np.ones(5), ["a"] * 3], "could not convert"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed(
    name, index, value, message
):
    fitted = new().fit(X, Y)
    before = fitted.theta_.copy()
    whole = index is None
    assign = (
        partial(setattr, fitted, name)
        if whole
        else partial(operator.setitem, getattr(fitted, name), index)
    )
    with pytest.raises(ValueError, match=message):
        assign(value)
    np.testing.assert_array_equal(fitted.theta_, before)


def test_a_layer_that_does_not_exist_is_an_index_error():
    fitted = new().fit(X, Y)
    for index in (2, -3):
        with pytest.raises(IndexError):
            fitted.coefs_[index] = np.ones((4, 5))


def test_layers_can_be_put_in_another_order():
    fitted = new(hidden_layer_sizes=(D, D)).fit(X, Y)
    first, second, _ = (W.copy() for W in fitted.coefs_)
    fitted.coefs_[:2] = fitted.coefs_[1::-1]
    np.testing.assert_array_equal(fitted.coefs_[0], second)
    np.testing.assert_array_equal(fitted.coefs_[1], first)


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda coefs: pickle.loads(pickle.dumps(coefs))],
)
def test_a_duplicate_of_coefs_is_a_plain_list_of_its_own(duplicate):
    fitted = new().fit(X, Y)
    before = fitted.theta_.copy()
    found = duplicate(fitted.coefs_)
    assert type(found) is list
    for W, expected in zip(found, fitted.coefs_, strict=True):
        np.testing.assert_array_equal(W, expected)
        W[...] = 0
    found[0] = "anything"
    np.testing.assert_array_equal(fitted.theta_, before)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))]
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_duplicate_of_the_estimator_goes_on_by_itself(solver, duplicate):
    fitted = new(solver=solver, warm_start=True).fit(X, Y)
    found = duplicate(fitted)
    before = fitted.theta_.copy()
    np.testing.assert_array_equal(found.predict_proba(X), fitted.predict_proba(X))
    step = "fit" if solver == "lbfgs" else "partial_fit"
    getattr(found, step)(X, Y)
    assert not np.array_equal(found.theta_, before)
    np.testing.assert_array_equal(fitted.theta_, before)
    getattr(fitted, step)(X, Y)
    np.testing.assert_array_equal(found.theta_, fitted.theta_)
    found.coefs_[0] = np.zeros((D, 5))
    assert not found.theta_[: D * 5].any()


def test_a_clone_has_the_parameters_and_nothing_else():
    fitted = new(l1=(0.1, 0.2), activation="softplus").fit(X, Y)
    found = clone(fitted)
    assert vars(found) == fitted.get_params()
    with pytest.raises(NotFittedError):
        found.predict(X)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_memory_mapped_model_predicts_and_goes_on(tmp_path, solver):
    fitted = new(solver=solver, warm_start=True).fit(X, Y)
    joblib.dump(fitted, tmp_path / "model")
    found = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not found.theta_.flags.writeable
    np.testing.assert_array_equal(found.predict_proba(X), fitted.predict_proba(X))
    step = "fit" if solver == "lbfgs" else "partial_fit"
    for estimator in (fitted, found):
        getattr(estimator, step)(X, Y)
    np.testing.assert_array_equal(found.theta_, fitted.theta_)


def test_the_weights_of_a_memory_mapped_model_can_be_assigned(tmp_path):
    fitted = new().fit(X, Y)
    joblib.dump(fitted, tmp_path / "model")
    found = joblib.load(tmp_path / "model", mmap_mode="r")
    found.coefs_ = [2 * W for W in found.coefs_]
    np.testing.assert_array_equal(found.coefs_[0], 2 * fitted.coefs_[0])
    found = joblib.load(tmp_path / "model", mmap_mode="r")
    coefs = found.coefs_
    coefs[1] = 3 * coefs[1]
    np.testing.assert_array_equal(found.coefs_[1], 3 * fitted.coefs_[1])
    np.testing.assert_array_equal(found.coefs_[0], fitted.coefs_[0])
    coefs[0][0, 0] = 7  # the views are those of the new weights
    assert found.coefs_[0][0, 0] == 7
    np.testing.assert_array_equal(joblib.load(tmp_path / "model").theta_, fitted.theta_)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_before_fit_there_are_no_weights(name):
    estimator = new()
    assert not hasattr(estimator, name)
    with pytest.raises(NotFittedError, match=f"{name} belongs to a fitted network"):
        getattr(estimator, name)
    with pytest.raises(NotFittedError):
        setattr(estimator, name, [])


def test_an_estimator_whose_first_fit_failed_is_not_fitted():
    estimator = new()
    with pytest.raises(ValueError, match="sample_weight"):
        estimator.fit(X, Y, sample_weight=np.ones(3))
    for use in (estimator.predict, estimator.predict_proba):
        with pytest.raises(NotFittedError):
            use(X)


# ---- X -----------------------------------------------------------------------------

X01 = (RNG.uniform(size=(N, D)) < 0.5).astype(np.float64)  # exact in every dtype


def fortran(X, folder):
    return np.asfortranarray(X)


def read_only(X, folder):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def strided(X, folder):
    return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]


def nested_lists(X, folder):
    return X.tolist()


def frame(X, folder):
    return pd.DataFrame(X, columns=list("abcd"))


def mixed_frame(X, folder):
    return pd.DataFrame(X, columns=list("abcd")).astype(
        {"a": bool, "b": "uint8", "c": "Int64"}
    )


def of_dtype(dtype):
    def convert(X, folder):
        return X.astype(dtype)

    convert.__name__ = dtype
    return convert


DENSE = [fortran, read_only, memory_mapped, strided, nested_lists, frame, mixed_frame]
DTYPES = [
    of_dtype(name) for name in ("float16", "longdouble", ">f8", "int64", "int8", "bool")
]


@pytest.mark.parametrize("form", DENSE + DTYPES)
def test_the_same_numbers_in_another_form_train_the_same_network(form, tmp_path):
    given = form(X01, tmp_path)
    found = new().fit(given, Y)
    expected = new().fit(X01, Y)
    assert found.theta_.dtype == np.float64
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    np.testing.assert_array_equal(found.predict(given), expected.predict(X01))


def test_whole_numbers_of_uint8_train_in_float32():
    given = X01.astype(np.uint8)
    found, expected = new().fit(given, Y), new().fit(X01.astype(np.float32), Y)
    assert found.theta_.dtype == np.float32
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    np.testing.assert_array_equal(found.predict(given), expected.predict(X01))


def test_float32_is_kept_and_mixes_with_float64():
    fitted = new().fit(X.astype(np.float32), Y)
    assert fitted.theta_.dtype == fitted.predict_proba(X).dtype == np.float32
    assert fitted.predict_log_proba(X).dtype == np.float32
    fitted.partial_fit(X, Y)
    assert fitted.theta_.dtype == np.float32
    other = new().fit(X, Y).partial_fit(X.astype(np.float32), Y)
    assert other.theta_.dtype == other.predict_proba(X.astype(np.float32)).dtype
    assert other.theta_.dtype == np.float64


FORMATS = ["csr_matrix", "csc_matrix", "csr_array", "csc_array", "coo_array"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", [*FORMATS, "int64 indices"])
def test_a_sparse_matrix_trains_as_the_dense_one_does(kind, solver):
    dense = X * (X > 0.5)
    if kind == "int64 indices":
        given = sparse.csr_matrix(dense)
        given.indices = given.indices.astype(np.int64)
        given.indptr = given.indptr.astype(np.int64)
    else:
        given = getattr(sparse, kind)(dense)
    found = new(solver=solver, batch_size=13).fit(given, Y)
    expected = new(solver=solver, batch_size=13).fit(dense, Y)
    # The products of a row are added in another order; a few steps carry that on.
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        found.predict_proba(given), found.predict_proba(dense), rtol=1e-12
    )


def test_a_sparse_matrix_of_float32_keeps_it():
    given = sparse.csr_matrix(X.astype(np.float32))
    assert new().fit(given, Y).theta_.dtype == np.float32


def test_a_sparse_matrix_without_entries_is_all_zeros():
    found = new().fit(sparse.csr_matrix((N, D)), Y)
    np.testing.assert_array_equal(found.theta_, new().fit(np.zeros((N, D)), Y).theta_)


def with_entry(value):
    changed = X.copy()
    changed[3, 2] = value
    return changed


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X[:, 0], "Expected 2D array, got 1D array"),
        (X[0, 0], "Expected 2D array, got scalar array"),
        (X[:, :, None], "dim 3"),
        (with_entry(np.nan), "Input X contains NaN"),
        (with_entry(np.inf), "Input X contains infinity"),
        (sparse.csr_matrix(with_entry(np.nan)), "Input X contains NaN"),
        (sparse.csc_array(with_entry(-np.inf)), "Input X contains infinity"),
        (X * 1j, "Complex data not supported"),
        (np.full((N, D), "a"), "could not convert string to float"),
        (pd.DataFrame(X).mask(X.max() == X), "NaN"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "predict", "check_gradient"])
def test_input_that_cannot_be_used_is_a_value_error_that_says_why(method, bad, message):
    estimator = new()
    if method != "fit":
        estimator.fit(X, Y)
    arguments = [bad]
    if method != "predict":
        arguments.append(Y[: len(bad)] if isinstance(bad, np.ndarray) else Y)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(*arguments)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "score", "partial_fit", "check_gradient"]
)
def test_another_number_of_columns_is_refused(method):
    fitted = new().fit(X, Y)
    before = fitted.theta_.copy()
    arguments = [X[:, :3]] if method.startswith("predict") else [X[:, :3], Y]
    with pytest.raises(ValueError, match=r"X has 3 features, but .* expecting 4"):
        getattr(fitted, method)(*arguments)
    np.testing.assert_array_equal(fitted.theta_, before)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "shape",
    ["one row", "one column", "one class", "constant columns", "rows all alike"],
)
def test_the_smallest_problems_are_problems(shape, solver):
    given, y = {
        "one row": (X[:1], Y[:1]),
        "one column": (X[:, :1], Y),
        "one class": (X, np.zeros(N, int)),
        "constant columns": (X * [1, 0, 1, 0] + [0, 7, 0, 0], Y),
        "rows all alike": (np.ones((N, D)), Y),
    }[shape]
    fitted = new(solver=solver).fit(given, y)
    p = fitted.predict_proba(given)
    assert p.shape == (len(given), len(set(y)))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    assert set(fitted.predict(given)) <= set(y)
    assert fitted.check_gradient(given, y).ok


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_columns_of_any_scale_give_probabilities(scale, solver):
    fitted = new(solver=solver).fit(X * scale, Y)
    p = fitted.predict_proba(X * scale)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    assert np.isfinite(fitted.predict_log_proba(X * scale)).all()
    assert np.isfinite(fitted.loss_curve_).all()


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("solver", ["sgd", "gd"])
def test_training_that_diverges_says_so(solver):
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        new(solver=solver, max_iter=50).fit(X * 1e30, Y)


def test_predictions_depend_on_the_other_rows_by_rounding_only():
    many = np.random.default_rng(1).normal(size=(3000, D))
    fitted = new(hidden_layer_sizes=(50,)).fit(X, Y)
    whole = fitted.predict_proba(many)
    alone = np.vstack([fitted.predict_proba(row[None]) for row in many[:50]])
    parts = np.vstack([fitted.predict_proba(part) for part in np.array_split(many, 7)])
    # A sum over 50 units in another order, in probabilities not smaller than 1e-3.
    np.testing.assert_allclose(whole[:50], alone, rtol=1e-12)
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


# ---- names of columns --------------------------------------------------------------

COLUMNS = ["größe", "日本", "", "a b"]


def test_the_names_of_the_columns_are_kept_and_checked():
    given = pd.DataFrame(X, columns=COLUMNS)
    fitted = new().fit(given, Y)
    assert list(fitted.feature_names_in_) == COLUMNS
    fitted.partial_fit(given, Y)
    assert fitted.check_gradient(given, Y).ok
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(given[COLUMNS[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X)
    assert not hasattr(fitted.fit(X, Y), "feature_names_in_")


def test_early_stopping_does_not_trip_over_the_names_of_the_columns():
    given = pd.DataFrame(X, columns=COLUMNS)
    fitted = new(early_stopping=True).fit(given, pd.Series(Y))
    assert len(fitted.validation_scores_) == 5


# ---- y -----------------------------------------------------------------------------

LABELS = {
    "strings": np.array(["no", "perhaps", "yes"]),
    "objects": np.array(["weiß nicht", "да", "日本"], dtype=object),
    "booleans": np.array([False, True]),
    "int8": np.array([-128, 0, 127], dtype=np.int8),
    "uint8": np.array([0, 1, 255], dtype=np.uint8),
    "uint64": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "negative": np.array([-7, -5, 3]),
    "float64": np.array([-1.0, 2.0, 1e15]),
    "float32": np.array([0, 1, 2], dtype=np.float32),
    "one": np.array(["alone"]),
    "many": np.arange(1000, 1012),
}


def labelled(kind):
    """Labels that a network can learn: the class depends on the first column."""
    classes = LABELS[kind]
    rank = np.argsort(np.argsort(X[:, 0]))
    return classes[rank * len(classes) // N]


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_come_back_as_they_were(kind):
    y = labelled(kind)
    fitted = new(hidden_layer_sizes=(20,), solver="lbfgs", max_iter=300).fit(X, y)
    assert fitted.classes_.dtype == fitted.predict(X).dtype == y.dtype
    np.testing.assert_array_equal(fitted.classes_, LABELS[kind])
    np.testing.assert_array_equal(fitted.predict(X), y)  # sixty rows are easy to learn
    assert fitted.score(X, y) == 1
    assert fitted.predict_proba(X).shape == (N, len(LABELS[kind]))


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(labelled("strings")),
        pd.Series(labelled("strings"), dtype="category"),
        pd.Categorical(labelled("strings")),
        labelled("strings").tolist(),
    ],
)
def test_labels_may_come_in_a_series_or_a_list(y):
    fitted = new().fit(X, y)
    assert list(fitted.classes_) == ["no", "perhaps", "yes"]
    assert set(fitted.predict(X)) <= set(LABELS["strings"])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (Y[:10], "inconsistent numbers of samples"),
        (X[:, 0], "continuous"),
        (np.where(Y == 0, np.nan, Y), "Input y contains NaN"),
        (np.stack([Y, Y], axis=1), "one column of labels, or zeros and ones"),
        (np.zeros((N, 2, 2), int), "dim 3"),
        (np.array(["a", 1, 2.5], dtype=object)[Y], "Unknown label type"),
    ],
)
def test_a_y_that_cannot_be_used_is_a_value_error_that_says_why(y, message):
    with pytest.raises(ValueError, match=message):
        new().fit(X, y)


def test_a_column_of_labels_is_taken_as_such():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        found = new().fit(X, Y[:, None])
    np.testing.assert_array_equal(found.theta_, new().fit(X, Y).theta_)
    assert found.predict(X).shape == (N,)
    assert found.check_gradient(X, Y[:, None]).ok


def test_a_multilabel_problem_is_answered_label_by_label():
    settings = {"solver": "lbfgs", "max_iter": 200, "alpha": 0}
    fitted = new(**settings).fit(X, Y_MULTILABEL)
    assert (fitted.n_outputs_, fitted.out_activation_) == (2, "logistic")
    p = fitted.predict_proba(X)
    assert p.shape == (N, 2)
    np.testing.assert_array_equal(fitted.predict(X), (p > 0.5).astype(int))
    assert fitted.score(X, Y_MULTILABEL) > 0.95  # the sign of a column is easy to learn
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), p, rtol=1e-12)


@pytest.mark.parametrize("target", ["two classes", "multilabel"])
def test_a_label_is_predicted_where_it_is_more_probable_than_not(target):
    fitted = new().fit(X, TARGETS[target])
    fitted.coefs_[1][...] = 0
    for logit, expected in [(1e-12, 1), (0.0, 0), (-1e-12, 0)]:
        fitted.intercepts_[1][...] = logit
        np.testing.assert_array_equal(fitted.predict(X[:1]).ravel(), expected)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_labels_give_sparse_predictions(kind):
    dense = new().fit(X, Y_MULTILABEL)
    fitted = new().fit(X, kind(Y_MULTILABEL))
    np.testing.assert_array_equal(fitted.theta_, dense.theta_)
    found = fitted.predict(X)
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), dense.predict(X))


def test_a_multilabel_problem_of_one_label_is_a_problem_of_two_classes():
    with pytest.warns(DataConversionWarning):
        fitted = new().fit(X, Y_MULTILABEL[:, :1])
    np.testing.assert_array_equal(
        fitted.theta_, new().fit(X, Y_MULTILABEL[:, 0]).theta_
    )
    assert fitted.predict(X).shape == (N,)


def test_a_label_that_all_rows_have_or_none_is_no_obstacle():
    y = np.stack([Y_MULTILABEL[:, 0], np.ones(N), np.zeros(N)], axis=1).astype(int)
    fitted = new(solver="lbfgs", max_iter=100).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X)[:, 1:], y[:, 1:])


def test_partial_fit_of_a_multilabel_problem_wants_the_same_labels():
    fitted = new().partial_fit(X, Y_MULTILABEL, classes=[0, 1])
    fitted.partial_fit(X, Y_MULTILABEL)
    with pytest.raises(ValueError, match="one column for each of the 2 labels"):
        fitted.partial_fit(X, np.ones((N, 3), int))


def test_partial_fit_learns_classes_that_come_later():
    estimator = new(learning_rate_init=0.05)
    by_class = np.argsort(labelled("strings"), kind="stable").reshape(3, -1)
    y = labelled("strings")
    for _ in range(60):
        for rows in by_class:
            estimator.partial_fit(X[rows], y[rows], classes=["yes", "no", "perhaps"])
    assert list(estimator.classes_) == ["no", "perhaps", "yes"]
    assert set(estimator.predict(X)) == {"no", "perhaps", "yes"}


def test_partial_fit_refuses_a_label_it_was_not_told_of():
    fitted = new().partial_fit(X, labelled("strings"), classes=LABELS["strings"])
    before = fitted.theta_.copy()
    for unseen in ("maybe", "yesterday", "a"):
        with pytest.raises(ValueError, match=f"not in classes_, such as .*{unseen}"):
            fitted.partial_fit(X[:1], [unseen])
    np.testing.assert_array_equal(fitted.theta_, before)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "classes must be passed on the first call"),
        ([], "^classes"),
        ([[0, 1], [2, 3]], "^classes"),
        (3, "^classes"),
        ([0, 1], "not in classes_, such as .*2"),
    ],
)
def test_classes_that_cannot_be_used_are_a_value_error(classes, message):
    with pytest.raises(ValueError, match=message):
        new().partial_fit(X, Y, classes=classes)


@pytest.mark.parametrize("kind", [MLPClassifier, SklearnMLPClassifier])
def test_partial_fit_keeps_the_solver_and_the_step_size_that_it_began_with(kind):
    parameters = {"hidden_layer_sizes": (5,), "random_state": 0}
    changed, kept = (
        kind(**parameters).partial_fit(X, Y, classes=np.unique(Y)) for _ in range(2)
    )
    changed.set_params(solver="sgd", learning_rate_init=1.0)
    for fitted in (changed, kept):
        fitted.partial_fit(X, Y)
    for one, other in zip(changed.coefs_, kept.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_partial_fit_refuses_other_classes_later():
    fitted = new().partial_fit(X, Y, classes=[0, 1, 2])
    fitted.partial_fit(X, Y, classes=[2, 1, 0])
    with pytest.raises(ValueError, match="not the same as on the last call"):
        fitted.partial_fit(X, Y, classes=[0, 1, 2, 3])


# ---- parameters --------------------------------------------------------------------

NO_NUMBERS = ["1", None, True, np.nan, 1j, [1], np.array([1, 2])]
BAD_COUNTS = [*NO_NUMBERS, 0, -1, 1.5, 2.0, np.inf]
BAD_NON_NEGATIVE = [*NO_NUMBERS, -1, -1e-300, np.inf]
BAD_POSITIVE = [*BAD_NON_NEGATIVE, 0, 0.0]
BAD_BELOW_ONE = [*BAD_NON_NEGATIVE, 1, 1.5]
BAD_FLAGS = [0, 1, "True", None, np.nan, [True], np.array([True, False])]
BAD_NAMES = [None, 1, True, "", "RELU", "no such", ["relu"], np.array(["relu", "sgd"])]
BAD_PER_LAYER = ["1", "ab", None, True, np.nan, -1, np.inf, [0, -1], [0, True], ["1"]]
BAD = {
    "hidden_layer_sizes": [
        *[0, -1, 1.5, True, None, np.nan, "5", "55", np.array(3.0), np.array([3.0])],
        *[(0,), (5, -1), (5, 2.5), (True,), (None,), ("5",), ((5,),), {5: 5}],
        *[np.ones((2, 2), int), (5 for _ in "a")],
    ],
    "activation": BAD_NAMES,
    "solver": BAD_NAMES,
    "alpha": BAD_NON_NEGATIVE,
    "l1": BAD_PER_LAYER,
    "l2": BAD_PER_LAYER,
    "batch_size": [*BAD_COUNTS, "all", ""],
    "learning_rate": BAD_NAMES,
    "learning_rate_init": BAD_POSITIVE,
    "power_t": BAD_NON_NEGATIVE,
    "max_iter": BAD_COUNTS,
    "shuffle": BAD_FLAGS,
    "random_state": ["x", -1, 1.5, 2**32, np.random.default_rng(0)],
    "tol": BAD_NON_NEGATIVE,
    "verbose": [-1, 0.5, "yes", None, [1]],
    "warm_start": BAD_FLAGS,
    "momentum": [*BAD_NON_NEGATIVE, 1.1],
    "nesterovs_momentum": BAD_FLAGS,
    "early_stopping": BAD_FLAGS,
    "validation_fraction": BAD_BELOW_ONE,
    "beta_1": BAD_BELOW_ONE,
    "beta_2": BAD_BELOW_ONE,
    "epsilon": BAD_POSITIVE,
    "n_iter_no_change": [*NO_NUMBERS, 0, -1, 1.5, 2.0, -np.inf],
    "max_fun": BAD_COUNTS,
    "engine": ["fast", None, 1, True],
    "n_threads": [0, -1, 1.5, "2", True],
    "sparse_adam": ["Lazy", None, True],
    "input_scale": [0, -1, np.inf, np.nan, "1", None, True],
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_parameter_is_a_value_error_that_names_it_and_what_came(name):
    wrong = []
    for value in BAD[name]:
        try:
            new(**{name: value}).fit(X, Y)
        except Exception as error:
            said = str(error)
            expected = f"{name} must be "
            if (
                not isinstance(error, ValueError)
                or not said.startswith(expected)
                or f"got {value!r}" not in said
            ):
                wrong.append(f"{value!r}: {type(error).__name__}: {said}")
        else:
            wrong.append(f"{value!r}: accepted")
    assert not wrong, "\n".join(wrong)


def test_every_parameter_has_bad_values_above():
    assert set(BAD) == set(MLPClassifier().get_params())


@pytest.mark.parametrize(
    "train",
    [
        lambda estimator: estimator.partial_fit(X, Y, classes=[0, 1, 2]),
        lambda estimator: next(estimator.iter_fit(X, Y)),
    ],
)
def test_the_other_ways_to_train_check_the_parameters_too(train):
    with pytest.raises(ValueError, match="alpha must be a number of at least 0; got -"):
        train(new(alpha=-1))


@pytest.mark.parametrize(
    "good",
    [
        {"momentum": 0, "solver": "sgd"},
        {"momentum": 1.0, "solver": "sgd"},
        {"beta_1": 0.0, "beta_2": 0.0},
        {"alpha": 0, "tol": 0, "power_t": 0.0},
        {"n_iter_no_change": np.inf},
        {"n_iter_no_change": np.int32(2), "max_iter": np.uint8(5)},
        {"alpha": np.float32(0.5), "learning_rate_init": np.float16(0.5)},
        {"shuffle": np.False_, "verbose": 0},
        {"l1": np.array([0.1, 0]), "l2": [0, 1]},
        {"random_state": np.random.RandomState(3)},
        {"random_state": np.int64(3)},
        {"batch_size": 1},
    ],
)
def test_values_at_the_edge_of_what_is_allowed_train(good):
    assert new(**good).fit(X, Y).n_iter_ == 5


@pytest.mark.parametrize(
    "sizes", [5, np.int64(5), (5,), [5], np.array([5]), range(5, 6), (np.uint8(5),)]
)
def test_hidden_layer_sizes_come_in_many_forms(sizes):
    found = new(hidden_layer_sizes=sizes).fit(X, Y)
    np.testing.assert_array_equal(found.theta_, new().fit(X, Y).theta_)


@pytest.mark.parametrize("none", [(), [], np.array([], dtype=int)])
def test_without_hidden_layers_it_is_logistic_regression(none):
    fitted = new(hidden_layer_sizes=none).fit(X, Y)
    assert (fitted.n_layers_, len(fitted.coefs_)) == (2, 1)
    e = np.exp(X @ fitted.coefs_[0] + fitted.intercepts_[0])
    np.testing.assert_allclose(
        fitted.predict_proba(X), e / e.sum(axis=1, keepdims=True), rtol=1e-13
    )


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.999])
def test_a_validation_set_that_cannot_be_is_blamed_on_validation_fraction(fraction):
    with pytest.raises(ValueError, match="validation_fraction"):
        new(early_stopping=True, validation_fraction=fraction).fit(X, Y)


# ---- the gradient that trains ------------------------------------------------------


def one_step(y, sample_weight=None, **parameters):
    """The estimator before a step of gradient descent of size 1, and after it."""
    fitted = new(
        solver="gd", learning_rate_init=1.0, max_iter=1, warm_start=True, **parameters
    ).fit(X, y, sample_weight)
    before = copy.deepcopy(fitted)
    return before, fitted.fit(X, y, sample_weight)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_a_step_follows_the_gradient_of_the_reference_with_penalties(
    activation, target
):
    y = TARGETS[target]
    sample_weight = RNG.uniform(0.5, 2, N)
    l1, l2, alpha = (0.03, 0.01), (0.02, 0.05), 0.7
    before, after = one_step(
        y,
        sample_weight,
        activation=activation,
        hidden_layer_sizes=(3,),
        l1=l1,
        l2=l2,
        alpha=alpha,
    )
    W, b = derivation_parameters(before)
    arguments = {
        "activation": NAMES[activation],
        "output": before.out_activation_,
        "sample_weight": sample_weight,
        "l1": l1,
        "l2": [c + alpha / (2 * sample_weight.sum()) for c in l2],
    }
    targets = y if target != "two classes" else y.astype(int)[:, None]
    grad_W, grad_b = reference.gradient(W, b, X, targets, **arguments)
    moved_W, moved_b = (
        [p - q for p, q in zip(old, new_, strict=True)]
        for old, new_ in zip((W, b), derivation_parameters(after), strict=True)
    )
    # Sums of 60 terms below 10 each way, and weights below 10: a few eps of each.
    for found, expected in zip(moved_W + moved_b, grad_W + grad_b, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert after.loss_ == pytest.approx(
        reference.risk(W, b, X, targets, **arguments), rel=1e-13
    )


def test_a_penalty_of_one_number_is_that_of_every_layer():
    _, found = one_step(Y, l1=0.1, l2=0.2)
    _, expected = one_step(Y, l1=(0.1, 0.1), l2=[0.2, 0.2])
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    _, without = one_step(Y)
    assert not np.allclose(found.theta_, without.theta_)


@pytest.mark.parametrize("name", ["l1", "l2"])
@pytest.mark.parametrize("value", [(), (0.1,), (0.1, 0.2, 0.3)])
def test_a_penalty_for_another_number_of_layers_is_refused(name, value):
    with pytest.raises(
        ValueError, match=f"{name} must be one number, or 2, .*; got {len(value)}"
    ):
        new(**{name: value}).fit(X, Y)


def test_gd_is_the_gradient_descent_of_the_derivation():
    fitted = new(
        solver="gd", learning_rate_init=0.5, alpha=0, max_iter=1, warm_start=True
    ).fit(X, Y)
    (W1, W2), (b1, b2) = derivation_parameters(fitted)
    theta = network.Theta(*(block.copy() for block in (W1, b1, W2, b2)))
    fitted.set_params(max_iter=5).fit(X, Y)
    for loss in fitted.loss_curve_[1:]:
        trace = network.forward(theta, X)
        assert loss == pytest.approx(network.risk(theta, X, Y), rel=1e-12)
        grad = network.backward(theta, X, Y, trace)
        theta = network.gradient_descent_step(
            theta,
            network.Theta(grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2),
            0.5,
        )
    (W1, W2), (b1, b2) = derivation_parameters(fitted)
    for found, expected in zip((W1, b1, W2, b2), theta, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_gd_takes_the_rows_as_they_are():
    # Steps so long that the rounding of a sum in another order would show.
    steps = {"solver": "gd", "learning_rate_init": 1.0, "max_iter": 20}
    found = new(**steps, shuffle=True).fit(X, Y)
    expected = new(**steps, shuffle=False, batch_size=7).fit(X, Y)
    np.testing.assert_array_equal(found.theta_, expected.theta_)


# ---- sample weights ----------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("solver", ["gd", "lbfgs"])
def test_a_weight_of_0_removes_a_row_and_one_of_2_repeats_it(solver, target):
    y = TARGETS[target]
    sample_weight = np.tile([0.0, 1.0, 2.0], N // 3)
    repeated = np.repeat(np.arange(N), sample_weight.astype(int))
    parameters = {"solver": solver, "alpha": 0.5, "activation": "tanh", "max_iter": 8}
    found = new(**parameters).fit(X, y, sample_weight)
    expected = new(**parameters).fit(X[repeated], y[repeated])
    # The same sums in another order; eight steps carry the rounding on.
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-12)
    ignoring = new(**parameters).fit(X, y)
    assert not np.allclose(found.theta_, ignoring.theta_, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_1_are_no_weights(solver):
    found = new(solver=solver, batch_size=7).fit(X, Y, np.ones(N))
    expected = new(solver=solver, batch_size=7).fit(X, Y)
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(N), "[Ss]ample.weight"),
        (np.ones(N - 1), r"sample_weight.shape == \(59,\), expected \(60,\)"),
        (np.ones((N, 1)), "Sample weights must be 1D"),
        (np.full(N, np.nan), "sample_weight contains NaN"),
        (np.full(N, np.inf), "sample_weight contains infinity"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "check_gradient"])
def test_sample_weights_that_cannot_be_used_are_refused(method, bad, message):
    fitted = new().fit(X, Y)
    before = fitted.theta_.copy()
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(X, Y, sample_weight=bad)
    np.testing.assert_array_equal(fitted.theta_, before)


def test_early_stopping_wants_weight_on_both_sides_of_the_split():
    X, y = np.arange(20.0)[:, None], np.tile([0, 1, 2, 3], 5)
    parameters = {"early_stopping": True, "validation_fraction": 0.5, "shuffle": False}
    for row in range(20):  # it is on one side or the other
        with pytest.raises(ValueError, match="sample_weight is 0"):
            new(**parameters).fit(X, y, sample_weight=np.eye(20)[row])


# ---- ending early ------------------------------------------------------------------


def test_early_stopping_ends_with_the_weights_of_the_best_epoch():
    estimator = new(early_stopping=True, max_iter=40, learning_rate_init=0.05)
    reached = []
    for epoch in estimator.iter_fit(X, Y):
        assert epoch.validation_score == estimator.validation_scores_[-1]
        reached.append((epoch.validation_score, estimator.theta_.copy()))
    scores = [score for score, _ in reached]
    best = int(np.argmax(scores))
    assert 0 < best < len(scores) - 1  # or there would be nothing to see
    np.testing.assert_array_equal(estimator.theta_, reached[best][1])
    assert estimator.best_validation_score_ == scores[best]
    assert estimator.validation_scores_ == scores
    assert estimator.best_loss_ is None
    # It stopped: n_iter_no_change is 10, and one more.
    assert estimator.n_iter_ == len(scores) < 40


def test_leaving_the_loop_of_early_stopping_keeps_the_best_weights_too():
    estimator = new(early_stopping=True, max_iter=40, learning_rate_init=0.05)
    reached = []
    for epoch in estimator.iter_fit(X, Y):
        reached.append((epoch.validation_score, estimator.theta_.copy()))
        best = int(np.argmax([score for score, _ in reached]))
        if epoch.number > best + 3:
            break
    assert best < len(reached) - 1
    np.testing.assert_array_equal(estimator.theta_, reached[best][1])


def test_without_early_stopping_there_are_no_scores():
    fitted = new(solver="gd", learning_rate_init=20.0).fit(X, Y)
    assert fitted.loss_curve_[-1] > min(fitted.loss_curve_)  # it went up and down
    assert fitted.validation_scores_ is fitted.best_validation_score_ is None
    assert fitted.best_loss_ == min(fitted.loss_curve_)


# ---- iter_fit ----------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_iter_fit_is_fit_one_epoch_at_a_time(solver):
    estimator = new(solver=solver)
    for number, epoch in enumerate(estimator.iter_fit(X, Y), start=1):
        assert (epoch.number, estimator.n_iter_) == (number, number)
        assert epoch.loss == estimator.loss_ == estimator.loss_curve_[-1]
        assert epoch.validation_score is None
        so_far = new(solver=solver, max_iter=number).fit(X, Y)
        np.testing.assert_array_equal(estimator.theta_, so_far.theta_)
    assert number == 5


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_estimator_can_be_used_inside_the_loop(solver):
    estimator = new(solver=solver)
    for _ in estimator.iter_fit(X, Y):
        p = estimator.predict_proba(X)
        assert 0 <= estimator.score(X, Y) <= 1
        assert estimator.check_gradient(X, Y).ok
        for duplicate in (
            pickle.loads(pickle.dumps(estimator)),
            copy.deepcopy(estimator),
        ):
            np.testing.assert_array_equal(duplicate.predict_proba(X), p)
    undisturbed = new(solver=solver).fit(X, Y)
    np.testing.assert_array_equal(estimator.theta_, undisturbed.theta_)


@pytest.mark.parametrize("how", ["break", "exception"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_leaving_the_loop_keeps_the_weights_reached(solver, how):
    estimator = new(solver=solver, max_iter=50)

    def loop():
        for epoch in estimator.iter_fit(X, Y):
            if epoch.number == 3:
                if how == "break":
                    break
                raise RuntimeError("from the body")

    if how == "break":
        loop()
    else:
        with pytest.raises(RuntimeError, match="from the body"):
            loop()
    shorter = new(solver=solver, max_iter=3).fit(X, Y)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    np.testing.assert_array_equal(estimator.theta_, shorter.theta_)
    np.testing.assert_array_equal(estimator.predict(X), shorter.predict(X))
    assert estimator.fit(X, Y).n_iter_ > 3  # and can be trained anew


def test_nothing_is_trained_before_the_loop_begins():
    estimator = new()
    epochs = estimator.iter_fit(X, Y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    next(epochs)
    assert estimator.n_iter_ == 1


# ---- Ctrl-C, warnings, what is printed ----------------------------------------------


@pytest.mark.parametrize(
    ("solver", "early_stopping"),
    [("adam", False), ("gd", False), ("lbfgs", False), ("adam", True), ("gd", True)],
)
def test_ctrl_c_keeps_the_weights_with_a_warning(solver, early_stopping, monkeypatch):
    printed = []

    def interrupt(line):
        printed.append(line)
        if len(printed) == 3:
            raise KeyboardInterrupt

    parameters = {"solver": solver, "early_stopping": early_stopping}
    estimator = new(verbose=True, max_iter=50, **parameters)
    monkeypatch.setattr(builtins, "print", interrupt)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator.fit(X, Y)
    shorter = new(max_iter=3, **parameters).fit(X, Y)
    np.testing.assert_array_equal(estimator.theta_, shorter.theta_)
    assert estimator.loss_curve_ == shorter.loss_curve_
    assert estimator.n_iter_ == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_training_cut_short_warns_and_training_that_ends_does_not(solver):
    with pytest.warns(ConvergenceWarning):
        new(solver=solver).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = new(solver=solver, tol=0.5, max_iter=50).fit(X, Y)
        if solver != "lbfgs":
            new(solver=solver).partial_fit(X, Y, classes=[0, 1, 2])
    assert fitted.n_iter_ < 50


def test_verbose_prints_every_epoch_and_why_it_stops(capsys):
    fitted = new(verbose=True, tol=10.0, n_iter_no_change=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"Iteration {i}, loss = {loss:.8f}"
        for i, loss in enumerate(fitted.loss_curve_, start=1)
    ] + [
        "Training loss did not improve by more than tol=10 for 1 consecutive epochs. "
        "Stopping."
    ]
    assert len(lines) == 4
    new().fit(X, Y)
    assert capsys.readouterr().out == ""


# ---- going on ----------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_warm_start_goes_on_as_theirs_does(solver):
    parameters = {
        "hidden_layer_sizes": (5,),
        "max_iter": 5,
        "random_state": 0,
        "solver": solver,
        "warm_start": True,
        "batch_size": 9,
    }
    ours, theirs = MLPClassifier(**parameters), SklearnMLPClassifier(**parameters)
    for _ in range(2):
        ours.fit(X, Y)
        theirs.fit(X, Y)
    for found, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert (ours.t_, ours.n_iter_) == (theirs.t_, theirs.n_iter_) == (600, 5)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-10)
    with pytest.raises(ValueError, match="same classes"):
        ours.fit(X[Y > 0], Y[Y > 0])


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_warm_start_is_judged_by_the_rows_that_it_holds_out(solver):
    """And not by a score on others, which epochs on these rows may never reach."""
    estimator = new(
        solver=solver,
        early_stopping=True,
        warm_start=True,
        max_iter=60,
        learning_rate_init=0.05,
    ).fit(X, X[:, 0] > 0)
    assert estimator.best_validation_score_ == 1
    before, n_scores = estimator.theta_.copy(), len(estimator.validation_scores_)
    noisy = (X[:, 1] > 0) ^ (np.arange(N) % 5 == 0)
    estimator.fit(X, noisy)
    scores = estimator.validation_scores_[n_scores:]
    assert estimator.best_validation_score_ == max(scores) < 1
    assert (estimator.theta_ != before).any()


def test_early_stopping_keeps_the_weights_that_another_solver_found_if_best():
    y = X[:, 0] > 0
    estimator = new(solver="lbfgs", max_iter=100, warm_start=True).fit(X, y)
    assert estimator.score(X, y) == 1
    before = estimator.theta_.copy()
    estimator.set_params(solver="sgd", early_stopping=True, learning_rate_init=50.0)
    estimator.set_params(max_iter=3).fit(X, y)
    np.testing.assert_array_equal(estimator.theta_, before)
    assert estimator.n_iter_ == 3


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_array_set_as_theta_between_two_epochs_is_trained_on_from(
    engine, early_stopping
):
    options = {"engine": engine, "early_stopping": early_stopping, "tol": 0}
    by_array, in_place = (new(max_iter=4, **options) for _ in range(2))
    for epoch in by_array.iter_fit(X, Y):
        if epoch.number == 2:
            by_array.theta_ = np.zeros(by_array.theta_.shape, np.float32)
    for epoch in in_place.iter_fit(X, Y):
        if epoch.number == 2:
            in_place.theta_[...] = 0
    assert by_array.theta_.any()
    np.testing.assert_array_equal(by_array.theta_, in_place.theta_)
    assert by_array.theta_.dtype == np.float64
    assert by_array.loss_curve_ == in_place.loss_curve_
    np.testing.assert_array_equal(by_array.predict(X), in_place.predict(X))


def test_what_cannot_be_theta_ends_training_and_is_left_out():
    estimator = new(max_iter=4)
    epochs = estimator.iter_fit(X, Y)
    next(epochs)
    estimator.theta_ = np.zeros(3)
    with pytest.raises(ValueError, match=r"theta_ must hold the \d+ weights"):
        next(epochs)
    assert estimator.n_iter_ == 1
    assert np.isfinite(estimator.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("rows", "warm_start"), [(X, False), (X, True), (X[:, :2], False)]
)
def test_a_fit_that_was_left_does_not_touch_a_later_one(rows, warm_start):
    estimator = new(early_stopping=True, max_iter=20, warm_start=warm_start)
    left = estimator.iter_fit(rows, Y)
    next(left)
    theta, n_iter = estimator.fit(X, Y).theta_.copy(), estimator.n_iter_
    left.close()
    np.testing.assert_array_equal(estimator.theta_, theta)
    assert estimator.n_iter_ == n_iter > 1


@pytest.mark.parametrize("rows", [X, X[:, :2]])
def test_a_fit_that_was_left_and_goes_on_does_not_touch_a_later_one(rows):
    estimator = new(max_iter=20)
    left = estimator.iter_fit(rows, Y)
    next(left)
    theta = estimator.fit(X, Y).theta_
    before, predicted = theta.copy(), estimator.predict(X)
    next(left)
    assert estimator.theta_ is theta
    np.testing.assert_array_equal(theta, before)
    np.testing.assert_array_equal(estimator.predict(X), predicted)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_best_weights_of_a_fit_that_was_left_are_forgotten(solver):
    estimator = new(early_stopping=True, max_iter=20, warm_start=True)
    left = estimator.iter_fit(X, Y)
    next(left)
    before = estimator.theta_.copy()
    estimator.set_params(early_stopping=False, solver=solver).fit(X, Y)
    assert np.abs(estimator.theta_ - before).max() > 0.001
    theta = estimator.theta_.copy()
    left.close()
    np.testing.assert_array_equal(estimator.theta_, theta)


@pytest.mark.parametrize(
    "given",
    [
        lambda theta: np.column_stack([theta, theta])[:, 0],
        lambda theta: theta[::-1].copy()[::-1],
        lambda theta: np.frombuffer(b"0" + theta.tobytes(), np.uint8)[1:].view(float),
        list,
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_training_goes_on_from_a_theta_of_any_layout(engine, given):
    parameters = {"engine": engine, "solver": "sgd", "warm_start": True}
    expected, found = (new(**parameters).fit(X, Y) for _ in range(2))
    found.theta_ = given(found.theta_)
    for estimator in (expected, found):
        estimator.fit(X, Y).partial_fit(X, Y)
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("size", [10, 1000])
def test_training_does_not_go_on_from_a_theta_of_another_size(size, engine):
    estimator = new(engine=engine).fit(X, Y)
    estimator.theta_ = np.ones(size)
    message = rf"must hold the 43 weights and biases .*; it has the shape \({size},\)\."
    with pytest.raises(ValueError, match=message):
        estimator.partial_fit(X, Y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_forgets_what_came_before(solver):
    estimator = new(solver=solver).fit(X[:, :2], labelled("strings"))
    if solver != "lbfgs":
        estimator.partial_fit(X[:, :2], labelled("strings"))
    again, fresh = estimator.fit(X, Y), new(solver=solver).fit(X, Y)
    np.testing.assert_array_equal(again.theta_, fresh.theta_)
    assert again.loss_curve_ == fresh.loss_curve_
    assert (again.n_iter_, again.t_) == (fresh.n_iter_, fresh.t_)
    assert list(again.classes_) == [0, 1, 2]


def test_partial_fit_needs_batches():
    assert not hasattr(new(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="does not support early_stopping=True"):
        new(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])


# ---- check_gradient ----------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_the_gradient_of_every_network_is_right(activation, target, solver):
    fitted = new(activation=activation, solver=solver, l1=(0.02, 0), l2=0.01, alpha=0.3)
    fitted.fit(X, TARGETS[target])
    sample_weight = RNG.integers(0, 3, N)
    given = sparse.csr_matrix(X * (X > 0)) if solver in ("adam", "lbfgs") else X
    report = fitted.check_gradient(given, TARGETS[target], sample_weight)
    assert report.ok, str(report)
    assert [block.name for block in report.blocks] == ["W1", "b1", "W2", "b2"]
    assert [block.n_checked for block in report.blocks] == [
        *(D * 5, 5),
        *(block.size for block in (fitted.coefs_[1], fitted.intercepts_[1])),
    ]
    # Relative to the largest entry of a block; a complex step loses a few digits.
    assert report.worst < 1e-10


@pytest.mark.parametrize("sizes", [(), (4, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_is_right_at_any_depth_and_in_either_dtype(sizes, dtype):
    fitted = new(hidden_layer_sizes=sizes).fit(X.astype(dtype), Y)
    report = fitted.check_gradient(X.astype(dtype), Y)
    assert report.ok, str(report)
    assert len(report.blocks) == 2 * (len(sizes) + 1)
    assert report.worst < (1e-4 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
@pytest.mark.parametrize("activation", NAMES)
def test_a_wrong_derivative_of_the_activation_is_found(activation, factor, monkeypatch):
    fitted = new(activation=activation).fit(X, Y)
    right = ACTIVATIONS[NAMES[activation]]
    wrong = right._replace(derivative=lambda x: factor * right.derivative(x))
    assert fitted.check_gradient(X, Y).ok
    monkeypatch.setitem(ACTIVATIONS, NAMES[activation], wrong)
    report = fitted.check_gradient(X, Y)
    # The derivative of the hidden units is between the output and the first layer.
    assert [block.ok for block in report.blocks] == [False, False, True, True]


def test_checking_the_gradient_changes_nothing():
    fitted = new().fit(X, Y)
    before = pickle.dumps(fitted)
    assert fitted.check_gradient(read_only(X, None), Y, max_entries=4, seed=1).ok
    assert pickle.dumps(fitted) == before


def test_the_options_of_check_gradient_reach_it():
    fitted = new().fit(X, Y)
    report = fitted.check_gradient(X, Y, max_entries=4, n_directions=2)
    assert [block.n_checked for block in report.blocks] == [4, 4, 4, 3]
    assert report.blocks[0].direction_error is not None


def test_the_gradient_is_checked_for_the_classes_of_fit_only():
    fitted = new().fit(X, Y)
    assert fitted.check_gradient(X[Y == 1], Y[Y == 1]).ok
    with pytest.raises(ValueError, match="not in classes_"):
        fitted.check_gradient(X, Y + 1)
    with pytest.raises(NotFittedError):
        new().check_gradient(X, Y)


# ---- save and load -----------------------------------------------------------------

HISTORY = [
    *("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_"),
    *("best_validation_score_", "n_layers_", "n_outputs_", "out_activation_"),
    "n_features_in_",
]


def assert_the_same(found, expected, X):
    assert found.theta_.dtype == expected.theta_.dtype
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert found.classes_.dtype == expected.classes_.dtype
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    for name in HISTORY:
        assert getattr(found, name) == getattr(expected, name), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LABELS)
def test_a_saved_model_comes_back_with_every_kind_of_labels(kind, dtype, tmp_path):
    given = X.astype(dtype)
    fitted = new().fit(given, labelled(kind))
    fitted.save(tmp_path / "model")
    found = load(tmp_path / "model")
    assert_the_same(found, fitted, given)
    np.testing.assert_array_equal(found.predict(given), fitted.predict(given))
    assert found.get_params() == fitted.get_params()
    assert found.check_gradient(given, labelled(kind)).ok
    found.partial_fit(given, labelled(kind))
    assert found.n_iter_ == 6


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_a_saved_multilabel_model_comes_back(make, tmp_path):
    fitted = new().fit(X, make(Y_MULTILABEL))
    fitted.save(tmp_path / "model")
    found = load(tmp_path / "model")
    assert_the_same(found, fitted, X)
    assert type(found.predict(X)) is type(fitted.predict(X))


def test_the_names_of_the_columns_are_saved(tmp_path):
    given = pd.DataFrame(X, columns=COLUMNS)
    fitted = new().fit(given, Y)
    fitted.save(tmp_path / "model")
    found = load(tmp_path / "model")
    assert list(found.feature_names_in_) == COLUMNS
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(given[COLUMNS[::-1]])


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True},
        {"solver": "lbfgs"},
        {"solver": "gd", "activation": "abs"},
        {"hidden_layer_sizes": [3, 4], "l1": [0.1, 0, 0.2], "l2": np.float32(0.1)},
        {"hidden_layer_sizes": np.array([3, 4]), "l1": np.array([0.1, 0, 0.2])},
        {"hidden_layer_sizes": range(3, 5)},
        {"hidden_layer_sizes": ()},
        {"n_iter_no_change": np.inf, "shuffle": np.True_, "max_iter": np.int64(5)},
        {"alpha": Fraction(1, 8), "tol": np.longdouble(0.5), "max_fun": np.uint8(9)},
        {"l1": pd.Series([0.1, 0.2]), "l2": (Fraction(1, 2), np.float16(0.5))},
    ],
)
def test_a_model_saved_with_these_parameters_comes_back(parameters, tmp_path):
    fitted = new(**parameters).fit(X, Y)
    fitted.save(tmp_path / "model")
    found = load(tmp_path / "model")
    assert_the_same(found, fitted, X)
    for name, value in fitted.get_params().items():
        np.testing.assert_array_equal(getattr(found, name), value)
    found.set_params(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(found.theta_, fitted.theta_)


def test_a_generator_of_random_numbers_is_not_saved(tmp_path):
    new(random_state=np.random.RandomState(0)).fit(X, Y).save(tmp_path / "model")
    assert load(tmp_path / "model").random_state is None


def test_a_network_that_has_diverged_is_not_saved(tmp_path):
    estimator = new().fit(X, Y)
    estimator.save(tmp_path / "model")
    kept = (tmp_path / "model").read_bytes()
    estimator.intercepts_[0][1] = np.inf
    with pytest.raises(ValueError, match=r"^no model is written to .* not finite"):
        estimator.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == kept


def test_a_network_that_is_not_fitted_cannot_be_saved(tmp_path):
    with pytest.raises(NotFittedError):
        new().save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# ---- among other estimators --------------------------------------------------------


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def learner(**parameters):
    return make_pipeline(StandardScaler(), new(solver="lbfgs", **parameters))


def test_a_pipeline_learns_iris(iris):
    X, y = iris
    assert learner(max_iter=100).fit(X, y).score(X, y) > 0.97


def test_cross_validation_finds_that_iris_is_learnt(iris):
    assert cross_val_score(learner(max_iter=30), *iris, cv=5).mean() > 0.93


def test_a_grid_search_in_two_processes_finds_what_one_finds(iris):
    grid = {
        "mlpclassifier__hidden_layer_sizes": [(), (5,)],
        "mlpclassifier__l2": [0.0, (0.5,)],
    }
    found = []
    for n_jobs in (1, 2):
        # A penalty for one layer of weights does not go with two of them.
        search = GridSearchCV(
            learner(max_iter=20), grid, cv=2, n_jobs=n_jobs, error_score=-1.0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(search.fit(*iris).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(found[0], found[1])
    assert found[0][3] == -1 < found[0].max()
    assert found[0].max() > 0.9


def test_its_probabilities_can_be_calibrated(iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(learner(max_iter=30), cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, y) > 0.9


def test_a_fit_that_fails_leaves_the_fitted_network_as_it_was():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), np.arange(40) % 2
    clf = MLPClassifier((5,), max_iter=5, random_state=0, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    before = clf.predict_proba(X)
    for bad_X, bad_y, weight in (
        (X[:, :3], y, np.ones(7)),
        (X, np.array(["a"] + 39 * ["b"]), None),  # one member cannot be split
    ):
        with pytest.raises(ValueError, match=r"sample_weight|hold out"):
            clf.fit(bad_X, bad_y, weight)
        np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_an_epoch_counts_only_the_batches_that_have_weight():
    X, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 3
    weight = np.repeat([1.0, 0.0], 50)
    parameters = {"max_iter": 1, "batch_size": 50, "shuffle": False, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = MLPClassifier(**parameters).fit(X, y, weight)
        half = MLPClassifier(**parameters).fit(X[:50], y[:50])
    assert whole.loss_ == pytest.approx(half.loss_, rel=1e-12)


def test_multilabel_targets_are_checked_whenever_they_come():
    X, Y = np.random.default_rng(0).normal(size=(20, 3)), np.eye(2)[np.arange(20) % 2]
    clf = MLPClassifier((3,)).partial_fit(X, Y, classes=[0, 1])
    for method in (clf.partial_fit, clf.check_gradient):
        with pytest.raises(ValueError, match="zeros and ones"):
            method(X, 2 * Y)
