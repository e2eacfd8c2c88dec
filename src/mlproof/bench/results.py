"""A whole measurement: how it is made, and the JSON that keeps it."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from mlproof.bench.cases import Case, Contest
from mlproof.bench.contestants import THREADS
from mlproof.bench.machine import machine, versions
from mlproof.bench.measure import Scores, ratio, take_turns
from mlproof.files import whole_file

WHAT = "What each takes, in units of what mlproof takes in the same round."
UNITS = {
    "training": "seconds an epoch",
    "prediction": "seconds a call",
    "first fit": "seconds",
    "memory": "bytes",
}
# Where the rounds of a case differ much, there are up to so many times as asked for.
MOST_TIMES = 3
# What a file is known by.
OF_RESULTS = {"date", "machine", "versions", "settings", "cases"}
OF_A_CASE = {"group", "title", "unit", "contestants", "ratios", "cores_of_others"}

Results = dict[str, Any]


class Step(NamedTuple):
    """Which case and contestant runs next, and how many cases are over."""

    case: str
    contestant: str
    over: float


def measure(cases: Sequence[Case], repeats: int, results: Results) -> Iterator[Step]:
    """Measure case by case, adding to the results."""
    results["what"] = WHAT
    results["date"] = date.today().isoformat()
    results["machine"], results["versions"] = machine(), versions()
    results["settings"] = {"repeats": repeats, "threads": THREADS}
    results["cases"] = {}
    for i, case in enumerate(cases):
        yield Step(case.name, "getting ready", i)
        contest, scores = case.set_up(), Scores()
        for turn in take_turns(
            contest.contestants, repeats, scores, MOST_TIMES * repeats
        ):
            yield Step(case.name, turn.contestant, i + turn.over)
        results["cases"][case.name] = summary(case, contest, scores)
    results["versions"] = versions()  # BLAS has been loaded by now


def summary(case: Case, contest: Contest, scores: Scores) -> dict[str, Any]:
    """The runs of a case, and the ratio of each to those of the subject."""
    values = {
        name: [value / contest.per for value in values]
        for name, values in scores.rounds.items()
    }
    subject, others = contest.contestants[0].name, scores.cores_of_others
    if subject not in values:
        raise ValueError(f"{case.name}: {subject} failed: {scores.skipped[subject]}.")
    return {
        "group": case.group,
        "title": contest.title,
        "settings": contest.settings,
        "unit": UNITS[case.group],
        "in_a_run": contest.per,
        "subject": subject,
        "contestants": {
            name: {
                "median": _short(ratio(rounds, [1] * len(rounds)).median),
                "rounds": [_short(value) for value in rounds],
                "first_run": _short(scores.first[name]),
            }
            for name, rounds in values.items()
        },
        "ratios": {
            name: {
                key: _short(number)
                for key, number in ratio(rounds, values[subject])._asdict().items()
            }
            for name, rounds in values.items()
            if name != subject
        },
        "skipped": scores.skipped,
        "cores_of_others": None if others is None else round(others, 2),
    }


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def write(path: Path, results: Results) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Results:
    """What ``write`` wrote."""
    try:
        results: Results = json.loads(path.read_text(encoding="utf-8"))
        whole = results.keys() >= OF_RESULTS and all(
            case.keys() >= OF_A_CASE and case["group"] in UNITS
            for case in results["cases"].values()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} holds no results of mlproof bench.")
    return results
