"""What an epoch takes the NumPy engine: the constants of mlproof/engines/choice.py.

Batches of many networks are timed, and the constants are those that explain the times
with the smallest relative errors:

    seconds of a batch = layers * PER_LAYER + parameters * PER_PARAMETER
                         + 3 * rows * multiplications per row * PER_PRODUCT

    python benchmarks/engines.py
"""

import time
from itertools import product
from statistics import median

import numpy as np
from scipy.optimize import nnls

from mlproof.deep import Network
from mlproof.engines import Examples, products_per_row
from mlproof.engines.choice import PER_LAYER, PER_PARAMETER, PER_PRODUCT
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS
from mlproof.losses import SOFTMAX
from mlproof.optimizers import Adam
from mlproof.parameters import n_theta
from mlproof.penalties import Penalty

HIDDEN = [(8,), (100,), (400,), (64, 64), (256, 128)]
INPUTS, BATCHES = (4, 60, 800), (16, 64, 200, 1000)
N_BATCHES, ROUNDS, CLASSES = 8, 5, 10
NAMES = ("PER_LAYER", "PER_PARAMETER", "PER_PRODUCT")


def seconds_per_batch(units: tuple[int, ...], batch_size: int) -> float:
    rng = np.random.default_rng(0)
    n = N_BATCHES * batch_size
    examples = Examples(
        rng.random((n, units[0]), dtype=np.float32), np.arange(n) % CLASSES, None
    )
    theta = 0.1 * rng.standard_normal(n_theta(units), dtype=np.float32)
    n_layers = len(units) - 1
    penalty = Penalty((0.0,) * n_layers, (0.0,) * n_layers, 1e-4)
    engine = NumpyEngine(Network(units, ACTIVATIONS["rect"], SOFTMAX))
    optimizer, order, times = Adam(1e-3), rng.permutation(n), []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        engine.epoch(theta, optimizer, examples, order, batch_size, penalty)
        times.append((time.perf_counter() - began) / N_BATCHES)
    return median(times[1:])


def main() -> None:
    rows, seconds = [], []
    for d, hidden, batch_size in product(INPUTS, HIDDEN, BATCHES):
        units = (d, *hidden, CLASSES)
        multiplications = 3 * batch_size * products_per_row(units, np.empty((1, d)))
        rows.append((len(units) - 1, n_theta(units), multiplications))
        seconds.append(seconds_per_batch(units, batch_size))
    A, b = np.array(rows, dtype=np.float64), np.array(seconds)
    scale = np.max(A, axis=0)
    found = nnls(A / scale / b[:, None], np.ones(len(b)))[0] / scale
    off = np.abs(A @ found / b - 1)
    for name, constant, now in zip(
        NAMES, found, (PER_LAYER, PER_PARAMETER, PER_PRODUCT), strict=True
    ):
        print(f"{name:<14} {constant:.1e} s   (choice.py has {now:.0e})")
    print(f"off by {np.median(off):.0%} in the median, {np.max(off):.0%} at most")


if __name__ == "__main__":
    main()
