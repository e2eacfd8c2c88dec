"""Numbers as people read them, and what stands above and beside them."""

from typing import Any

from mlproof.functions import Array


def digits(value: Any, n: int = 4) -> str:
    """With so many digits that count; whole numbers that are exact stay short."""
    number = float(value)
    if number == int(number) and abs(number) < 1000:
        return str(int(number))
    return f"{number:#.{n}g}".removesuffix(".")


def scalar(value: Any) -> str:
    """A number that stands alone: six digits, or as few as it has."""
    return f"{float(value):.6g}"


def minus(text: str) -> str:
    """With the sign that is as wide as a plus, for print."""
    return text.replace("-", "−")


def span(array: Array) -> str:
    """The smallest and the largest entry."""
    return f"{digits(array.min())} to {digits(array.max())}"


def shape(array: Array) -> str:
    return " × ".join(map(str, array.shape))
