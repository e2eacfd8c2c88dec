"""The fixed words around a report, in English and in French.

What is said of a single claim is in ``messages``; here are headings, counts, the names
of the verdicts and what each of them means.
"""

import re

from mlproof.verification.document.messages import LANGUAGES, layout_in_words
from mlproof.verification.document.report import Coverage, DocumentReport, Place

# A count has two forms, parted by a bar: for one and for several.
_WORDS: dict[str, tuple[str, str]] = {
    "proved": ("proved", "prouvé"),
    "agrees": ("agrees", "concorde"),
    "false": ("false", "faux"),
    "ill_typed": ("ill-typed", "mal typé"),
    "domain": ("true where defined", "vrai là où c'est défini"),
    "convention": ("convention", "convention"),
    "definition": ("definition", "définition"),
    "not_understood": ("not understood", "non compris"),
    "not_mathematics": ("not mathematics", "hors mathématiques"),
    "proved means": ("true for all values", "vrai pour toutes les valeurs"),
    "agrees means": (
        "true at every point that was tried",
        "vrai en chaque point essayé",
    ),
    "false means": (
        "the two sides differ at some point",
        "les deux membres diffèrent en un point",
    ),
    "ill_typed means": (
        "shapes or indices do not fit",
        "des dimensions ou des indices ne conviennent pas",
    ),
    "domain means": (
        "true where both sides have a value, which is not everywhere",
        "vrai là où les deux membres ont une valeur, donc pas partout",
    ),
    "convention means": (
        "a value chosen where there is none",
        "une valeur choisie là où il n'y en a pas",
    ),
    "definition means": (
        "where a symbol gets its meaning",
        "là où une notation reçoit son sens",
    ),
    "not_understood means": (
        "could not be read, so nothing is said of it",
        "n'a pu être lu, donc rien n'en est dit",
    ),
    "not_mathematics means": (
        "nothing that could be true or false",
        "rien qui puisse être vrai ou faux",
    ),
    "title": ("Verification of {name}", "Vérification de {name}"),
    "nothing found": ("no claims found", "aucune affirmation trouvée"),
    "coverage": (
        "{checked} of {claims} claim checked|{checked} of {claims} claims checked",
        "{checked} affirmation vérifiée sur {claims}|"
        "{checked} affirmations vérifiées sur {claims}",
    ),
    "count mistakes": ("{n} mistake|{n} mistakes", "{n} erreur|{n} erreurs"),
    "no mistakes": ("no mistake found", "aucune erreur trouvée"),
    "count remarks": ("{n} remark|{n} remarks", "{n} remarque|{n} remarques"),
    "count documents": ("{n} document|{n} documents", "{n} document|{n} documents"),
    "counterexample": ("Counterexample:", "Contre-exemple\u00a0:"),
    "repair": ("Suggested repair:", "Correction proposée\u00a0:"),
    "cell": ("cell {cell}", "cellule {cell}"),
    "line": ("line {line}", "ligne {line}"),
    "column": ("column {column}", "colonne {column}"),
    "legend": ("Verdicts", "Verdicts"),
    "mistakes": ("Mistakes", "Erreurs"),
    "judged": ("{verdict}:", "{verdict}\u00a0:"),
    "mistake": ("mistake {n}", "erreur {n}"),
    "remarks": ("Remarks", "Remarques"),
    "remark": ("remark {n}", "remarque {n}"),
    "remarks about": (
        "Slips that make nothing false by themselves.",
        "Des maladresses qui ne rendent rien faux à elles seules.",
    ),
    "unread": ("Not understood", "Non compris"),
    "text": ("The document", "Le document"),
    "text about": (
        "As it stands; point at a mark to see what was found there.",
        "Tel quel\u00a0; pointez une marque pour voir ce qui y a été trouvé.",
    ),
    "empty": ("The document is empty.", "Le document est vide."),
    "notation": ("How the notation was read", "Comment la notation a été lue"),
    "layout": (
        "Derivatives are read with {layout}.",
        "Les dérivées sont lues avec {layout}.",
    ),
    "symbol": ("symbol", "notation"),
    "read as": ("read as", "lu comme"),
    "document": ("document", "document"),
    "claims": ("claims", "affirmations"),
    "checked": ("checked", "vérifiées"),
    "wrong": ("wrong", "fausses"),
    "first mistake": ("first mistake", "première erreur"),
    "written": ("Page written to {path}.", "Page écrite dans {path}."),
    "verifying": ("verifying", "vérification"),
    "left": ("left", "restant"),
}


def word(language: str, name: str, /, **found: object) -> str:
    """Words of the catalogue, filled with what was found."""
    return _WORDS[name][LANGUAGES.index(language)].format(**found)


def counted(language: str, name: str, number: int, /, **found: object) -> str:
    """The same where it depends on a number: French has one form for 0 and 1."""
    one, several = _WORDS[name][LANGUAGES.index(language)].split("|")
    is_one = number == 1 or (language == "fr" and number == 0)
    return (one if is_one else several).format(n=number, **found)


def covered(language: str, coverage: Coverage) -> str:
    """How much was checked, such as "112 of 118 claims checked"."""
    if not coverage.claims:
        return word(language, "nothing found")
    # "1 of 3 claims", but "1 affirmation sur 3".
    number = coverage.checked if language == "fr" else coverage.claims
    return counted(
        *(language, "coverage", number),
        checked=coverage.checked,
        claims=coverage.claims,
    )


def located(language: str, place: Place, *parts: str) -> str:
    """Where something stands, in these words, after the cell of a notebook."""
    cell = [] if place.cell is None else ["cell"]
    where = {"cell": place.cell, "line": place.line, "column": place.column}
    return ", ".join(word(language, part, **where) for part in [*cell, *parts])


def layout_said(report: DocumentReport) -> str:
    """How derivatives by arrays were read; nothing where there are none."""
    if report.layout is None:
        return ""
    layout = layout_in_words(report.language, report.layout)
    return word(report.language, "layout", layout=layout)


def capital(text: str) -> str:
    """The same at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The same without what would act on a terminal or a page instead of showing.

    Each character is replaced by one, so that columns stay what they were.
    """
    return _UNSEEN.sub(lambda found: _picture(ord(found[0])), text)


def _picture(code: int) -> str:
    if code == ord("\r"):  # what is left of the end of a line
        return " "
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
