"""Sparse X of every format and dtype, and matrices that are hardly there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import assert_close
from scipy import sparse
from trainings import ENGINES, FLOATS, FORMATS, SOLVERS, new, rows_of_words

from mlproof.functions import Array

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def assert_all_methods_agree(X: Array, made: Callable[[Array], Any], y: Array) -> None:
    """Everything an estimator does with a sparse X is what it does with the array."""
    n, thin = len(X), made(X)
    early = {"early_stopping": True, "validation_fraction": 0.3}
    ways = [{"solver": name} for name in ("adam", "sgd", "gd", "lbfgs")]
    for options in [*ways, *([early] if n >= 20 else [])]:
        kind = {"batch_size": min(13, n), "alpha": 0.01, **options}
        expected = new(engine="numpy", **kind).fit(X, y)
        answers, score = expected.predict_proba(X), expected.score(X, y)
        labels = expected.predict(X)
        for engine in ENGINES:
            found = new(engine=engine, **kind).fit(thin, y)
            assert found.engine_ == engine
            # A few steps carry the roundings of the first on.
            assert_close(found.theta_, expected.theta_, 1e-10)
            for x in (thin, X):
                probabilities = found.predict_proba(x)
                assert type(probabilities) is np.ndarray
                assert_close(probabilities, answers, 1e-10)
                np.testing.assert_array_equal(found.predict(x), labels)
                assert found.score(x, y) == score
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


@pytest.mark.parametrize("made", ["csr_array", "csc_array", "bsr_array"])
@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2"])
def test_values_in_other_bytes_are_the_same_numbers(dtype: str, made: str) -> None:
    X, y = rows_of_words(40, 8)
    X = X.astype("f2").astype(float)
    thin = FORMATS[made](X)
    thin.data = thin.data.astype(dtype)
    clf = new().fit(X, y)
    assert_close(clf.predict_proba(thin), clf.predict_proba(X), 1e-12)
    assert thin.data.dtype == dtype


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
