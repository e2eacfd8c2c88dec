r"""What a formula states: a chain of members with relations between."""

from dataclasses import dataclass, field

from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.text.syntax import Node


@dataclass
class Member:
    """One side of a relation: a formula, or the reason why it is none."""

    source: Source
    start: int
    end: int
    formula: Node | None
    refused: NotUnderstood | None = None

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]


@dataclass(eq=False)
class Statement:
    """A chain of members; a lone member states nothing."""

    members: list[Member]
    relations: list[str] = field(default_factory=list)
    words: str = ""  # before it, in the sentence or in the formula
    after: str = ""  # behind it, in the sentence
    conditions: list["Statement"] = field(default_factory=list)
    doubtful: list["Statement"] = field(default_factory=list)  # perhaps still in force
    unread: str = ""  # a condition in words that is not taken into account
    is_condition: bool = False
    introduces: bool = False  # whether words such as "let" stand before it
    display: bool = False
    section: int = 0
    group: int = 0  # the block it stands in
    for_all: bool = False
    local: bool = False  # whether other statements stand in the same formula
    after_comma: bool = False  # whether a comma parts it from the one before
    misplaced: bool = False  # cut out of a case it was written into
    standing: bool = False  # for the whole document, whatever its text says

    @property
    def start(self) -> int:
        return self.members[0].start

    @property
    def source(self) -> Source:
        return self.members[0].source


def own_words(statement: Statement) -> str:
    """The words since the formula before."""
    return statement.words.rsplit("$", 1)[-1]
