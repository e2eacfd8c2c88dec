"""A real homework with eleven mistakes, which stands outside of the repository."""

from pathlib import Path

from mlproof.verification.document.report import DocumentReport

SEED = Path(__file__).parents[2] / "shared" / "seed"
HOMEWORK = SEED / "devoir3.md"


def repaired(report: DocumentReport) -> str:
    """The homework with each suggestion of its report put in.

    Only the sentence about the shape of an array is left as it was.
    """
    lines = HOMEWORK.read_text(encoding="utf-8").split("\n")
    for claim in report.claims:
        if claim.wrong and claim.line != 175:
            written, repair = claim.text, claim.suggestion
            if claim.line == 111:  # the repair is that of the member before
                written = next(c.text for c in report.claims if c.line == 111)
            assert repair is not None
            lines[claim.line - 1] = lines[claim.line - 1].replace(written, repair)
    return "\n".join(lines)
