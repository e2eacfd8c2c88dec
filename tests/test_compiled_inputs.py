"""X of any layout and dtype: the same bits as its copy, and no kernels of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_case
from numba.core import event
from trainings import FLOATS, assert_same_bits, blobs, compiled, some_orders, train

from mlproof.engines.compiled import CompiledEngine
from mlproof.functions import Array

# Three epochs are no training to the end, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---- X as it comes -----------------------------------------------------------------


def laid_out(name: str, X: Array, folder: Path) -> Any:
    """The numbers of X, or numbers made of them, in memory of this kind."""
    n, d = X.shape
    if name == "Fortran order":
        return np.asfortranarray(X)
    if name == "every second row":
        return np.repeat(X, 2, axis=0)[::2]
    if name == "every second column":
        return np.repeat(X, 2, axis=1)[:, ::2]
    if name == "part of a wider matrix":
        return np.pad(X, ((3, 3), (5, 2)))[3:-3, 5:-2]
    if name == "rows backwards":
        return X[::-1].copy()[::-1]
    if name == "columns backwards":
        return X[:, ::-1].copy()[:, ::-1]
    if name == "the same row again":
        return np.broadcast_to(X[0], X.shape)
    if name == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if name == "memory-mapped":
        X.tofile(folder / "X")
        return np.memmap(folder / "X", dtype=X.dtype, mode="r", shape=X.shape)
    if name == "between other fields":
        records = np.zeros(n, dtype=[("kind", "u1"), ("X", X.dtype, (d,))])
        records["X"] = X
        return records["X"]  # not aligned
    if name == "big-endian":
        return X.astype(X.dtype.newbyteorder(">"))
    if name == "list":
        return X.tolist()
    return (8 * X).astype(name)  # a dtype


LAYOUTS = (
    "Fortran order",
    "every second row",
    "every second column",
    "part of a wider matrix",
    "rows backwards",
    "columns backwards",
    "the same row again",
    "read-only",
    "memory-mapped",
    "between other fields",
    "big-endian",
)
DTYPES = ("float16", "float32", "float64", "bool", "uint8", "int8", "int64", "object")


@pytest.mark.parametrize("layout", [*LAYOUTS, "list", *DTYPES])
def test_x_of_any_kind_trains_as_its_contiguous_copy(
    layout: str, tmp_path: Path
) -> None:
    X, y = blobs(300, 7)
    X = laid_out(layout, X, tmp_path)
    kept = {"float32": np.float32, "uint8": np.float32}.get(layout, np.float64)
    copy = np.array(X, dtype=kept, order="C")
    found, expected = compiled().fit(X, y), compiled().fit(copy, y)
    assert_same_bits(found, expected)
    assert found.theta_.dtype == kept
    np.testing.assert_array_equal(found.predict(X), expected.predict(copy))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "big-endian"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [1, 7])
def test_the_engine_reads_x_of_any_layout(
    layout: str, dtype: Any, d: int, tmp_path: Path
) -> None:
    shape = {"activation": "tanh", "output": "softmax", "n": 50, "dtype": dtype}
    case = make_case(21, units=(d, 5, 3), **shape)
    X = laid_out(layout, case.examples.X, tmp_path)
    trained = [
        train(
            CompiledEngine(case.network),
            case._replace(examples=case.examples._replace(X=x)),
            "adam",
            16,
            some_orders(50, 0),
        )
        for x in (X, np.array(X, dtype=dtype, order="C"))
    ]
    np.testing.assert_array_equal(trained[0].theta, trained[1].theta)
    assert trained[0].losses == trained[1].losses


@pytest.mark.parametrize("kind", ["uint8", "bool", "int64", "float16"])
def test_the_engine_reads_numbers_that_are_not_of_the_dtype_of_theta(
    kind: str,
) -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(22, **shape, dtype=np.float32)
    X = np.random.default_rng(0).integers(0, 9, (50, 6)).astype(kind)
    trained = [
        train(
            CompiledEngine(case.network),
            case._replace(examples=case.examples._replace(X=x)),
            "plain",
            16,
            [None],
        )
        for x in (X, X.astype(np.float32))
    ]
    np.testing.assert_array_equal(trained[0].theta, trained[1].theta)


def test_a_network_that_diverges_says_so() -> None:
    X, y = blobs(300, 7)
    classifier = compiled(solver="sgd", learning_rate_init=1e300, activation="identity")
    with (
        pytest.raises(ValueError, match="non-finite parameter weights"),
        np.errstate(all="ignore"),
    ):
        classifier.fit(X, y)


# ---- compiled once -----------------------------------------------------------------


def read_only(array: Any) -> Any:
    array = np.array(array)
    array.flags.writeable = False
    return array


def test_no_kind_of_input_needs_kernels_of_its_own(tmp_path: Path) -> None:
    X, y = blobs(300, 7)
    Y = np.eye(3, dtype=int)[y]
    weight = np.random.default_rng(0).uniform(0.5, 2, 300)
    for dtype in FLOATS:
        compiled().fit(X.astype(dtype), y)
    fits = {
        "weights": (X, y, weight),
        "float32 weights": (X, y, weight.astype(np.float32)),
        "read-only weights": (X, y, read_only(weight)),
        "strided weights": (X, y, np.repeat(weight, 2)[::2]),
        "two classes": (X, y > 0, None),
        "labels": (X, Y, None),
        "read-only labels": (X, read_only(Y), weight),
        "read-only classes": (X, read_only(y), weight),
        "text": (X, np.array(["a", "b", "c"])[y], None),
    } | {layout: (laid_out(layout, X, tmp_path), y, None) for layout in LAYOUTS}
    options = {
        "sgd": {"solver": "sgd"},
        "gd": {"solver": "gd"},
        "lbfgs": {"solver": "lbfgs"},
        "early stopping": {"early_stopping": True},
        "in order": {"shuffle": False},
    }
    # Numba's lock is taken whenever a kernel is compiled or read from the disk.
    for name, examples in fits.items():
        with event.install_recorder("numba:compiler_lock") as locked:
            compiled().fit(*examples)
        assert not locked.buffer, name
    for name, chosen in options.items():
        with event.install_recorder("numba:compiler_lock") as locked:
            compiled(**chosen).fit(X, y, weight)
        assert not locked.buffer, name


def test_the_gradient_at_read_only_parameters_needs_no_kernels_of_its_own() -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(23, **shape)
    engine = CompiledEngine(case.network)
    arguments = case.examples, case.penalty
    risk, gradient = engine.risk_and_gradient(case.theta, *arguments)
    theta = read_only(case.theta)
    with event.install_recorder("numba:compiler_lock") as locked:
        found, other = engine.risk_and_gradient(theta, *arguments)
    assert not locked.buffer
    assert found == risk
    np.testing.assert_array_equal(other, gradient)
    np.testing.assert_array_equal(theta, case.theta)
