r"""The claims of each statement: the steps of a chain, declarations, problems."""

import re
from dataclasses import replace
from typing import Any

from mlproof.verification.document.marking.chain import Chain, place_of
from mlproof.verification.document.marking.shapes import product_shape
from mlproof.verification.document.marking.wording import Wording, shown_shape
from mlproof.verification.document.messages import reason
from mlproof.verification.document.notation.names import name_of
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.notation.sets import range_of, shape_in_words
from mlproof.verification.document.report import Claim, Lint, Verdict
from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.text.macros import Macro
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Dots,
    Name,
    Script,
)
from mlproof.verification.document.text.vocabulary import ORDERS
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    is_array,
    shape_of,
)
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.numbers import Arithmetic, Undefined
from mlproof.verification.document.values.points import (
    failed,
    same_shape,
)
from mlproof.verification.document.values.world import DRAWS, Draw, NeedIndex, World

_STEP = re.compile(
    r"\b(?:update[sd]?|updating|steps?|gradient descent|descente|mise à jour|"
    r"iterat\w+|itér\w+|learning rule|règle|becomes?|devient)\b",
    re.I,
)
EQUALITIES = ("=", ":=")
_TRUE = (Verdict.AGREES, Verdict.PROVED, Verdict.DOMAIN, Verdict.CONVENTION)


class Judge:
    """Judges statements, with the notation of their document."""

    def __init__(
        self,
        notation: Notation,
        language: str,
        macros: dict[str, Macro] | None = None,
        layout: Layout = Layout.COLUMNS,
    ):
        self.notation, self.wording = notation, Wording(language)
        self.layout = layout
        self.macros = macros or {}
        self.repairs = True  # whether to look for one where a step is false
        self.lint: list[Lint] = []
        self.laid_out: dict[int, set[str]] = {}  # statements whose layout matters

    def judge(self, statement: Statement, order: int) -> list[Claim]:
        """The claims of a statement; none if it states nothing."""
        if statement.is_condition:
            return []
        if not statement.relations:
            return self._lone(statement, order)
        kinds = set(statement.relations)
        if range_of(statement) is not None:
            return self._all(
                statement, Verdict.DEFINITION, self.wording.say("declaration")
            )
        if order in self.notation.assumptions:
            symbol = statement.members[0].text
            message = self.wording.say("assumption", symbol=symbol)
            return self._all(statement, Verdict.DEFINITION, message)
        if self.notation.size_set(statement) is not None:
            symbol = statement.members[0].text
            message = self.wording.say("assumption", symbol=symbol)
            return self._all(statement, Verdict.DEFINITION, message)
        if self._of_indices(statement):
            return []  # an index named: "only the term l = i"
        if any(isinstance(m.formula, Dots) for m in statement.members[1:]):
            return self._all(
                statement, Verdict.NOT_MATHEMATICS, self.wording.say("hole")
            )
        if kinds <= {"in"}:
            return self._declarations(statement, order)
        if kinds & {"gets"} or self._updates(statement, order):
            return self._assignment(statement, order)
        if kinds == {"to"}:
            return self._shapes(statement)
        if kinds <= {*EQUALITIES, *ORDERS, "in"}:
            chain = self.chain(statement, order)
            claims = self._doubted(chain.claims(), statement, order)
            self.lint += chain.slips()
            if chain.laid_out:
                self.laid_out[order] = chain.laid_out
            return claims
        return self._all(
            statement, Verdict.NOT_UNDERSTOOD, self.wording.say("not a claim")
        )

    def chain(self, statement: Statement, order: int) -> Chain:
        made = Chain(
            *(self.notation, self.layout, self.wording, statement, order, self.macros)
        )
        made.repairs = self.repairs
        return made

    def _doubted(
        self, claims: list[Claim], statement: Statement, order: int
    ) -> list[Claim]:
        """Let no mistake be what is true if a condition from before still holds."""
        for condition in statement.doubtful:
            if not any(claim.verdict is Verdict.FALSE for claim in claims):
                break
            under = replace(statement, conditions=[*statement.conditions, condition])
            chain = self.chain(under, order)
            chain.repairs = False
            text = condition.source.text[condition.start : condition.members[-1].end]
            message = self.wording.say("doubtful", condition=text)
            claims = [
                replace(
                    claim,
                    verdict=Verdict.NOT_UNDERSTOOD,
                    message=message,
                    suggestion=None,
                    counterexample=None,
                )
                if claim.verdict is Verdict.FALSE and other.verdict in _TRUE
                else claim
                for claim, other in zip(claims, chain.claims(), strict=True)
            ]
        return claims

    def _of_indices(self, statement: Statement) -> bool:
        names = [
            name_of(m.formula) if m.formula is not None else None
            for m in statement.members
        ]
        bound = self.notation.facts.bound | self.notation.labels_found
        return not statement.display and all(
            n is not None and n in bound for n in names
        )

    def _updates(self, statement: Statement, order: int) -> bool:
        """Whether a sentence about a step writes ``w = w - g`` for an assignment."""
        left, right = (m.formula for m in statement.members[:2])
        if statement.relations != ["="] or right is None:
            return False
        if not isinstance(left, (Name, Script)):
            return False
        before = self.notation.statements[max(0, order - 3) : order]
        assigned = any("gets" in s.relations for s in before)
        if not assigned and not _STEP.search(statement.words):
            return False
        reading = self.notation.reading(left)
        if reading is None or reading.power is not None:
            return False
        key = self.notation.known(reading.key)
        free = not self.notation.definitions.get(key)
        return free and key in self.notation.symbols(right)

    # Statements without an equality

    def _all(self, statement: Statement, verdict: Verdict, message: str) -> list[Claim]:
        return [
            Claim(place_of(member), verdict, message)
            for member in statement.members[1:]
        ]

    def _lone(self, statement: Statement, order: int) -> list[Claim]:
        member = statement.members[0]
        formula = member.formula
        if formula is None:
            if any(sign in member.text for sign in ("=", "<", ">", r"\in")):
                return [
                    Claim(
                        place_of(member),
                        Verdict.NOT_UNDERSTOOD,
                        self.wording.refusal(member.refused),
                    )
                ]
            return []
        if shape_in_words(formula) is not None:
            if any(
                t.order == order
                for found in self.notation.types.values()
                for t in found
            ):
                said = [
                    (key, t)
                    for key, found in self.notation.types.items()
                    for t in found
                    if t.order == order
                ]
                wrong = self._contradicted(said, statement, order)
                if wrong is not None:
                    return [Claim(place_of(member), Verdict.ILL_TYPED, wrong)]
                return [
                    Claim(
                        place_of(member),
                        Verdict.DEFINITION,
                        self.wording.say("declaration"),
                    )
                ]
            return []
        head = formula.items[0] if isinstance(formula, Beside) else formula
        if isinstance(head, Big) and head.name.startswith("arg"):
            return [
                Claim(place_of(member), Verdict.DEFINITION, self.wording.say("problem"))
            ]
        return []

    def _declarations(self, statement: Statement, order: int) -> list[Claim]:
        member = statement.members[-1]
        if member.formula is None:
            message = self.wording.refusal(member.refused)
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        found = [
            (key, t)
            for key, types in self.notation.types.items()
            for t in types
            if t.order == order
        ]
        head = member.formula
        head = head.items[0] if isinstance(head, Beside) else head
        if isinstance(head, Big) and head.name.startswith("arg"):
            return self._all(statement, Verdict.DEFINITION, self.wording.say("problem"))
        if not found:
            left = statement.members[0].formula
            if left is not None and _is_real_set(member):
                return self._all(
                    statement, Verdict.DEFINITION, self.wording.say("declaration")
                )
            message = self.wording.say(
                "unknown", reason=reason(self.wording.language, "set")
            )
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        wrong = self._contradicted(found, statement, order)
        if wrong is not None:
            return self._all(statement, Verdict.ILL_TYPED, wrong)
        return self._all(statement, Verdict.DEFINITION, self.wording.say("declaration"))

    def _contradicted(
        self, found: list[tuple[str, Any]], statement: Statement, order: int
    ) -> str | None:
        """What a declaration says of a symbol whose definition has another shape."""
        for key, t in found:
            if t.kind != "array" or not self.notation.definitions.get(key):
                continue
            for draw in DRAWS[:3]:
                world = self.world(draw, statement, order)
                try:
                    value = world.value(key)
                    sizes = [int(world.evaluate(size)) for size in t.sizes]
                except (IllTyped, Unknown, Undefined, NeedIndex, ArithmeticError):
                    break
                shape = (sizes[0], 1) if len(sizes) == 1 else tuple(sizes)
                if not is_array(value) or value.shape == shape:
                    break
                return self.wording.say(
                    "declared otherwise",
                    declared=shown_shape(tuple(sizes), world),
                    shape=shown_shape(shape_of(value), world),
                )
        return None

    def world(self, draw: Draw, statement: Statement, order: int) -> World:
        world = World(
            self.notation, Arithmetic(), draw, evaluate, order, statement.section
        )
        world.source = statement.source.text
        return world

    def _assignment(self, statement: Statement, order: int) -> list[Claim]:
        chain = self.chain(statement, order)
        points = chain.points
        for point in points:
            for outcome in point.outcomes:
                if isinstance(outcome, IllTyped):
                    message = self.wording.ill_typed(outcome, point.world)
                    return self._all(statement, Verdict.ILL_TYPED, message)
        for point in points:
            for outcome in point.outcomes:
                if isinstance(outcome, (Unknown, NotUnderstood)):
                    message = self.wording.refusal(outcome)
                    return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        last = len(statement.members) - 1
        compared = [
            (*chain.pair(point, 0, last), point)
            for point in points
            if not failed(point.outcomes[0]) and not failed(point.outcomes[last])
        ]
        for a, b, point in compared:
            if not same_shape(a, b):
                message = self.wording.say(
                    "equal",
                    left=shown_shape(shape_of(a), point.world),
                    right=shown_shape(shape_of(b), point.world),
                )
                return self._all(statement, Verdict.ILL_TYPED, message)
        if not compared:
            return self._all(
                statement, Verdict.NOT_UNDERSTOOD, self.wording.say("nowhere")
            )
        return self._all(statement, Verdict.DEFINITION, self.wording.say("assignment"))

    def _shapes(self, statement: Statement) -> list[Claim]:
        left, right = statement.members[0].formula, statement.members[-1].formula
        if left is None or right is None or len(statement.members) != 2:
            message = self.wording.say("not a claim")
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        a, b = product_shape(left), product_shape(right)
        if a is None or b is None:
            message = self.wording.say("not a claim")
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        if a == b:
            return self._all(
                statement, Verdict.AGREES, self.wording.say("shapes agree")
            )
        message = self.wording.say(
            "equal", left=" × ".join(a) or "1", right=" × ".join(b) or "1"
        )
        return self._all(statement, Verdict.ILL_TYPED, message)


def _is_real_set(member: Member) -> bool:
    node = member.formula
    if isinstance(node, Script):
        node = node.base
    return isinstance(node, Name) and node.face in ("bb", "bf")
