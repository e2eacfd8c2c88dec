r"""Where and how two members of a chain differ."""

from typing import Any

from mlproof.verification.document.marking.members import TOLERANCE
from mlproof.verification.document.messages import say
from mlproof.verification.document.values.arrays import (
    Bundle,
    is_array,
)
from mlproof.verification.document.values.numbers import plain
from mlproof.verification.document.values.points import (
    Point,
    differ,
    first_difference,
    same_shape,
)


def counterexample(different: list[tuple[Point, Any, Any]], language: str) -> str:
    """Where and how two sides differ, at the point that is easiest to redo."""

    def effort(item: tuple[Point, Any, Any]) -> tuple[int, int]:
        point = item[0]
        return (len(point.indices), sum(point.world._sizes.values()))

    point, a, b = min(different, key=effort)
    entry, left, right = first_difference(*unbundled(a, b))
    found = [f"{name} = {value}" for name, value in point.indices.items()]
    for key, value in point.world.used.items():
        if not is_array(value) and not isinstance(value, Bundle) and key != "e":
            found.append(f"{key} = {shown_number(value)}")
    found += [f"{name} = {size}" for name, size in point.world._sizes.items()]
    where = say(language, "at", where=", ".join(dict.fromkeys(found))) if found else ""
    numbers = ", ".join(map(str, entry))
    place = say(language, "in entry", place=numbers) if entry else ""
    return f"{where}{shown_number(left)} ≠ {shown_number(right)}{place}"


def unbundled(a: Any, b: Any) -> tuple[Any, Any]:
    if not isinstance(a, Bundle):
        return a, b
    for x, y in zip(a.items, b.items, strict=False):
        if not same_shape(x, y):
            return 0, 0
        if differ(x, y, TOLERANCE):
            return x, y
    return 0, 0


def shown_number(value: Any) -> str:
    bare = plain(value)
    if isinstance(bare, int):
        return str(bare)
    return f"{float(bare):.6g}"
