"""The page on checking gradients prints what it says it prints.

`python tests/test_checking_page.py` writes what its code prints into it.
"""

import contextlib
import io
import re
import warnings
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "checking-gradients.md"
BLOCK = re.compile(r"```python\n(.*?)```\n\n<!-- output -->\n```\n(.*?)```\n", re.S)


def printed() -> list[str]:
    """What each block of the page prints, run one after the other."""
    outputs, names = [], {}  # type: ignore[var-annotated]
    for code, _ in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # training is cut short
            exec(compile(code, str(PAGE), "exec"), names)
        outputs.append(out.getvalue())
    return outputs


def without_digits(text: str) -> str:
    """The text with measured numbers cut short: machines differ in their rounding."""
    text = re.sub(r"\d\.\de-\d\d", "#.#e-##", text)
    return re.sub(r"(\d\.\d{5})\d+", r"\1", text)


def test_the_page_prints_what_it_shows() -> None:
    shown = [output for _, output in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    assert len(shown) == 4
    for expected, found in zip(shown, printed(), strict=True):
        assert without_digits(found) == without_digits(expected)


if __name__ == "__main__":
    outputs = iter(printed())
    page = BLOCK.sub(
        lambda found: (
            f"```python\n{found[1]}```\n\n<!-- output -->\n```\n{next(outputs)}```\n"
        ),
        PAGE.read_text(encoding="utf-8"),
    )
    PAGE.write_text(page, encoding="utf-8")
