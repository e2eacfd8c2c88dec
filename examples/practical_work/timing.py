"""The time of one epoch by the three gradients: P8."""

import time

import numpy as np
from common import ORANGE, Work, initial_theta
from gradients import (
    Gradient,
    gradient_by_examples,
    gradient_by_matrices,
    gradient_by_numbers,
    largest_difference,
)
from matplotlib.figure import Figure

from mlproof.network import Theta, gradient_descent_step


def p8_time_of_an_epoch(work: Work) -> None:
    """P8: one epoch on Fashion-MNIST in batches of K = 100, by three gradients.

    100 hidden units, float64, one thread, a step of gradient descent after each batch.
    Number by number would take long: it is timed on some of the rows, as the table
    says, and scaled up.
    """
    images, name = work.fashion_mnist()
    X, y = images.X_train / 255, images.y_train
    n, K, d_h, eta = len(y), 100, 100, 0.1
    start_theta = initial_theta(np.random.default_rng(8), X.shape[1], d_h, 10)

    def one_epoch(
        gradient: Gradient, what: str, n_rows: int = n
    ) -> tuple[float, Theta]:
        theta = start_theta
        began = time.perf_counter()
        for start in work.progress(range(0, n_rows, K), what):
            rows = slice(start, min(start + K, n_rows))
            theta = gradient_descent_step(theta, gradient(theta, X[rows], y[rows]), eta)
        return time.perf_counter() - began, theta

    some = min(100 if work.quick else 300, n)
    by_numbers, _ = one_epoch(gradient_by_numbers, "number by number", some)
    by_numbers *= n / some
    by_examples, looped = one_epoch(gradient_by_examples, "example by example")
    runs = [one_epoch(gradient_by_matrices, "matrices") for _ in range(3)]
    by_matrices, stepped = min(runs, key=lambda run: run[0])
    apart = largest_difference(looped, stepped)

    ways = {
        f"number by number ({some} of {n} rows, scaled up)": by_numbers,
        "example by example (loop, all rows)": by_examples,
        "matrices (all rows, best of 3)": by_matrices,
    }
    work.table(
        f"One epoch on {name}: {n} images of {images.side} x {images.side}, K = {K}",
        ["gradient", "seconds", "times the matrices"],
        [[way, f"{s:.2f}", f"{s / by_matrices:.1f}"] for way, s in ways.items()],
    )
    work.say(f"The epoch's parameters by loop and by matrices: {apart:.1e} apart.")
    work.results["P8"] = {
        "n": n,
        "K": K,
        "d_h": d_h,
        "rows_by_number": some,
        "seconds_by_number": by_numbers,
        "seconds_by_example": by_examples,
        "seconds_by_matrices": by_matrices,
        "number_by_matrices": by_numbers / by_matrices,
        "example_by_matrices": by_examples / by_matrices,
        "theta_apart": apart,
    }
    title = f"One epoch on {name}, batches of {K}, {d_h} hidden units"
    work.picture(dots(title, ways), "time")


def dots(title: str, ways: dict[str, float]) -> Figure:
    """Seconds on a logarithmic axis, a labelled dot for each way."""
    shortest, longest = min(ways.values()), max(ways.values())
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    axis = figure.subplots()
    for y, seconds in enumerate(ways.values()):
        axis.hlines(y, shortest, seconds, color="#c8c8c8", lw=2)
        axis.plot(seconds, y, "o", color=ORANGE, ms=11)
        text = f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:,.0f} min"
        axis.text(seconds * 1.35, y, text, va="center")
    axis.set_yticks(range(len(ways)), [way.replace(" (", "\n(") for way in ways])
    axis.set(xscale="log", xlabel="seconds for one epoch (logarithmic)", title=title)
    axis.set(xlim=(shortest / 2, longest * 6), ylim=(len(ways) - 0.4, -0.6))
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.grid(axis="x", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return figure
