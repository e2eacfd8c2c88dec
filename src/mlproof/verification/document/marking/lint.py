"""Slips that make nothing false, or not by themselves."""

import re
from collections.abc import Iterator

from mlproof.verification.document.messages import lint_message
from mlproof.verification.document.notation.names import (
    bound_names,
    canonical,
    name_of,
    parts_of,
)
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.report import Lint, Place
from mlproof.verification.document.text.blocks import Block, Kind
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Binary,
    Name,
    Node,
    Script,
)

_ITEM = re.compile(r"^(?:\*\*)?(\d{1,3})[.)]\s+\S", re.MULTILINE)


def lint(
    blocks: list[Block], statements: list[Statement], notation: Notation, language: str
) -> Iterator[Lint]:
    """All that a careful reader would mark besides the mistakes."""
    for statement in statements:
        yield from _of_statement(statement, notation, language)
    yield from _letter_cases(statements, notation, language)
    yield from _numbering(blocks, language)


def note(
    source: Source, code: str, start: int, end: int, language: str, **found: str
) -> Lint:
    """A slip at a stretch of a text."""
    message, suggestion = lint_message(language, code, **found)
    return Lint(Place(source, start, end), code.replace(" ", "_"), message, suggestion)


def _of_statement(
    statement: Statement, notation: Notation, language: str
) -> Iterator[Lint]:
    for member in statement.members:
        if member.formula is None:
            continue
        for node in member.formula.walk():
            if isinstance(node, Big):
                yield from _unused(statement.source, node, language)
            if isinstance(node, Script):
                yield from _scripts(statement.source, node, notation, language)
    if statement.relations == ["gets"]:
        yield from _step(statement, notation, language)


def _unused(source: Source, node: Big, language: str) -> Iterator[Lint]:
    for name in unused_indices(node):
        yield note(source, "unused index", node.start, node.end, language, index=name)


def unused_indices(node: Big) -> list[str]:
    """The indices that a sign binds and that nothing under it uses."""
    if node.body is None or node.below is None or node.name.startswith("arg"):
        return []
    used = {name_of(inner) for inner in node.body.walk()}
    below = {name_of(inner) for part in parts_of(node.below) for inner in part.walk()}
    names = [name for name, _ in bound_names(node)]
    return [name for name in names if name not in used and name in below]


def _scripts(
    source: Source, node: Script, notation: Notation, language: str
) -> Iterator[Lint]:
    """o_a^k where o^a_k is written everywhere else."""
    name = name_of(node.base)
    if name is None or node.below is None or node.above is None:
        return
    below, above = canonical(node.below), canonical(node.above)
    swapped = (name, below) in notation.tagged and above in notation.facts.bound
    if swapped and (name, above) not in notation.tagged:
        written = source.text[node.base.start : node.base.end]
        a = source.text[node.above.start : node.above.end]
        b = source.text[node.below.start : node.below.end]
        yield note(
            source,
            "scripts swapped",
            node.start,
            node.end,
            language,
            suggestion=f"{written}_{a}^{b}",
        )


def _step(statement: Statement, notation: Notation, language: str) -> Iterator[Lint]:
    """A step whose size has the letter of something else."""
    right = statement.members[-1].formula
    if not isinstance(right, Binary) or right.sign not in "+-":
        return
    factor: Node = right.right
    if isinstance(factor, Beside):
        factor = factor.items[0]
    name = name_of(factor)
    if name is not None and name in notation.sizes:
        yield note(
            statement.source,
            "symbol reused",
            factor.start,
            factor.end,
            language,
            symbol=name,
            suggestion=r"\eta",
        )


def _letter_cases(
    statements: list[Statement], notation: Notation, language: str
) -> Iterator[Lint]:
    """A letter that is written large here and small there."""
    seen: set[str] = set()
    for statement in statements:
        for member in statement.members:
            for node in member.formula.walk() if member.formula else ():
                if not isinstance(node, (Name, Script)):
                    continue
                reading = notation.reading(node)
                if reading is None or reading.key in seen:
                    continue
                other = notation.known(reading.key)
                case = other != reading.key and other.swapcase() != other
                if case and other.casefold() == reading.key.casefold():
                    seen.add(reading.key)
                    yield note(
                        statement.source,
                        "letter case",
                        node.start,
                        node.end,
                        language,
                        symbol=reading.key,
                        other=other,
                    )


def _numbering(blocks: list[Block], language: str) -> Iterator[Lint]:
    """A number that two items in a row have; 1. is Markdown's own way of counting."""
    last: tuple[int, Source] | None = None
    for block in blocks:
        if block.kind is not Kind.PROSE:
            continue
        text = block.source.text
        for match in _ITEM.finditer(text, block.start, block.end):
            if match.start() and text[match.start() - 1] != "\n":
                continue
            number = int(match.group(1))
            if last == (number, block.source) and number > 1:
                yield note(
                    block.source,
                    "numbering",
                    match.start(1),
                    match.end(1),
                    language,
                    number=str(number),
                    suggestion=str(number + 1),
                )
            last = (number, block.source)
