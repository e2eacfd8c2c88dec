"""The code of a document, cut into stretches.

Each statement at the top of a cell is a stretch of its own.  A name that the document
knows is compared where the cell has done with it: of ``z = W @ x`` with ``z += b``
behind it, or with a loop that fills z, only what z is in the end counts.
"""

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from mlproof.verification.document.report import Place
from mlproof.verification.document.text.blocks import Block, Kind

LONGEST = 2_000  # characters of a cell that is run
# A line of a notebook that is none of Python: %matplotlib inline, !pip list.
_MAGIC = re.compile(r"(?m)^([ \t]*)[%!]")


@dataclass(frozen=True)
class Stretch:
    """A statement; where a name is finished in it, the name and its last value."""

    source: str
    name: str = ""
    place: Place | None = None
    unfinished: tuple[str, ...] = ()  # names that later statements go on with
    uses: frozenset[str] = frozenset()


@dataclass
class _Building:
    """A name from the statement that gives it a value to the last that changes it."""

    name: str
    first: int
    last: int
    value: ast.AST


def stretches(block: Block, known: Container[str]) -> Iterator[Stretch]:
    """The statements of a cell, none where it is not to be run.

    If it knows none of the names, the last assignment stands for all.
    """
    if not _is_python(block):
        return
    body = [s for statement in _statements(block.content) for s in _apart(statement)]
    built = _built(body)
    finished = [b for b in built if b.name in known]
    if not finished:
        finished = [b for b in built if b.first == b.last][-1:]
    by_last: dict[int, list[_Building]] = {}
    for building in finished:
        by_last.setdefault(building.last, []).append(building)
    for number, statement in enumerate(body):
        unfinished = tuple(b.name for b in built if b.first <= number < b.last)
        ends = by_last.get(number, [])
        source = ast.unparse(statement)
        if not ends:
            yield Stretch(source, unfinished=unfinished)
        for place, building in enumerate(ends):
            yield Stretch(
                source if place == 0 else "",
                building.name,
                _place(block, building.value),
                (*unfinished, *(b.name for b in ends[place + 1 :])),
                frozenset(_names(building.value, ast.Load)),
            )


def defined_in(block: Block) -> set[str]:
    """The functions, classes and modules that a cell gives names to."""
    found: set[str] = set()
    for statement in _statements(block.content) if _is_python(block) else []:
        for node in ast.walk(statement):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found |= {(a.asname or a.name).split(".")[0] for a in node.names}
    return found


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


def _apart(statement: ast.stmt) -> Iterator[ast.stmt]:
    """``a, b = x, y`` as two assignments, where neither needs the other."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
            given = set(_names(target, ast.Store))
            starred = any(isinstance(n, ast.Starred) for n in ast.walk(statement))
            equal = len(target.elts) == len(value.elts) and not starred
            if equal and not given & set(_names(value, ast.Load)):
                for one, other in pairs:
                    assignment = ast.Assign([one], other)
                    yield ast.copy_location(assignment, statement)
                return
    yield statement


def _names(node: ast.AST, how: type[ast.expr_context]) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, how):
            yield inner.id


def _changes(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement changes, also by an entry, and to what at last."""
    for node in ast.walk(statement):
        targets: list[ast.expr] = []
        value: ast.AST = statement
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and node.value:
            targets, value = [node.target], node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets = [] if isinstance(node, ast.comprehension) else [node.target]
        for target in targets:
            for inner in ast.walk(target):
                if isinstance(inner, ast.Name):
                    changed = isinstance(inner.ctx, ast.Store)
                    entry = isinstance(target, (ast.Subscript, ast.Attribute))
                    first = next(
                        (n for n in ast.walk(target) if isinstance(n, ast.Name)), None
                    )
                    if changed or (entry and inner is first):
                        yield inner.id, value


def _built(body: list[ast.stmt]) -> list[_Building]:
    """The names that statements give values to, from the first to the last of each."""
    found: list[_Building] = []
    latest: dict[str, _Building] = {}
    for number, statement in enumerate(body):
        changed = {}
        for name, value in _changes(statement):
            changed[name] = value
        for name, value in changed.items():
            if _is_new(statement, name):
                latest[name] = _Building(name, number, number, value)
                found.append(latest[name])
            elif name in latest:
                latest[name].last, latest[name].value = number, value
    alone = [b for b in found if b.first == b.last]
    constant = [b for b in alone if isinstance(b.value, ast.Constant)]
    return [b for b in found if b not in constant]


def _is_new(statement: ast.stmt, name: str) -> bool:
    """Whether it gives a name a value that is computed, and not from itself."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target = statement.targets[0]
    own = isinstance(target, ast.Name) and target.id == name
    return own and name not in _names(statement.value, ast.Load)


def _place(block: Block, value: ast.AST) -> Place:
    start = _offset(block.content, value.lineno, value.col_offset)  # type: ignore[attr-defined]
    end = _offset(block.content, value.end_lineno, value.end_col_offset)  # type: ignore[attr-defined]
    return Place(block.source, block.inner_start + start, block.inner_start + end)


def _offset(text: str, line: int, column: int) -> int:
    """Where a place stands that Python counts in lines and bytes."""
    lines = text.splitlines(keepends=True)
    before = sum(map(len, lines[: line - 1]))
    return before + len(lines[line - 1].encode()[:column].decode())
