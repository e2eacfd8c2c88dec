"""Three ways to the gradient, and their checks: P1 to P4, P6 and P7.

d  inputs    d_h  hidden units    m  classes    K  rows in a batch
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from common import Work, initial_theta

from mlproof import check_gradient, reference
from mlproof.datasets import load_fashion_mnist_14
from mlproof.functions import Array
from mlproof.losses import Labels
from mlproof.network import Theta, backward, forward, risk

Gradient = Callable[[Theta, Array, Labels], Theta]


def gradient_by_numbers(theta: Theta, X: Array, y: Labels) -> Theta:
    """Every sum a Python loop: the oracle, mlproof.reference."""
    W, b = [theta.W1, theta.W2], [theta.b1, theta.b2]
    (grad_W1, grad_W2), (grad_b1, grad_b2) = reference.gradient(W, b, X, y)
    return Theta(grad_W1, grad_b1, grad_W2, grad_b2)


def gradient_by_examples(theta: Theta, X: Array, y: Labels) -> Theta:
    """One example after the other: the mean of their gradients."""
    total = Theta(*(np.zeros_like(block) for block in theta))
    for i in range(len(y)):
        grad = gradient_by_matrices(theta, X[i : i + 1], y[i : i + 1])
        for block, of_one in zip(total, grad, strict=True):
            block += of_one
    return Theta(*(block / len(y) for block in total))


def gradient_by_matrices(theta: Theta, X: Array, y: Labels) -> Theta:
    """All rows at once: the matrix expressions of mlproof.network."""
    grad = backward(theta, X, y, forward(theta, X))
    return Theta(grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2)


def finite_differences(theta: Theta, X: Array, y: Labels, step: float = 1e-5) -> Theta:
    """(risk(theta + step) - risk(theta - step)) / (2 step), one parameter at a time."""
    theta = Theta(*(block.copy() for block in theta))
    slopes = Theta(*(np.zeros_like(block) for block in theta))
    W, b = [theta.W1, theta.W2], [theta.b1, theta.b2]
    for block, slope in zip(theta, slopes, strict=True):
        for index in np.ndindex(block.shape):
            value = block[index]
            block[index] = value + step
            above = reference.risk(W, b, X, y)
            block[index] = value - step
            slope[index] = (above - reference.risk(W, b, X, y)) / (2 * step)
            block[index] = value
    return slopes


def largest_difference(one: Theta, other: Theta) -> float:
    return max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))


def check(
    work: Work, title: str, theta: Theta, X: Array, y: Labels, gradient: Gradient
) -> dict[str, Any]:
    """Print a gradient beside that of the reference and the finite differences."""
    columns = {
        "reference": gradient_by_numbers(theta, X, y),
        "gradient": gradient(theta, X, y),
        "finite_difference": finite_differences(theta, X, y),
    }
    rows: list[dict[str, Any]] = []
    for name, *blocks in zip(Theta._fields, *columns.values(), strict=True):
        for index in np.ndindex(blocks[0].shape):
            row = {
                column: float(block[index])
                for column, block in zip(columns, blocks, strict=True)
            }
            _, a, f = row.values()
            ratio = None if a == f == 0 else float(np.divide(a, f))
            rows.append({"parameter": f"{name}{list(index)}"} | row | {"ratio": ratio})
    shown = rows[:12]
    work.table(
        f"{title}: {len(shown)} of {len(rows)} parameters",
        ["", *(name.replace("_", " ") for name in columns), "ratio"],
        [
            [
                row["parameter"],
                *(f"{row[name]:+.9f}" for name in columns),
                "0/0" if row["ratio"] is None else f"{row['ratio']:.9f}",
            ]
            for row in shown
        ],
    )
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    worst, dead = max(abs(r - 1) for r in ratios), len(rows) - len(ratios)
    work.say(f"Every ratio is within {worst:.1e} of 1; {dead} are 0/0.")
    reference, analytic, numeric = columns.values()
    return {
        "parameters": len(rows),
        "zero_by_zero": dead,
        "worst_ratio_error": worst,
        "from_reference": largest_difference(analytic, reference),
        "from_finite_difference": largest_difference(analytic, numeric),
        "rows": shown,
    }


def tiny() -> tuple[Theta, Array, Labels]:
    """A 2-2-2 network and a batch of K = 10 for it."""
    theta = initial_theta(np.random.default_rng(27), 2, 2, 2)
    rng = np.random.default_rng(10)
    return theta, rng.standard_normal((10, 2)), rng.integers(0, 2, 10)


def p1_one_example(work: Work) -> None:
    """P1: the gradient of one example is what the loss does when a parameter moves.

    A network of 5 inputs, 6 hidden units and 3 classes: its gradient by the numbers of
    the reference, by network.py, and by finite differences.
    """
    rng = np.random.default_rng(11)
    theta = initial_theta(rng, 5, 6, 3)
    x, y = rng.standard_normal((1, 5)), np.array([2])
    work.results["P1"] = check(
        work, "One example, a 5-6-3 network", theta, x, y, gradient_by_matrices
    )


def p2_side_by_side(work: Work) -> None:
    """P2: the same, parameter by parameter, for a 2-2-2 network.

    The second hidden unit is dead on this example: its pre-activation is negative, so
    nothing that enters it, and no weight that leaves it, moves the loss.  Derivative
    and finite difference are then both exactly 0, and their ratio is 0/0.
    """
    theta, x, y = tiny()[0], np.array([[1.2, -0.7]]), np.array([1])
    h_a = forward(theta, x).h_a[0].tolist()
    work.say(f"x = {x[0].tolist()}, y = {y[0]}, h_a = {h_a}: a unit below 0 is dead.")
    title = "One example, a 2-2-2 network"
    checked = check(work, title, theta, x, y, gradient_by_matrices)
    work.results["P2"] = checked | {"h_a": h_a}


def p3_loop(work: Work) -> None:
    """P3: the gradient of a batch is the mean over its examples: a loop adds it up."""
    theta, X, y = tiny()
    examples = range(len(y))
    of_one = [gradient_by_matrices(theta, X[[i]], y[[i]]).W1[0, 0] for i in examples]
    so_far = [float(np.mean(of_one[: i + 1])) for i in examples]
    work.table(
        "K = 10 examples one by one, the entry W1[0,0]: 0 where its unit is dead",
        ["example", "class", "its gradient", "mean so far"],
        [[i, y[i], f"{of_one[i]:+.6f}", f"{so_far[i]:+.6f}"] for i in examples],
    )
    work.results["P3"] = {"K": len(y), "mean": so_far[-1]}


def p4_loop_checked(work: Work) -> None:
    """P4: the check of P2 for the loop over a batch of K = 10."""
    work.results["P4"] = check(work, "K = 10", *tiny(), gradient_by_examples)


def p6_matrices_checked(work: Work) -> None:
    """P6: the loop over the examples becomes one matrix product for each equation.

    grad_W2 = grad_o_a.T @ h_s adds up the outer products of all rows at once.  The
    check is that of P4; mlproof.check_gradient gives a second opinion, in which the
    complex step has a say.
    """
    theta, X, y = tiny()
    checked = check(work, "K = 10", theta, X, y, gradient_by_matrices)
    report = check_gradient(risk, gradient_by_matrices, theta, X, y)
    work.say(str(report))
    work.results["P6"] = checked | {"check_gradient_worst": report.worst}


def p7_loop_and_matrices(work: Work) -> None:
    """P7: loop and matrices give the same gradient, for K = 1 and for K = 10.

    On images now, through a network of 196 inputs, 100 hidden units and 10 classes.
    What is left is rounding: the sums are the same, taken in another order.
    """
    images = load_fashion_mnist_14()
    theta = initial_theta(np.random.default_rng(7), images.X_train.shape[1], 100, 10)
    found = {}
    for K in (1, 10):
        X, y = images.X_train[:K] / 255, images.y_train[:K]
        grad = gradient_by_matrices(theta, X, y)
        by_loop = gradient_by_examples(theta, X, y)
        by_numbers = gradient_by_numbers(theta, X, y)
        found[f"K{K}"] = {
            "matrices_minus_loop": largest_difference(grad, by_loop),
            "matrices_minus_reference": largest_difference(grad, by_numbers),
            "largest_entry": max(float(np.max(np.abs(block))) for block in grad),
        }
    work.table(
        "Largest difference of the gradients, of 20710 entries each",
        ["batch", "matrices - loop", "matrices - reference", "largest entry"],
        [[K, *(f"{v:.1e}" for v in row.values())] for K, row in found.items()],
    )
    work.results["P7"] = found
