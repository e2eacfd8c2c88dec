"""X as bytes and X on the disk: nothing is copied.

``input_scale`` stands for an array multiplied beforehand, and must not be noticed.
"""

import json
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import assert_close, peak_memory
from scipy import sparse

from mlproof import MLPClassifier, load, modelfile, persistence
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


@pytest.mark.parametrize("scale", [10**400, 0, -1, "1", None, [1], float("inf")])
def test_a_scale_that_is_none_is_refused_in_a_file(scale: Any, tmp_path: Path) -> None:
    X, y = images()
    clf = new().fit(X, y)
    description = persistence.describe(clf) | {"input_scale": scale}
    modelfile.write(tmp_path / "model", clf.theta_, description)
    with pytest.raises(modelfile.ModelFileError, match="does not describe a model"):
        load(tmp_path / "model")


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


@pytest.mark.parametrize("scale", [Fraction(1, 255), np.longdouble(1) / 255])
def test_a_scale_may_be_any_kind_of_number(scale: Any, tmp_path: Path) -> None:
    X, y = images()
    found, expected = new(input_scale=scale), new(input_scale=1 / 255)
    for clf in (found, expected):
        clf.fit(X, y).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(found.theta_, expected.theta_)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))


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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_no_copy_of_bytes_is_made_but_by_rows(
    engine: str, early_stopping: bool, order: Any
) -> None:
    X = np.asarray(np.random.default_rng(0).integers(0, 256, (20_000, 784)), np.uint8)
    X, y = np.asarray(X, order=order), np.arange(20_000) % 3
    options = {"engine": engine, "early_stopping": early_stopping, "max_iter": 1}
    clf = new(hidden_layer_sizes=(8,), input_scale=SCALE, n_threads=1, **options)
    clf.fit(X[:500], y[:500])  # the kernels are loaded
    peak = peak_memory(lambda: clf.fit(X, y).predict(X))
    # As float32 they would take four times as much.
    assert peak < (1.6 if order == "F" else 0.6) * X.nbytes


def test_many_rows_are_predicted_some_at_a_time() -> None:
    X = np.random.default_rng(0).standard_normal((40_000, 5))
    clf = new(hidden_layer_sizes=(300,), max_iter=1).fit(X[:100], np.arange(100) % 3)
    clf.set_params(n_threads=1).predict(X[:10])
    # The hidden units of all rows would take 96 MB, and their activations as much.
    assert peak_memory(lambda: clf.predict_proba(X)) < 20e6


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


@pytest.mark.slow
@linux_only
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("mmap_mode", ["r", None])
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
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_mapped_file_of_floats_is_not_copied(
    engine: str, early_stopping: bool, many_images: dict[str, Path]
) -> None:
    options = {"engine": engine, "early_stopping": early_stopping, "mmap_mode": "r"}
    training, predicting = peak_megabytes(many_images["floats"], **options)
    assert training < 10  # of 47, and the rows held out alone would be 4.7
    assert predicting < 10
