"""The data that is trained on: real where it is at hand, else drawn, and called so."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits, make_moons

from mlproof.datasets import load_fashion_mnist
from mlproof.functions import Array

# Columns of a text are as frequent as words: a few in most rows, most in few.  With
# this exponent 80 draws hit about 40 columns.
ZIPF = 1.28
# Less than what a pixel may have, and no 0.
NEARLY_0 = np.float32(1 / 1024)


class Problem(NamedTuple):
    """Rows, their classes 0, 1 .., and what to call them."""

    what: str
    X: Any  #    (n, d)  float32, or as a name says; dense, or CSR
    y: Array  #  (n,)    int64


def moons() -> Problem:
    X, y = make_moons(2_000, noise=0.2, random_state=0)
    return Problem("two moons", X.astype(np.float32), y)


def digits() -> Problem:
    X, y = load_digits(return_X_y=True)
    return Problem("digits", (X / 16).astype(np.float32), y)


@lru_cache(maxsize=1)
def fashion_pixels() -> Problem:
    """The training images of Fashion-MNIST, as uint8; without them, random ones."""
    try:
        data = load_fashion_mnist()
        return Problem("Fashion-MNIST", data.X_train, data.y_train.astype(np.int64))
    except FileNotFoundError:
        rng = np.random.default_rng(0)
        X = rng.integers(0, 256, (60_000, 784), dtype=np.uint8)
        X[rng.random(X.shape, dtype=np.float32) < 0.5] = 0  # as many as in clothes
        y = rng.integers(0, 10, len(X))
        return Problem("random images of Fashion-MNIST's shape", X, y)


def fashion() -> Problem:
    """The same, as float32 from 0 to 1."""
    what, X, y = fashion_pixels()
    return Problem(what, X / np.float32(255), y)


def without_zeros(problem: Problem) -> Problem:
    """The same rows with next to nothing for every 0: none can be passed over."""
    return problem._replace(
        what=f"{problem.what}, no zeros",
        X=np.where(problem.X == 0, NEARLY_0, problem.X),
    )


def table() -> Problem:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, 54), dtype=np.float32)
    return Problem("random table", X, _classes(rng, X, 7))


def text() -> Problem:
    """Word counts, as it were: 5,000 rows of 50,000 columns, most of them 0."""
    rng = np.random.default_rng(0)
    n, d, drawn = 5_000, 50_000, 80
    frequency = np.arange(1, d + 1) ** -ZIPF
    columns = rng.choice(d, (n, drawn), p=frequency / frequency.sum()).ravel()
    counts = (np.ones(n * drawn, np.float32), (np.repeat(np.arange(n), drawn), columns))
    X = sparse.csr_matrix(counts, shape=(n, d), dtype=np.float32)
    X.sum_duplicates()
    X.data = np.log1p(X.data)
    return Problem("random text", X, _classes(rng, X, 20))


def _classes(rng: np.random.Generator, X: Any, m: int) -> Array:
    """The largest of m noisy linear functions of a row: something to learn."""
    scores = X @ rng.standard_normal((X.shape[1], m), dtype=np.float32)
    noise = rng.standard_normal(scores.shape, dtype=np.float32)
    y: Array = np.argmax(scores + scores.std() * noise, axis=1)
    return y
