"""Documents that nobody meant: none may crash the verifier or keep it for long."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlproof import verify_document

FOLDER = Path(__file__).parent / "documents"
TEXTS = [
    (path.suffix, path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.iterdir())
    if path.suffix in (".md", ".tex", ".txt")
]
PIECES = (  # noqa: SIM905
    r"\frac{ } { ( ) [ ] \sum_{i=1}^n \partial d x y W^{(1)} h^a = + - \cdot ^ _ ' "
    r"\begin{pmatrix} \end{pmatrix} & \\ \vdots \dots \begin{cases} \end{cases} \log "
    r"\exp \mathbb{R} \in 1 0 2 n m \nabla_W \| | \odot \top \left( \right) , ; "
    r"\text{if} \mathrm{softmax} o_k^s \theta \leftarrow \iff \max_c \arg\min \sqrt "
    r"\hat \mathbf 1_{k=y} ! \int $ $$ ` \Rightarrow \setminus \{ \} |_{x=1} \Big| {} "
    r"_{>0} \begin{array}{rcl} \end{array} \quad [k\ne{}y] \text{otherwise} ... : "
    r"otherwise case if assume positive rows y' \infty \intertext{so}"
).split()
SECONDS = 20
DECLARED = "Let $W \\in \\mathbb{R}^{m \\times d}$, $x \\in \\mathbb{R}^d$.\n\n"


@contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def soup(choose: random.Random) -> str:
    left, right = (
        " ".join(choose.choice(PIECES) for _ in range(choose.randint(3, 25)))
        for _ in range(2)
    )
    return f"{DECLARED}$$ {left} = {right} $$"


def mangled(text: str, choose: random.Random) -> str:
    """Some of it deleted, repeated, exchanged or cut off."""
    for _ in range(choose.randint(1, 6)):
        i, k = choose.randrange(len(text)), choose.randrange(len(text))
        j = min(len(text), i + choose.randint(1, 30))
        text = choose.choice(
            (
                text[:i] + text[j:],
                text[:k] + text[i:j] + text[k:],
                text[:i] + choose.choice(PIECES) + text[i:],
                text[:i] + text[i + 1 : i + 2] + text[i : i + 1] + text[i + 2 :],
                text[: max(50, i)],
            )
        )
    start = choose.randrange(max(1, len(text) - 2_000))
    return text[start : start + 2_000]


def survives(count: int, seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(count):
        suffix, text = choose.choice(TEXTS)
        text = soup(choose) if choose.random() < 0.4 else mangled(text, choose)
        with time_limit():
            report = verify_document(text=text, suffix=suffix)
        assert report.coverage.checked <= report.coverage.claims


def test_twenty_odd_documents_are_survived() -> None:
    survives(20, seed=1)


@pytest.mark.slow
def test_a_thousand_odd_documents_are_survived() -> None:
    survives(1_000, seed=2)
