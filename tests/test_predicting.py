"""Prediction of plain rows: the short way past scikit-learn's checks is not noticed."""

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import assert_close
from scipy import sparse

import mlproof.fitted
from mlproof import MLPClassifier, load
from mlproof.fitted import FEW_ROWS
from mlproof.functions import Array

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FLOATS = (np.float32, np.float64)


def new(**options: Any) -> MLPClassifier:
    usual = {"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 0}
    return MLPClassifier(**usual | {"batch_size": 13} | options)


class Rows(np.ndarray):
    """An array like any other, which does not take the short way."""


class ThinRows(sparse.csr_array):
    """A sparse array like any other, which does not take the short way either."""


TARGETS: dict[str, Any] = {
    "three classes": lambda X: np.argmax(X[:, :3], axis=1),
    "two classes": lambda X: X[:, 0] > X[:, 1],
    "words": lambda X: np.where(X[:, 0] > X[:, 1], "no", "yes"),
    "labels": lambda X: (X[:, :2] > 0).astype(int),
    "one class": lambda X: np.full(len(X), 7),
}
METHODS = ("predict", "predict_proba", "predict_log_proba")


def plain(n: int = 60, dtype: Any = np.float64) -> Array:
    return np.random.default_rng(0).standard_normal((n, 5)).astype(dtype)


def fitted(
    target: str = "three classes", dtype: Any = np.float64, **options: Any
) -> Any:
    X = plain(dtype=dtype)
    return new(**options).fit(X, TARGETS[target](X))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("hidden", [(), (9,), (7, 6)])
def test_a_few_rows_are_predicted_as_many_are(
    dtype: Any, target: str, hidden: tuple[int, ...]
) -> None:
    for scale in (1.0, 0.5):
        clf = fitted(target, dtype, hidden_layer_sizes=hidden, input_scale=scale)
        X = plain(dtype=dtype)
        # A few roundings: of products added in another order, or in float64.
        tolerance = 1e-13 if dtype == np.float64 else 2e-6
        for n in (1, 2, FEW_ROWS, FEW_ROWS + 1):
            x = X[:n].copy()
            for method in METHODS:
                found, whole = getattr(clf, method)(x), getattr(clf, method)(X)
                for expected in (
                    getattr(clf, method)(x.view(Rows)),
                    getattr(clf, method)(x.tolist()),
                    whole[:n],
                ):
                    assert type(found) is type(expected) is np.ndarray
                    assert found.dtype == expected.dtype
                    assert found.shape == expected.shape
                    if method == "predict":
                        np.testing.assert_array_equal(found, expected)
                    else:
                        assert_close(found, expected, tolerance)
            np.testing.assert_array_equal(x, X[:n])


def laid_out(kind: str, X: Array) -> Array:
    if kind == "Fortran order":
        return np.asfortranarray(X)
    if kind == "every second row":
        return np.repeat(X, 2, axis=0)[::2]
    if kind == "every second column":
        return np.repeat(X, 2, axis=1)[:, ::2]
    if kind == "backwards":
        return X[::-1, ::-1].copy()[::-1, ::-1]
    if kind == "the same row again":
        return np.broadcast_to(X[0], X.shape)
    if kind == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if kind == "big-endian":
        return X.astype(X.dtype.newbyteorder(">"))
    return X.astype(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "Fortran order",
        "every second row",
        "every second column",
        "backwards",
        "the same row again",
        "read-only",
        "big-endian",
        "float16",
        "longdouble",
        "int64",
        "uint8",
        "bool",
        "float32",
        "float64",
    ],
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_few_rows_of_any_layout_are_predicted_alike(kind: str, dtype: Any) -> None:
    clf = fitted(dtype=dtype)
    X = np.abs(plain(FEW_ROWS, dtype))
    x = laid_out(kind, X)
    tolerance = 1e-13 if dtype == np.float64 else 2e-6
    expected = clf.predict_proba(np.vstack([x, X]))[:FEW_ROWS]
    found = clf.predict_proba(x)
    assert found.dtype == dtype
    assert_close(found, expected, tolerance)


def test_plain_rows_take_the_short_way_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class LongWayError(Exception):
        pass

    def refuse(*arguments: Any, **options: Any) -> None:
        raise LongWayError

    clf, X = fitted(), plain()
    monkeypatch.setattr(mlproof.fitted, "validate_data", refuse)
    for n in (1, FEW_ROWS, len(X)):
        assert len(clf.predict(X[:n])) == n
        assert len(clf.predict_proba(X[:n])) == n
        for made in (sparse.csr_array, sparse.csr_matrix):
            assert len(clf.predict(made(X[:n]))) == n
    for other in (
        X.view(Rows),
        X * np.inf,
        X[:0],
        X[0],
        X[:1].tolist(),
        X[:1].view(Rows),
        X[:1].astype(np.float32),
        X[:1, :4],
        X[:1] * np.nan,
        np.ma.masked_array(X[:1]),
        ThinRows(X[:1]),
        sparse.csc_array(X[:1]),
        sparse.csr_array(X[:0]),
        sparse.csr_array(X[:1, :4]),
        sparse.csr_array(X[:1].astype(np.float32)),
        sparse.csr_array(X[:1] * np.nan),
        sparse.csr_matrix(X * np.inf),
        sparse.csr_array(X[0]),
        pd.DataFrame(X[:1]),
    ):
        with pytest.raises(LongWayError):
            clf.predict(other)


def told(work: Any) -> tuple[Any, str, list[tuple[type, str]]]:
    """The error that this raises, if any, and the warnings it gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            work()
        except Exception as error:
            kind, text = type(error), str(error)
        else:
            kind, text = None, ""
    return kind, text, [(each.category, str(each.message)) for each in caught]


def with_entry(value: float, dtype: Any) -> Array:
    X = plain(3, dtype)
    X[1, 2] = value
    return X


UNUSABLE: dict[str, tuple[Any, str]] = {
    "NaN": (lambda dtype: with_entry(np.nan, dtype), "Input X contains NaN"),
    "infinity": (lambda dtype: with_entry(np.inf, dtype), "Input X contains infinity"),
    "-infinity": (lambda dtype: with_entry(-np.inf, dtype), "contains infinity"),
    "too few columns": (lambda dtype: plain(3, dtype)[:, :4], "X has 4 features"),
    "too many columns": (
        lambda dtype: np.hstack([plain(3, dtype)] * 2),
        "X has 10 features",
    ),
    "no columns": (lambda dtype: plain(3, dtype)[:, :0], "0 feature"),
    "no rows": (lambda dtype: plain(0, dtype), "0 sample"),
    "one dimension": (lambda dtype: plain(3, dtype)[0], "got 1D array"),
    "a number": (lambda dtype: np.array(1, dtype), "got scalar array"),
    "three dimensions": (lambda dtype: plain(3, dtype)[:, :, None], "dim 3"),
    "objects": (
        lambda dtype: np.array([["a", None, 1, 2, 3]], dtype=object),
        "could not convert",
    ),
    "strings": (lambda dtype: np.full((3, 5), "a"), "could not convert"),
    "complex numbers": (lambda dtype: plain(3, dtype) * 1j, "Complex data"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", sorted(UNUSABLE))
def test_rows_that_cannot_be_used_are_refused_in_the_same_words(
    kind: str, dtype: Any, method: str
) -> None:
    made, expected = UNUSABLE[kind]
    predict, X = getattr(fitted(dtype=dtype), method), made(dtype)
    short = told(lambda: predict(X))
    assert short == told(lambda: predict(X.view(Rows)))
    assert short[0] in (ValueError, TypeError)
    assert expected in short[1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("made", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_rows_are_predicted_as_dense_ones(made: Any, dtype: Any) -> None:
    X = plain(dtype=dtype)
    X[X < 0], X[7] = 0, 0
    clf = new(input_scale=0.5).fit(X, TARGETS["three classes"](X))
    tolerance = 1e-13 if dtype == np.float64 else 2e-6
    for n in (1, FEW_ROWS, FEW_ROWS + 1):
        for method in METHODS:
            predict = getattr(clf, method)
            found = predict(made(X[:n]))
            np.testing.assert_array_equal(found, predict(ThinRows(X[:n])))
            assert type(found) is np.ndarray
            if method == "predict":
                np.testing.assert_array_equal(found, predict(X[:n]))
            else:
                assert found.dtype == dtype
                assert_close(found, predict(X[:n]), tolerance)


def with_far_index(X: Array) -> Any:
    X = sparse.csr_array(X)
    X.indices[1] = 10**8
    return X


UNUSABLE_THIN: dict[str, tuple[Any, str]] = {
    kind: (lambda dtype, made=made: sparse.csr_array(made(dtype)), expected)
    for kind, (made, expected) in UNUSABLE.items()
    if kind in ("NaN", "infinity", "-infinity", "no rows", "complex numbers")
    or kind.startswith("too")
} | {"far index": (lambda dtype: with_far_index(plain(3, dtype)), "contradicts itself")}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", sorted(UNUSABLE_THIN))
def test_sparse_rows_that_cannot_be_used_are_refused_in_the_same_words(
    kind: str, dtype: Any, method: str
) -> None:
    made, expected = UNUSABLE_THIN[kind]
    predict, X = getattr(fitted(dtype=dtype), method), made(dtype)
    long = ThinRows(X.shape, dtype=X.dtype)
    long.data, long.indices, long.indptr = X.data, X.indices, X.indptr
    short = told(lambda: predict(X))
    kind_of_error, text, _ = told(lambda: predict(long))
    assert (short[0], short[1]) == (kind_of_error, text)
    assert short[0] is ValueError
    assert expected in short[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_is_not_fitted_says_so_in_the_same_words(method: str) -> None:
    predict, X = getattr(new(), method), plain(1)
    short = told(lambda: predict(X))
    assert short == told(lambda: predict(X.view(Rows)))
    assert short[0].__name__ == "NotFittedError"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, FEW_ROWS])
def test_rows_without_the_names_of_the_fit_give_the_same_warning(
    n: int, method: str
) -> None:
    X = plain()
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf = new().fit(frame, TARGETS["three classes"](X))
    predict = getattr(clf, method)
    short = told(lambda: predict(X[:n]))
    assert short == told(lambda: predict(X[:n].view(Rows)))
    assert short[0] is None
    assert ["valid feature names" in text for _, text in short[2]] == [True]
    assert told(lambda: predict(frame[:n])) == (None, "", [])
    nameless = getattr(fitted(), method)
    with_names = told(lambda: nameless(frame[:n]))
    assert ["fitted without" in text for _, text in with_names[2]] == [True]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1.0, 1e30, 0.9])
@pytest.mark.parametrize("n", [3, FEW_ROWS + 3])
def test_rows_of_any_size_give_the_same_warnings(
    n: int, size: float, dtype: Any, target: str, method: str
) -> None:
    predict = getattr(fitted(target, dtype), method)
    X = plain(n, dtype)
    # The largest numbers there are overflow in the network.
    X *= size if size != 0.9 else np.finfo(dtype).max / np.abs(X).max()
    assert told(lambda: predict(X)) == told(lambda: predict(X.view(Rows)))


def test_a_loaded_model_predicts_a_row_as_the_saved_one(tmp_path: Path) -> None:
    clf, X = fitted(), plain(1)
    clf.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    for method in METHODS:
        np.testing.assert_array_equal(
            getattr(loaded, method)(X), getattr(clf, method)(X)
        )


def pickled(clf: MLPClassifier) -> Any:
    return pickle.loads(pickle.dumps(clf))


@pytest.mark.parametrize("duplicate", [lambda clf: clf, copy.deepcopy, pickled])
def test_a_row_is_predicted_by_the_weights_there_are(
    duplicate: Callable[[Any], Any],
) -> None:
    original, X = fitted(), plain(1)
    before = original.predict_proba(X)
    clf = duplicate(original)
    clf.coefs_[1] *= -1
    after = clf.predict_proba(X)
    assert np.abs(after - before).max() > 1e-3
    assert_close(after, clf.predict_proba(X.view(Rows)), 1e-13)
    if clf is not original:
        np.testing.assert_array_equal(original.predict_proba(X), before)
    clf.theta_ = original.theta_ / 2
    halved = clf.predict_proba(X)
    assert np.abs(halved - after).max() > 1e-3
    assert_close(halved, clf.predict_proba(X.view(Rows)), 1e-13)


def test_large_numbers_are_no_error_where_only_their_squares_overflow() -> None:
    clf, X = fitted("three classes", np.float32, hidden_layer_sizes=()), plain(1)
    X = (X * 1e20).astype(np.float32)
    found = clf.predict_log_proba(X)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, clf.predict_log_proba(X.view(Rows)), rtol=1e-5)
