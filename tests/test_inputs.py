"""X as bytes, X on the disk, and X of a few rows: nothing is copied or checked twice.

``input_scale`` stands for an array multiplied beforehand, and the short way of a few
plain rows for the long one through scikit-learn's checks; both must not be noticed.
"""

import json
import pickle
import subprocess
import sys
import warnings
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

ENGINES = ("numpy", "compiled")
FLOATS = (np.float32, np.float64)
SOLVERS: dict[str, dict[str, Any]] = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd"},
    "gd": {"solver": "gd"},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
}
SCALE = 1 / 255


def images(n: int = 90, d: int = 20, seed: int = 0) -> tuple[Array, Array]:
    """Three classes of bytes, some of them alike, and their numbers."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    brightness = rng.uniform(0, 255, (3, d))[y]
    return np.minimum(brightness * rng.uniform(0, 1.5, (n, d)), 255).astype(np.uint8), y


def new(**options: Any) -> MLPClassifier:
    usual = {"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 0}
    return MLPClassifier(**usual | {"batch_size": 13} | options)


# ---- input_scale -------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_bytes_with_a_scale_train_as_the_floats_do(engine: str, solver: str) -> None:
    X, y = images()
    floats = X.astype(np.float32) * np.float32(SCALE)
    options = {"engine": engine} | SOLVERS[solver]
    found = new(input_scale=SCALE, **options).fit(X, y)
    expected = new(**options).fit(floats, y)
    assert found.theta_.dtype == expected.theta_.dtype == np.float32
    assert found.validation_scores_ == expected.validation_scores_
    if solver == "lbfgs":
        # It computes in float64, to which 1 / 255 is another number: a rounding of
        # float32, carried through five iterations.
        assert_close(found.theta_, expected.theta_, 1e-5)
        assert_close(found.predict_proba(X), expected.predict_proba(floats), 1e-5)
        return
    # A byte becomes a float32, and then it is multiplied: the same arithmetic.
    assert found.theta_.tobytes() == expected.theta_.tobytes()
    assert found.loss_curve_ == expected.loss_curve_
    for method in ("predict", "predict_proba", "predict_log_proba"):
        np.testing.assert_array_equal(
            getattr(found, method)(X), getattr(expected, method)(floats)
        )
    assert found.score(X, y) == expected.score(floats, y)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("made", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_a_scale_stands_for_x_multiplied_by_it(
    engine: str, solver: str, dtype: Any, made: Any
) -> None:
    X, y = images()
    X = (X * (X > 90)).astype(dtype)
    options = {"engine": engine} | SOLVERS[solver]
    found = new(input_scale=SCALE, **options).fit(made(X), y)
    multiplied = made(X * dtype(SCALE))
    expected = new(**options).fit(multiplied, y)
    assert found.theta_.dtype == dtype
    if solver == "lbfgs" and dtype == np.float32:  # see above
        assert_close(found.theta_, expected.theta_, 1e-5)
        return
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    assert found.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(
        found.predict_proba(made(X)), expected.predict_proba(multiplied)
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_lazy_adam_sees_the_scale_too(engine: str) -> None:
    X, y = images()
    X = X * (X > 90)
    options = {"engine": engine, "sparse_adam": "lazy"}
    found = new(input_scale=SCALE, **options).fit(sparse.csr_array(X), y)
    floats = X.astype(np.float32) * np.float32(SCALE)
    expected = new(**options).fit(sparse.csr_array(floats), y)
    np.testing.assert_array_equal(found.theta_, expected.theta_)


@pytest.mark.parametrize("engine", ENGINES)
def test_partial_fit_on_bytes_goes_on_as_on_floats(engine: str) -> None:
    X, y = images()
    floats = X.astype(np.float32) * np.float32(SCALE)
    found, expected = new(engine=engine, input_scale=SCALE), new(engine=engine)
    for rows in (slice(0, 40), slice(40, 90), slice(10, 60)):
        found.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        expected.partial_fit(floats[rows], y[rows], classes=[0, 1, 2])
    np.testing.assert_array_equal(found.theta_, expected.theta_)


def test_rows_of_any_dtype_are_predicted_by_the_scale_of_the_fit() -> None:
    X, y = images()
    clf = new(input_scale=SCALE).fit(X, y)
    expected = clf.predict_proba(X)
    sparse_bytes = sparse.csr_matrix(X)
    for x in (X.astype(np.float32), X.astype(np.float64), X.tolist(), sparse_bytes):
        # Products of float32 in another order, or in float64.
        assert_close(clf.predict_proba(x), expected, 1e-5)
    assert_close(clf.predict_proba(X[:3].astype(np.float32)), expected[:3], 1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradient_is_right_under_a_scale(engine: str) -> None:
    X, y = images()
    for x in (X, X.astype(np.float64), sparse.csr_array(X)):
        clf = new(input_scale=SCALE, activation="tanh", engine=engine).fit(x, y)
        report = clf.check_gradient(x, y)
        assert report.ok, report


def test_a_scale_set_after_the_fit_is_for_the_next_fit(tmp_path: Path) -> None:
    X, y = images()
    clf = new(input_scale=SCALE).fit(X, y)
    expected, row = clf.predict_proba(X), X[:1].astype(np.float32)
    for_one = clf.predict_proba(row)
    clf.set_params(input_scale=1.0)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    np.testing.assert_array_equal(clf.predict_proba(row), for_one)
    assert clf.check_gradient(X, y).ok
    clf.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert loaded.input_scale == 1
    clf.fit(X, y)
    assert np.abs(clf.predict_proba(X) - expected).max() > 0.01


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_and_a_pickle_keep_the_scale(engine: str, tmp_path: Path) -> None:
    X, y = images()
    clf = new(input_scale=SCALE, engine=engine).fit(X, y)
    clf.save(tmp_path / "model")
    for other in (load(tmp_path / "model"), pickle.loads(pickle.dumps(clf))):
        assert other.input_scale == SCALE
        np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
        other.partial_fit(X, y)  # goes on, with the same scale


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_training_does_not_go_on_with_another_scale(engine: str, method: str) -> None:
    X, y = images()
    clf = new(input_scale=SCALE, engine=engine, warm_start=True).fit(X, y)
    theta, curve = clf.theta_.copy(), list(clf.loss_curve_)
    clf.set_params(input_scale=0.5)
    with pytest.raises(ValueError, match=r"^training goes on with input_scale") as told:
        getattr(clf, method)(X, y)
    assert "got 0.5" in str(told.value)
    assert "\n" not in str(told.value)
    np.testing.assert_array_equal(clf.theta_, theta)
    assert clf.loss_curve_ == curve
    getattr(clf.set_params(input_scale=SCALE), method)(X, y)
    assert len(clf.loss_curve_) > len(curve)
    clf.set_params(input_scale=0.5, warm_start=False).fit(X, y)


# ---- X on the disk -----------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_file_mapped_for_reading_trains_as_its_copy(
    engine: str, dtype: Any, early_stopping: bool, tmp_path: Path
) -> None:
    X, y = images()
    np.save(tmp_path / "X.npy", X.astype(dtype))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    options = {"engine": engine, "input_scale": SCALE, "early_stopping": early_stopping}
    found = new(**options).fit(mapped, y)
    expected = new(**options).fit(np.array(mapped), y)
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    np.testing.assert_array_equal(found.predict_proba(mapped), found.predict_proba(X))
    np.testing.assert_array_equal(mapped, X)


MEASURE = """
import json, sys, warnings
import numpy as np
from mlproof import MLPClassifier
warnings.simplefilter("ignore")

def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) / 1024

path, options = sys.argv[1], json.loads(sys.argv[2])
X = np.load(path, mmap_mode=options.pop("mmap_mode"))
y = np.arange(len(X)) % 10
clf = MLPClassifier(max_iter=1, random_state=0, **options)
clf.fit(X[:2000], y[:2000]).predict(X[:2000])
X.max()  # all of a mapped file is in memory now, and counted
peaks = []
for work in (lambda: clf.fit(X, y), lambda: clf.predict(X)):
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    work()
    peaks.append(status("VmHWM") - before)
print(json.dumps(peaks))
"""


def peak_megabytes(path: Path, **options: Any) -> tuple[float, float]:
    """The most memory beyond X that training takes, and predicting, in a new process.

    The kernels have been loaded before, and the same work done with fewer rows.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    training, predicting = json.loads(done.stdout)
    return training, predicting


linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the peak cannot be reset"
)


@pytest.fixture(scope="module")
def many_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of 47 megabytes each: 60,000 rows of bytes, 15,000 of float32."""
    folder = tmp_path_factory.mktemp("images")
    X = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
    np.save(folder / "bytes.npy", X)
    np.save(folder / "floats.npy", X[:15_000].astype(np.float32) / 255)
    return {"bytes": folder / "bytes.npy", "floats": folder / "floats.npy"}


# One of each with every run of the tests, the others with the slow ones.
@pytest.mark.slow
@linux_only
@pytest.mark.parametrize(
    ("engine", "mmap_mode"),
    [
        ("compiled", "r"),
        pytest.param("compiled", None, marks=pytest.mark.slow),
        pytest.param("numpy", "r", marks=pytest.mark.slow),
        pytest.param("numpy", None, marks=pytest.mark.slow),
    ],
)
def test_bytes_are_not_copied(
    engine: str, mmap_mode: str | None, many_images: dict[str, Path]
) -> None:
    options = {"engine": engine, "input_scale": SCALE, "mmap_mode": mmap_mode}
    training, predicting = peak_megabytes(many_images["bytes"], **options)
    # As float32 they would take 188 more; a batch of them takes 0.6.
    assert training < 19
    assert predicting < 19


@pytest.mark.slow
@linux_only
@pytest.mark.parametrize(
    ("engine", "early_stopping"),
    [
        ("compiled", True),
        pytest.param("compiled", False, marks=pytest.mark.slow),
        pytest.param("numpy", True, marks=pytest.mark.slow),
        pytest.param("numpy", False, marks=pytest.mark.slow),
    ],
)
def test_a_mapped_file_of_floats_is_not_copied(
    engine: str, early_stopping: bool, many_images: dict[str, Path]
) -> None:
    options = {"engine": engine, "early_stopping": early_stopping, "mmap_mode": "r"}
    training, predicting = peak_megabytes(many_images["floats"], **options)
    assert training < 10  # of 47, and the rows held out alone would be 4.7
    assert predicting < 10


# ---- a few plain rows --------------------------------------------------------------


class Rows(np.ndarray):
    """An array like any other, which does not take the short way."""


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
        sparse.csr_array(X[:1]),
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


def test_a_row_is_predicted_by_the_weights_there_are() -> None:
    clf, X = fitted(), plain(1)
    before = clf.predict_proba(X)
    clf.coefs_[1] *= -1
    after = clf.predict_proba(X)
    assert np.abs(after - before).max() > 1e-3
    assert_close(after, clf.predict_proba(X.view(Rows)), 1e-13)
