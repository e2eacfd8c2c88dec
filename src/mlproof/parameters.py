"""theta: all parameters of a network as one flat vector, and views into it (Q2.5).

    units    (d, d_h, .., m)  the sizes of the layers, inputs and outputs included
    theta    (n_theta,)       W[0], b[0], W[1], b[1], ...
    W[k]     (units[k+1], units[k])   the derivation's W1 is W[0], its W2 is W[1]
    b[k]     (units[k+1],)

Gradients, velocities and moments are vectors of the same length, so one line updates
every layer.  The views write through: changing W[k] changes theta.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array

# Bytes of a line of the cache.
LINE = 64


class Parameters(NamedTuple):
    """Views into a theta, or into anything of its shape: a gradient, a velocity."""

    W: list[Array]
    b: list[Array]


def n_theta(units: tuple[int, ...]) -> int:
    """How many numbers theta holds: d_h d + d_h + m d_h + m for one hidden layer."""
    return sum(
        fan_out * fan_in + fan_out for fan_in, fan_out in pairwise(units)
    )  # (Q2.5)


def vector(n: int, dtype: Any, filled: Callable[[int, Any], Array] = np.empty) -> Array:
    """A flat array of n numbers that begins with a line of the cache.

    The weights of an input that fill some lines then lie in these and no other; where
    NumPy puts an array they mostly reach into one more.  ``filled`` is ``np.empty`` or
    ``np.zeros``.
    """
    size = n * np.dtype(dtype).itemsize
    memory = filled(size + LINE, np.uint8)
    at = -memory.ctypes.data % LINE
    return memory[at : at + size].view(dtype)


def zeros_like(theta: Array) -> Array:
    """A gradient, a velocity or a moment of theta that is yet 0."""
    return vector(theta.size, theta.dtype, np.zeros)


def views(theta: Array, units: tuple[int, ...]) -> Parameters:
    """The weights and biases of every layer, as views into ``theta``."""
    parameters = Parameters([], [])
    start = 0
    for fan_in, fan_out in pairwise(units):
        end = start + fan_in * fan_out
        # Stored by input, so that the weights of one input lie side by side: a sparse
        # example then reads whole stretches of memory.
        parameters.W.append(theta[start:end].reshape(fan_in, fan_out).T)
        parameters.b.append(theta[end : end + fan_out])
        start = end + fan_out
    return parameters


def pack(W: list[Array], b: list[Array]) -> Array:
    """The flat vector whose views are W and b."""
    return np.concatenate(
        [block.T.ravel() for layer in zip(W, b, strict=True) for block in layer]
    )
