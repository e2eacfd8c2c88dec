"""Decision regions in the plane, and what holds back overfitting there: P5."""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from common import BLUE, GREY, ORANGE, SET_COLOURS, Work, initial_theta
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from sklearn.datasets import make_circles, make_moons

from mlproof.functions import Array
from mlproof.losses import Labels
from mlproof.network import Theta, forward, gradient_descent_step, regularised_gradient
from mlproof.penalties import Penalty

REGION_COLOURS = LinearSegmentedColormap.from_list(
    "regions", ["#6d9fd0", "#cfe0f0", "#faf7f2", "#fbdcbf", "#eda35f"]
)
DECAYS, SIZES = (0.0, 0.001, 0.01, 0.04), (2, 4, 10, 100)
# All trainings: (hidden units, weight decay), 100 units without decay being in both.
SETTINGS = [(100, l2) for l2 in DECAYS] + [(d_h, 0.0) for d_h in SIZES[:-1]]


class Plane(NamedTuple):
    """Points of two classes in the plane: few to train on, many to validate on."""

    name: str
    X: Array
    y: Labels
    X_validation: Array
    y_validation: Labels

    def errors(self, theta: Theta) -> tuple[float, float]:
        """The shares of points in the wrong class, of training and of validation."""

        def error(X: Array, y: Labels) -> float:
            return float(np.mean(np.argmax(forward(theta, X).o_a, axis=1) != y))

        return error(self.X, self.y), error(self.X_validation, self.y_validation)


def two_planes() -> list[Plane]:
    def plane(name: str, make: Callable[..., Any], **how: float) -> Plane:
        return Plane(
            name, *make(80, random_state=1, **how), *make(1000, random_state=2, **how)
        )

    return [
        plane("moons", make_moons, noise=0.3),
        plane("circles", make_circles, noise=0.22, factor=0.45),
    ]


def train(plane: Plane, d_h: int, l2: float, epochs: int) -> list[Theta]:
    """Theta after each epoch: batches of 20 rows in random order, a step after each."""
    rng = np.random.default_rng(7)
    theta = initial_theta(rng, 2, d_h, 2)
    penalty = Penalty((0.0, 0.0), (l2, l2))
    thetas = []
    for _ in range(epochs):
        for rows in rng.permutation(len(plane.y)).reshape(-1, 20):
            grad = regularised_gradient(theta, plane.X[rows], plane.y[rows], penalty)
            theta = gradient_descent_step(theta, grad, eta=0.5)
        thetas.append(theta)
    return thetas


def p5_decision_regions(work: Work) -> None:
    """P5: what weight decay, hidden units and early stopping do to decision regions.

    Two moons and two circles.  Network and step are those of network.py; in each
    picture one setting varies.
    """
    planes, last = two_planes(), 90 if work.quick else 3000
    work.results["P5"] = {"last_epoch": last}
    jobs = list(product(planes, SETTINGS))
    runs = {
        (plane.name, *setting): train(plane, *setting, last)
        for plane, setting in work.progress(jobs, "training in the plane")
    }
    by_decay = [
        (plane, f"weight decay {l2:g}", runs[plane.name, 100, l2][-1])
        for plane, l2 in product(planes, DECAYS)
    ]
    by_size = [
        (plane, f"{d_h} hidden units", runs[plane.name, d_h, 0.0][-1])
        for plane, d_h in product(planes, SIZES)
    ]
    by_epoch, errors = [], {}
    for plane in planes:
        full = runs[plane.name, 100, 0.0]
        errors[plane.name] = np.array([plane.errors(theta) for theta in full])
        stop = int(np.argmin(errors[plane.name][:, 1])) + 1
        shown = {
            3: "3 epochs",
            last // 3: f"{last // 3} epochs",
            last: f"{last} epochs",
        }
        shown[stop] = f"early stopping: epoch {stop}"
        by_epoch += [
            (plane, title, full[epoch - 1]) for epoch, title in sorted(shown.items())
        ]
    grid_of_regions(work, "weight-decay", by_decay)
    grid_of_regions(work, "hidden-units", by_size)
    grid_of_regions(work, "epochs", by_epoch)
    error_curves(work, errors)


def grid_of_regions(
    work: Work, name: str, panels: list[tuple[Plane, str, Theta]]
) -> None:
    """Four pictures side by side for each plane."""
    figure = Figure(figsize=(11.5, 6.4), layout="constrained")
    axes = figure.subplots(len(panels) // 4, 4, sharex="row", sharey="row")
    rows: list[list[str]] = []
    found: dict[str, list[Any]] = {}
    for axis, (plane, label, theta) in zip(axes.flat, panels, strict=True):
        decision_regions(axis, plane, theta)
        train, validation = plane.errors(theta)
        written = f"error: train {train:.1%}, valid. {validation:.1%}"
        axis.set_title(f"{label}\n{written}", fontsize=10.5)
        rows.append([plane.name, label, f"{train:.1%}", f"{validation:.1%}"])
        found.setdefault(plane.name, []).append(
            {"setting": label, "train_error": train, "validation_error": validation}
        )
    for row, plane_name in zip(axes, found, strict=True):
        row[0].set_ylabel(f"two {plane_name}\n$x_2$", fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("$x_1$")
    work.results["P5"][name.replace("-", "_")] = found
    columns = ["data", "setting", "train error", "validation error"]
    work.table(f"Decision regions: {name.replace('-', ' ')}", columns, rows)
    work.picture(figure, name)


def decision_regions(axis: Axes, plane: Plane, theta: Theta) -> None:
    """The probability of class 1 as a colour, the boundary as a line, the points."""
    low, high = plane.X.min(axis=0) - 0.4, plane.X.max(axis=0) + 0.4
    x1, x2 = np.linspace(low, high, 200).T
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)
    o_s = forward(theta, grid.reshape(-1, 2)).o_s[:, 1].reshape(200, 200)
    # Twelve flat steps show how sure the network is, and make small files.
    axis.contourf(x1, x2, o_s, levels=np.linspace(0, 1, 13), cmap=REGION_COLOURS)
    if o_s.min() < 0.5 < o_s.max():
        axis.contour(x1, x2, o_s, levels=[0.5], colors=GREY, linewidths=1.4)
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        points = plane.X[plane.y == label].T
        axis.scatter(
            *points, s=26, color=colour, marker=marker, edgecolor="white", lw=0.7
        )


def error_curves(work: Work, errors: dict[str, Array]) -> None:
    """Errors by epoch, and the epoch at which the validation set says to stop."""
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    found = work.results["P5"]["early_stopping"] = {}
    axes = figure.subplots(1, len(errors))
    for axis, (plane, of_both) in zip(axes, errors.items(), strict=True):
        epochs = np.arange(1, len(of_both) + 1)
        for name, curve in zip(("train", "validation"), of_both.T, strict=True):
            mean = [curve[np.abs(np.log(epochs / e)) < 0.15].mean() for e in epochs]
            axis.plot(epochs, curve, color=SET_COLOURS[name], lw=0.6, alpha=0.3)
            axis.plot(epochs, mean, color=SET_COLOURS[name], lw=2, label=name)
        validation = of_both[:, 1]
        stop, lowest = int(np.argmin(validation)) + 1, float(np.min(validation))
        axis.axvline(stop, color=GREY, ls="--", lw=1)
        axis.plot(stop, lowest, "o", color=ORANGE, mec="white", ms=9)
        axis.set(xscale="log", ylim=(0, 0.4), xlabel="epoch", ylabel="error")
        axis.set_title(
            f"two {plane}: lowest validation error {lowest:.1%}, epoch {stop}"
        )
        axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axis.grid(alpha=0.25)
        axis.legend(loc="lower left", frameon=False)
        found[plane] = {"epoch": stop, "validation_error": lowest}
    work.picture(figure, "early-stopping")
