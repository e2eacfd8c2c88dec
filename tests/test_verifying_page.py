"""The page on verifying derivations shows what the command prints."""

from pathlib import Path

from mlproof import verify_document

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "softmax_slip.md"


def test_the_page_shows_the_example_and_what_is_said_of_it() -> None:
    page = (ROOT / "docs" / "verifying-derivations.md").read_text(encoding="utf-8")
    assert EXAMPLE.read_text(encoding="utf-8").strip() in page
    report = verify_document(EXAMPLE)
    shown = str(report).replace(str(EXAMPLE), "examples/softmax_slip.md").strip()
    assert shown in page
    assert [claim.verdict for claim in report.claims if claim.wrong] == [
        "false",
        "ill_typed",
    ]
