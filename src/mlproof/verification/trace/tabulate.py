"""Arrays as HTML tables, tinted by sign and size, under and beside their names."""

import math
from collections.abc import Mapping
from html import escape

import numpy as np

from mlproof.functions import Array
from mlproof.verification.trace.numbers import digits, minus
from mlproof.verification.trace.record import Node, Trace

# As many as style.py has, and a width that leaves room for the numbers.
TINTS, LONGEST_NAME = 5, 20


def figure(trace: Trace, node: Node, arrays: Mapping[str, Array]) -> str:
    """Arrays of the node's axes, each under its name; those of one row share a table.

    They are what is visible, not the whole.
    """
    across = _names(trace, node.axes[-1])
    if len(arrays) > 1 and all(a.size == a.shape[-1] for a in arrays.values()):
        rows = [(name, array.reshape(-1)) for name, array in arrays.items()]
        return _table("", node.axes[-1], across, rows)
    down = _names(trace, node.axes[0]) if len(node.axes) == 2 else [""]
    return "".join(
        _table(
            name,
            " \\ ".join(node.axes),
            across,
            list(zip(down, array.reshape(len(down), -1), strict=True)),
        )
        for name, array in arrays.items()
    )


def _names(trace: Trace, axis: str) -> list[str]:
    return [trace.names[axis][i] for i in trace.shown[axis]]


def _table(
    caption: str, corner: str, across: list[str], rows: list[tuple[str, Array]]
) -> str:
    largest = max(float(np.max(np.abs(row))) for _, row in rows)
    head = "".join(f'<th scope="col">{_short(name)}</th>' for name in across)
    body = "".join(
        f'<tr><th scope="row">{_short(name)}</th>'
        f"{''.join(_cell(value, largest) for value in row.tolist())}</tr>"
        for name, row in rows
    )
    title = f"<figcaption><b>{caption}</b></figcaption>" if caption else ""
    return (
        f"<figure>{title}<table><thead><tr>"
        f'<th scope="row">{escape(corner)}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></figure>"
    )


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return escape(name)
    return f'<span title="{escape(name)}">{escape(name[: LONGEST_NAME - 1])}…</span>'


def _cell(value: float, largest: float) -> str:
    level = min(TINTS, math.ceil(TINTS * abs(value) / largest)) if largest else 0
    side = "above" if value > 0 else "below"
    tint = f' class="{side}{level}"' if level else ""
    return f'<td{tint} title="{value!r}">{minus(digits(value))}</td>'
