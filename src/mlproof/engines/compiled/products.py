"""The three products of a layer: forwards, backwards, and the gradient of its weights.

    n  rows    X  (n, fan_in)    W  (fan_in, fan_out), as theta stores it
                                 A  (n, fan_out)

Each is one BLAS call, or loops where the call would take longer than the product.
"""

from typing import Any

from numba import carray

from mlproof.engines.compiled.machine import address_of, gemm, pointer_to
from mlproof.engines.compiled.plan import by_loops
from mlproof.engines.compiled.toolchain import part

N, T = ord("N"), ord("T")


@part
def view(flat: Any, at: int, rows: int, columns: int) -> Any:
    """The matrix that lies in a flat array from this element on."""
    # Not a reshaped slice: Numba calls a function of the C library for that.
    return carray(pointer_to(flat, at), (rows, columns))


@part
def flat(matrix: Any) -> Any:
    """The same numbers as a vector."""
    return carray(pointer_to(matrix, 0), matrix.size)


_by_loops: Any = part(by_loops)


@part
def _dot_rows(X: Any, W: Any, A: Any) -> None:
    """A = X W for a single output, four rows at a time."""
    rows, fan_in = X.shape
    zero = A.dtype.type(0)
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a_0, a_1, a_2, a_3 = zero, zero, zero, zero
        for k in range(fan_in):
            w = W[k, 0]
            a_0 += X[i, k] * w
            a_1 += X[i + 1, k] * w
            a_2 += X[i + 2, k] * w
            a_3 += X[i + 3, k] * w
        A[i, 0], A[i + 1, 0], A[i + 2, 0], A[i + 3, 0] = a_0, a_1, a_2, a_3
    for i in range(whole, rows):
        a = zero
        for k in range(fan_in):
            a += X[i, k] * W[k, 0]
        A[i, 0] = a


@part
def forwards(X: Any, W: Any, A: Any) -> None:
    """A = X W: the pre-activations but for the biases, which units.py adds."""
    rows, fan_in = X.shape
    fan_out = W.shape[1]
    if fan_out == 1:
        _dot_rows(X, W, A)
    elif _by_loops(rows, fan_in, fan_out):
        # Two inputs at a time: A is read and written half as often.
        single = fan_in & 1
        for i in range(rows):
            if single:
                x = X[i, 0]
                for j in range(fan_out):
                    A[i, j] = x * W[0, j]
            else:
                x, x_1 = X[i, 0], X[i, 1]
                for j in range(fan_out):
                    A[i, j] = x * W[0, j] + x_1 * W[1, j]
            for k in range(2 - single, fan_in, 2):
                x, x_1 = X[i, k], X[i, k + 1]
                for j in range(fan_out):
                    A[i, j] += x * W[k, j] + x_1 * W[k + 1, j]
    else:
        # BLAS counts by columns, and so sees the transposed matrices: A' = W' X'.
        gemm(
            N,
            N,
            fan_out,
            rows,
            fan_in,
            W[0, 0],
            address_of(W),
            fan_out,
            address_of(X),
            fan_in,
            address_of(A),
            fan_out,
        )


@part
def backwards(G: Any, W: Any, grad_X: Any) -> None:
    """grad_X = G W'  (D.5)."""
    rows, fan_out = G.shape
    fan_in = W.shape[0]
    if fan_out == 1:
        for i in range(rows):
            g = G[i, 0]
            for k in range(fan_in):
                grad_X[i, k] = g * W[k, 0]
    elif _by_loops(rows, fan_in, fan_out):
        for i in range(rows):
            for k in range(fan_in):
                total = G[i, 0] * W[k, 0]
                for j in range(1, fan_out):
                    total += G[i, j] * W[k, j]
                grad_X[i, k] = total
    else:
        gemm(
            T,
            N,
            fan_in,
            rows,
            fan_out,
            W[0, 0],
            address_of(W),
            fan_out,
            address_of(G),
            fan_out,
            address_of(grad_X),
            fan_in,
        )


@part
def weights_gradient(X: Any, first: int, last: int, G: Any, grad_W: Any) -> None:
    """grad_W = X' G for the inputs from first up to last  (D.4)."""
    rows, fan_in = X.shape
    fan_out = G.shape[1]
    inputs = last - first
    if fan_out == 1:
        # Four rows at a time: grad_W is read and written a quarter as often.
        for k in range(inputs):
            grad_W[k, 0] = 0
        whole = rows - rows % 4
        for i in range(0, whole, 4):
            g_0, g_1, g_2, g_3 = G[i, 0], G[i + 1, 0], G[i + 2, 0], G[i + 3, 0]
            for k in range(inputs):
                grad_W[k, 0] += (g_0 * X[i, first + k] + g_1 * X[i + 1, first + k]) + (
                    g_2 * X[i + 2, first + k] + g_3 * X[i + 3, first + k]
                )
        for i in range(whole, rows):
            for k in range(inputs):
                grad_W[k, 0] += G[i, 0] * X[i, first + k]
    elif _by_loops(rows, inputs, fan_out):
        for k in range(inputs):
            for j in range(fan_out):
                grad_W[k, j] = 0
        whole = rows - rows % 4
        for i in range(0, whole, 4):
            for k in range(first, last):
                x_0, x_1, x_2, x_3 = X[i, k], X[i + 1, k], X[i + 2, k], X[i + 3, k]
                for j in range(fan_out):
                    grad_W[k - first, j] += (x_0 * G[i, j] + x_1 * G[i + 1, j]) + (
                        x_2 * G[i + 2, j] + x_3 * G[i + 3, j]
                    )
        for i in range(whole, rows):
            for k in range(first, last):
                x = X[i, k]
                for j in range(fan_out):
                    grad_W[k - first, j] += x * G[i, j]
    else:
        gemm(
            N,
            T,
            fan_out,
            inputs,
            rows,
            G[0, 0],
            address_of(G),
            fan_out,
            address_of(X[:, first:]),
            fan_in,
            address_of(grad_W),
            fan_out,
        )


@part
def biases_gradient(G: Any, grad_b: Any) -> None:
    """grad_b = the sum of the rows of G  (D.4)."""
    rows, fan_out = G.shape
    for j in range(fan_out):
        grad_b[j] = 0
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        for j in range(fan_out):
            grad_b[j] += (G[i, j] + G[i + 1, j]) + (G[i + 2, j] + G[i + 3, j])
    for i in range(whole, rows):
        for j in range(fan_out):
            grad_b[j] += G[i, j]
