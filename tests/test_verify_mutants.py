"""Mistakes planted into the derivation, one at a time: each is caught at its step.

A mutant is one change of one right-hand member: a sign, an index, a factor, a
transposition.  Only the changed chain is judged again, with the notation of the whole
document.  A transposition put on a number, or a tag in the place of an exponent, is no
mistake that a value could show, and is not planted; of the rest none is left out, so a
change that happens to leave the value as it was counts as one that was missed.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlproof.verification.document.edits import edits
from mlproof.verification.document.judge import Judge
from mlproof.verification.document.notation import Notation
from mlproof.verification.document.reading import read_text
from mlproof.verification.document.repair import Repairer
from mlproof.verification.document.report import Claim
from mlproof.verification.document.statements import Cutter, Member, Statement

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "docs" / "derivation.md",
    *sorted((ROOT / "tests" / "documents").glob("*.md")),
]
FOREIGN = "functors_and_reactions.md"
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


def read(text: str) -> tuple[list[Statement], Notation, Judge]:
    cutter = Cutter(read_text(text).blocks)
    statements = cutter.cut()
    notation = Notation(statements)
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


def outcome(text: str, order: int, place: int, new: str, member: Member) -> str:
    """Where the mistake is seen once it is made."""
    changed = text[: member.start] + new + text[member.end :]
    statements, _, judge = read(changed)
    claims = claims_of(statements[order], order, judge)
    wrong = [i for i, claim in enumerate(claims, start=1) if claim.wrong]
    if wrong == [place]:
        return "caught"
    if wrong:
        return f"seen at {wrong}"
    return str(claims[place - 1].verdict) if claims else "no chain"


@pytest.mark.slow
def test_planted_mistakes_are_caught_at_their_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is looked for is the mistake, not its repair.
    monkeypatch.setattr(Repairer, "repaired", lambda *_: None)
    choose = random.Random(0)
    found: dict[str, list[tuple[str, int, int, str]]] = {kind: [] for kind in CLASSES}
    for path in DOCUMENTS:
        if path.name == FOREIGN:
            continue
        text = path.read_text(encoding="utf-8")
        for kind, order, place, new in mutants(text):
            found[kind].append((text, order, place, new))
    outcomes: Counter[str] = Counter()
    missed = []
    for kind in sorted(CLASSES):
        chosen = choose.sample(found[kind], min(OF_EACH, len(found[kind])))
        for text, order, place, new in chosen:
            member = read(text)[0][order].members[place]
            seen = outcome(text, order, place, new, member)
            outcomes[seen] += 1
            if seen != "caught":
                missed.append((kind, member.text[:70], new[:90], seen))
    total = sum(outcomes.values())
    assert total >= 300
    elsewhere = sum(n for seen, n in outcomes.items() if seen.startswith("seen"))
    report = "\n".join(map(str, [outcomes, *missed]))
    assert outcomes["caught"] >= 0.9 * total, report
    assert elsewhere == 0, report
