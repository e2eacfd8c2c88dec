"""What is known of one block of a gradient, for the diagnosis to explain."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.structure import Reading


class Evidence(NamedTuple):
    """One block: what was returned, and what was measured at some of its entries."""

    name: str
    readings: tuple[Reading, ...]  # of what was returned, in the parameter's shape
    shape_given: tuple[int, ...]  # its own
    parameter: Array
    entries: Array  #   (k,)  which entries were measured, as flat indices
    expected: Array  #  (k,)  their derivatives
    allowed: Array  #   (k,)  how far rounding may move either
    wrong: bool
    terms: Mapping[str, Array]  # (k,) the derivatives of each named term of the loss

    @property
    def given(self) -> Array:
        """The block, by the likeliest reading."""
        return self.readings[0].block

    def at(self, block: Array) -> Array:
        """The entries of a block of this shape that were measured."""
        return block.reshape(-1)[self.entries].astype(np.float64)

    def fits(self, values: Array) -> bool:
        """Whether these are the derivatives at the entries that were measured."""
        with np.errstate(invalid="ignore"):
            return bool(np.all(np.abs(values - self.expected) <= self.allowed))

    @property
    def telling(self) -> Array:
        """Which of the measured entries differ from zero by more than rounding."""
        clear: Array = np.abs(self.expected) > 100 * self.allowed
        return clear

    @property
    def n_telling(self) -> int:
        """How many of these there are that differ from each other: equals tell once."""
        values = self.expected[self.telling]
        if not len(values):
            return 0
        ordered = np.sort(values)
        return 1 + int(np.sum(np.diff(ordered) > 1e-6 * np.abs(ordered).max()))
