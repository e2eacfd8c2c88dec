"""What a gradient check found, for people and for programs."""

import json
import math
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from mlproof.verification.findings import Finding


@dataclass(frozen=True)
class BlockReport:
    """What was found of one parameter array.

    Errors are relative to the largest derivative found in the block.
    """

    name: str
    shape: tuple[int, ...]
    n_checked: int  # entries compared one by one; all of them, or a random sample
    n_kinks: int  # of these, how many lie on a kink and have an admissible value
    worst_index: tuple[int, ...] | None  # None for a direction through the whole block
    analytic: float  # the value given, there
    numeric: float  # the value found there
    central_error: float
    complex_error: float | None  # None where the loss does not carry a complex step
    direction_error: float | None  # over the whole block, where it has many entries
    unnoticed: float  # the largest error of a checked entry that rounding could hide
    vacuous: bool  # whether rounding hides everything, so that nothing can be said
    ok: bool
    bound: float = 0.0  # how far apart rounding may bring the two values of the worst
    shape_given: tuple[int, ...] | None = None  # what was returned, if not the shape

    @property
    def error(self) -> float:
        """The largest error found, by the sharper of the two methods."""
        entry = self.central_error if self.complex_error is None else self.complex_error
        errors = (entry, self.direction_error or 0.0)
        return math.inf if any(map(math.isnan, errors)) else max(errors)

    @property
    def absolute_error(self) -> float:
        """How far apart the two values of the worst entry are."""
        return abs(self.analytic - self.numeric)

    def verdict(self) -> str:
        """What was found, in a few words."""
        if self.shape_given is not None:
            return f"WRONG: has the shape {self.shape_given}, should be {self.shape}"
        if self.ok and self.vacuous:
            return "cannot tell: rounding could hide a gradient of this size"
        if self.ok:
            return "agrees" + (f", {self.n_kinks} on a kink" if self.n_kinks else "")
        where = "along a random direction"
        if self.worst_index is not None:
            where = f"[{', '.join(map(str, self.worst_index))}]" if self.shape else "it"
        return f"WRONG: {where} is {self.analytic:.6g}, should be {self.numeric:.6g}"

    def cells(self) -> tuple[str, ...]:
        """A row of the table: block, shape, checked, central, complex, verdict."""
        return (
            self.name,
            "x".join(map(str, self.shape)) or "scalar",
            str(self.n_checked),
            f"{self.central_error:.1e}",
            "-" if self.complex_error is None else f"{self.complex_error:.1e}",
            self.verdict(),
        )


@dataclass(frozen=True)
class GradientReport:
    """The verdict on a gradient, block by block, and the mistakes that explain it."""

    blocks: tuple[BlockReport, ...]
    diagnosis: tuple[Finding, ...] = ()  # a finding for each mistake
    notes: tuple[str, ...] = ()  # how sure it is, and which convention holds at a kink
    example: str = ""  # the smallest example of a mistake, to be redone by hand

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found in any block."""
        return all(block.ok for block in self.blocks) and not self.diagnosis

    @property
    def worst(self) -> float:
        """The largest error of any block, relative to that block's largest entry."""
        return max((block.error for block in self.blocks), default=math.inf)

    @property
    def explanation(self) -> str:
        """What is said besides the table: notes, mistakes and an example."""
        found = [f"{found.code}: {found.message}" for found in self.diagnosis]
        return "\n".join(part for part in (*self.notes, *found, self.example) if part)

    def to_json(self) -> str:
        """The same as a JSON object; a number that is not finite becomes null."""
        blocks = [asdict(b) | {"error": b.error} for b in self.blocks]
        return json.dumps(
            {
                "ok": self.ok,
                "worst": _finite(self.worst),
                "blocks": [_all_finite(block) for block in blocks],
                "diagnosis": [_all_finite(f._asdict()) for f in self.diagnosis],
                "notes": self.notes,
                "example": self.example,
            }
        )

    def to_html(self) -> str:
        """The same as a page of its own, without scripts."""
        findings = [
            f"<li><b>{escape(f.code)}</b>: {escape(f.message)}</li>\n"
            for f in self.diagnosis
        ]
        notes = [f"<p>{escape(note)}</p>\n" for note in self.notes]
        rows = [
            f'<tr class="{"ok" if block.ok else "wrong"}">{_row("td", block.cells())}\n'
            for block in self.blocks
        ]
        found = f"<ul>\n{''.join(findings)}</ul>\n" if findings else ""
        example = f"<pre>{escape(self.example)}</pre>\n" if self.example else ""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>Gradient check</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            f"<h1>Gradient check: {'nothing wrong' if self.ok else 'wrong'}</h1>\n"
            f"<table>\n<tr>{_row('th', COLUMNS)}\n{''.join(rows)}</table>\n"
            f"{''.join(notes)}{found}{example}</body>\n</html>\n"
        )

    def __str__(self) -> str:
        rows = [COLUMNS, *(block.cells() for block in self.blocks)]
        width = max(6, *(len(row[0]) for row in rows))
        lines = [
            f"{name:<{width}} {shape:>12} {checked:>8}  "
            f"{central:>8} {complex_:>8}  {verdict}"
            for name, shape, checked, central, complex_, verdict in rows
        ]
        return "\n".join([*lines, self.explanation] if self.explanation else lines)


COLUMNS = ("block", "shape", "checked", "central", "complex", "verdict")
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}"
    "td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}"
    "tr.wrong{color:#a00;font-weight:bold}pre{background:#f4f4f4;padding:1em;"
    "overflow-x:auto}"
)


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _all_finite(record: dict[str, Any]) -> dict[str, Any]:
    return {key: _finite(value) for key, value in record.items()}
