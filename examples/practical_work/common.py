"""What the parts share: where results go, the images, the first theta, the colours."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlproof.datasets import ImageSet, load_fashion_mnist, load_fashion_mnist_14
from mlproof.functions import Array
from mlproof.network import Theta

BLUE, ORANGE, GREY = "#2468a8", "#d9730d", "#4a4a4a"
SET_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREY}


@dataclass
class Work:
    """Where to write, how much to do, and what came out."""

    out: Path
    quick: bool
    console: Console
    results: dict[str, Any] = field(default_factory=dict)

    def say(self, text: object) -> None:
        self.console.print(text, markup=False, highlight=False)

    def table(self, title: str, columns: Iterable[str], rows: Iterable[Any]) -> None:
        table = Table(*columns)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*map(str, row))
        self.say(f"\n{title}")
        self.say(table)

    def progress(
        self, items: Iterable[Any], what: str, total: int | None = None
    ) -> Iterator[Any]:
        yield from track(items, what, total, console=self.console)

    def picture(self, figure: Figure, name: str) -> None:
        path = self.out / f"practical-{name}.png"
        figure.savefig(path, dpi=120)
        self.say(f"picture: {path}")

    def fashion_mnist(self) -> tuple[ImageSet, str]:
        """The full set if it is there and time is not short, else the package's."""
        if not self.quick:
            try:
                return load_fashion_mnist(), "Fashion-MNIST"
            except FileNotFoundError as missing:
                self.say(f"{missing}\nThe 14 x 14 images of the package instead.")
        return load_fashion_mnist_14(), "small Fashion-MNIST (14 x 14)"


def initial_theta(rng: np.random.Generator, d: int, d_h: int, m: int) -> Theta:
    """Weights uniform in +-1/sqrt(n_in), n_in being what enters a unit; biases 0."""

    def weights(n_out: int, n_in: int) -> Array:
        bound = 1 / math.sqrt(n_in)
        return rng.uniform(-bound, bound, (n_out, n_in))

    return Theta(weights(d_h, d), np.zeros(d_h), weights(m, d_h), np.zeros(m))
