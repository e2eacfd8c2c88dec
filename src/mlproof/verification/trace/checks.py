"""Each gradient of a trace beside its measured values.

A gradient is checked on the lines that lead from its quantity to the risk and no
others: that of h_s by moving h_s and going forward from there.  Nothing that is derived
takes part, so the two sides share no formula.
"""

from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.check import OF_A_NETWORK, judged
from mlproof.verification.slopes import complex_step, quotient, unit_at
from mlproof.verification.trace.program import Program, Values

# Near eps ** (1/3), where truncation and rounding of a central difference balance; a
# power of two, so that most points x + h are exact.
STEP = 2.0**-17
# So many entries are judged one by one, as every one is a run of the network; the rest
# of a large array is judged along random directions.
MOST_ENTRIES = 100


class Check(NamedTuple):
    """What two methods measured at the entries that are shown, and the verdict on all.

    ``central`` and ``complex`` have the shape of what is shown of the gradient.
    """

    central: Array
    complex: Array
    n_checked: int
    ok: bool
    verdict: str


def check(
    program: Program, values: Values, gradient: str, of: tuple[str, str], shown: Any
) -> Check:
    """Check the gradient of ``of[0]`` with respect to ``of[1]``.

    ``shown`` is what np.ix_ made of the indices shown on each axis.
    """
    wanted, name = of
    point = np.asarray(values[name], dtype=np.float64)

    def loss(blocks: dict[str, Array]) -> Any:
        return program.again(values, name, blocks[name], wanted)

    def analytic(blocks: dict[str, Array]) -> dict[str, Array]:
        return {name: program.again(values, name, blocks[name], gradient)}

    arrays = [np.abs(np.asarray(array)).max(initial=1) for array in values.values()]
    least = OF_A_NETWORK * float(max(arrays))
    report = judged(loss, analytic, {name: point}, (), least, max_entries=MOST_ENTRIES)
    (block,) = report.blocks
    entries = np.arange(point.size).reshape(point.shape)[shown]
    value = float(values[wanted])
    measured = np.array([_measure(loss, name, point, value, i) for i in entries.flat])
    return Check(
        measured[:, 0].reshape(entries.shape),
        measured[:, 1].reshape(entries.shape),
        block.n_checked,
        report.ok,
        block.verdict(),
    )


def _measure(
    loss: Any, name: str, point: Array, value: float, entry: int
) -> tuple[float, float]:
    """The central difference and the complex step at one entry."""

    def along(t: Any) -> Any:
        moved = point.astype(np.result_type(point, t))
        moved.flat[entry] += t
        return loss({name: moved})

    step = STEP * unit_at(float(point.flat[entry]))
    return quotient(along, value, step, 0.0).central, complex_step(along)
