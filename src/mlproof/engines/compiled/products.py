"""The three products of a layer: forwards, backwards, and the gradient of its weights.

    n  rows    X  (n, fan_in)    W  (fan_in, fan_out), as theta stores it
                                 A  (n, fan_out)

Each is made by the kernel of microkernel.py.
"""

from typing import Any

from mlproof.engines.compiled.machine import ZERO, address_of, flat, view
from mlproof.engines.compiled.microkernel import PACKED_BYTES, VECTOR_BYTES, product
from mlproof.engines.compiled.toolchain import part

# A row of so many bytes is one vector, or half of one of 512 bits.
NARROW_BYTES = min(VECTOR_BYTES, 32)


@part
def _dot_rows(X: Any, W: Any, b: Any, A: Any) -> None:
    """A = X W + b for a single output, four rows at a time."""
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
        A[i, 0], A[i + 1, 0] = a_0 + b[0], a_1 + b[0]
        A[i + 2, 0], A[i + 3, 0] = a_2 + b[0], a_3 + b[0]
    for i in range(whole, rows):
        a = zero
        for k in range(fan_in):
            a += X[i, k] * W[k, 0]
        A[i, 0] = a + b[0]


@part
def forwards(X: Any, first: int, last: int, W: Any, b: Any, A: Any, room: Any) -> None:
    """A = X W + b, or what the inputs from first up to last make of it  (D.1).

    Without b, where it has no elements; a single output needs all inputs, and b.  room
    is the thread's own.
    """
    fan_in, fan_out, inputs, size = X.shape[1], W.shape[1], last - first, W.itemsize
    X_at, W_at = address_of(X) + first * size, address_of(W) + first * fan_out * size
    if fan_out == 1:
        _dot_rows(X, W, b, A)
    else:
        product(
            address_of(b) if b.size else 0,
            ZERO,
            X_at,
            fan_in * size,
            size,
            W_at,
            fan_out * size,
            A,
            inputs,
            address_of(room),
        )


@part
def _transpose(W: Any, W_T: Any) -> None:
    """W_T = W'."""
    fan_in, fan_out = W.shape
    # Eight rows at a time, so that what is read stays in the cache.
    for first in range(0, fan_in, 8):
        last = min(first + 8, fan_in)
        for j in range(fan_out):
            for k in range(first, last):
                W_T[j, k] = W[k, j]


@part
def backwards(G: Any, W: Any, grad_X: Any, room: Any) -> None:
    """grad_X = G W'  (D.5), by way of W' in room, the thread's own."""
    fan_out, fan_in, size = G.shape[1], W.shape[0], W.itemsize
    if fan_out == 1:  # nothing to add up
        g, w = flat(G), flat(W)
        for i in range(g.size):
            for k in range(w.size):
                grad_X[i, k] = g[i] * w[k]
        return
    W_T = view(room, PACKED_BYTES // size, fan_out, fan_in)
    _transpose(W, W_T)
    product(
        ZERO,
        ZERO,
        address_of(G),
        fan_out * size,
        size,
        address_of(W_T),
        fan_in * size,
        grad_X,
        fan_out,
        address_of(room),
    )


@part
def narrow(fan_in: int, fan_out: int, size: int) -> Any:
    """Whether a row of W leaves sums to wait for each other, and one of W' is long."""
    return fan_out * size <= NARROW_BYTES and 2 * fan_out <= fan_in


@part
def weights_gradient(
    X: Any, first: int, last: int, G: Any, grad_W: Any, spare: Any
) -> None:
    """grad_W = X' G for the inputs from first up to last  (D.4).

    spare has room for as many numbers as grad_W.
    """
    rows, fan_in = X.shape
    fan_out, inputs, size = G.shape[1], last - first, X.itemsize
    X_at, X_step = address_of(X) + first * size, fan_in * size
    G_at, G_step = address_of(G), fan_out * size
    if narrow(inputs, fan_out, size):
        # The same numbers as grad_W' = G' X.
        grad_W_T = view(spare, ZERO, fan_out, inputs)
        product(ZERO, ZERO, G_at, size, G_step, X_at, X_step, grad_W_T, rows, ZERO)
        _transpose(grad_W_T, grad_W)
    else:
        product(ZERO, ZERO, X_at, size, X_step, G_at, G_step, grad_W, rows, ZERO)


@part
def biases_gradient(G: Any, grad_b: Any) -> None:
    """grad_b = the sum of the rows of G  (D.4)."""
    rows, fan_out = G.shape
    for j in range(fan_out):
        grad_b[j] = 0
    if fan_out == 1:  # one sum over what lies side by side
        for i in range(rows):
            grad_b[0] += G[i, 0]
        return
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        for j in range(fan_out):
            grad_b[j] += (G[i, j] + G[i + 1, j]) + (G[i + 2, j] + G[i + 3, j])
    for i in range(whole, rows):
        for j in range(fan_out):
            grad_b[j] += G[i, j]
