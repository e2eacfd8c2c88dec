"""The lazy Adam: what its definition says, exact where all is touched, and as good."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import assert_close
from scipy import sparse
from trainings import (
    ENGINES,
    FLOATS,
    PENALTIES,
    WEIGHTS,
    Pair,
    Trained,
    assert_alike,
    distances,
    new,
    pair,
    rows_of_words,
    some_orders,
    train_sparse,
    with_x,
)

from mlproof import MLPClassifier
from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import Array
from mlproof.optimizers import Adam

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


BATCH_SIZES = (1, 7, 32, 60)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_the_lazy_adam_is_that_of_numpy(penalty: str, batch_size: int) -> None:
    for weights in WEIGHTS:
        case = pair(12, penalty=penalty, weights=weights)
        assert_alike(case, "adam", batch_size, lazy=True)
    case = pair(12, penalty=penalty, dtype=np.float32)
    assert_alike(case, "adam", batch_size, lazy=True)


def by_definition(case: Pair, batch_size: int, orders: list[Any]) -> Trained:
    """(O.6), one parameter at a time."""
    engine = NumpyEngine(case.dense.network)
    d, d_h = case.dense.network.units[:2]
    X = case.thin.examples.X
    entries = [set(X.indices[i:j].tolist()) for i, j in pairwise(X.indptr)]
    theta, t, losses = case.dense.theta.copy(), 0, []
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for order in orders:
        rows = np.arange(len(entries)) if order is None else order
        total, visited = 0.0, 0
        for start in range(0, len(rows), batch_size):
            those = rows[start : start + batch_size]
            batch = case.dense.examples.take(those)
            if batch.total_weight() == 0:
                continue
            risk, g = engine.risk_and_gradient(theta, batch, case.dense.penalty)
            total, visited, t = total + risk * len(those), visited + len(those), t + 1
            touched = set().union(*(entries[i] for i in those))
            eta = 2e-3 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
            for p in range(theta.size):
                if p < d * d_h and p // d_h not in touched:
                    continue
                m[p] = 0.9 * m[p] + (1 - 0.9) * g[p]
                v[p] = 0.999 * v[p] + (1 - 0.999) * g[p] ** 2
                theta[p] -= eta * m[p] / (v[p] ** 0.5 + 1e-8)
        losses.append(total / visited)
    return Trained(theta, losses, [m, v], Adam(2e-3, t=t))


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
def test_the_lazy_adam_is_what_its_definition_says(engine: Any, penalty: str) -> None:
    case = pair(13, units=(30, 4, 3), density=0.05, penalty=penalty, weights="some 0")
    orders = some_orders(60)
    expected = by_definition(case, 7, orders)
    lazy = engine(case.thin.network, lazy_adam=True)
    found = train_sparse(lazy, case.thin, "adam", 7, orders)
    assert max(distances(found, expected)) <= 1e-12
    assert isinstance(found.optimizer, Adam)
    assert isinstance(expected.optimizer, Adam)
    assert found.optimizer.t == expected.optimizer.t


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", ["none", "l2 and alpha", "l1"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_the_lazy_adam_does_not_touch_keeps_its_bits(
    engine: Any, penalty: str, dtype: Any
) -> None:
    case = pair(14, units=(200, 4, 3), penalty=penalty, density=0.1, dtype=dtype).thin
    lazy, adam = engine(case.network, lazy_adam=True), Adam(2e-3)
    theta, n_weights = case.theta.copy(), 200 * 4
    for order in (None, np.arange(9)):  # moments for all, and then nine rows alone
        if order is not None:
            assert adam.m is not None
            assert adam.v is not None
            before = [a.copy() for a in (theta, adam.m, adam.v)]
        lazy.epoch(theta, adam, case.examples, order, 4, case.penalty)
    columns = np.ones(200, dtype=bool)
    columns[case.examples.X[:9].indices] = False
    assert 20 < columns.sum() < 180
    assert adam.m is not None
    assert adam.v is not None
    for now, then in zip((theta, adam.m, adam.v), before, strict=True):
        rows, earlier = (a[:n_weights].reshape(200, 4) for a in (now, then))
        assert rows[columns].tobytes() == earlier[columns].tobytes()
        assert (rows[~columns] != earlier[~columns]).all()
        assert (now[n_weights:] != then[n_weights:]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entry_touches_its_column_even_if_it_is_0(engine: str) -> None:
    X, y = rows_of_words(40, 12)
    stored = sparse.csr_array(X.shape)
    stored.indptr[:] = np.arange(41) * 12
    stored.indices = np.tile(np.arange(12, dtype=np.int32), 40)
    stored.data = X.ravel()
    lazy = new(engine=engine, sparse_adam="lazy", batch_size=5).fit(stored, y)
    exact = new(engine=engine, sparse_adam="exact", batch_size=5).fit(stored, y)
    left_out = new(engine=engine, sparse_adam="lazy", batch_size=5)
    left_out.fit(sparse.csr_array(X), y)
    assert_close(lazy.theta_, exact.theta_, 1e-12)
    assert np.abs(left_out.theta_ - exact.theta_).max() > 1e-6


@pytest.mark.parametrize("engine", [CompiledEngine, NumpyEngine])
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_where_all_columns_are_touched_lazy_is_exact(engine: Any, penalty: str) -> None:
    case = pair(15, density=1.0, penalty=penalty)
    X = case.dense.examples.X.copy()
    X[:, 15], X[30] = 0.1, 0.2  # the empty column, and the empty row
    thin = with_x(case.thin, sparse.csr_array(X))
    lazy, exact = (
        train_sparse(
            engine(thin.network, lazy_adam=lazy), thin, "adam", 7, some_orders(60)
        )
        for lazy in (True, False)
    )
    assert max(distances(lazy, exact)) <= 1e-12


@pytest.mark.parametrize("engine", ENGINES)
def test_only_adam_on_sparse_x_can_be_lazy(engine: str) -> None:
    X, y = rows_of_words(60, 12)
    for x, solver in ((X, "adam"), (sparse.csr_array(X), "sgd")):
        exact, lazy = (
            new(engine=engine, solver=solver, sparse_adam=how).fit(x, y)
            for how in ("exact", "lazy")
        )
        np.testing.assert_array_equal(lazy.theta_, exact.theta_)


# ---- how well it learns ------------------------------------------------------------


def texts(seed: int, n: int, d: int) -> tuple[Any, Array]:
    """Rows of about 60 words, most of them rare, as each of four classes uses them.

    The frequency of a word falls with its rank (Zipf); a class uses a tenth of the
    words 2.5 times as often as the others do.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    usage = 1 / np.arange(1, d + 1)
    favoured = np.where(rng.uniform(size=(4, d)) < 0.1, 2.5, 1.0)
    p = usage * favoured
    p /= p.sum(axis=1, keepdims=True)
    counts = np.zeros((n, d))
    for label in range(4):
        rows = np.flatnonzero(y == label)
        lengths = rng.poisson(60, len(rows))
        counts[rows] = [rng.multinomial(length, p[label]) for length in lengths]
    X = sparse.csr_array(np.log1p(counts).astype(np.float32))
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    X.data /= np.repeat(np.maximum(norms, 1e-6), np.diff(X.indptr))
    return X, y


@pytest.mark.slow
def test_the_lazy_adam_learns_as_well_as_the_exact_one() -> None:
    accuracies: dict[str, list[float]] = {"exact": [], "lazy": []}
    for seed in range(10):
        X, y = texts(seed, 3000, 5000)
        for how, found in accuracies.items():
            clf = MLPClassifier(
                (32,),
                max_iter=15,
                batch_size=50,
                random_state=seed,
                engine="compiled",
                sparse_adam=how,
            )
            found.append(clf.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]))
    exact, lazy = (np.array(accuracies[how]) for how in ("exact", "lazy"))
    print(f"accuracy, exact: {np.median(exact):.4f}, lazy: {np.median(lazy):.4f}")
    print(f"median of the differences: {np.median(lazy - exact):+.4f}")
    assert np.median(exact) > 0.5  # of four classes: there is something to learn
    assert np.median(lazy - exact) >= -0.005
