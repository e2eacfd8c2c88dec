"""The kernel of matrix products beside NumPy's matmul, on one thread, in turn.

    python benchmarks/products.py

prints the GFLOP/s of both for shapes that chunks have.  How it is with shorter vectors
shows where both libraries are told of another processor:

    NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma OPENBLAS_CORETYPE=Haswell \
        python benchmarks/products.py
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numba
import numpy as np

from mlproof.engines.blas import single_threaded_blas
from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.microkernel import (
    PACKED_BYTES,
    VECTOR_BYTES,
    product,
    types_of_product,
)
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.parameters import vector

ROUNDS = 15
SECONDS = 0.01  # of a round, at least
SHAPES = (
    (32, 2, 16),
    (32, 100, 10),
    (64, 64, 100),
    (50, 784, 100),
    (128, 54, 256),
    (64, 256, 128),
    (64, 784, 256),
    (128, 1024, 1024),
    (32, 2048, 2048),
)


@numba.njit(**OPTIONS)
def multiply(X: Any, W: Any, A: Any, room: Any, times: int) -> None:
    (_, fan_in), size = X.shape, X.itemsize
    for _ in range(times):
        product(
            0,
            0,
            address_of(X),
            fan_in * size,
            size,
            address_of(W),
            W.shape[1] * size,
            A,
            fan_in,
            address_of(room),
        )


def matmul(X: Any, W: Any, A: Any, times: int) -> None:
    for _ in range(times):
        np.matmul(X, W, out=A)


def seconds(function: Callable[..., None], arguments: Any, times: int) -> float:
    began = time.perf_counter()
    function(*arguments, times)
    return (time.perf_counter() - began) / times


def main() -> None:
    rng = np.random.default_rng(0)
    print(
        f"vectors of {8 * VECTOR_BYTES} bits; ours, NumPy's in GFLOP/s, and the ratio"
    )
    for dtype in (np.float32, np.float64):
        product.stage.compile(types_of_product(np.empty((1, 1), dtype)))
        for n, k, m in SHAPES:
            X = rng.standard_normal((n, k)).astype(dtype)
            W = rng.standard_normal((k, m)).astype(dtype)
            A, room = np.empty((n, m), dtype), vector(PACKED_BYTES, np.uint8)
            times = max(1, round(SECONDS * 4e10 / (n * k * m)))
            with single_threaded_blas():
                both = (multiply, (X, W, A, room)), (matmul, (X, W, A))
                for each in both:
                    seconds(*each, 1)
                rounds = [
                    [seconds(*each, times) for each in both] for _ in range(ROUNDS)
                ]
            ours, theirs = (
                2e-9 * n * k * m / median(each) for each in zip(*rounds, strict=True)
            )
            ratio = median(other / own for own, other in rounds)
            name = np.dtype(dtype).name
            print(
                f"{name} {n:4} x {k:4} x {m:4} {ours:6.1f} {theirs:6.1f} {ratio:5.2f}"
            )


if __name__ == "__main__":
    main()
