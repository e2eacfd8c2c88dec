"""A report as an HTML page: the document as it stands, each claim in its colour.

The page is one file without scripts that fetches nothing, and says so to the browser.
All that comes from a document or a report is escaped.  Claims may stand within each
other or overlap, so the text is cut wherever one begins or ends: each piece has the
colour of the shortest claim around it, and is underlined if a wrong one is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from typing import NamedTuple

from mlproof.verification.document.listing import counts_of, in_order, outcome
from mlproof.verification.document.report import (
    Claim,
    DocumentReport,
    Lint,
    Place,
    Verdict,
)
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.words import (
    capital,
    layout_said,
    located,
    visible,
    word,
)

# The class of a claim's mark; what is no mathematics has none.
_KINDS = {
    Verdict.PROVED: "proved",
    Verdict.AGREES: "agrees",
    Verdict.FALSE: "amiss",
    Verdict.ILL_TYPED: "amiss",
    Verdict.DOMAIN: "limited",
    Verdict.CONVENTION: "limited",
    Verdict.DEFINITION: "definition",
    Verdict.NOT_UNDERSTOOD: "unread",
}


class _Mark(NamedTuple):
    """What is shown of a claim or a lint within the text."""

    start: int
    end: int
    kind: str  # its class
    title: str  # what a pointer shows
    anchor: str = ""  # where links to it lead
    note: str = ""  # what stands below its last line


def page(report: DocumentReport) -> str:
    """The whole file."""
    title = word(report.language, "title", name=visible(report.document.name))
    parts = [
        _header(report),
        _legend(report),
        *_lists(report),
        _document(report),
        _notation(report),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(report.language)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        "<main>\n" + "\n".join(filter(None, parts)) + "\n</main>\n</body>\n</html>\n"
    )


# ---- what stands above the text ----------------------------------------------------


def _header(report: DocumentReport) -> str:
    title = word(report.language, "title", name=visible(report.document.name))
    kind = "good" if report.ok else ""
    if any(claim.wrong for claim in report.claims):
        kind = "bad"
    verdict = capital(outcome([report], report.language))
    return f'<h1>{escape(title)}</h1>\n<p class="verdict {kind}">{escape(verdict)}</p>'


def _legend(report: DocumentReport) -> str:
    """Each verdict that occurs, in its colour: how often, and what it means."""
    language = report.language
    rows = "".join(
        f'<tr><th scope="row">'
        f"{_coloured(_KINDS.get(verdict), word(language, verdict))}</th>"
        f'<td class="number">{count}</td>'
        f"<td>{escape(word(language, f'{verdict} means'))}</td></tr>"
        for verdict, count in counts_of(report).items()
    )
    if not rows:
        return ""
    return f"<h2>{word(language, 'legend')}</h2>\n<table>{rows}</table>"


def _coloured(kind: str | None, text: str) -> str:
    if kind is None:
        return f"<span>{escape(text)}</span>"
    return f'<mark class="{kind}">{escape(text)}</mark>'


def _lists(report: DocumentReport) -> Iterator[str]:
    """The mistakes, the lints and what was not understood, each with its place."""
    language = report.language
    mistakes = [
        _item(report, f"c{n}", claim.place, f"{_verdict(report, claim)} {_said(claim)}")
        for n, claim in enumerate(_mistakes(report), 1)
    ]
    if mistakes:
        yield f"<h2>{word(language, 'mistakes')}</h2>\n<ol>{''.join(mistakes)}</ol>"
    remarks = [
        _item(report, f"l{n}", lint.place, f"{_said(lint)} {_repair(report, lint)}")
        for n, lint in enumerate(in_order(report.lint), 1)
    ]
    if remarks:
        yield (
            f"<h2>{word(language, 'remarks')}</h2>\n"
            f'<p class="quiet">{word(language, "remarks about")}</p>\n'
            f"<ol>{''.join(remarks)}</ol>"
        )
    unread = [
        _item(report, f"u{n}", claim.place, _said(claim))
        for n, claim in enumerate(_unread(report), 1)
    ]
    if unread:
        yield (
            f"<details><summary>{word(language, 'unread')} ({len(unread)})</summary>\n"
            f"<ol>{''.join(unread)}</ol></details>"
        )


def _mistakes(report: DocumentReport) -> list[Claim]:
    return in_order(claim for claim in report.claims if claim.wrong)


def _unread(report: DocumentReport) -> list[Claim]:
    return in_order(claim for claim in report.claims if _is_unread(claim))


def _is_unread(claim: Claim) -> bool:
    return claim.verdict is Verdict.NOT_UNDERSTOOD


def _item(report: DocumentReport, anchor: str, place: Place, said: str) -> str:
    where = capital(located(report.language, place, "line", "column"))
    return f'<li><a href="#{anchor}">{escape(where)}</a> {said}</li>\n'


def _verdict(report: DocumentReport, claim: Claim) -> str:
    verdict = capital(word(report.language, claim.verdict))
    return f"<b>{escape(word(report.language, 'judged', verdict=verdict))}</b>"


def _said(found: Claim | Lint) -> str:
    return f'<span class="said">{escape(visible(found.message))}</span>'


def _repair(report: DocumentReport, found: Claim | Lint) -> str:
    if not found.suggestion:
        return ""
    return (
        f'<p class="repair">{word(report.language, "repair")} '
        f"<code>{escape(visible(found.suggestion))}</code></p>"
    )


# ---- the text ----------------------------------------------------------------------


def _document(report: DocumentReport) -> str:
    """The sources one after the other: the only one, or the cells of a notebook."""
    language = report.language
    heading = f"<h2>{word(language, 'text')}</h2>\n"
    sources = dict.fromkeys(block.source for block in report.document.blocks)
    if not sources:
        return f'{heading}<p class="quiet">{word(language, "empty")}</p>'
    marks = _marks(report)
    parts = [
        _cell(language, source, marks.get(source, [])) for source in _sorted(sources)
    ]
    about = f'<p class="quiet">{word(language, "text about")}</p>\n'
    return heading + about + "\n".join(parts)


def _sorted(sources: Iterable[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: source.cell or 0)


def _cell(language: str, source: Source, marks: list[_Mark]) -> str:
    heading = ""
    if source.cell is not None:
        heading = f"<h3>{capital(word(language, 'cell', cell=source.cell))}</h3>\n"
    return f'{heading}<div class="text">{"".join(_lines(source.text, marks))}</div>'


def _marks(report: DocumentReport) -> dict[Source, list[_Mark]]:
    """What was found in each source."""
    marks: dict[Source, list[_Mark]] = {}
    for place, mark in _all_marks(report):
        marks.setdefault(place.source, []).append(mark)
    return marks


def _all_marks(report: DocumentReport) -> Iterator[tuple[Place, _Mark]]:
    for n, claim in enumerate(_mistakes(report), 1):
        anchor = _badge(report, "mistake", n)
        yield claim.place, _mark(report, claim, anchor, _note(report, claim, n))
    for n, claim in enumerate(_unread(report), 1):
        yield claim.place, _mark(report, claim, f'<span id="u{n}"></span>')
    for claim in report.claims:
        if claim.verdict in _KINDS and not claim.wrong and not _is_unread(claim):
            yield claim.place, _mark(report, claim)
    for n, lint in enumerate(in_order(report.lint), 1):
        place, anchor = lint.place, _badge(report, "remark", n)
        yield place, _Mark(place.start, place.end, "slip", lint.message, anchor)


def _mark(
    report: DocumentReport, claim: Claim, anchor: str = "", note: str = ""
) -> _Mark:
    place, verdict = claim.place, claim.verdict
    name = word(report.language, verdict)
    title = f"{word(report.language, 'judged', verdict=name)} {claim.message}"
    return _Mark(place.start, place.end, _KINDS[verdict], title, anchor, note)


def _badge(report: DocumentReport, what: str, number: int) -> str:
    """A small number in the text, which is no part of it when it is copied."""
    own, link = f"l{number}", ""
    if what == "mistake":
        own, link = f"c{number}", f' href="#n{number}"'
    about = word(report.language, what, n=number)
    return (
        f'<a id="{own}" class="badge {what}"{link} data-number="{number}" '
        f'aria-label="{escape(about)}"></a>'
    )


def _note(report: DocumentReport, claim: Claim, number: int) -> str:
    """What is said of a wrong claim below its last line."""
    language = report.language
    counterexample = ""
    if claim.counterexample:
        counterexample = (
            f"<p>{word(language, 'counterexample')} "
            f"<span>{escape(visible(claim.counterexample))}</span></p>"
        )
    return (
        f'<aside id="n{number}"><p><a href="#c{number}">{number}</a> '
        f"{_verdict(report, claim)} {_said(claim)}</p>"
        f"{counterexample}{_repair(report, claim)}</aside>\n"
    )


class _Piece(NamedTuple):
    """A stretch of a text within which nothing begins or ends."""

    start: int
    end: int
    begun: list[_Mark]  # what begins with it
    around: list[_Mark]


def _lines(text: str, marks: list[_Mark]) -> Iterator[str]:
    """Each line with its number and its marks, then the notes on what ends in it."""
    starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]
    notes = sorted((mark for mark in marks if mark.note), key=_last, reverse=True)

    def line_of(piece: _Piece) -> int:
        return bisect_right(starts, piece.start)

    for number, pieces in groupby(_pieces(text, starts, marks), key=line_of):
        content = "".join(_shown(text, piece) for piece in pieces)
        if content or number == 1 or number < len(starts):
            # Behind the last line break there is no line more.
            yield f'<div class="line" data-number="{number}">{content}</div>'
        end = starts[number] if number < len(starts) else len(text) + 1
        while notes and _last(notes[-1]) < end:
            yield notes.pop().note


def _last(mark: _Mark) -> int:
    """The last character of a mark."""
    return max(mark.start, mark.end - 1)


def _pieces(text: str, starts: list[int], marks: list[_Mark]) -> Iterator[_Piece]:
    bounds = {position for mark in marks for position in (mark.start, mark.end)}
    cuts = sorted({*starts, *bounds, len(text)})
    # Of two that begin together, the longer one is opened first.
    waiting = sorted(marks, key=lambda mark: (mark.start, -mark.end), reverse=True)
    around: list[_Mark] = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        begun = []
        while waiting and waiting[-1].start == start:
            begun.append(waiting.pop())
        around = [mark for mark in [*around, *begun] if mark.end > start]
        yield _Piece(start, end, begun, around)


def _shown(text: str, piece: _Piece) -> str:
    anchors = "".join(mark.anchor for mark in piece.begun)
    shown = escape(visible(text[piece.start : piece.end]))
    if not piece.around or not shown:
        return anchors + shown
    kinds = " ".join(dict.fromkeys(_classes(piece.around)))
    titles = "\n".join(dict.fromkeys(mark.title for mark in piece.around))
    title = escape(visible(titles))
    return f'{anchors}<mark class="{kinds}" title="{title}">{shown}</mark>'


def _classes(around: list[_Mark]) -> Iterator[str]:
    """The colour of the shortest claim, and a line under what is wrong or a slip."""
    claims = [mark for mark in around if mark.kind != "slip"]
    if claims:
        # Of two on the same stretch, the wrong one is seen.
        yield min(claims, key=lambda m: (m.end - m.start, m.kind != "amiss")).kind
    if any(mark.kind == "amiss" for mark in claims):
        yield "within-amiss"
    if len(claims) < len(around):
        yield "slip"


def _notation(report: DocumentReport) -> str:
    if not report.notation:
        return ""
    language = report.language
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(visible(symbol))}</code></th>'
        f"<td>{escape(visible(reading))}</td></tr>\n"
        for symbol, reading in report.notation
    )
    heads = "".join(
        f'<th scope="col">{word(language, name)}</th>' for name in ("symbol", "read as")
    )
    layout = layout_said(report)
    said = f"<p>{escape(layout)}</p>\n" if layout else ""
    return (
        f"<h2>{word(language, 'notation')}</h2>\n{said}"
        f"<table>\n<tr>{heads}</tr>\n{rows}</table>"
    )


# ---- how it looks ------------------------------------------------------------------

_LIGHT = """
--paper: #fff; --sheet: #f6f7f9; --ink: #1b1f24; --quiet: #59636e; --line: #d8dde3;
--link: #0b57d0; --good: #13693a; --good-sheet: #e4f5ea; --bad: #a3131a;
--bad-sheet: #fde7e8; --proved: #cdeeda; --agrees: #d6e6fb; --limited: #fbeab4;
--definition: #e9def8; --amiss: #ffc9cc; --unread: #e4e7eb; --slip: #b35c00;
"""
_DARK = """
--paper: #14171b; --sheet: #1d2126; --ink: #e6e9ed; --quiet: #a1abb6; --line: #363d45;
--link: #8ab4f8; --good: #7fd8a0; --good-sheet: #17301f; --bad: #ff9b9f;
--bad-sheet: #3d1a1d; --proved: #1c4a2e; --agrees: #1d3d66; --limited: #524312;
--definition: #41305f; --amiss: #75262c; --unread: #343a41; --slip: #ffb454;
"""
_KIND_RULES = "\n".join(
    f"mark.{kind} {{ background: var(--{kind}); }}"
    for kind in dict.fromkeys(_KINDS.values())
)
_MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'
# Wrong, slip and not understood are told apart by their lines too, not only by colour.
_STYLE = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
    sans-serif; }}
main {{ max-width: 70rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; }}
h2 {{ font-size: 1.2rem; margin: 2.2rem 0 .4rem; }}
h3 {{ font-size: .9rem; margin: 1.2rem 0 .3rem; color: var(--quiet); }}
p {{ margin: .25rem 0; }}
a {{ color: var(--link); text-decoration: none; }}
a:hover, a:focus {{ text-decoration: underline; }}
code, .text {{ font-family: {_MONO}; font-size: .87rem; }}
.quiet {{ color: var(--quiet); }}
.verdict {{ display: inline-block; margin: .6rem 0; padding: .4rem .8rem;
  border-radius: .5rem; background: var(--sheet); font-weight: 600; }}
.good {{ background: var(--good-sheet); color: var(--good); }}
.bad {{ background: var(--bad-sheet); color: var(--bad); }}
table {{ border-collapse: collapse; font-size: .93rem; overflow-wrap: break-word; }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top;
  font-weight: 400; }}
th[scope=col] {{ color: var(--quiet); }}
td.number {{ text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
ol {{ margin: .25rem 0; padding-left: 2.2rem; }}
li {{ margin: .25rem 0; }}
li .repair {{ display: inline; }}
li .repair::before {{ content: "— "; }}
summary {{ font-size: 1.2rem; font-weight: 700; margin: 2.2rem 0 .4rem;
  cursor: pointer; }}
.said {{ white-space: pre-line; }}
mark {{ background: none; color: inherit; border-radius: .15rem; }}
{_KIND_RULES}
mark.unread {{ outline: 1px dashed var(--quiet); outline-offset: -1px; }}
mark.amiss, mark.within-amiss {{ text-decoration: underline wavy var(--bad) 1.5px;
  text-underline-offset: .2em; text-decoration-skip-ink: none; }}
mark.slip {{ border-bottom: 2px dotted var(--slip); }}
.text {{ border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 0;
  line-height: 1.7; tab-size: 4; }}
.line {{ position: relative; white-space: pre-wrap; padding: 0 .8rem 0 3.8rem; }}
.line::before {{ content: attr(data-number); position: absolute; left: 0; width: 3rem;
  text-align: right; color: var(--quiet); opacity: .75; }}
.badge {{ scroll-margin-top: 4rem; }}
.badge::before {{ content: attr(data-number); display: inline-block; min-width: 1.25em;
  margin: 0 .2em; padding: 0 .3em; border-radius: .7em; font: 700 .75em/1.5 sans-serif;
  text-align: center; vertical-align: .15em; text-indent: 0; color: var(--paper);
  background: var(--bad); }}
.badge.remark::before {{ background: var(--slip); border-radius: .2em; }}
.badge:target::before {{ outline: 3px solid var(--link); outline-offset: 1px; }}
aside {{ margin: .3rem .8rem .6rem 3.8rem; padding: .5rem .8rem; max-width: 52rem;
  border-left: 4px solid var(--bad); border-radius: .2rem; background: var(--bad-sheet);
  font: .93rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
    sans-serif; scroll-margin-top: 4rem; }}
aside span {{ white-space: pre-wrap; }}
aside b {{ color: var(--bad); }}
aside:target {{ outline: 2px solid var(--link); }}
@media (max-width: 42rem) {{
  main {{ padding: 1rem .8rem 2rem; }}
  .line {{ padding-left: 2.6rem; }} .line::before {{ width: 2rem; }}
  aside {{ margin-left: .8rem; }}
}}
@media print {{
  main {{ max-width: none; padding: 0; }}
  mark, aside, .badge::before {{ print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }}
  aside {{ break-inside: avoid; }}
}}
"""
