"""Pictures, drawn with Matplotlib (the ``plot`` extra), written as PNG files."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from os import PathLike
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from mlproof.files import whole_file
from mlproof.functions import Array
from mlproof.verification.comparison import Comparison

BLUE, ORANGE, GREY = "#3465a4", "#e07b00", "#8a8a8a"
COLOURS = (
    *(BLUE, ORANGE, "#f3bd7e", GREY, "#93b3dd", "#5e8c31", "#8f5d99", "#c4a000"),
    *("#7a4a2b", "#2b8f8f", "#d46a9b"),
)
# An error of 0 has no place on a logarithmic axis.
LEAST_SHOWN = 1e-17
STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "font.size": 9,
    "savefig.dpi": 120,
    "text.parse_math": False,  # a class may be called $x$
}


def learning_curves(
    path: str | PathLike[str],
    loss_curve: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
) -> None:
    """The loss of every epoch beside the accuracies of every epoch, each by name."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        epochs = np.arange(1, len(loss_curve) + 1)
        left.plot(epochs, loss_curve, color=BLUE)
        left.set(title="Regularised risk, training", xlabel="epoch", ylim=(0, None))
        for (name, curve), colour in zip(
            accuracies.items(), (BLUE, ORANGE, GREY), strict=False
        ):
            right.plot(epochs, curve, color=colour)
            right.annotate(
                f"{name} {curve[-1]:.1%}",
                (epochs[-1], curve[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                color=colour,
                va="center",
            )
        right.set(title="Accuracy", xlabel="epoch")
        right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _save(figure, path)


def first_layer(path: str | PathLike[str], coefs: Array, side: int) -> None:
    """The weights W1 of the fifty units that have the largest, each as an image.

    ``coefs`` is (side^2, units).
    """
    with matplotlib.rc_context(STYLE):
        columns = 10
        order = np.argsort(-np.linalg.norm(coefs, axis=0), kind="stable")[:50]
        rows = -(-len(order) // columns)
        figure = Figure(figsize=(7.2, 0.72 * rows + 0.4), layout="constrained")
        axes = np.atleast_2d(figure.subplots(rows, columns, squeeze=False))
        limit = float(np.quantile(np.abs(coefs), 0.995))
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, weights in zip(axes.flat, coefs.T[order], strict=False):
            axis.imshow(
                weights.reshape(side, side), cmap="RdBu_r", vmin=-limit, vmax=limit
            )
        figure.suptitle(
            "What hidden units look for: their weights in W1 "
            "(red positive, blue negative)",
            x=0.01,
            ha="left",
            fontsize="medium",
        )
        _save(figure, path)


def predictions(
    path: str | PathLike[str],
    images: Array,
    truth: Sequence[str],
    predicted: Sequence[str],
    probability: Sequence[float],
    side: int,
) -> None:
    """Images, eight in a row, with what was predicted, in orange where it is wrong."""
    with matplotlib.rc_context(STYLE):
        columns = 8
        rows = -(-len(images) // columns)
        figure = Figure(figsize=(8, 1.45 * rows), layout="constrained")
        axes = np.atleast_2d(figure.subplots(rows, columns, squeeze=False))
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, image, true, guess, p in zip(
            axes.flat, images, truth, predicted, probability, strict=False
        ):
            axis.imshow(image.reshape(side, side), cmap="gray_r", vmin=0)
            right = true == guess
            axis.set_title(
                f"{guess} {p:.0%}" + ("" if right else f"\nis {true}"),
                color="black" if right else ORANGE,
                fontsize=8,
                loc="center",
            )
        figure.suptitle(
            "What the network takes them for; orange: wrong",
            x=0.01,
            ha="left",
            fontsize="medium",
        )
        _save(figure, path)


def confusion(
    path: str | PathLike[str], counts: Any, class_names: Sequence[str]
) -> None:
    """The confusion matrix: rows are true classes, columns predictions."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.6), layout="constrained")
        axis = figure.subplots()
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.argwhere(counts > 0):
            axis.text(
                j,
                i,
                str(counts[i, j]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share[i, j] > 0.5 else "black",
            )
        ticks = range(len(class_names))
        axis.set_xticks(ticks, class_names, rotation=45, ha="right")
        axis.set_yticks(ticks, class_names)
        axis.spines[:].set_visible(False)
        axis.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
        _save(figure, path)


def times(
    path: str | PathLike[str],
    title: str,
    cases: Mapping[str, Mapping[str, tuple[float, float, float]]],
) -> None:
    """Bars from 1 to a median, with quartiles: by case, and within it by name.

    The axis is logarithmic, so that twice and half are equally far from 1.
    """
    with matplotlib.rc_context(STYLE):
        names = list(dict.fromkeys(name for bars in cases.values() for name in bars))
        colours = dict(zip(names, cycle(COLOURS), strict=False))
        n_bars = sum(map(len, cases.values()))
        height = 0.17 * n_bars + 0.12 * len(cases) + 1.2
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axis = figure.subplots()
        ends = [
            value for bars in cases.values() for bar in bars.values() for value in bar
        ]
        axis.set(xscale="log", title=title)
        axis.set_xlim(min([0.5, *ends]) / 1.5, max([2.0, *ends]) * 2)
        y, ticks = 0.0, []
        for bars in cases.values():
            ticks.append(y + (len(bars) - 1) / 2)
            for name, (median, lower, upper) in bars.items():
                axis.barh(y, median - 1, left=1, height=0.8, color=colours[name])
                axis.hlines(y, lower, upper, color="black", linewidth=1)
                # Beyond the end of the bar, and of the line over it.
                shorter = median < 1
                at = min(lower, median) / 1.05 if shorter else max(upper, median) * 1.05
                side = "right" if shorter else "left"
                text = f"{median:.3g}"
                axis.text(at, y, text, ha=side, va="center", fontsize=7)
                y += 1
            y += 0.7
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_yticks(ticks, list(cases))
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(y - 0.6, -0.8)
        axis.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_locator(NullLocator())
        handles = [Patch(color=colours[name], label=name) for name in names]
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=3,
            frameon=False,
            fontsize=8,
        )
        _save(figure, path)


def gradient_check(path: str | PathLike[str], found: Comparison) -> None:
    """A gradient against measured slopes, and the V curve of error against step."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        ends = np.concatenate([*found.given.values(), *found.measured.values()])
        reach = float(np.max(np.abs(ends), where=np.isfinite(ends), initial=0.0)) or 1.0
        left.plot([-reach, reach], [-reach, reach], color=GREY, linewidth=0.8)
        for (name, given), colour in zip(
            found.given.items(), cycle(COLOURS), strict=False
        ):
            left.plot(
                found.measured[name], given, ".", color=colour, label=name, markersize=4
            )
        left.set(
            title="Entries of the gradient",
            xlabel="measured, by central differences",
            ylabel="yours",
        )
        left.legend(frameon=False, fontsize=8, handletextpad=0.1, labelspacing=0.2)
        for name, errors, colour in (
            ("one-sided", found.forward, ORANGE),
            ("central", found.central, BLUE),
            ("complex step", found.complex, GREY),
        ):
            if np.isfinite(errors).any():
                shown = np.maximum(errors, LEAST_SHOWN)
                right.loglog(found.steps, shown, color=colour, label=name)
        right.set(
            title="Error of a quotient, relative to yours",
            xlabel="step h",
            ylim=(LEAST_SHOWN / 3, 1e3),
        )
        for axis in (right.xaxis, right.yaxis):
            axis.set_major_locator(LogLocator(10, numticks=6))
            axis.set_major_formatter(lambda value, _: f"{value:.0e}")
            axis.set_minor_locator(NullLocator())
        right.legend(
            frameon=False,
            fontsize=8,
            loc="upper center",
            ncols=3,
            handlelength=1,
            columnspacing=1,
        )
        _save(figure, path)


def _save(figure: Figure, path: str | PathLike[str]) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png")
