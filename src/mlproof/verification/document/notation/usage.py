r"""How names are used in a document, before anything is known of them."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from mlproof.verification.document.notation.names import bound_names, name_of
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Derivative,
    Group,
    Matrix,
    Name,
    Node,
    Script,
)


@dataclass
class Facts:
    """How names are used, before anything is known of them."""

    alone: Counter[str] = field(default_factory=Counter)  # without any script
    bare: Counter[str] = field(default_factory=Counter)  # without one above
    above: defaultdict[str, list[Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    below: defaultdict[str, list[Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    bound: set[str] = field(default_factory=set)  # by a sum or a range
    ranges: dict[str, Node] = field(default_factory=dict)  # of bound names: last values
    called: Counter[str] = field(default_factory=Counter)  # followed by brackets
    primed: set[str] = field(default_factory=set)  # derived as functions
    derived: set[str] = field(default_factory=set)  # a derivative is taken by it
    called_with: defaultdict[str, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    arguments: set[str] = field(default_factory=set)  # of functions that are known


def gather(facts: Facts, node: Node) -> None:
    """Add the names of a formula."""
    if isinstance(node, Script) and isinstance(node.base, Name):
        name = name_of(node.base) or ""
        if node.primes:
            facts.primed.add(name)
        if node.above is None:
            facts.bare[name] += 1
        else:
            facts.above[name].append(node.above)
        if node.below is not None:
            facts.below[name].append(node.below)
            _script_names(facts, node.below)
        if node.above is not None:
            _script_names(facts, node.above)
        return
    if isinstance(node, Name):
        facts.alone[name_of(node) or ""] += 1
        facts.bare[name_of(node) or ""] += 1
    if isinstance(node, Beside):
        _gather_calls(facts, node)
    if isinstance(node, Big) and node.below is not None:
        _bind(facts, node)
    if isinstance(node, Derivative):
        inner = node.body.base if isinstance(node.body, Script) else node.body
        if isinstance(inner, Name):
            facts.primed.add(name_of(inner) or "")
        for variable in node.variables:
            base = variable.base if isinstance(variable, Script) else variable
            facts.derived.add(name_of(base) or "")
    for child in node.children:
        if isinstance(node, Matrix) and isinstance(child, Name) and child.text == "O":
            continue  # a letter that is typed for a zero
        gather(facts, child)


def _gather_calls(facts: Facts, node: Beside) -> None:
    for item, after in zip(node.items, node.items[1:], strict=False):
        group = after.base if isinstance(after, Script) else after
        if not (isinstance(group, Group) and group.bracket in ("(", "[")):
            continue
        base = item.base if isinstance(item, Script) else item
        name = name_of(base)
        if name is None:
            continue
        facts.called[name] += 1
        for argument in group.items:
            for inner in argument.walk():
                if isinstance(inner, Name):
                    facts.called_with[name].add(name_of(inner) or "")


def _script_names(facts: Facts, node: Node) -> None:
    """Names within a script count as used alone only in formulas of their own."""
    for inner in node.walk():
        if isinstance(inner, Big) and inner.below is not None:
            _bind(facts, inner)
        if isinstance(inner, Script) and isinstance(inner.base, Name):
            name = name_of(inner.base) or ""
            if inner.above is not None:
                facts.above[name].append(inner.above)
            else:
                facts.bare[name] += 1
            if inner.below is not None:
                facts.below[name].append(inner.below)


def _bind(facts: Facts, node: Big) -> None:
    if node.name.startswith("arg"):
        return
    for left, upper in bound_names(node):
        facts.bound.add(left)
        if upper is not None:
            facts.ranges.setdefault(left, upper)
