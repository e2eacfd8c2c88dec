"""The practical work: a network with one hidden layer, from one gradient to clothes.

    python examples/practical_work.py [--out FOLDER] [--quick] [--only P5 [P6 ...]]

Ten parts, each a function below, in order:

    P1, P2   the gradient of one example, checked against finite differences
    P3, P4   a batch as a loop over its examples, checked in the same way
    P5       decision regions: weight decay, hidden units, early stopping
    P6, P7   a batch as matrix expressions, and the same numbers as by the loop
    P8       the time of one epoch, loop against matrices
    P9, P10  training on Fashion-MNIST with a log, learning curves and the test error

Tables are printed; pictures, the log and all numbers (practical_work.json) go to the
folder.  The full Fashion-MNIST is read from the folder that MLPROOF_FASHION_MNIST names
or where Debian installs it; without it, and with --quick, the 14 x 14 images of the
package are used.  docs/practical-work.md shows and explains the results of a full run.

    n  examples    d  inputs    d_h  hidden units    m  classes    K  rows in a batch
"""

import argparse
import csv
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.datasets import make_circles, make_moons
from threadpoolctl import threadpool_limits

from mlproof import MLPClassifier, check_gradient, reference
from mlproof.datasets import ImageSet, load_fashion_mnist, load_fashion_mnist_14
from mlproof.functions import Array
from mlproof.losses import Labels
from mlproof.network import (
    Theta,
    backward,
    forward,
    gradient_descent_step,
    regularised_gradient,
    risk,
)
from mlproof.penalties import Penalty

BLUE, ORANGE, GREY = "#2468a8", "#d9730d", "#4a4a4a"
SET_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREY}
REGION_COLOURS = LinearSegmentedColormap.from_list(
    "regions", ["#6d9fd0", "#cfe0f0", "#faf7f2", "#fbdcbf", "#eda35f"]
)


@dataclass
class Work:
    """What the parts share: where to write, how much to do, and what came out."""

    out: Path
    quick: bool
    console: Console
    results: dict[str, Any] = field(default_factory=dict)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
        table = Table(*columns)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*map(str, row))
        self.console.print(f"\n{title}", highlight=False)
        self.console.print(table)

    def progress(self, items: Iterable[Any], what: str, total: int) -> Iterator[Any]:
        yield from track(items, what, total, console=self.console)

    def picture(self, figure: Figure, name: str) -> None:
        path = self.out / f"practical-{name}.png"
        figure.savefig(path, dpi=120)
        self.console.print(f"picture: {path}")


# ---- The network, and three ways to its gradient -------------------------------------


def initial_theta(
    rng: np.random.Generator, d: int, d_h: int, m: int, dtype: Any = np.float64
) -> Theta:
    """Weights uniform in +-1/sqrt(n_in), n_in being what enters a unit; biases 0."""

    def weights(n_out: int, n_in: int) -> Array:
        bound = 1 / math.sqrt(n_in)
        return rng.uniform(-bound, bound, (n_out, n_in)).astype(dtype)

    return Theta(
        weights(d_h, d), np.zeros(d_h, dtype), weights(m, d_h), np.zeros(m, dtype)
    )


def gradient_by_numbers(theta: Theta, X: Array, y: Labels) -> Theta:
    """Every sum a Python loop: the oracle, mlproof.reference."""
    W, b = [theta.W1, theta.W2], [theta.b1, theta.b2]
    (grad_W1, grad_W2), (grad_b1, grad_b2) = reference.gradient(W, b, X, y)
    return Theta(grad_W1, grad_b1, grad_W2, grad_b2)


def gradient_by_matrices(theta: Theta, X: Array, y: Labels) -> Theta:
    """All rows at once: the matrix expressions of mlproof.network."""
    grad = backward(theta, X, y, forward(theta, X))
    return Theta(grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2)


def gradient_by_examples(theta: Theta, X: Array, y: Labels) -> Theta:
    """One example after the other: the mean of their gradients."""
    total = Theta(*(np.zeros_like(block) for block in theta))
    for i in range(len(y)):
        grad = gradient_by_matrices(theta, X[i : i + 1], y[i : i + 1])
        for block, of_one in zip(total, grad, strict=True):
            block += of_one
    return Theta(*(block / len(y) for block in total))


def finite_differences(
    loss: Callable[[Theta], float], theta: Theta, step: float = 1e-5
) -> Theta:
    """(loss(theta + step) - loss(theta - step)) / (2 step), one parameter at a time."""
    theta = Theta(*(block.copy() for block in theta))
    slopes = Theta(*(np.zeros_like(block) for block in theta))
    for block, slope in zip(theta, slopes, strict=True):
        for index in np.ndindex(block.shape):
            value = block[index]
            block[index] = value + step
            above = loss(theta)
            block[index] = value - step
            slope[index] = (above - loss(theta)) / (2 * step)
            block[index] = value
    return slopes


def loss_by_numbers(X: Array, y: Labels) -> Callable[[Theta], float]:
    """The mean loss as a function of theta, by the oracle."""

    def loss(theta: Theta) -> float:
        return reference.risk([theta.W1, theta.W2], [theta.b1, theta.b2], X, y)

    return loss


def entries(theta: Theta) -> Iterator[tuple[str, float]]:
    """Name and value of every parameter: W1[0,0], W1[0,1], ..."""
    for name, block in zip(Theta._fields, theta, strict=True):
        for index, value in np.ndenumerate(block):
            yield f"{name}[{','.join(map(str, index))}]", float(value)


def ratio(analytic: float, numeric: float) -> float | None:
    """Analytic by numeric, or None where it is 0/0."""
    if analytic == numeric == 0:
        return None
    return analytic / numeric if numeric else math.inf


def ratios(analytic: Theta, numeric: Theta) -> list[float | None]:
    pairs = zip(entries(analytic), entries(numeric), strict=True)
    return [ratio(a, f) for (_, a), (_, f) in pairs]


def largest_difference(one: Theta, other: Theta) -> float:
    return max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))


def side_by_side(
    work: Work, title: str, first: str, one: Theta, second: str, two: Theta, fd: Theta
) -> list[dict[str, Any]]:
    """Print two gradients beside the finite differences; return the rows."""
    rows = []
    columns = zip(entries(one), entries(two), entries(fd), strict=True)
    for (name, a), (_, b), (_, f) in columns:
        row = {"parameter": name, first: a, second: b, "finite_difference": f}
        rows.append(row | {"ratio": ratio(b, f)})
    work.table(
        title,
        [column.replace("_", " ") for column in rows[0]],
        [
            [name, *(f"{v:+.9f}" for v in values), "0/0" if r is None else f"{r:.9f}"]
            for name, *values, r in (row.values() for row in rows)
        ],
    )
    return rows


def spread(found: Sequence[float | None]) -> dict[str, Any]:
    """The extreme ratios, how far they are from 1, and how many were 0/0."""
    numbers = [r for r in found if r is not None]
    return {
        "parameters": len(found),
        "zero_by_zero": len(found) - len(numbers),
        "lowest_ratio": min(numbers),
        "highest_ratio": max(numbers),
        "worst_ratio_error": max(abs(r - 1) for r in numbers),
    }


def say(work: Work, checked: dict[str, Any]) -> None:
    work.console.print(
        f"{checked['parameters']} parameters: every ratio is within "
        f"{checked['worst_ratio_error']:.1e} of 1, {checked['zero_by_zero']} are 0/0."
    )


# ---- P1, P2: one example -------------------------------------------------------------


def part_1(work: Work) -> None:
    """The gradient of one example is what the loss does when a parameter moves.

    A network of 5 inputs, 6 hidden units and 3 classes: its gradient by the numbers of
    the reference and by network.py, and both against the finite differences.
    """
    rng = np.random.default_rng(11)
    theta = initial_theta(rng, 5, 6, 3)
    x, y = rng.standard_normal((1, 5)), np.array([2])
    by_numbers = gradient_by_numbers(theta, x, y)
    by_network = gradient_by_matrices(theta, x, y)
    numeric = finite_differences(loss_by_numbers(x, y), theta)
    rows = []
    for block in Theta._fields:
        a, b, f = (getattr(g, block) for g in (by_numbers, by_network, numeric))
        differences = [f"{np.max(np.abs(v)):.1e}" for v in (a - b, b - f)]
        rows.append([block, "x".join(map(str, a.shape)), *differences])
    work.table(
        "One example, a 5-6-3 network: largest differences",
        ["block", "shape", "reference - network", "network - finite difference"],
        rows,
    )
    checked = spread(ratios(by_network, numeric))
    say(work, checked)
    work.results["P1"] = checked | {
        "reference_minus_network": largest_difference(by_numbers, by_network),
        "network_minus_finite_difference": largest_difference(by_network, numeric),
    }


def part_2(work: Work) -> None:
    """The same side by side, parameter by parameter, for a 2-2-2 network.

    The second hidden unit is dead on this example: its pre-activation is negative, so
    nothing that enters it, and no weight that leaves it, moves the loss.  Derivative
    and finite difference are then both exactly 0, and their ratio is 0/0.
    """
    theta, x, y = tiny_network(), np.array([[1.2, -0.7]]), np.array([1])
    trace = forward(theta, x)
    work.table(
        f"One example, a 2-2-2 network: x = {x[0].tolist()}, y = {y[0]}",
        ["quantity", "[0]", "[1]"],
        [[name, *(f"{v:+.6f}" for v in row[0])] for name, row in _named(trace)],
    )
    by_numbers = gradient_by_numbers(theta, x, y)
    by_network = gradient_by_matrices(theta, x, y)
    numeric = finite_differences(loss_by_numbers(x, y), theta)
    rows = side_by_side(
        work,
        "Its gradient, side by side",
        "reference",
        by_numbers,
        "network",
        by_network,
        numeric,
    )
    checked = spread(ratios(by_network, numeric))
    say(work, checked)
    dead = [f"h_a[{j}]" for j in np.flatnonzero(trace.h_a[0] <= 0)]
    work.console.print(
        f"0/0: the rect unit is dead, {', '.join(dead)} < 0; both values are exactly 0."
    )
    work.results["P2"] = checked | {"rows": rows, "h_a": trace.h_a[0].tolist()}


def tiny_network() -> Theta:
    return initial_theta(np.random.default_rng(27), 2, 2, 2)


def _named(trace: Any) -> Iterator[tuple[str, Array]]:
    return zip(trace._fields, trace, strict=True)


# ---- P3, P4: a batch as a loop -------------------------------------------------------


def part_3(work: Work) -> None:
    """The gradient of a batch is the mean over its examples: a loop adds it up."""
    theta, X, y = tiny_network(), *tiny_batch()
    running = Theta(*(np.zeros_like(block) for block in theta))
    rows = []
    for i in range(len(y)):
        of_one = gradient_by_matrices(theta, X[i : i + 1], y[i : i + 1])
        for block, grad in zip(running, of_one, strict=True):
            block += grad
        row = (of_one.W1[0, 0], running.W1[0, 0] / (i + 1))
        rows.append([i, y[i], *(f"{v:+.6f}" for v in row)])
    work.table(
        "K = 10 examples one by one, the entry W1[0,0]: 0 where its unit is dead",
        ["example", "class", "its gradient", "mean so far"],
        rows,
    )
    mean = gradient_by_examples(theta, X, y)
    difference = largest_difference(mean, gradient_by_numbers(theta, X, y))
    work.console.print(
        f"The mean gradient by the loop and by the reference: {difference:.1e} apart."
    )
    work.results["P3"] = {"K": len(y), "loop_minus_reference": difference}


def part_4(work: Work) -> None:
    """The check of P2 for the loop over a batch of K = 10."""
    theta, X, y = tiny_network(), *tiny_batch()
    by_numbers = gradient_by_numbers(theta, X, y)
    by_examples = gradient_by_examples(theta, X, y)
    numeric = finite_differences(loss_by_numbers(X, y), theta)
    rows = side_by_side(
        work,
        "K = 10: the mean gradient, side by side",
        "reference",
        by_numbers,
        "loop",
        by_examples,
        numeric,
    )
    checked = spread(ratios(by_examples, numeric))
    say(work, checked)
    work.results["P4"] = checked | {"K": len(y), "rows": rows}


def tiny_batch(K: int = 10) -> tuple[Array, Labels]:
    rng = np.random.default_rng(10)
    return rng.standard_normal((K, 2)), rng.integers(0, 2, K)


# ---- P5: decision regions ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Plane:
    """Points of two classes in the plane, in two parts."""

    name: str
    X: Array
    y: Labels
    X_validation: Array
    y_validation: Labels


def error(theta: Theta, X: Array, y: Labels) -> float:
    """The share of rows whose most probable class is not theirs."""
    return float(np.mean(np.argmax(forward(theta, X).o_a, axis=1) != y))


def epochs(
    theta: Theta,
    X: Array,
    y: Labels,
    *,
    l2: float,
    eta: float,
    K: int,
    rng: np.random.Generator,
) -> Iterator[Theta]:
    """The whole of training: batches of K rows in random order, a step after each."""
    penalty = Penalty((0.0, 0.0), (l2, l2))
    while True:
        order = rng.permutation(len(y))
        for start in range(0, len(y), K):
            rows = order[start : start + K]
            grad = regularised_gradient(theta, X[rows], y[rows], penalty)
            theta = gradient_descent_step(theta, grad, eta)
        yield theta


def train_in_the_plane(
    plane: Plane, d_h: int, l2: float, keep: Sequence[int]
) -> dict[int, Theta]:
    """Theta after each epoch of ``keep``."""
    rng = np.random.default_rng(7)
    theta = initial_theta(rng, 2, d_h, 2)
    training = epochs(theta, plane.X, plane.y, l2=l2, eta=0.5, K=20, rng=rng)
    numbered = zip(range(1, max(keep) + 1), training, strict=False)
    return {number: theta for number, theta in numbered if number in keep}


def part_5(work: Work) -> None:
    """What weight decay, hidden units and early stopping do to decision regions.

    Two moons and two circles, few and noisy points to train on, many to validate on.
    Network and step are those of network.py; in each picture one setting varies.
    """
    planes = two_planes()
    last = 90 if work.quick else 3000
    decays, sizes, moments = (0.0, 0.001, 0.01, 0.04), (2, 4, 10, 100), (3, last // 3)
    jobs: list[tuple[Plane, int, float, Sequence[int]]] = []
    for plane in planes:
        jobs += [(plane, 100, l2, [last]) for l2 in decays[1:]]
        jobs += [(plane, d_h, 0.0, [last]) for d_h in sizes[:-1]]
        jobs += [(plane, 100, 0.0, range(1, last + 1))]  # 100 units, no decay: in all
    runs = {
        (plane.name, d_h, l2): train_in_the_plane(plane, d_h, l2, keep)
        for plane, d_h, l2, keep in work.progress(
            jobs, "training in the plane", len(jobs)
        )
    }
    work.results["P5"] = {"last_epoch": last}

    by_decay, by_size, by_epoch = {}, {}, {}
    for plane in planes:
        full = runs[plane.name, 100, 0.0]
        stop = early_stop(plane, full)
        by_decay[plane] = {
            f"weight decay {l2:g}": runs[plane.name, 100, l2][last] for l2 in decays
        }
        by_size[plane] = {
            f"{d_h} hidden units": runs[plane.name, d_h, 0.0][last] for d_h in sizes
        }
        by_epoch[plane] = {
            f"{moments[0]} epochs": full[moments[0]],
            f"early stopping: epoch {stop}": full[stop],
            f"{moments[1]} epochs": full[moments[1]],
            f"{last} epochs": full[last],
        }
    grid_of_regions(work, "weight-decay", by_decay)
    grid_of_regions(work, "hidden-units", by_size)
    grid_of_regions(work, "epochs", by_epoch)
    curves_in_the_plane(work, {plane: runs[plane.name, 100, 0.0] for plane in planes})


def two_planes() -> list[Plane]:
    def plane(name: str, make: Callable[..., Any], **how: float) -> Plane:
        parts = (make(n, random_state=seed, **how) for n, seed in ((80, 1), (1000, 2)))
        return Plane(name, *(array for part in parts for array in part))

    return [
        plane("moons", make_moons, noise=0.3),
        plane("circles", make_circles, noise=0.22, factor=0.45),
    ]


def decision_regions(axis: Axes, plane: Plane, theta: Theta) -> None:
    """The probability of class 1 as a colour, the boundary as a line, the points."""
    low, high = plane.X.min(axis=0) - 0.4, plane.X.max(axis=0) + 0.4
    x1, x2 = (np.linspace(low[i], high[i], 200) for i in range(2))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)
    o_s = forward(theta, grid.reshape(-1, 2)).o_s[:, 1].reshape(len(x2), len(x1))
    # Twelve flat steps show how sure the network is, and make small files.
    axis.contourf(x1, x2, o_s, levels=np.linspace(0, 1, 13), cmap=REGION_COLOURS)
    if o_s.min() < 0.5 < o_s.max():
        axis.contour(x1, x2, o_s, levels=[0.5], colors=GREY, linewidths=1.4)
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        points = plane.X[plane.y == label]
        axis.scatter(
            points[:, 0],
            points[:, 1],
            s=26,
            color=colour,
            marker=marker,
            edgecolor="white",
            linewidth=0.7,
        )


def grid_of_regions(
    work: Work, name: str, panels: dict[Plane, dict[str, Theta]]
) -> None:
    """One row of pictures for each plane, one picture for each labelled theta."""
    figure = Figure(figsize=(11.5, 6.4), layout="constrained")
    axes = figure.subplots(len(panels), 4, sharex="row", sharey="row")
    rows: list[Any] = []
    found: dict[str, list[Any]] = {}
    for (plane, thetas), row in zip(panels.items(), axes, strict=True):
        found[plane.name] = []
        for axis, (label, theta) in zip(row, thetas.items(), strict=True):
            decision_regions(axis, plane, theta)
            train, validation = errors_in_the_plane(plane, theta)
            axis.set_title(
                f"{label}\nerror: train {train:.1%}, valid. {validation:.1%}",
                fontsize=10.5,
            )
            rows.append([plane.name, label, f"{train:.1%}", f"{validation:.1%}"])
            found[plane.name].append(
                {"setting": label, "train_error": train, "validation_error": validation}
            )
        row[0].set_ylabel(f"two {plane.name}\n$x_2$", fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("$x_1$")
    work.results["P5"][name.replace("-", "_")] = found
    work.table(
        f"Decision regions: {name.replace('-', ' ')}",
        ["data", "setting", "train error", "validation error"],
        rows,
    )
    work.picture(figure, name)


def errors_in_the_plane(plane: Plane, theta: Theta) -> tuple[float, float]:
    return (
        error(theta, plane.X, plane.y),
        error(theta, plane.X_validation, plane.y_validation),
    )


def early_stop(plane: Plane, thetas: dict[int, Theta]) -> int:
    """The epoch with the lowest validation error, the first of them."""
    return min(thetas, key=lambda epoch: errors_in_the_plane(plane, thetas[epoch])[1])


def curves_in_the_plane(work: Work, runs: dict[Plane, dict[int, Theta]]) -> None:
    """Errors by epoch, and the epoch at which the validation set says to stop."""
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    found = work.results["P5"]["early_stopping"] = {}
    for axis, (plane, thetas) in zip(
        figure.subplots(1, len(runs)), runs.items(), strict=True
    ):
        errors = [errors_in_the_plane(plane, theta) for theta in thetas.values()]
        number = np.array(list(thetas))
        stop = early_stop(plane, thetas)
        names = ("train", "validation")
        for name, curve in zip(names, np.transpose(errors), strict=True):
            near = [np.abs(np.log(number / e)) < 0.15 for e in number]
            mean = [curve[window].mean() for window in near]
            axis.plot(number, curve, color=SET_COLOURS[name], lw=0.6, alpha=0.3)
            axis.plot(number, mean, color=SET_COLOURS[name], lw=2, label=name)
        validation = errors[stop - 1][1]
        axis.axvline(stop, color=GREY, ls="--", lw=1)
        axis.plot(stop, validation, "o", color=ORANGE, mec="white", ms=9)
        axis.text(
            0.97,
            0.95,
            f"lowest validation error: {validation:.1%}, epoch {stop}",
            transform=axis.transAxes,
            ha="right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )
        axis.set(xscale="log", ylim=(0, 0.4), xlabel="epoch", ylabel="error")
        axis.set_title(f"two {plane.name}, 100 hidden units, no weight decay")
        axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axis.grid(alpha=0.25)
        axis.legend(loc="lower left", frameon=False)
        found[plane.name] = {"epoch": stop, "validation_error": validation}
    work.picture(figure, "early-stopping")


# ---- P6, P7: a batch as matrices -----------------------------------------------------


def part_6(work: Work) -> None:
    """The loop over the examples becomes one matrix product for each equation.

    grad_W2 = grad_o_a.T @ h_s adds up the outer products of all rows at once.  The
    check is that of P4; mlproof.check_gradient gives a second opinion, in which the
    complex step has a say.
    """
    theta, X, y = tiny_network(), *tiny_batch()
    trace = forward(theta, X)
    grad = backward(theta, X, y, trace)
    shapes = [*_named(trace), *_named(grad)]
    work.table(
        "K = 10: the matrices of one forward and one backward pass",
        ["quantity", "shape"],
        [[name, " x ".join(map(str, array.shape))] for name, array in shapes],
    )
    by_matrices = gradient_by_matrices(theta, X, y)
    numeric = finite_differences(loss_by_numbers(X, y), theta)
    checked = spread(ratios(by_matrices, numeric))
    say(work, checked)
    report = check_gradient(risk, gradient_by_matrices, theta, X, y)
    work.console.print(str(report), markup=False, highlight=False)
    work.results["P6"] = checked | {
        "K": len(y),
        "check_gradient_ok": report.ok,
        "check_gradient_worst": report.worst,
    }


def part_7(work: Work) -> None:
    """Loop and matrices give the same gradient, for K = 1 and for K = 10.

    On images now, through a network of 196 inputs, 100 hidden units and 10 classes.
    What is left is rounding: the sums are the same, taken in another order.
    """
    images = load_fashion_mnist_14()
    theta = initial_theta(np.random.default_rng(7), images.X_train.shape[1], 100, 10)
    rows, found = [], {}
    for K in (1, 10):
        X, y = images.X_train[:K] / 255, images.y_train[:K]
        by_matrices = gradient_by_matrices(theta, X, y)
        loop = largest_difference(by_matrices, gradient_by_examples(theta, X, y))
        numbers = largest_difference(by_matrices, gradient_by_numbers(theta, X, y))
        size = max(float(np.max(np.abs(block))) for block in by_matrices)
        rows.append([f"K = {K}", f"{loop:.1e}", f"{numbers:.1e}", f"{size:.2f}"])
        found[f"K{K}"] = {
            "matrices_minus_loop": loop,
            "matrices_minus_reference": numbers,
            "largest_entry": size,
        }
    work.table(
        "Largest difference of the gradients, of 20710 entries each",
        ["batch", "matrices - loop", "matrices - reference", "largest entry"],
        rows,
    )
    work.results["P7"] = found


# ---- P8: time ------------------------------------------------------------------------


def part_8(work: Work) -> None:
    """One epoch on Fashion-MNIST in batches of K = 100, by three gradients.

    100 hidden units, float64, one thread, a step of gradient descent after each batch.
    Number by number would take long: it is timed on some of the rows, as the table
    says, and scaled up.
    """
    images, name = fashion_mnist(work)
    X, y = images.X_train / 255, images.y_train
    n, K, eta = len(y), 100, 0.1
    start_theta = initial_theta(np.random.default_rng(8), X.shape[1], 100, 10)

    def one_epoch(gradient: Callable[..., Theta], n_rows: int, what: str) -> Any:
        theta = start_theta
        starts = range(0, n_rows, K)
        began = time.perf_counter()
        for start in work.progress(starts, what, len(starts)):
            rows = slice(start, min(start + K, n_rows))
            theta = gradient_descent_step(theta, gradient(theta, X[rows], y[rows]), eta)
        return theta, time.perf_counter() - began

    some = min(100 if work.quick else 300, n)
    _, by_numbers = one_epoch(gradient_by_numbers, some, "number by number")
    by_numbers *= n / some
    looped, by_examples = one_epoch(gradient_by_examples, n, "example by example")
    runs = [one_epoch(gradient_by_matrices, n, "matrices") for _ in range(3)]
    stepped, by_matrices = min(runs, key=lambda run: run[1])
    apart = largest_difference(looped, stepped)

    ways = {
        f"number by number ({some} of {n} rows, scaled up)": by_numbers,
        "example by example (loop, all rows)": by_examples,
        "matrices (all rows, best of 3)": by_matrices,
    }
    work.table(
        f"One epoch on {name}: {n} images of {images.side} x {images.side}, K = 100",
        ["gradient", "seconds", "times the matrices"],
        [[way, f"{s:.2f}", f"{s / by_matrices:.1f}"] for way, s in ways.items()],
    )
    work.console.print(
        f"After the epoch the parameters of loop and matrices are {apart:.1e} apart."
    )
    work.results["P8"] = {
        "data": name,
        "n": n,
        "K": K,
        "d_h": 100,
        "rows_by_number": some,
        "seconds_by_number": by_numbers,
        "seconds_by_example": by_examples,
        "seconds_by_matrices": by_matrices,
        "number_by_matrices": by_numbers / by_matrices,
        "example_by_matrices": by_examples / by_matrices,
        "theta_apart": apart,
    }
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    axis = figure.subplots()
    labels = [way.replace(" (", "\n(") for way in ways]
    axis.hlines(labels, by_matrices, list(ways.values()), color="#c8c8c8", lw=2)
    for label, seconds in zip(labels, ways.values(), strict=True):
        axis.plot(seconds, label, "o", color=ORANGE, ms=11)
        axis.annotate(
            f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:,.0f} min",
            (seconds, label),
            xytext=(11, 0),
            textcoords="offset points",
            va="center",
        )
    axis.set(xscale="log", xlabel="seconds for one epoch (logarithmic)")
    axis.set_xlim(by_matrices / 2, by_numbers * 6)
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.set_ylim(-0.6, 2.6)
    axis.grid(axis="x", alpha=0.25)
    axis.set_title(f"One epoch on {name}, batches of 100, 100 hidden units")
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    work.picture(figure, "time")


def fashion_mnist(work: Work) -> tuple[ImageSet, str]:
    """The full set if it is there and time is not short, else that of the package."""
    if not work.quick:
        try:
            return load_fashion_mnist(), "Fashion-MNIST"
        except FileNotFoundError as missing:
            work.console.print(str(missing), markup=False)
            work.console.print("The 14 x 14 images of the package instead.")
    return load_fashion_mnist_14(), "small Fashion-MNIST (14 x 14)"


# ---- P9, P10: Fashion-MNIST ----------------------------------------------------------

# What the validation set chooses from: hidden units and weight decay.
CANDIDATES = ((100, 0.0), (300, 0.0), (300, 1e-5), (300, 1e-4))


class Part(NamedTuple):
    """One of the three sets: float32 pixels from 0 to 1, and class numbers."""

    X: Array
    y: Labels


def part_9(work: Work) -> None:
    """Training on Fashion-MNIST, the error and the mean loss of three sets into a log.

    A sixth of the training images is the validation set, and it alone chooses among
    the candidates, each trained for a few epochs.  The chosen one is trained anew, and
    after every epoch the log gets a line; its test columns decide nothing.
    """
    images, name = fashion_mnist(work)
    sets = three_sets(images)
    few, many = (8, 30) if len(images.y_train) > 10_000 else (20, 80)
    rows = []
    for d_h, l2 in CANDIDATES:
        classifier = new_classifier(sets["train"], d_h, l2)
        training = islice(classifier.iter_fit(*sets["train"]), few)
        what = f"{d_h} units, weight decay {l2:g}"
        best = min(
            measure(classifier, sets["validation"])[0]
            for _ in work.progress(training, what, few)
        )
        rows.append((best, d_h, l2))
    work.table(
        f"Candidates on {name}: lowest validation error within {few} epochs",
        ["hidden units", "weight decay", "validation error"],
        [[d_h, f"{l2:g}", f"{best:.2%}"] for best, d_h, l2 in rows],
    )
    _, d_h, l2 = min(rows)

    classifier = new_classifier(sets["train"], d_h, l2)
    log_path = work.out / "practical_work.log"
    columns = [f"{part}_{what}" for part in sets for what in ("error", "loss")]
    began = time.perf_counter()
    with open(log_path, "w", newline="", encoding="utf-8") as stream:
        log = csv.writer(stream, lineterminator="\n")
        log.writerow(["epoch", *columns])
        training = islice(classifier.iter_fit(*sets["train"]), many)
        for epoch in work.progress(training, "training the chosen one", many):
            measured = [v for part in sets.values() for v in measure(classifier, part)]
            log.writerow([epoch.number, *(f"{v:.6f}" for v in measured)])
    seconds = time.perf_counter() - began
    work.console.print(
        f"log: {log_path}, {many} epochs in {seconds:.1f} s, measuring included"
    )
    work.results["P9"] = {
        "data": name,
        "rows": {name_of: len(part.y) for name_of, part in sets.items()},
        "candidates": [
            {"d_h": d_h, "l2": l2, "validation_error": best} for best, d_h, l2 in rows
        ],
        "candidate_epochs": few,
        "d_h": d_h,
        "l2": l2,
        "epochs": many,
        "seconds": seconds,
    }


def three_sets(images: ImageSet) -> dict[str, Part]:
    X, X_test = (
        (pixels / 255).astype(np.float32) for pixels in (images.X_train, images.X_test)
    )
    order = np.random.default_rng(9).permutation(len(X))
    held_out, rows = np.split(order, [len(X) // 6])
    return {
        "train": Part(X[rows], images.y_train[rows]),
        "validation": Part(X[held_out], images.y_train[held_out]),
        "test": Part(X_test, images.y_test),
    }


def new_classifier(train: Part, d_h: int, l2: float) -> MLPClassifier:
    """A classifier with the initial weights of the practical work."""
    classifier = MLPClassifier(
        (d_h,),
        solver="adam",
        learning_rate_init=5e-4,
        batch_size=100,
        alpha=0,
        l2=l2,
        n_iter_no_change=np.inf,
        warm_start=True,
        random_state=9,
    )
    # One step makes the arrays; warm_start has training begin from what is put there.
    classes = np.unique(train.y)
    classifier.partial_fit(train.X[:100], train.y[:100], classes=classes)
    rng = np.random.default_rng(9)
    theta = initial_theta(rng, train.X.shape[1], d_h, len(classes))
    classifier.coefs_ = [theta.W1.T, theta.W2.T]
    classifier.intercepts_ = [theta.b1, theta.b2]
    return classifier


def measure(classifier: MLPClassifier, part: Part) -> tuple[float, float]:
    """Error and mean loss; the logarithms keep the loss finite however sure it is."""
    log_o_s = classifier.predict_log_proba(part.X)
    wrong = classifier.classes_[np.argmax(log_o_s, axis=1)] != part.y
    loss = -np.take_along_axis(log_o_s, part.y[:, None], axis=1)
    return float(np.mean(wrong)), float(np.mean(loss, dtype=np.float64))


def part_10(work: Work) -> None:
    """Learning curves, and the test error at the epoch the validation set chooses."""
    with open(work.out / "practical_work.log", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    log = {name: [float(line[name]) for line in lines] for name in lines[0]}
    best = int(np.argmin(log["validation_error"]))
    chosen, last = (
        {name: log[name][at] for name in log if name != "epoch"} for at in (best, -1)
    )
    work.table(
        f"{work.results['P9']['data']}: the epoch of the lowest validation error",
        ["", "train", "validation", "test"],
        [
            [
                f"{what}, epoch {epoch}",
                *(f"{at[f'{part}_{what}']:{how}}" for part in SET_COLOURS),
            ]
            for epoch, at in ((best + 1, chosen), (len(lines), last))
            for what, how in (("error", ".2%"), ("loss", ".3f"))
        ],
    )
    n_test = work.results["P9"]["rows"]["test"]
    chance = 1.96 * math.sqrt(
        chosen["test_error"] * (1 - chosen["test_error"]) / n_test
    )
    verdict = "under" if chosen["test_error"] < 0.2 else "NOT under"
    work.console.print(
        f"Test error {chosen['test_error']:.2%} +- {chance:.2%} (95 % interval of "
        f"{n_test} images): {verdict} 20 %."
    )
    work.results["P10"] = {
        "epoch": best + 1,
        **chosen,
        "test_error_margin": chance,
        "last": last,
    }
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    for axis, what in zip(figure.subplots(1, 2), ("error", "loss"), strict=True):
        for part, colour in SET_COLOURS.items():
            curve = log[f"{part}_{what}"]
            axis.plot(log["epoch"], curve, color=colour, label=part, lw=1.8)
            axis.plot(best + 1, curve[best], "o", color=colour, mec="white", ms=8)
        axis.axvline(best + 1, color=GREY, ls="--", lw=1)
        axis.set(xlabel="epoch", ylabel="mean loss" if what == "loss" else what)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    figure.axes[0].yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    figure.suptitle(
        f"{work.results['P9']['data']}: epoch {best + 1} has the lowest validation "
        f"error; test error there {chosen['test_error']:.1%}"
    )
    work.picture(figure, "learning-curves")


# ---- The command line ----------------------------------------------------------------

PARTS = {
    "P1": part_1,
    "P2": part_2,
    "P3": part_3,
    "P4": part_4,
    "P5": part_5,
    "P6": part_6,
    "P7": part_7,
    "P8": part_8,
    "P9": part_9,
    "P10": part_10,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("practical-work"))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART"
    )
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console() if Console().is_terminal else Console(width=100)
    work = Work(options.out, options.quick, console)
    chosen = set(options.only)
    if "P10" in chosen:  # it reads the log that P9 writes
        chosen.add("P9")
    began = time.perf_counter()
    # Batches this small are faster on one thread: two spend their time on waiting.
    with threadpool_limits(1):
        for name, part in PARTS.items():
            if name in chosen:
                headline = (part.__doc__ or "").partition("\n")[0]
                console.print()
                console.rule(f"[bold]{name}[/bold]  {headline}", align="left")
                part(work)
    work.results["run"] = {
        "quick": options.quick,
        "seconds": time.perf_counter() - began,
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    numbers = options.out / "practical_work.json"
    numbers.write_text(json.dumps(work.results, indent=1) + "\n", encoding="utf-8")
    console.print(f"All numbers: {numbers}, {work.results['run']['seconds']:.1f} s.")


if __name__ == "__main__":
    main()
