"""How likely it is that a check of a sample misses an error, and what to say of it.

Of N entries k are drawn without replacement and compared.  If a share p of the entries
is wrong, all k miss them with a probability of at most (1 - p)^k.

A direction v is drawn uniformly from the unit sphere.  An error e of the whole block
shows along it as e v = |e| u, where the first coordinate u of such a v has a density of
at most sqrt(N / 2 pi), its value at 0, for N >= 3.  An error is missed if that is less
than what rounding may hide, t; so with a probability of at most t / |e| sqrt(2 N / pi)
for one direction, and its K-th power for K of them.
"""

import math

MISSED_BY_ONE = 0.1  # the probability for which the size of an error is told
SHARE = 0.01


def missed_by_sample(n_sampled: int, share: float = SHARE) -> float:
    """The probability that a sample holds none of a share of wrong entries, at most."""
    return (1 - share) ** n_sampled


def size_seen(hidden: float, n_entries: int) -> float:
    """The norm of an error that one direction misses with MISSED_BY_ONE at most.

    ``hidden`` is how far off the slope along a direction may be unnoticed.
    """
    return hidden * math.sqrt(2 * n_entries / math.pi) / MISSED_BY_ONE


def sampling_note(
    name: str, n_entries: int, n_sampled: int, hidden: list[float], norm: float
) -> str:
    """What a sampled block may hide; ``hidden`` has a number for each direction."""
    text = (
        f"{name}: a random sample of {n_sampled:,} of {n_entries:,} entries; an error "
        f"in {100 * SHARE:g} % of the entries is missed with probability "
        f"{_percent(missed_by_sample(n_sampled))} at most."
    )
    if not hidden:
        return text
    size = size_seen(max(hidden), n_entries)
    told = f"{size / norm:.1e} times that of the gradient" if norm else f"{size:.1e}"
    directions = "direction" if len(hidden) == 1 else "directions"
    return (
        f"{text} {len(hidden)} random {directions} through all of them: an error whose "
        f"norm is {told} or more is missed with probability "
        f"{_percent(MISSED_BY_ONE ** len(hidden))} at most."
    )


def _percent(probability: float) -> str:
    """Never less than it is: 13.4 % is 14 %."""
    percent = 100 * probability
    if percent >= 1:
        return f"{math.ceil(percent - 1e-9)} %"
    return f"{float(f'{percent:.1g}') or 1e-300:g} %"
