"""Mistakes planted into right derivations, one at a time: each is caught at its step.

A mutant is one change of one right-hand member: a sign, an index, a factor, a
transposition.  Only the changed chain is judged again, with the notation of the whole
document.  A transposition put on a number, or a tag in the place of an exponent, is no
mistake that a value could show, and is not planted.  Of the rest those that leave the
value as it was, at other sizes and numbers than the judge draws and in many digits, are
no mistakes either; they are left out, and counted.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from homework import HOMEWORK, repaired

from mlproof import verify_document
from mlproof.verification.document.marking.edits import Edit, edits
from mlproof.verification.document.marking.judge import Judge
from mlproof.verification.document.marking.repair import Repairer
from mlproof.verification.document.notation.gathering import notation_of
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.report import Claim
from mlproof.verification.document.text.prose import Cutter
from mlproof.verification.document.text.reading import read_text
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.values.numbers import Arithmetic
from mlproof.verification.document.values.points import (
    Prober,
    Setting,
    differ,
    failed,
    same_shape,
    settled,
)
from mlproof.verification.document.values.world import Draw

ROOT = Path(__file__).parents[1]
FOREIGN = "functors_and_reactions.md"
DOCUMENTS = [
    ROOT / "docs" / "derivation.md",
    *sorted(
        p for p in (ROOT / "tests" / "documents").glob("*.md") if p.name != FOREIGN
    ),
]
JUDGED = {"agrees", "proved", "convention", "domain"}
# What people get wrong; words and whole symbols put anywhere are no slips.
CLASSES = {
    "sign",
    "sign of the argument",
    "indices swapped",
    "index",
    "bound index",
    "superscript",
    "factor",
    "dropped",
    "fraction",
    "transposition",
    "number",
    "exponent",
    "upper bound",
    "function",
    "entry",
}
OF_EACH = 24  # mutants of each class, if there are so many
ELSEWHERE = (
    Draw(101, (5, 3, 2, 7, 4, 6)),
    Draw(102, (3, 5, 4, 2, 6, 7), spread=1.0),
    Draw(103, (2, 5, 3, 4, 7, 6), spread=3.0),
)


def read(text: str) -> tuple[list[Statement], Notation, Judge]:
    cutter = Cutter(read_text(text).blocks)
    statements = cutter.cut()
    notation = notation_of(statements)
    return statements, notation, Judge(notation, "en", cutter.macros)


def claims_of(statement: Statement, order: int, judge: Judge) -> list[Claim]:
    claims = judge.judge(statement, order)
    return claims if len(claims) == len(statement.members) - 1 else []


def shows(kind: str, old: str, new: str) -> bool:
    """Whether a change of this class can be told by values."""
    if kind == "transposition":
        return len(new) < len(old)  # dropped, not put on
    if kind == "superscript":
        changed = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
        letters = all(a.isalpha() and b.isalpha() for a, b in changed)
        digits = all(a.isdigit() and b.isdigit() for a, b in changed)
        return len(old) == len(new) and (letters or digits)
    return True


def mutants(text: str) -> Iterator[tuple[str, int, int, str]]:
    """The class, the statement, the member and its new text."""
    statements, notation, judge = read(text)
    for order, statement in enumerate(statements):
        if statement.is_condition or set(statement.relations) != {"="}:
            continue
        for place, claim in enumerate(claims_of(statement, order, judge), start=1):
            member = statement.members[place]
            if claim.verdict not in JUDGED or member.formula is None:
                continue
            others = tuple(
                m.formula
                for m in statement.members
                if m.formula is not None and m is not member
            )
            for edit in edits(member.formula, text, notation, others):
                new = edit.applied(text, member.start, member.end)
                if edit.kind in CLASSES and shows(edit.kind, member.text, new):
                    yield edit.kind, order, place, new


def leaves_the_value(
    statement: Statement, order: int, place: int, member: Member, judge: Judge
) -> bool:
    """Whether a member is everywhere what the one in its place is."""
    prober = Prober(judge.notation, statement, order)
    setting = judge.chain(statement, order).setting
    right = statement.members[place]
    if right.formula is None or member.formula is None:
        return False
    compared = 0
    for draw in ELSEWHERE:
        both = [right, member]
        for point in prober.of_draw(both, setting, draw, Arithmetic(80)):
            a, b = point.outcomes
            if failed(a) and failed(b) and type(a) is type(b):
                continue  # out of the domain of both
            if failed(a) or failed(b):
                return False
            a, b = settled(a, b, point, (right.formula, member.formula))
            if not same_shape(a, b) or differ(a, b, 1e-20):
                return False
            compared += 1
    return compared > 0


def outcome(text: str, order: int, place: int, new: str) -> str:
    """Where the mistake is seen once it is made."""
    right, _, judge = read(text)
    member = right[order].members[place]
    changed = text[: member.start] + new + text[member.end :]
    statements, _, judge_of_changed = read(changed)
    claims = claims_of(statements[order], order, judge_of_changed)
    wrong = [i for i, claim in enumerate(claims, start=1) if claim.wrong]
    if wrong == [place]:
        return "caught"
    planted = Repairer(Prober(judge.notation, right[order], order), Setting())
    whole = Edit("all", ((member.start, member.end, new),))
    alone = planted._changed(member, whole)
    if alone and leaves_the_value(right[order], order, place, alone, judge):
        return "equal"
    if wrong:
        return f"seen at {wrong}"
    return str(claims[place - 1].verdict) if claims else "no chain"


def texts() -> list[str]:
    """The documents into which mistakes are planted; the homework where it is."""
    found = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    if HOMEWORK.exists():
        found.append(repaired(verify_document(HOMEWORK)))
    return found


@pytest.mark.slow
def test_planted_mistakes_are_caught_at_their_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = texts()
    # What is looked for is the mistake, not its repair.
    monkeypatch.setattr(Repairer, "repaired", lambda *_: None)
    choose = random.Random(0)
    found: dict[str, list[tuple[str, int, int, str]]] = {kind: [] for kind in CLASSES}
    for text in documents:
        for kind, order, place, new in mutants(text):
            found[kind].append((text, order, place, new))
    outcomes: Counter[str] = Counter()
    missed = []
    for kind in sorted(CLASSES):
        chosen = choose.sample(found[kind], min(OF_EACH, len(found[kind])))
        for text, order, place, new in chosen:
            seen = outcome(text, order, place, new)
            outcomes[seen] += 1
            if seen != "caught":
                missed.append((kind, new[:120], seen))
    report = "\n".join(map(str, [outcomes, *missed]))
    assert outcomes["equal"] <= 0.05 * outcomes.total(), report
    mistakes = outcomes.total() - outcomes["equal"]
    assert mistakes >= (300 if HOMEWORK.exists() else 250), report
    assert outcomes["caught"] >= 0.9 * mistakes, report
    elsewhere = sum(n for seen, n in outcomes.items() if seen.startswith("seen"))
    assert elsewhere == 0, report
