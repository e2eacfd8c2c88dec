"""The code of a document against its formulas.

Only on request: code is run.  Names of the code are matched with symbols by their
letters, ``os`` with ``o^s`` and ``grad_W2`` with the derivative by ``W^{(2)}``.
Vectors are arrays of one axis; what holds so and breaks on columns gets a remark.
"""

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from mlproof.verification.document.marking.lint import note
from mlproof.verification.document.marking.running import Outcome, run_snippets
from mlproof.verification.document.messages import say
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.notation.sets import shape_in_words
from mlproof.verification.document.report import Claim, Lint, Place, Verdict
from mlproof.verification.document.text.blocks import Block, Kind
from mlproof.verification.document.text.statements import Statement, own_words
from mlproof.verification.document.text.syntax import Derivative, Name, Node
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    Value,
    is_array,
)
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.numbers import Arithmetic, Undefined, plain
from mlproof.verification.document.values.world import DRAWS, NeedIndex, World

LONGEST = 2_000  # characters of a stretch of code that is run
# A line of a notebook that is none of Python: %matplotlib inline, !pip list.
_MAGIC = re.compile(r"(?m)^([ \t]*)[%!]")
_GRADIENT = re.compile(r"^(?:grad_|g_|d|dL_d|d_|dL)(?=[A-Za-z])(.+)$")


@dataclass(frozen=True)
class Snippet:
    """An assignment in code, and where its right side stands."""

    source: str
    name: str
    place: Place


class CodeChecker:
    """Runs the assignments of a document and compares them with its formulas."""

    def __init__(
        self,
        blocks: list[Block],
        statements: list[Statement],
        notation: Notation,
        language: str,
    ):
        self.statements, self.notation, self.language = statements, notation, language
        self.names = _names(notation)
        self.snippets = [s for block in blocks for s in _snippets(block, self.names)]
        self.loss = _loss(statements)

    def check(self) -> tuple[list[Claim], list[Lint]]:
        claims: list[Claim] = []
        slips: list[Lint] = []
        if not self.snippets:
            return claims, slips
        worlds = [self._world(number) for number in range(3)]
        flat = [self._bound(world, columns=False) for world in worlds]
        upright = [self._bound(world, columns=True) for world in worlds]
        sources = [snippet.source for snippet in self.snippets]
        ran = run_snippets(sources, [*flat, *upright])
        for number, snippet in enumerate(self.snippets):
            outcomes = [trial[number] for trial in ran[: len(worlds)]]
            claims.append(self._claim(snippet, outcomes, worlds))
            others = [trial[number] for trial in ran[len(worlds) :]]
            slips += self._columns(snippet, outcomes, others)
        shapes = {
            s.name: [trial[i] for trial in ran[: len(worlds)]]
            for i, s in enumerate(self.snippets)
        }
        claims += self._shapes(shapes, worlds)
        return claims, slips

    def _world(self, number: int) -> World:
        world = World(self.notation, Arithmetic(), DRAWS[number], evaluate)
        world.section = self.statements[-1].section if self.statements else 0
        return world

    # Names

    def _bound(self, world: World, columns: bool) -> dict[str, np.ndarray | int]:
        found: dict[str, np.ndarray | int] = {}
        for name, key in self.names.items():
            try:
                value = world.value(key)
            except (IllTyped, Unknown, Undefined, NeedIndex):
                continue
            if isinstance(value, int):
                found[name] = value
            elif is_array(value):
                array = np.array([[float(plain(x)) for x in row] for row in value])
                vector = array.shape[1] == 1 and not columns
                found[name] = array[:, 0] if vector else array
            elif isinstance(value, float):
                found[name] = np.array(value)
        for snippet in self.snippets:
            if snippet.name in found or not _GRADIENT.match(snippet.name):
                continue
            expected = self._expected(snippet.name, world)
            if expected is not None:
                upright = columns and expected.ndim == 1
                found[snippet.name] = expected[:, None] if upright else expected
        return found

    def _expected(self, name: str, world: World) -> np.ndarray | None:
        """What the document says that a name of the code stands for."""
        gradient = _GRADIENT.match(name)
        key = self.names.get(gradient.group(1)) if gradient else self.names.get(name)
        if key is None:
            return None
        try:
            value = world.value(key) if gradient is None else self._gradient(key, world)
        except (IllTyped, Unknown, Undefined, NeedIndex):
            return None
        if not is_array(value):
            return np.array(float(plain(value)))
        array = np.array([[float(plain(x)) for x in row] for row in value])
        return array[:, 0] if array.shape[1] == 1 else array

    def _gradient(self, key: str, world: World) -> Value:
        if self.loss is None:
            raise Unknown("nothing after", sign="grad")
        variable = self._node_of(key)
        if variable is None:
            raise Unknown("derivative by", text=key)
        node = Derivative(0, 0, self.loss, (variable,))
        return world.evaluate(node)

    def _node_of(self, key: str) -> Node | None:
        for statement in self.statements:
            for member in statement.members:
                for node in member.formula.walk() if member.formula else ():
                    reading = self.notation.reading(node)
                    if reading is None or reading.indices or reading.marks:
                        continue
                    if reading.power is not None or reading.primes:
                        continue
                    if self.notation.known(reading.key) == key:
                        return node
        return None

    # Verdicts

    def _claim(
        self, snippet: Snippet, outcomes: list[Outcome], worlds: list[World]
    ) -> Claim:
        error = next((o.error for o in outcomes if o.error), None)
        if error is not None:
            message = say(self.language, "code fails", error=error)
            return Claim(snippet.place, Verdict.NOT_UNDERSTOOD, message)
        for outcome, world in zip(outcomes, worlds, strict=True):
            expected = self._expected(snippet.name, world)
            if expected is None:
                message = say(self.language, "code unmatched", name=snippet.name)
                return Claim(snippet.place, Verdict.NOT_UNDERSTOOD, message)
            assert outcome.value is not None
            if outcome.value.shape != expected.shape:
                message = say(
                    self.language,
                    "code shape",
                    given=outcome.value.shape,
                    wanted=expected.shape,
                )
                return Claim(snippet.place, Verdict.ILL_TYPED, message)
            if not np.allclose(outcome.value, expected, rtol=1e-9, atol=1e-12):
                where = int(np.argmax(np.abs(outcome.value - expected)))
                a, b = outcome.value.flat[where], expected.flat[where]
                return Claim(
                    snippet.place,
                    Verdict.FALSE,
                    say(self.language, "code differs"),
                    counterexample=f"{a:.6g} ≠ {b:.6g}",
                )
        return Claim(snippet.place, Verdict.AGREES, say(self.language, "code agrees"))

    def _columns(
        self, snippet: Snippet, flat: list[Outcome], upright: list[Outcome]
    ) -> Iterator[Lint]:
        """A remark where columns would change the shape, or break the code."""
        for one, other in zip(flat, upright, strict=True):
            if one.value is None:
                continue
            wanted = one.value.shape if one.value.ndim == 2 else (*one.value.shape, 1)
            shape = None if other.value is None else other.value.shape
            if shape in (wanted, one.value.shape):
                continue
            shown = str(shape) if shape is not None else str(other.error)
            yield note(
                snippet.place.source,
                "columns",
                snippet.place.start,
                snippet.place.end,
                self.language,
                shape=shown,
            )
            return

    def _shapes(
        self, shapes: dict[str, list[Outcome]], worlds: list[World]
    ) -> Iterator[Claim]:
        """Sentences such as: `grad_b2` is m × 1."""
        for statement in self.statements:
            formula = statement.members[0].formula
            if statement.relations or formula is None:
                continue
            sizes = shape_in_words(formula)
            name = re.search(r"`(\w+)`[^`$]*$", own_words(statement))
            if sizes is None or name is None or name.group(1) not in shapes:
                continue
            member = statement.members[0]
            place = Place(member.source, member.start, member.end)
            yield self._shape(place, sizes, shapes[name.group(1)], worlds)

    def _shape(
        self,
        place: Place,
        sizes: tuple[Node, ...],
        outcomes: list[Outcome],
        worlds: list[World],
    ) -> Claim:
        for outcome, world in zip(outcomes, worlds, strict=True):
            if outcome.value is None:
                message = say(self.language, "code fails", error=outcome.error)
                return Claim(place, Verdict.NOT_UNDERSTOOD, message)
            wanted = tuple(world.whole(size) for size in sizes)
            if outcome.value.shape == wanted:
                continue
            if (*outcome.value.shape, 1) == wanted:
                size = world.size_name(wanted[0])
                message = say(self.language, "one axis", size=size)
                return Claim(place, Verdict.ILL_TYPED, message, f"({size},)")
            message = say(
                self.language, "code shape", given=outcome.value.shape, wanted=wanted
            )
            return Claim(place, Verdict.ILL_TYPED, message)
        return Claim(place, Verdict.AGREES, say(self.language, "shapes agree"))


def _is_python(block: Block) -> bool:
    code = block.kind is Kind.CODE and block.name in ("", "python", "py", "numpy")
    small = len(block.content) <= LONGEST and "import os" not in block.content
    return code and small


def _statements(content: str) -> list[ast.stmt]:
    """The statements of a cell, none if it is no Python; magic lines are comments."""
    for text in (content, _MAGIC.sub(r"\1#", content)):
        try:
            return ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
    return []


def _snippets(block: Block, names: Container[str]) -> Iterator[Snippet]:
    """A stretch of code cut behind each assignment of what the document knows.

    If it knows none of the names, the last assignment stands for all.
    """
    if not _is_python(block):
        return
    body = _statements(block.content)
    assigned = [(i, a) for i, a in enumerate(body) if _is_new(a)]
    judged = [(i, a) for i, a in assigned if _known(_target(a), names)] or assigned[-1:]
    begin = 0
    for number, assignment in judged:
        source = "\n".join(map(ast.unparse, body[begin : number + 1]))
        value = assignment.value
        start = _offset(block.content, value.lineno, value.col_offset)
        end = _offset(block.content, value.end_lineno or 1, value.end_col_offset or 0)
        place = Place(block.source, block.inner_start + start, block.inner_start + end)
        yield Snippet(source, _target(assignment), place)
        begin = number + 1


def _is_new(statement: ast.stmt) -> TypeGuard[ast.Assign]:
    """Whether it gives one name a value that is computed, and not from itself."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    used = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    new = _target(statement) and _target(statement) not in used
    return bool(new) and not isinstance(statement.value, ast.Constant)


def _target(assignment: ast.Assign) -> str:
    target = assignment.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _known(name: str, names: Container[str]) -> bool:
    gradient = _GRADIENT.match(name)
    return name in names or (gradient is not None and gradient.group(1) in names)


def _offset(text: str, line: int, column: int) -> int:
    """Where a place stands that Python counts in lines and bytes."""
    lines = text.splitlines(keepends=True)
    before = sum(map(len, lines[: line - 1]))
    return before + len(lines[line - 1].encode()[:column].decode())


def _names(notation: Notation) -> dict[str, str]:
    """Names that code may give to symbols: os and o_s for o^s, W1 for W^{(1)}."""
    found: dict[str, str] = {}
    keys = [*notation.types, *notation.definitions, *sorted(notation.sizes)]
    for key in keys:
        plainer = re.sub(r"[\^(){}\[\]]|\bbf ", "", key)
        for name in (plainer, plainer.replace("_", ""), _with_bar(key)):
            if re.fullmatch(r"[A-Za-z]\w*", name):
                known = notation.known(key)
                found.setdefault(name, known)
                found.setdefault(name[0].swapcase() + name[1:], known)
    return found


def _with_bar(key: str) -> str:
    return re.sub(r"[(){}\[\]]|\bbf ", "", key.replace("^", "_"))


def _loss(statements: list[Statement]) -> Node | None:
    """What derivatives are mostly taken of."""
    counts: dict[str, int] = {}
    nodes: dict[str, Node] = {}
    for statement in statements:
        for member in statement.members:
            for node in member.formula.walk() if member.formula else ():
                if isinstance(node, Derivative) and isinstance(node.body, Name):
                    name = node.body.text
                    counts[name] = counts.get(name, 0) + 1
                    nodes.setdefault(name, node.body)
    return nodes[max(counts, key=lambda n: counts[n])] if counts else None
