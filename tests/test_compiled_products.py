"""The kernel of matrix products against NumPy, with vectors of every length."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from mlproof.engines.compiled import microkernel, products
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.functions import Array
from mlproof.parameters import vector

pytestmark = pytest.mark.usefixtures("products_are_ready")

GUARD = 777.0


@numba.njit(**OPTIONS)
def forwards_in(X: Any, W: Any, b: Any, A: Any, room: Any) -> None:
    products.forwards(X, 0, X.shape[1], W, b, A, room)


def forwards(X: Array, W: Array, b: Array, A: Array) -> None:
    forwards_in(X, W, b, A, room_for(W))


@numba.njit(**OPTIONS)
def backwards_in(G: Any, W: Any, grad_X: Any, room: Any) -> None:
    products.backwards(G, W, grad_X, room)


def backwards(G: Array, W: Array, grad_X: Array) -> None:
    backwards_in(G, W, grad_X, room_for(W))


@numba.njit(**OPTIONS)
def weights_gradient_in(
    X: Any, first: int, last: int, G: Any, grad_W: Any, spare: Any
) -> None:
    products.weights_gradient(X, first, last, G, grad_W, spare)


def weights_gradient(X: Array, first: int, last: int, G: Array, grad_W: Array) -> None:
    spare, around = guarded(1, grad_W.size, grad_W.dtype)
    weights_gradient_in(X, first, last, G, grad_W, spare[0])
    assert unchanged(around)


def room_for(W: Array) -> Array:
    return vector(microkernel.PACKED_BYTES // W.itemsize + W.size, W.dtype)


def guarded(rows: int, columns: int, dtype: Any) -> tuple[Array, Array]:
    """A matrix to be written to, and the numbers around it, which are not."""
    around = np.full(rows * columns + 256, GUARD, dtype)
    return around[128:-128].reshape(rows, columns), around


def unchanged(around: Array) -> bool:
    edges = np.concatenate([around[:128], around[-128:]])
    return bool((edges == GUARD).all())


# Around the lengths of vectors, blocks and panels, and deeper than one piece.
SIZES = [
    *((rows, 3, columns) for rows in range(1, 10) for columns in (1, 2, 15, 16, 17)),
    *((5, 4, columns) for columns in range(30, 70)),
    *((7, 60, columns) for columns in range(1, 10)),
    *((3, depth, 20) for depth in (1, 2, 399, 400, 401, 1203)),
    (50, 784, 100),
    (128, 256, 130),
    (70, 500, 300),
    (33, 30, 1030),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_equal_those_of_numpy(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for rows, fan_in, fan_out in SIZES:
        X, W, b, G = (
            rng.standard_normal(shape).astype(dtype)
            for shape in ((rows, fan_in), (fan_in, fan_out), fan_out, (rows, fan_out))
        )
        tolerance = 4 * (fan_in + rows + fan_out) * float(np.finfo(dtype).eps)
        A, around_A = guarded(rows, fan_out, dtype)
        forwards(X, W, b, A)
        np.testing.assert_allclose(A, X @ W + b, atol=tolerance)
        grad_X, around_X = guarded(rows, fan_in, dtype)
        backwards(G, W, grad_X)
        np.testing.assert_allclose(grad_X, G @ W.T, atol=tolerance)
        first, last = fan_in // 3, fan_in - fan_in // 4
        grad_W, around_W = guarded(last - first, fan_out, dtype)
        weights_gradient(X, first, last, G, grad_W)
        np.testing.assert_allclose(grad_W, X[:, first:last].T @ G, atol=tolerance)
        assert all(map(unchanged, (around_A, around_X, around_W)))


def test_a_row_is_the_same_whatever_rows_are_beside_it() -> None:
    rng = np.random.default_rng(1)
    for rows, columns in ((9, 70), (70, 300)):
        X = rng.standard_normal((rows, 500)).astype(np.float32)
        W = rng.standard_normal((500, columns)).astype(np.float32)
        b, whole = np.zeros(columns, np.float32), np.empty((rows, columns), np.float32)
        forwards(X, W, b, whole)
        alone = np.empty((1, columns), np.float32)
        for i in range(rows):
            forwards(X[i : i + 1], W, b, alone)
            assert np.array_equal(alone[0], whole[i])


def test_what_is_not_finite_stays_in_its_row_and_column() -> None:
    X, W = np.ones((6, 5), np.float32), np.ones((5, 20), np.float32)
    b, A = np.zeros(20, np.float32), np.empty((6, 20), np.float32)
    X[2, 1], W[3, 19] = np.nan, np.inf
    forwards(X, W, b, A)
    assert np.isnan(A[2]).all()
    assert np.isfinite(np.delete(A, 2, 0)[:, :19]).all()
    assert np.isposinf(np.delete(A, 2, 0)[:, 19]).all()


SHORT_VECTORS = """
import numpy as np
from mlproof import MLPClassifier
from mlproof.engines.compiled import microkernel
assert microkernel.VECTOR_BYTES == {vector_bytes}, microkernel.VECTOR_BYTES
rng = np.random.default_rng(0)
X = rng.standard_normal((300, 80)) * (rng.random((300, 80)) < {density})
y = rng.integers(0, 7, 300)
ours, judge = (
    MLPClassifier((70, 64), max_iter=3, batch_size=100, random_state=0, engine=engine)
    for engine in ("compiled", "numpy")
)
ours.fit(X, y), judge.fit(X, y)
for a, b in zip(ours.coefs_ + ours.intercepts_, judge.coefs_ + judge.intercepts_):
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11)
print("agrees")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 processors")
@pytest.mark.parametrize("density", [1.0, 0.3])
@pytest.mark.parametrize(("features", "vector_bytes"), [("+avx2,+fma", 32), ("", 16)])
def test_processors_with_shorter_vectors_train_the_same(
    features: str, vector_bytes: int, density: float, tmp_path: Path
) -> None:
    if vector_bytes > microkernel.VECTOR_BYTES:
        pytest.skip("this processor has no such vectors")
    name = "haswell" if features else "x86-64"
    environment = os.environ | {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "MLPROOF_CACHE_DIR": str(tmp_path),
    }
    script = SHORT_VECTORS.format(vector_bytes=vector_bytes, density=density)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "agrees\n", done.stderr
