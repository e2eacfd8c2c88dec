"""Draw a right gradient beside a wrong one: docs/images/gradient-check.png.

    python examples/gradient_check.py

The network of the derivation on random rows; the wrong gradient has no mask.
"""

import tempfile
from pathlib import Path

import matplotlib.image
import numpy as np

from mlproof import network, plots
from mlproof.verification.comparison import compare

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "gradient-check.png"


def right(theta, X, y):
    found = network.backward(theta, X, y, network.forward(theta, X))
    return network.Theta(found.grad_W1, found.grad_b1, found.grad_W2, found.grad_b2)


def without_mask(theta, X, y):
    found = network.backward(theta, X, y, network.forward(theta, X))
    grad_h_a = found.grad_h_s
    return network.Theta(
        grad_h_a.T @ X, grad_h_a.sum(axis=0), found.grad_W2, found.grad_b2
    )


def main() -> None:
    rng = np.random.default_rng(1)
    n, d, d_h, m = 50, 3, 6, 4
    shapes = (d_h, d), (d_h,), (m, d_h), (m,)
    theta = network.Theta(*(rng.normal(size=shape) for shape in shapes))
    X, y = rng.normal(size=(n, d)), rng.integers(0, m, n)
    halves = []
    with tempfile.TemporaryDirectory() as folder:
        for gradient in (right, without_mask):
            half = Path(folder) / "half.png"
            plots.gradient_check(half, compare(network.risk, gradient, theta, X, y))
            halves.append(matplotlib.image.imread(half))
    matplotlib.image.imsave(PICTURE, np.concatenate(halves))
    print(f"Picture written to {PICTURE}.")


if __name__ == "__main__":
    main()
