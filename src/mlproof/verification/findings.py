"""What a check has found to be wrong, one mistake at a time."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One mistake."""

    code: str
    block: str  # the first quantity in backward order in which it shows
    blocks: tuple[str, ...]  # all of them
    factor: float | None  # what was returned divided by the right value, if one number
    message: str
