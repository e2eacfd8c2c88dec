"""Results as text: amounts, ratios, and the tables of docs/benchmarks.md."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

# How the tables of the page begin, by group; the first cell, then what they show.
INTRODUCTIONS = {
    "training": "Training: an epoch of each, in units of mlproof's.",
    "prediction": "Prediction: a call of each, in units of mlproof's.",
    "first fit": "The first fit of a new process, imports and all, in units of "
    "mlproof's.",
    "memory": "Peak memory of a fit beyond the data, in units of mlproof's.",
}
FIRST_RUNS = (
    "The first run in this process beside a later one, in seconds: what is compiled or "
    "loaded then is in the first and not in the ratios above. mlproof compiles for the "
    "first case that needs a kernel, unless it is on the disk from an earlier run, and "
    "the next ones find it there."
)

# Cores that other programs may use before the ratios are in doubt.
BUSY = 0.1


def amount(value: float, unit: str) -> str:
    """Seconds or bytes, in the unit that suits them."""
    if unit == "bytes":
        return f"{_three(value / 1e6)} MB"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{_three(value * factor)} {name}"
    return f"{_three(value * 1e6)} µs"


def times(ratio: Mapping[str, float]) -> tuple[str, str]:
    """The median, and the quartiles around it."""
    return (
        _three(ratio["median"]),
        f"{_three(ratio['lower'])}–{_three(ratio['upper'])}",
    )


def _three(number: float) -> str:
    """Three digits, and no fewer before the point than there are."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f}"


def markdown(results: Mapping[str, Any]) -> str:
    """Everything that was measured, a table for each group of cases."""
    parts = [_about(results)]
    for group, introduction in INTRODUCTIONS.items():
        cases = {k: c for k, c in results["cases"].items() if c["group"] == group}
        if cases:
            parts += [introduction, _ratios(cases)]
            if group == "training":
                parts += [FIRST_RUNS, _first_runs(cases)]
    skipped = [
        f"- `{name}`, {contestant}: {reason}"
        for name, case in results["cases"].items()
        for contestant, reason in case["skipped"].items()
    ]
    if skipped:
        parts += ["Not measured:", "\n".join(skipped)]
    return "\n\n".join(parts) + "\n"


def _about(results: Mapping[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    repeats, threads = results["settings"]["repeats"], results["settings"]["threads"]
    packages = ", ".join(
        f"{name} {version}"
        for name, version in versions.items()
        if name not in ("python", "blas") and version
    )
    return (
        f"{results['date']}, {machine['processor']}, "
        f"{_count(machine['cores'], 'core')}, "
        f"{_count(threads, 'thread')} for everybody; Python {versions['python']}, "
        f"{packages}; {', '.join(versions['blas'])}. "
        f"Median of {_rounds(results['cases'], repeats)}, with quartiles. "
        f"{meanwhile(results)}"
    ).strip()


def _rounds(cases: Mapping[str, Any], asked: int) -> str:
    """How many there were: where they differed there are more."""
    runs = (who for case in cases.values() for who in case["contestants"].values())
    numbers = {len(who["rounds"]) for who in runs} or {asked}
    fewest, most = min(numbers), max(numbers)
    return f"{fewest} to " * (fewest < most) + _count(most, "round")


def meanwhile(results: Mapping[str, Any]) -> str:
    """What the machine did besides, as far as it is known."""
    cores = {
        name: case["cores_of_others"]
        for name, case in results["cases"].items()
        if case["cores_of_others"] is not None
    }
    if not cores:
        return ""
    used = f"Other programs used up to {max(cores.values()):.2f} cores meanwhile"
    busy = [name for name in cores if cores[name] >= BUSY]
    if not busy:
        return f"{used}."
    return (
        f"{used}, in {', '.join(busy)}: that slows most whoever shares its work "
        "between threads and has to wait for the last of them, so the ratios there say "
        "little."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _ratios(cases: Mapping[str, Any]) -> str:
    """A row a case; who is in one of several cases only shares the last column."""
    columns = _columns(case["ratios"] for case in cases.values())
    besides = any(case["ratios"].keys() - columns for case in cases.values())
    lines = [
        _row("case", "", "mlproof", *columns, *["besides"] * besides),
        _row("---", "---", "---:", *["---:"] * len(columns), *["---"] * besides),
    ]
    for name, case in cases.items():
        cells = {
            who: "{} ({})".format(*times(ratio))
            for who, ratio in case["ratios"].items()
        }
        subject = case["contestants"][case["subject"]]
        row = [f"`{name}`", case["title"], amount(subject["median"], case["unit"])]
        row += [cells.pop(who, "") for who in columns]
        if besides:
            row.append("; ".join(f"{who} {cell}" for who, cell in cells.items()))
        lines.append(_row(*row))
    return "\n".join(lines)


def _first_runs(cases: Mapping[str, Any]) -> str:
    columns = _columns(case["contestants"] for case in cases.values())
    columns = [who for who in columns if who != "floor"]
    lines = [_row("case", *columns), _row("---", *["---:"] * len(columns))]
    for name, case in cases.items():
        cells = {
            who: f"{_three(runs['first_run'])} / {_three(later_run(case, who))}"
            for who, runs in case["contestants"].items()
        }
        lines.append(_row(f"`{name}`", *(cells.get(who, "") for who in columns)))
    return "\n".join(lines)


def later_run(case: Mapping[str, Any], who: str) -> float:
    """A whole run after the first, in seconds."""
    return float(case["contestants"][who]["median"] * case["in_a_run"])


def _columns(names: Iterable[Iterable[str]]) -> list[str]:
    """Whoever is in more than one case, or everybody, if there is only one."""
    found = [list(of_case) for of_case in names]
    seen = Counter(name for of_case in found for name in of_case)
    return [name for name in seen if seen[name] > 1 or len(found) == 1]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
