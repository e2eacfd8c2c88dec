"""The floor: the matrix products of a training in float32, and nothing else.

No biases, no units, no loss, no step, no order of rows: what an epoch would take if all
of that were free and the products were NumPy's.
"""

from itertools import pairwise

import numpy as np

from mlproof.bench.contestants import Contestant, Run, clocked
from mlproof.bench.tasks import Task
from mlproof.functions import Array


def _random(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def fitting(task: Task) -> Contestant:
    """For each batch H W, H^T G and, but for the first layer, G W^T."""
    X, units, B = task.problem.X, task.units, task.batch_size

    def prepare() -> Run:
        W = [_random(*pair) for pair in pairwise(units)]
        grad_W = [np.empty_like(W_k) for W_k in W]
        H = [_random(B, width) for width in units]
        G = [_random(B, width) for width in units]

        def batch(rows: Array) -> None:
            s = len(rows)
            H_s = [rows, *(H_k[:s] for H_k in H[1:])]
            G_s = [G_k[:s] for G_k in G]
            for k in range(len(W)):
                np.matmul(H_s[k], W[k], out=H_s[k + 1])
            for k in reversed(range(len(W))):
                np.matmul(H_s[k].T, G_s[k + 1], out=grad_W[k])
                if k:
                    np.matmul(G_s[k + 1], W[k].T, out=G_s[k])

        def work() -> None:
            for _ in range(task.epochs):
                for start in range(0, len(X), B):
                    batch(X[start : start + B])

        return clocked(work)

    return Contestant("floor", prepare)


def predicting(task: Task, rows: int, calls: int) -> Contestant:
    """The products of the way forward, all rows at once."""
    X, units = task.problem.X[:rows], task.units

    def prepare() -> Run:
        W = [_random(*pair) for pair in pairwise(units)]
        H = [X, *(_random(rows, width) for width in units[1:])]

        def work() -> None:
            for _ in range(calls):
                for k in range(len(W)):
                    np.matmul(H[k], W[k], out=H[k + 1])

        return clocked(work)

    return Contestant("floor", prepare)
