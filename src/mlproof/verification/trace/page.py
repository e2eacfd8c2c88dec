"""A trace as an HTML page: each formula beside its numbers, and both beside the check.

The page is one file without scripts that fetches nothing, and says so to the browser.
All that comes from a table or a model is escaped.
"""

import zlib
from collections.abc import Iterator
from html import escape
from itertools import groupby

from mlproof.verification.trace.formulas import inline, mathml
from mlproof.verification.trace.labels import heading
from mlproof.verification.trace.numbers import minus, scalar, shape, span
from mlproof.verification.trace.record import Node, Trace
from mlproof.verification.trace.step import Part
from mlproof.verification.trace.style import BODY, STYLE
from mlproof.verification.trace.tabulate import figure
from mlproof.verification.trace.worked import worked

_PARTS: dict[Part, tuple[str, str]] = {
    "given": ("Given", "The examples, the parameters and the step size."),
    "forward": ("Forward", "From the inputs to the risk, layer by layer."),
    "backward": (
        "Backward",
        "From the risk back to the inputs. Each gradient has the shape of its quantity "
        "and uses the gradient found just before. Beside it stands what two methods "
        "measured that know only the forward lines: the complex step and the central "
        "difference.",
    ),
    "penalty": (
        "Penalty",
        "What the penalties add to the gradients of the weights.",
    ),
    "update": ("The step", "Every parameter moves against its own gradient."),
}

# A formula of more characters gets the whole width.
LONG = 44


def page(trace: Trace) -> str:
    """The whole file."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(trace.title)}</title>\n"
        f"<style>{BODY}</style>\n</head>\n<body>\n{fragment(trace)}\n</body>\n</html>\n"
    )


def fragment(trace: Trace) -> str:
    """The same without the file around it, as a notebook shows it among others."""
    # Links lead within this trace, also where a notebook shows several.
    numbers = b"".join(node.value.tobytes() for node in trace)
    prefix = f"t{zlib.crc32(numbers):08x}-"
    parts = "\n".join(
        _section(trace, part, list(nodes), prefix)
        for part, nodes in groupby(trace, key=lambda node: node.part)
    )
    return (
        f'<div class="mlproof"><style>{STYLE}</style>\n{_header(trace)}\n'
        f"{_map(trace, prefix)}\n{parts}\n{_labels(trace, prefix)}\n</div>"
    )


def _header(trace: Trace) -> str:
    n_checks = sum(node.check is not None for node in trace)
    verdict, kind = f"All {n_checks} gradients agree with what was measured", ""
    if not trace.ok:
        wrong = [n.name for n in trace if n.check is not None and not n.check.ok]
        verdict, kind = f"WRONG: {', '.join(wrong)}", " wrong"
    paragraphs = [trace.note, *_abbreviated(trace)]
    return (
        f"<h1>{escape(trace.title)}</h1>\n<p>{escape(trace.network)}. "
        f"{_outcome(trace)}</p>\n"
        + "".join(f'<p class="quiet">{escape(text)}</p>' for text in paragraphs if text)
        + f'<p class="verdict{kind}">{escape(verdict)}</p>'
    )


def _outcome(trace: Trace) -> str:
    after = trace.nodes[-1]
    before = trace[after.name.removesuffix("_new")]
    outcome = f"from {scalar(before.value)} to {scalar(after.value)}"
    if after.value <= before.value:
        return f"The step takes the risk {outcome}."
    return f"The step raises the risk {outcome}: eta is too large for it."


def _abbreviated(trace: Trace) -> Iterator[str]:
    for axis, names in trace.names.items():
        if len(trace.shown[axis]) < len(names):
            what, _, layer = axis.partition(" ")
            what += f"s of layer {layer}" if layer else "s"
            why = {"row": "come first", "input": "are largest here"}.get(
                axis, "the risk depends on most here"
            )
            yield (
                f"Of {len(names)} {what} the {len(trace.shown[axis])} that {why} are "
                "shown, the same everywhere."
            )


def _map(trace: Trace, prefix: str) -> str:
    """The way through the step, a row for each part but what is given."""
    rows = [
        f"<div><b>{_PARTS[part][0]}</b>"
        + "".join(
            f'<a href="#{prefix}{node.name}" title="{node.name}">'
            f"{inline(node.name)}</a>"
            for node in nodes
        )
        + "</div>"
        for part, nodes in groupby(trace, key=lambda node: node.part)
    ]
    return f'<nav aria-label="the step">{"".join(rows)}</nav>'


def _section(trace: Trace, part: Part, nodes: list[Node], prefix: str) -> str:
    title, about = _PARTS[part]
    articles = "\n".join(_article(trace, node, prefix) for node in nodes)
    return f'<h2>{title}</h2>\n<p class="quiet">{about}</p>\n{articles}'


def _article(trace: Trace, node: Node, prefix: str) -> str:
    labels = " ".join(
        f'(<a href="#{prefix}{label}">{label}</a>)' for label in node.labels
    )
    about = f"{shape(node.value)}" if node.axes else ""
    if node.axes and not trace.is_whole(node):
        about += f", {minus(span(node.value))}"
    symbol, kind = inline(node.name), "given"
    formula = ""
    if node.formula:
        symbol, kind = "", "long" if len(node.formula) > LONG else ""
        formula = (
            f'<div class="formula">{mathml(node.name, node.formula)}</div>'
            f'<code class="code">{escape(f"{node.name} = {node.formula}")}</code>'
        )
    sources = "".join(
        f'<a href="#{prefix}{name}"><code>{name}</code></a>' for name in node.inputs
    )
    return (
        f'<article id="{prefix}{node.name}" class="{kind}">\n<div>'
        f'<h3><code>{node.name}</code>{symbol}<span class="quiet">{about}</span>'
        f'<span class="quiet">{labels}</span></h3>{formula}'
        f'<p class="meaning">{escape(node.meaning)}</p>'
        + (f'<p class="from">from {sources}</p>' if sources else "")
        + f'</div>\n<div class="numbers">{"".join(_numbers(trace, node))}</div>\n'
        "</article>"
    )


def _numbers(trace: Trace, node: Node) -> Iterator[str]:
    """The value of a node and what belongs beside it, then one entry worked out."""
    yield from _value(trace, node)
    example = worked(trace, node) if node.formula else None
    if example is not None:
        yield f'<div class="worked">{escape(minus(example))}</div>'
    if node.check is not None:
        yield _check(trace, node)


def _value(trace: Trace, node: Node) -> Iterator[str]:
    if not node.axes:
        yield f'<div class="scalar">{minus(scalar(node.value))}</div>'
    elif node.check is not None:
        yield figure(
            trace,
            node,
            {
                "by the formula": trace.visible(node),
                "complex step": node.check.complex,
                "central difference": node.check.central,
            },
        )
    elif node.part == "update":
        before = trace[node.name.removesuffix("_new")]
        yield figure(
            trace,
            node,
            {
                "before": trace.visible(before),
                "moves by": trace.visible(node) - trace.visible(before),
                "after": trace.visible(node),
            },
        )
    else:
        yield figure(trace, node, {"": trace.visible(node)})


def _check(trace: Trace, node: Node) -> str:
    assert node.check is not None
    off = abs(trace.visible(node) - node.check.complex).max()
    kind, mark = ("", "✓") if node.check.ok else (" wrong", "✗")
    return (
        f'<div class="check{kind}">{mark} {escape(node.check.verdict)}: '
        f"{node.check.n_checked} of {node.value.size} entries judged; the complex step "
        f"differs by {off:.0e} at most here</div>"
    )


def _labels(trace: Trace, prefix: str) -> str:
    used = dict.fromkeys(label for node in trace for label in node.labels)
    entries = "".join(
        f'<dt id="{prefix}{label}">({label})</dt><dd>{escape(heading(label))}</dd>'
        for label in used
    )
    return (
        "<h2>Where it is derived</h2>\n"
        '<p class="quiet">The labels are those of <code>docs/derivation.md</code>, '
        "under these headings. Rows are examples, as in <code>network.py</code>: what "
        "the derivation writes in capitals for a batch is a small letter here, and a "
        f"bias is added to every row.</p>\n<dl>{entries}</dl>"
    )
