"""The first layer past the zeros of X, and by halves of the inputs, trains the same."""

from itertools import pairwise
from typing import Any

import numba
import numpy as np
import pytest
from conftest import Case, make_case
from trainings import (
    FLOATS,
    OPTIMIZERS,
    WEIGHTS,
    Trained,
    assert_same_training,
    some_orders,
    train,
    weigh,
    widened,
    with_x,
)

from mlproof.engines import compiled as package
from mlproof.engines.compiled import CompiledEngine, microkernel
from mlproof.engines.compiled.data import Data
from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.marks import mark_columns, mark_rows
from mlproof.engines.compiled.nonzeros import (
    PANELS,
    pack,
    panel_bytes,
    panel_of_nonzeros,
    panels,
)
from mlproof.engines.compiled.plan import (
    HALVED_FROM,
    Plan,
    effort_of,
    half_of,
    worth_marking,
)
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import Array
from mlproof.parameters import vector

pytestmark = pytest.mark.usefixtures("products_are_ready")

GUARD = 777


def thinned(shape: tuple[int, int], dtype: Any, density: float = 0.4) -> Array:
    """Numbers of which so many are not 0, of either sign, and some rows all 0."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random(shape) < density, rng.standard_normal(shape), 0.0)
    X[::7] *= 0.0  # of either sign, too
    return X.astype(dtype)


# ---- marks -------------------------------------------------------------------------


@numba.njit(**OPTIONS)
def marks_of_rows(X: Any, first: int, last: int, marks: Any, start: int) -> None:
    mark_rows(X, first, last, marks, 0, start)


@numba.njit(**OPTIONS)
def marks_of_columns(X: Any, first: int, last: int, marks: Any) -> None:
    mark_columns(X, first, last, marks, 0)


def bits(words: Any, count: int) -> Any:
    """Words (n_words, n) as a bit for each of so many numbers, (count, n)."""
    each = np.arange(count)
    return (words[each // 64] >> (each % 64)[:, None]) & 1 == 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 128])
@pytest.mark.parametrize("columns", [1, 8, 15, 17, 63, 64, 65, 200])
def test_what_is_not_0_is_marked(dtype: Any, rows: int, columns: int) -> None:
    X = thinned((rows, columns), dtype)
    strange = np.array([np.nan, np.inf, -0.0, np.finfo(dtype).smallest_subnormal])
    X.ravel()[: rows * columns : 5][:4] = strange[: len(X.ravel()[::5])]
    for first in {0, columns // 2 // 16 * 16}:
        found = np.full((5, rows + 3), GUARD)
        marks_of_rows(X, first, columns, found, 2)
        n_words = -(-(columns - first) // 64)
        marked = bits(found[:n_words, 2:-1], columns - first)
        assert np.array_equal(marked, X[:, first:].T != 0)
        assert (found[n_words:] == GUARD).all()
        assert (found[:, :2] == GUARD).all()
        assert (found[:, -1] == GUARD).all()

        filled_up = -(-columns // 16) * 16
        found = np.full((3, filled_up), GUARD)
        marks_of_columns(X, first, columns, found)
        n_words = -(-rows // 64)
        marked = bits(found[:n_words, first:columns], rows)
        assert np.array_equal(marked, X[:, first:] != 0)
        assert (found[n_words:] == GUARD).all()
        assert (found[:, :first] == GUARD).all()


# ---- the product -------------------------------------------------------------------


@numba.njit(**OPTIONS)
def past_zeros(S: Any, A: Any, words: Any, B: Any, packed: Any, C: Any) -> None:
    size, depth = A.itemsize, A.shape[1]
    for panel in range(panels(B.shape[1], size)):
        for k in range(0, depth, 64):
            some = min(64, depth - k)
            pack(B, panel, k, k + some, address_of(packed))
            panel_of_nonzeros(
                panel,
                address_of(C if k else S),
                C.shape[1] * size,
                address_of(A) + k * size,
                depth * size,
                size,
                address_of(words[k // 64]),
                address_of(packed),
                C,
            )


@numba.njit(**OPTIONS)
def past_nothing(S: Any, A: Any, B: Any, C: Any) -> None:
    size, depth, step = A.itemsize, A.shape[1], C.shape[1] * A.itemsize
    at = address_of(S), step, address_of(A), depth * size, size, address_of(B), step
    microkernel.product(*at, C, depth, 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("density", [0.0, 0.03, 0.4, 1.0])
def test_passing_over_zeros_gives_the_bits_of_the_whole_product(
    dtype: Any, density: float
) -> None:
    rng = np.random.default_rng(1)
    lanes = microkernel.VECTOR_BYTES // np.dtype(dtype).itemsize
    for rows, depth, columns in (
        *((9, 70, n) for n in range(2 * lanes + 1, (2 * PANELS[-1] + 1) * lanes, 3)),
        (1, 64, 4 * lanes),
        (128, 200, 8 * lanes + 1),
    ):
        A = thinned((rows, depth), dtype, density)
        B = rng.standard_normal((depth, columns)).astype(dtype)
        S = rng.standard_normal((rows, columns)).astype(dtype)
        words = np.zeros((-(-depth // 64), rows), np.int64)
        marks_of_rows(A, 0, depth, words, 0)
        packed = vector(64 * (columns + lanes), dtype)
        packed[:] = np.nan  # what is packed beside the columns is no part of them
        around = np.full((rows + 2, columns), dtype(GUARD))
        past_zeros(S, A, words, B, packed, around[1:-1])
        whole = np.empty((rows, columns), dtype)
        past_nothing(S, A, B, whole)
        assert np.array_equal(around[1:-1], whole)
        assert (around[[0, -1]] == GUARD).all()


@numba.njit(**OPTIONS)
def count(columns: int, size: int) -> Any:
    return panels(columns, size)


@numba.njit(**OPTIONS)
def edges_of(panel: int, columns: int, size: int) -> Any:
    return panel_bytes(panel, columns, size)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_is_packed_by_panels_that_have_a_kernel(dtype: Any) -> None:
    size = np.dtype(dtype).itemsize
    lanes = microkernel.VECTOR_BYTES // size
    for columns in range(2 * lanes + 1, 40 * lanes):
        edges = [
            edges_of(panel, columns, size) for panel in range(count(columns, size))
        ]
        assert edges[0][0] == 0
        assert all(one[1] == other[0] for one, other in pairwise(edges))
        assert edges[-1][1] - microkernel.VECTOR_BYTES < columns * size <= edges[-1][1]
        vectors = {(end - begin) // microkernel.VECTOR_BYTES for begin, end in edges}
        assert vectors <= set(PANELS)


# ---- trainings ---------------------------------------------------------------------

# Another version of the kernels takes seconds to compile, for each dtype.
SOONER = np.float32, pytest.param(np.float64, marks=pytest.mark.slow)
# Of 64 inputs and more, not a whole number of words; two panels of hidden units.
THIN = {"units": (90, 130, 5, 3), "activation": "softplus", "output": "softmax"}
# Wide enough for threads to share the inputs.
WIDE = {"units": (HALVED_FROM + 13, 50, 3), "activation": "tanh", "output": "softmax"}


def thin(shape: dict[str, Any], dtype: Any = np.float64, n: int = 150) -> Case:
    case = make_case(21, **shape, n=n, dtype=dtype, penalised=True)
    return with_x(case, thinned(case.examples.X.shape, dtype))


def plan_of(engine: CompiledEngine) -> Plan:
    workspace = engine._workspace
    assert workspace is not None
    return workspace.plan


def assert_same(one: Trained, other: Trained) -> None:
    assert one.theta.tobytes() == other.theta.tobytes()
    np.testing.assert_array_equal(one.moments, other.moments)
    assert one.losses == other.losses


@pytest.mark.parametrize("dtype", SOONER)
@pytest.mark.parametrize("rule", sorted(OPTIMIZERS))
@pytest.mark.parametrize("shape", [THIN, WIDE], ids=["thin", "wide"])
@pytest.mark.usefixtures("all_is_shared")
def test_epochs_past_zeros_are_those_of_numpy(
    dtype: Any, rule: str, shape: dict[str, Any]
) -> None:
    case = thin(shape, dtype)
    orders = some_orders(150)
    for batch_size in (64, 150):
        arguments = case, rule, batch_size, orders
        engine = CompiledEngine(case.network, 2)
        found = train(engine, *arguments)
        expected = train(NumpyEngine(case.network), *arguments)

        def exact(
            case: Case = case, batch_size: int = batch_size, rule: str = rule
        ) -> Trained:
            wide = widened(case)
            return train(NumpyEngine(wide.network), wide, rule, batch_size, orders)

        assert plan_of(engine).marked
        assert (plan_of(engine).half_at > 0) == (shape is WIDE)
        assert_same_training(found, expected, exact, 1e-10)


@pytest.mark.parametrize("dtype", SOONER)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("shape", [THIN, WIDE], ids=["thin", "wide"])
@pytest.mark.usefixtures("all_is_shared")
def test_any_number_of_threads_trains_past_zeros_to_the_same_bits(
    dtype: Any, weights: str, shape: dict[str, Any], teams: set[int]
) -> None:
    case = weigh(thin(shape, dtype, 300), weights)
    orders = some_orders(300)
    for batch_size in (40, 130, 260):
        alone = train(CompiledEngine(case.network), case, "adam", batch_size, orders)
        for n_threads in (2, 3, 5):
            engine = CompiledEngine(case.network, n_threads)
            assert_same(train(engine, case, "adam", batch_size, orders), alone)
    assert teams == {1, 2, 3, 5}


@pytest.mark.usefixtures("all_is_shared")
def test_any_number_of_threads_trains_by_halves_without_zeros_to_the_same_bits() -> (
    None
):
    case = make_case(22, **WIDE, n=200, dtype=np.float32, penalised=True)
    orders = some_orders(200)
    alone = train(CompiledEngine(case.network), case, "momentum", 100, orders)
    for n_threads in (2, 3, 4):
        engine = CompiledEngine(case.network, n_threads)
        assert_same(train(engine, case, "momentum", 100, orders), alone)
        assert plan_of(engine).half_at > 0
        assert not plan_of(engine).marked


@pytest.mark.parametrize("dtype", SOONER)
def test_zeros_that_are_not_passed_over_give_the_same_bits(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, orders = thin(THIN, dtype), some_orders(150)
    engine = CompiledEngine(case.network)
    found = train(engine, case, "nesterov", 50, orders)
    assert plan_of(engine).marked
    monkeypatch.setattr(package, "worth_marking", lambda *_: False)
    engine = CompiledEngine(case.network)
    assert_same(train(engine, case, "nesterov", 50, orders), found)
    assert not plan_of(engine).marked


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 700])
def test_the_gradient_past_zeros_is_that_of_numpy(n: int) -> None:
    case = thin(THIN, n=n)
    arguments = case.theta, case.examples, case.penalty
    risk, gradient = CompiledEngine(case.network, 2).risk_and_gradient(*arguments)
    expected, slope = NumpyEngine(case.network).risk_and_gradient(*arguments)
    assert risk == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, atol=1e-12)


def test_the_gradient_by_halves_of_the_inputs_is_that_of_numpy() -> None:
    case = make_case(22, **WIDE, n=150, weighted=True, penalised=True)
    arguments = case.theta, case.examples, case.penalty
    expected, slope = NumpyEngine(case.network).risk_and_gradient(*arguments)
    found = []
    for n_threads in (1, 2, 3):
        engine = CompiledEngine(case.network, n_threads)
        risk, gradient = engine.risk_and_gradient(*arguments)
        assert plan_of(engine).half_at > 0
        assert risk == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, atol=1e-12)
        found.append((risk, gradient.tobytes()))
    assert len(set(found)) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pixels_of_any_type_train_past_zeros(dtype: Any) -> None:
    case = thin(THIN, np.float32)
    pixels = (thinned((150, 90), np.float64) > 0).astype(dtype) * dtype(3)
    floats = with_x(case, pixels.astype(np.float32))
    orders = some_orders(150)
    expected = train(CompiledEngine(case.network), floats, "adam", 64, orders)
    engine = CompiledEngine(case.network)
    assert_same(train(engine, with_x(case, pixels), "adam", 64, orders), expected)
    assert plan_of(engine).marked


@pytest.mark.parametrize("n", [1, 60])
def test_examples_of_which_all_is_0_train(n: int) -> None:
    case = thin(THIN, np.float32, n)
    case = with_x(case, np.zeros_like(case.examples.X))
    arguments = case, "momentum", 32, [None, None]
    engine = CompiledEngine(case.network)
    found = train(engine, *arguments)
    expected = train(NumpyEngine(case.network), *arguments)
    np.testing.assert_allclose(found.theta, expected.theta, atol=1e-6)
    assert plan_of(engine).marked


# ---- when --------------------------------------------------------------------------


def test_zeros_are_counted_in_a_sample_of_rows() -> None:
    case = thin(THIN, n=3000)
    X = case.examples.X
    X[:, 0], X[:, 1] = 0, 1
    data = Data.of(case.examples, case.theta, 1.0)
    assert data.nonzeros[0] == 0
    assert data.nonzeros[1] == 1
    np.testing.assert_allclose(data.nonzeros, (X != 0).mean(axis=0), atol=0.15)


def test_marks_are_for_many_zeros_and_wide_layers() -> None:
    itemsize = microkernel.VECTOR_BYTES // 16  # so that 16 numbers are a vector
    assert worth_marking(0.5, (784, 100, 10), itemsize)
    assert worth_marking(0.0, (64, 48, 10), itemsize)
    assert not worth_marking(0.8, (784, 100, 10), itemsize)
    assert not worth_marking(0.5, (784, 16, 10), itemsize)
    assert not worth_marking(0.0, (8, 100, 10), itemsize)


@pytest.mark.usefixtures("all_is_shared")
def test_each_half_of_the_inputs_is_as_much_work() -> None:
    nonzeros = np.linspace(0, 1, 1000)
    even, uneven = (effort_of(nonzeros, marked) for marked in (False, True))
    assert half_of((1000, 20, 3), 100, even) == 496
    half = half_of((1000, 20, 3), 100, uneven)
    assert half % 16 == 0
    assert uneven[:half].sum() == pytest.approx(uneven[half:].sum(), rel=0.05)


@pytest.mark.usefixtures("all_is_shared")
@pytest.mark.parametrize(
    ("units", "rows"),
    [((1000, 20, 3), 501), ((HALVED_FROM - 1, 20, 3), 10), ((1000, 1), 100)],
    ids=["many rows", "few inputs", "one output"],
)
def test_rows_are_shared_where_that_is_less_to_exchange(
    units: tuple[int, ...], rows: int
) -> None:
    assert half_of(units, rows, np.ones(units[0])) == 0


@pytest.mark.usefixtures("all_is_shared")
@pytest.mark.parametrize("where", [0, -1])
def test_inputs_of_which_one_has_all_the_work_are_halved_somewhere(where: int) -> None:
    effort = np.zeros(700)
    effort[where] = 1
    assert 0 < half_of((700, 20, 3), 100, effort) < 700


def test_a_batch_too_small_to_share_is_not_halved() -> None:
    assert half_of((600, 4, 3), 32, np.ones(600)) == 0
