"""Every statement of a document judged, in the layout that most of them are right in.

What a derivation holds of a derivative by a vector may be right as a column and wrong
as a row.  A document that does not say which it means is read as most of its statements
want it; the others are mixed in, which a remark says of each.
"""

from collections.abc import Callable, Iterable
from itertools import chain

from mlproof.verification.document.marking.judge import Judge
from mlproof.verification.document.marking.lint import note
from mlproof.verification.document.messages import layout_in_words
from mlproof.verification.document.report import Claim, Lint
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.values.layout import Layout


class Judged:
    """What is said of each statement, under one layout."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self.claims: dict[int, list[Claim]] = {}
        self.lint: dict[int, list[Lint]] = {}
        self.laid_out: dict[int, set[str]] = {}  # where the layout matters, and of what

    def judge(
        self, judge: Judge, statements: list[Statement], orders: Iterable[int]
    ) -> "Judged":
        for order in orders:
            self.claims[order] = judge.judge(statements[order], order)
            self.lint[order], judge.lint = judge.lint, []
        self.laid_out = judge.laid_out
        return self

    def with_those_of(self, other: "Judged") -> "Judged":
        """The same, and what another says of statements that were not judged here."""
        self.claims = other.claims | self.claims
        self.lint = other.lint | self.lint
        return self

    @property
    def all_claims(self) -> list[Claim]:
        return list(chain.from_iterable(self.claims.values()))

    @property
    def all_lint(self) -> list[Lint]:
        return list(chain.from_iterable(self.lint.values()))

    def right(self, order: int) -> bool:
        """Whether nothing is wrong in a statement."""
        return not any(claim.wrong for claim in self.claims[order])


def judged(
    judge: Callable[[Layout], Judge],
    statements: list[Statement],
    layout: Layout | None = None,
) -> Judged:
    """All statements under this layout; without one, under the one that suits most.

    That is columns, unless more statements are right in another.
    """
    orders = range(len(statements))
    first = layout or Layout.COLUMNS
    found = Judged(first).judge(judge(first), statements, orders)
    wrong = [order for order in found.laid_out if not found.right(order)]
    if layout is not None or not wrong:
        return found
    others = [
        Judged(other).judge(_quick(judge(other)), statements, wrong)
        for other in (Layout.ROWS, Layout.DENOMINATOR)
    ]
    best, most = found, _count(found, found)
    for trial in others:
        # A matrix that is transposed by mistake looks like a row, and one Jacobian like
        # the other: only two of them, or a gradient written as a row, are evidence.
        gained = [order for order in wrong if trial.right(order)]
        if len(gained) < 2 and not any("row" in found.laid_out[o] for o in gained):
            continue
        rest = [order for order in found.laid_out if order not in trial.claims]
        trial.judge(_quick(judge(trial.layout)), statements, rest)
        if _count(trial, found) > most:
            best, most = trial, _count(trial, found)
    if best is not found:
        again = Judged(best.layout)
        again.judge(judge(best.layout), statements, found.laid_out)
        best = again.with_those_of(found)
    for order in found.laid_out:
        fitting = [
            other
            for other in (found, *others)
            if order in other.claims and other.right(order)
        ]
        if fitting and not best.right(order):
            language = judge(first).wording.language
            best.lint[order] += _mixed(best, order, fitting[0].layout, language)
    return best


def _quick(judge: Judge) -> Judge:
    """One that says what is wrong, and not how it may be mended."""
    judge.repairs = False
    return judge


def _count(judged: Judged, first: Judged) -> int:
    return sum(judged.right(order) for order in first.laid_out)


def _mixed(best: Judged, order: int, other: Layout, language: str) -> list[Lint]:
    """A remark on each claim that is right in another layout only."""
    return [
        note(
            claim.place.source,
            "mixed layout",
            claim.place.start,
            claim.place.end,
            language,
            layout=layout_in_words(language, best.layout),
            other=layout_in_words(language, other),
        )
        for claim in best.claims[order]
        if claim.wrong
    ]
