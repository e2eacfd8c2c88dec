"""How the time of an epoch grows with the rows, the width and the non-zeros.

Each is varied over three orders of magnitude, everything else held fast; a line of
slope 1 through the largest shows what growth in proportion would be.  Small problems
mostly lie above it: an epoch has costs that do not depend on its size.

    python benchmarks/growth.py [--output FILE.json] [--plot FILE.png]
    python benchmarks/growth.py --read FILE.json --plot FILE.png
"""

import argparse
import json
import textwrap
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from mlproof import MLPClassifier
from mlproof.bench.machine import machine, versions

ROUNDS, CLASSES = 5, 10


class Series(NamedTuple):
    """One thing that grows: what it is, its values, and the problem for each."""

    what: str
    unit: str
    values: list[int]
    problem: Callable[[int], tuple[Any, dict[str, Any]]]


def dense(n: int, d: int) -> Any:
    return np.random.default_rng(0).random((n, d), dtype=np.float32)


def thin(n: int, d: int, entries: int) -> sparse.csr_matrix:
    """So many entries in every row, in columns drawn with equal chances."""
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, d, (n, entries)), axis=1)
    values = rng.random(n * entries, dtype=np.float32)
    X = sparse.csr_matrix(
        (values, columns.ravel(), np.arange(0, n * entries + 1, entries)), (n, d)
    )
    X.sum_duplicates()
    return X


SERIES = (
    Series(
        "rows",
        "rows of 50 columns, 50-100-10, batch 200",
        [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
        lambda n: (dense(n, 50), {"hidden_layer_sizes": (100,)}),
    ),
    Series(
        "width",
        "hidden units, 4,000 rows of 100 columns, batch 200",
        [4, 12, 40, 120, 400, 1_200, 4_000],
        lambda d_h: (dense(4_000, 100), {"hidden_layer_sizes": (d_h,)}),
    ),
    Series(
        "non-zeros",
        "non-zeros in a row, 4,000 rows of 20,000 columns, 64 units, batch 200",
        [1, 3, 10, 30, 100, 300, 1_000],
        lambda entries: (
            thin(4_000, 20_000, entries),
            {"hidden_layer_sizes": (64,), "sparse_adam": "lazy"},
        ),
    ),
)


def seconds_per_epoch(X: Any, settings: dict[str, Any]) -> float:
    """The median of some epochs after the first, which prepares."""
    y = np.arange(X.shape[0]) % CLASSES
    classifier = MLPClassifier(
        **settings, batch_size=200, engine="compiled", max_iter=ROUNDS + 1, tol=0
    )
    times = []
    epochs = classifier.iter_fit(X, y)
    while True:
        began = time.perf_counter()
        if next(epochs, None) is None:
            return median(times[1:])
        times.append(time.perf_counter() - began)


def draw(measured: dict[str, Any], path: Path) -> None:
    figure, all_axes = plt.subplots(1, len(SERIES), figsize=(10, 3.2))
    for axes, series in zip(all_axes, SERIES, strict=True):
        values, seconds = np.array(measured[series.what]["points"]).T
        axes.loglog(values, seconds[-1] * values / values[-1], color="0.7", zorder=0)
        axes.loglog(values, seconds, "o-", color="tab:blue")
        axes.set(title=series.what, xlabel=textwrap.fill(series.unit, 36))
        axes.xaxis.label.set_size("small")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("seconds per epoch")
    all_axes[0].text(
        *(0.95, 0.05),
        "grey: in proportion",
        transform=all_axes[0].transAxes,
        ha="right",
        fontsize="small",
    )
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--read", type=Path, help="draw an earlier run, measure none")
    options = parser.parse_args()
    if options.read:
        draw(json.loads(options.read.read_bytes())["series"], options.plot)
        return
    warnings.simplefilter("ignore", ConvergenceWarning)
    measured = {}
    for series in SERIES:
        points = []
        for value in series.values:
            points.append((value, seconds_per_epoch(*series.problem(value))))
            print(f"{value:>9,} {series.unit}: {points[-1][1]:.4g} s", flush=True)
        measured[series.what] = {"unit": series.unit, "points": points}
    if options.output:
        report = {
            "what": __doc__.splitlines()[0],
            "date": date.today().isoformat(),
            "machine": machine(),
            "versions": versions(),
            "series": measured,
        }
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    if options.plot:
        draw(measured, options.plot)


if __name__ == "__main__":
    main()
