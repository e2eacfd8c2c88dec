"""What the tests of the compiled engine share: cases, trainings, data and processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from conftest import KINKED, Case, make_case
from scipy import sparse

from mlproof import MLPClassifier
from mlproof.engines import Examples
from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import Array
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.penalties import Penalty, no_penalty

FLOATS = (np.float32, np.float64)
ENGINES = ("numpy", "compiled")
WEIGHTS = ("none", "positive", "some 0")

# So small that two trainings which begin an ulp apart are still together at the end.
RATE = 2e-3
# SGD's on sparse X: a row that waits has further to go.
SPARSE_RATE = 0.02
OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "plain": lambda rate: SGD(rate),
    "momentum": lambda rate: SGD(rate, 0.9),
    "nesterov": lambda rate: SGD(rate, 0.9, nesterov=True),
    "adam": lambda _: Adam(RATE),
}
RULES = sorted(OPTIMIZERS)


# ---- trainings ---------------------------------------------------------------------


class Trained(NamedTuple):
    """Where training ended, and all that it leaves behind."""

    theta: Array
    losses: list[float]
    moments: list[Array]
    optimizer: Optimizer


def train(
    engine: Any,
    case: Case,
    rule: str,
    batch_size: int,
    orders: list[Any],
    rate: float = RATE,
) -> Trained:
    """An epoch for each order of the rows."""
    theta, optimizer = case.theta.copy(), OPTIMIZERS[rule](rate)
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


train_sparse = partial(train, rate=SPARSE_RATE)


def some_orders(n: int, seed: int = 0) -> list[Any]:
    """As the rows come, shuffled, and a part of them, as early stopping leaves."""
    rng = np.random.default_rng(seed)
    return [None, rng.permutation(n), rng.permutation(n)[: -(-4 * n // 5)]]


def some_weights(n: int, kind: str, rng: np.random.Generator) -> Array | None:
    """With some of 0, also on the first rows, so that whole batches count nothing."""
    weight = rng.uniform(0.2, 2, n)
    if kind == "some 0":
        weight[: 2 * n // 5] = 0
        weight[rng.permutation(n)[: n // 7]] = 0
    return None if kind == "none" else weight


def weigh(case: Case, weights: str) -> Case:
    n = len(case.examples.y)
    weight = some_weights(n, weights, np.random.default_rng(n))
    return case._replace(examples=case.examples._replace(sample_weight=weight))


def with_x(case: Case, X: Any) -> Case:
    return case._replace(examples=case.examples._replace(X=X))


def widened(case: Case) -> Case:
    """The same case, computed in float64."""
    return case._replace(theta=case.theta.astype(np.float64))


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


def assert_same_training(
    found: Trained, numpy: Trained, in_float64: Callable[[], Trained], tolerance: float
) -> None:
    """Within ``tolerance`` of NumPy's; in float32, about as near to the exact one."""
    dtype = numpy.theta.dtype
    assert {a.dtype for a in (found.theta, *found.moments)} == {dtype}
    assert getattr(found.optimizer, "t", 0) == getattr(numpy.optimizer, "t", 0)
    assert found.optimizer.learning_rate == numpy.optimizer.learning_rate
    if dtype == np.float64:
        assert all(each <= tolerance for each in distances(found, numpy))
        return
    # How far float32 carries a training depends on the training: as far as it carries
    # NumPy's, to a factor, and a few roundings, is what is allowed.
    exact = in_float64()
    for ours, theirs in zip(
        distances(found, exact), distances(numpy, exact), strict=True
    ):
        assert ours <= 10 * theirs + 2e-6


# ---- dense data --------------------------------------------------------------------


def blobs(n: int, d: int, m: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """A point for each class, and the examples around them, closer than apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, m, n)
    return 2 * rng.standard_normal((m, d))[y] + rng.standard_normal((n, d)), y


def compiled(**options: Any) -> MLPClassifier:
    """A classifier of three epochs, large enough for several threads on 500 rows."""
    usual = {"hidden_layer_sizes": (130, 16), "max_iter": 3, "random_state": 0}
    return MLPClassifier(**usual | {"engine": "compiled"} | options)


LARGE = {"units": (40, 130, 16, 3), "activation": "softplus", "output": "softmax"}


def assert_same_bits(one: MLPClassifier, other: MLPClassifier) -> None:
    assert one.engine_ == other.engine_ == "compiled"
    assert one.theta_.tobytes() == other.theta_.tobytes()
    assert one.loss_curve_ == other.loss_curve_


# ---- sparse data -------------------------------------------------------------------


# What each asks of a row that is not touched: nothing, to shrink, or to be visited.
PENALTIES: dict[str, Callable[[int], Penalty]] = {
    "none": no_penalty,
    "l2 and alpha": lambda k: Penalty((0.0,) * k, (0.03, *(0.02,) * (k - 1)), 0.5),
    "alpha": lambda k: no_penalty(k)._replace(alpha=0.5),
    "l1": lambda k: Penalty((0.005,) * k, (0.01,) * k, 0.1),
    "l1 above": lambda k: Penalty((0.0, *(0.005,) * (k - 1)), (0.01,) * k),
}


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
    examples = Examples(X, y, some_weights(n, weights, rng))
    chosen = PENALTIES[penalty](case.network.n_layers)
    dense = case._replace(examples=examples, penalty=chosen)
    return Pair(dense, with_x(dense, sparse.csr_array(X)))


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
    assert_same_training(
        train_sparse(engine, case.thin, rule, batch_size, orders),
        train_sparse(numpy_engine, shown, rule, batch_size, orders),
        lambda: train_sparse(numpy_engine, widened(shown), rule, batch_size, orders),
        1e-11,  # hundreds of steps, each a few roundings of 1e-16 away
    )


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


# ---- processes ---------------------------------------------------------------------


def run_python(
    code: str,
    *arguments: Any,
    check: bool = True,
    timeout: float = 120,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """A new process that can import the tests; it must end well, if that is asked."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=Path(__file__).parent,
        env=os.environ | environment,
    )
    if check:
        assert done.returncode == 0, done.stderr[-4000:]
    return done
