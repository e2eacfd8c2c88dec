"""A trace as text, for a terminal."""

from itertools import groupby

from mlproof.functions import Array
from mlproof.verification.trace.numbers import digits, scalar, shape, span
from mlproof.verification.trace.record import Node, Trace

# So many columns of numbers go side by side.
COLUMNS = 8


def listing(trace: Trace) -> str:
    """Every node: its line, its shape, its verdict, and under them its numbers."""
    lines = [trace.title, trace.network]
    if trace.note:
        lines.append(trace.note)
    for part, nodes in groupby(trace, key=lambda node: node.part):
        lines += ["", part.upper()]
        for node in nodes:
            lines += _node(trace, node)
    verdict = "Every gradient agrees with its measured values."
    return "\n".join([*lines, "", verdict if trace.ok else "A GRADIENT IS WRONG."])


def _node(trace: Trace, node: Node) -> list[str]:
    head = f"{node.name} = {node.formula}" if node.formula else node.name
    if not node.axes:
        head += f" = {scalar(node.value)}"
    labels = f"  ({', '.join(node.labels)})" if node.labels else ""
    lines = ["", head + labels]
    if node.axes:
        about = f"{shape(node.value)} ({' by '.join(node.axes)})"
        if not trace.is_whole(node):
            about += f", {span(node.value)}; some of it"
        lines.append(f"  {about}")
        lines += [f"  {line}" for line in _table(trace, node, node.value)]
    if node.check is not None:
        largest = max(_difference(trace, node, node.check.complex), 0.0)
        lines.append(
            f"  checked: {node.check.verdict} ({node.check.n_checked} of "
            f"{node.value.size} entries; complex step off by {largest:.0e} at most)"
        )
    return lines


def _difference(trace: Trace, node: Node, measured: Array) -> float:
    return float(abs(trace.visible(node) - measured).max())


def _table(trace: Trace, node: Node, array: Array) -> list[str]:
    """The numbers, under the names of their columns and beside those of their rows."""
    visible = trace.visible(node, array)
    rows = visible.reshape(-1, visible.shape[-1])
    across = _names(trace, node.axes[-1])
    down = _names(trace, node.axes[0]) if len(node.axes) == 2 else [""]
    beside = max(map(len, down))
    lines = []
    for start in range(0, len(across), COLUMNS):
        part = slice(start, start + COLUMNS)
        cells = [across[part]] + [[digits(v) for v in row[part]] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for name, row in zip(["", *down], cells, strict=True):
            numbers = (c.rjust(w) for c, w in zip(row, widths, strict=True))
            lines.append(f"{name:<{beside}}  {'  '.join(numbers)}")
    return lines


def _names(trace: Trace, axis: str) -> list[str]:
    """What the visible entries of an axis are called, cut to the width of a number."""
    names = [trace.names[axis][i] for i in trace.shown[axis]]
    return [name if len(name) <= 12 else f"{name[:11]}…" for name in names]
