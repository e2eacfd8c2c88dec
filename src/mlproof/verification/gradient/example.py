"""The smallest example of a mistake: one entry, in numbers to be redone by hand."""

import math

from mlproof.verification.gradient.kinks import place
from mlproof.verification.gradient.lines import along_entry, bench
from mlproof.verification.gradient.subject import Subject

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
CLOSE = 1e-6  # a quotient so near to the derivative will do


def worked_example(
    subject: Subject, k: int, entry: int, given: float, derivative: float
) -> str:
    """One entry moved up and down a little, and what the loss does."""
    on = bench(subject, k)
    function = along_entry(on, entry).function
    start = float(on.point.flat[entry])
    unit = 10.0 ** max(0, math.floor(math.log10(abs(start) or 1)))

    def quotient(h: float) -> tuple[float, float, float]:
        above, below = float(function(h).real), float(function(-h).real)
        return above, below, (above - below) / (2 * h)

    def off(h: float) -> float:
        return abs(quotient(h)[2] - derivative)

    # Round numbers, with few digits to write down if a large step will do.
    steps = [h * unit for h in STEPS]
    fine = [h for h in steps if off(h) <= CLOSE * abs(derivative)]
    h = fine[0] if fine else min(steps, key=off)
    above, below, slope = quotient(h)
    where = place(subject.names[k], on.point.shape, entry)
    return "\n".join(
        [
            f"For example {where} = {start!r}, with h = {h:.0e} and all else as it is:",
            f"  loss({where} + h) = {above!r}",
            f"  loss({where} - h) = {below!r}",
            f"  their difference / 2h = {slope:.9g}",
            f"  yours                 = {given:.9g}",
        ]
    )
