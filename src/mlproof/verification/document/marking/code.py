"""The code of a document against its formulas.

Only on request: code is run.  Names of the code are matched with symbols by their
letters, ``os`` with ``o^s`` and ``grad_W2`` with the derivative by ``W^{(2)}``.
Vectors are arrays of one axis; what holds so and breaks on columns gets a remark.
"""

import re
from collections.abc import Container, Iterator

import numpy as np

from mlproof.verification.document.marking.lint import note
from mlproof.verification.document.marking.running import Outcome, run_stretches
from mlproof.verification.document.marking.stretches import (
    Stretch,
    defined_in,
    stretches,
)
from mlproof.verification.document.messages import say
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.notation.sets import shape_in_words
from mlproof.verification.document.report import Claim, Lint, Place, Verdict
from mlproof.verification.document.text.blocks import Block
from mlproof.verification.document.text.statements import Statement, own_words
from mlproof.verification.document.text.syntax import Derivative, Name, Node
from mlproof.verification.document.text.vocabulary import FUNCTIONS
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    Value,
    is_array,
)
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.numbers import Arithmetic, Undefined, plain
from mlproof.verification.document.values.world import DRAWS, NeedIndex, World

_MISFIT = re.compile(r"mismatch|broadcast|not aligned|do not match|incompatible")
_GRADIENT = re.compile(r"^(?:grad_|g_|d|dL_d|d_|dL)(?=[A-Za-z])(.+)$")


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
        own = set().union(*map(defined_in, blocks))
        self.names = {n: k for n, k in _names(notation).items() if n not in own}
        known = _Known(self.names)
        self.stretches = [s for block in blocks for s in stretches(block, known)]
        self.loss = _loss(statements)

    def check(self) -> tuple[list[Claim], list[Lint]]:
        claims: list[Claim] = []
        slips: list[Lint] = []
        if not any(s.name for s in self.stretches):
            return claims, slips
        worlds = [self._world(number) for number in range(3)]
        flat = [self._bound(world) for world in worlds]
        upright = [self._bound(world, columns=True) for world in worlds]
        from_zero = [self._bound(world, from_zero=True) for world in worlds]
        ran = run_stretches(self.stretches, [*flat, *upright, *from_zero])
        shapes: dict[str, list[Outcome]] = {}
        for number, stretch in enumerate(self.stretches):
            if not stretch.name:
                continue
            tried = [trial[number] for trial in ran]
            outcomes, others = tried[: len(worlds)], tried[len(worlds) :]
            shapes[stretch.name] = outcomes
            claim = self._claim(stretch, outcomes, worlds)
            if claim.verdict is not Verdict.AGREES:
                # The derivation counts classes from 1, and its code may from 0.
                other = self._claim(stretch, others[len(worlds) :], worlds)
                claim = other if other.verdict is Verdict.AGREES else claim
            claims.append(claim)
            if claim.verdict is not Verdict.DEFINITION:
                slips += self._columns(stretch, outcomes, others[: len(worlds)])
        claims += self._shapes(shapes, worlds)
        return claims, slips

    def _world(self, number: int) -> World:
        world = World(self.notation, Arithmetic(), DRAWS[number], evaluate)
        world.section = self.statements[-1].section if self.statements else 0
        return world

    # Names

    def _bound(
        self, world: World, columns: bool = False, from_zero: bool = False
    ) -> dict[str, np.ndarray | int]:
        found: dict[str, np.ndarray | int] = {}
        for name, key in self.names.items():
            try:
                value = world.value(key)
            except (IllTyped, Unknown, Undefined, NeedIndex):
                continue
            if isinstance(value, int):
                found[name] = value - (from_zero and world.is_label(key))
            elif is_array(value):
                array = np.array([[float(plain(x)) for x in row] for row in value])
                vector = array.shape[1] == 1 and not columns
                found[name] = array[:, 0] if vector else array
            elif isinstance(value, float):
                found[name] = np.array(value)
        for stretch in self.stretches:
            if stretch.name in found or not _GRADIENT.match(stretch.name):
                continue
            expected = self._expected(stretch.name, world)
            if expected is not None:
                upright = columns and expected.ndim == 1
                found[stretch.name] = expected[:, None] if upright else expected
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
        self, stretch: Stretch, outcomes: list[Outcome], worlds: list[World]
    ) -> Claim:
        assert stretch.place is not None
        if self._is_data(stretch.name, worlds[0]):
            message = say(self.language, "code data", name=stretch.name)
            return Claim(stretch.place, Verdict.DEFINITION, message)
        error = next((o.error for o in outcomes if o.error), None)
        if error is not None:
            message = say(self.language, "code fails", error=error)
            misfit = self._misfits(stretch, error, worlds[0])
            verdict = Verdict.ILL_TYPED if misfit else Verdict.NOT_UNDERSTOOD
            return Claim(stretch.place, verdict, message)
        for outcome, world in zip(outcomes, worlds, strict=True):
            expected = self._expected(stretch.name, world)
            if expected is None:
                message = say(self.language, "code unmatched", name=stretch.name)
                return Claim(stretch.place, Verdict.NOT_UNDERSTOOD, message)
            assert outcome.value is not None
            if outcome.value.shape != expected.shape:
                message = say(
                    self.language,
                    "code shape",
                    given=outcome.value.shape,
                    wanted=expected.shape,
                )
                return Claim(stretch.place, Verdict.ILL_TYPED, message)
            if not np.allclose(outcome.value, expected, rtol=1e-9, atol=1e-12):
                where = int(np.argmax(np.abs(outcome.value - expected)))
                a, b = outcome.value.flat[where], expected.flat[where]
                return Claim(
                    stretch.place,
                    Verdict.FALSE,
                    say(self.language, "code differs"),
                    counterexample=f"{a:.6g} ≠ {b:.6g}",
                )
        return Claim(stretch.place, Verdict.AGREES, say(self.language, "code agrees"))

    def _is_data(self, name: str, world: World) -> bool:
        """Whether the document only declares what a name stands for."""
        key = self.names.get(name)
        return key is not None and world.definition_of(key) is None

    def _misfits(self, stretch: Stretch, error: str, world: World) -> bool:
        """Whether code fails at the shapes of what the document gives it."""
        known = stretch.uses <= {*self.names, "np", "numpy"}
        given = known and self._expected(stretch.name, world) is not None
        return given and bool(_MISFIT.search(error))

    def _columns(
        self, stretch: Stretch, flat: list[Outcome], upright: list[Outcome]
    ) -> Iterator[Lint]:
        """A remark where columns would change the shape, or break the code."""
        place = stretch.place
        assert place is not None
        for one, other in zip(flat, upright, strict=True):
            if one.value is None:
                continue
            wanted = one.value.shape if one.value.ndim == 2 else (*one.value.shape, 1)
            shape = None if other.value is None else other.value.shape
            if shape in (wanted, one.value.shape):
                continue
            shown = str(shape) if shape is not None else str(other.error)
            yield note(
                place.source,
                "columns",
                place.start,
                place.end,
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


class _Known:
    """The names of code that a document knows, gradients by them included."""

    def __init__(self, names: Container[str]):
        self.names = names

    def __contains__(self, name: object) -> bool:
        gradient = _GRADIENT.match(str(name))
        return name in self.names or (
            gradient is not None and gradient.group(1) in self.names
        )


def _names(notation: Notation) -> dict[str, str]:
    """Names that code may give to symbols: os and o_s for o^s, W1 for W^{(1)}."""
    found: dict[str, str] = {}
    keys = [*notation.types, *notation.definitions, *sorted(notation.sizes)]
    for key in keys:
        plainer = re.sub(r"[\^(){}\[\]]|\bbf ", "", key)
        for name in (plainer, plainer.replace("_", ""), _with_bar(key)):
            if re.fullmatch(r"[A-Za-z]\w*", name):
                found.setdefault(name, notation.known(key))
    for name, known in list(found.items()):  # a name goes first to what is spelt so
        found.setdefault(name[0].swapcase() + name[1:], known)
    return {name: known for name, known in found.items() if name not in FUNCTIONS}


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
