"""The practical work: its page quotes its committed run, and its cheap parts run.

`python tests/test_practical_work.py` writes the numbers of a new run into the page.
"""

import csv
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "examples" / "practical_work"
PAGE = ROOT / "docs" / "practical-work.md"
RESULTS = PROGRAM / "results.json"
LOG = PROGRAM / "training-log.csv"

# A number of the page, then where it is from and how it is written: 0.8<!--P8.x:.1f-->
QUOTED = re.compile(r"([-+]?\d[\d.,]*(?:e[-+]\d+)?%?)<!--([\w.]+):([^>]*)-->")
PICTURE = re.compile(r"!\[[^\]]+\]\((images/practical-[\w-]+\.png)\)")

needs_matplotlib = pytest.mark.skipif(
    find_spec("matplotlib") is None, reason="the program imports matplotlib"
)


def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def refreshed(page: str, run: dict[str, Any]) -> str:
    """The page with every quoted number as this run has it."""

    def number(match: re.Match[str]) -> str:
        _, place, how = match.groups()
        value: Any = run
        for key in place.split("."):
            value = value[int(key) if isinstance(value, list) else key]
        return f"{value:{how}}<!--{place}:{how}-->"

    return QUOTED.sub(number, page)


def test_every_number_of_the_page_is_that_of_the_committed_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(QUOTED.findall(page)) == page.count("<!--") > 80
    assert refreshed(page, results()).splitlines() == page.splitlines()


def test_a_number_that_is_not_of_the_run_would_be_found() -> None:
    page = "in 0.8<!--P8.seconds:.1f--> s"
    assert refreshed(page, {"P8": {"seconds": 0.84}}) == page
    assert refreshed(page, {"P8": {"seconds": 0.86}}) != page


def test_the_page_shows_every_picture_and_none_is_large() -> None:
    shown = {PAGE.parent / name for name in PICTURE.findall(PAGE.read_text("utf-8"))}
    assert shown == set((PAGE.parent / "images").glob("practical-*.png"))
    assert max(picture.stat().st_size for picture in shown) < 300_000


def test_the_committed_run_is_the_full_one_and_every_gradient_agreed() -> None:
    run = results()
    assert not run["run"]["quick"]
    assert run["P9"]["rows"] == {"train": 50_000, "validation": 10_000, "test": 10_000}
    for part in ("P1", "P2", "P4", "P6"):
        assert run[part]["worst_ratio_error"] < 1e-6, part
    for K in ("K1", "K10"):
        assert run["P7"][K]["matrices_minus_loop"] < 1e-14
        assert run["P7"][K]["matrices_minus_reference"] < 1e-14
    assert run["P10"]["test_error"] < 0.2


def test_the_validation_set_alone_chose_the_network_and_the_epoch() -> None:
    run = results()
    best = min(run["P9"]["candidates"], key=lambda of: of["validation_error"])
    assert (best["d_h"], best["l2"]) == (run["P9"]["d_h"], run["P9"]["l2"])
    with open(LOG, encoding="utf-8", newline="") as stream:
        epochs = list(csv.DictReader(stream))
    stop = min(epochs, key=lambda line: float(line["validation_error"]))
    assert int(stop["epoch"]) == run["P10"]["epoch"]
    assert float(stop["test_error"]) == run["P10"]["test_error"]
    assert len(epochs) == run["P9"]["epochs"]


def run_again(folder: Path, *arguments: str) -> dict[str, Any]:
    """The numbers of a new, quick run, started in some other folder."""
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--quick", "--out", folder / "out", *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads((folder / "out" / "results.json").read_bytes())
    return found


@needs_matplotlib
def test_the_cheap_parts_run_and_repeat_the_committed_gradients(tmp_path: Path) -> None:
    parts = ["P1", "P2", "P3", "P4", "P6", "P7"]
    again = run_again(tmp_path, "--only", *parts)
    assert set(again) == {*parts, "run"}
    before = results()
    for part, column in product(("P2", "P4"), ("reference", "finite_difference")):
        now, then = (
            [row[column] for row in run[part]["rows"]] for run in (again, before)
        )
        assert now == pytest.approx(then, rel=1e-6, abs=1e-12), (part, column)


@needs_matplotlib
@pytest.mark.slow
def test_all_parts_run_and_draw_every_picture(tmp_path: Path) -> None:
    again = run_again(tmp_path)
    assert set(again) == set(results())
    drawn = {picture.name for picture in (tmp_path / "out").glob("*.png")}
    assert drawn == {picture.name for picture in (PAGE.parent / "images").glob("pr*")}
    assert len((tmp_path / "out" / LOG.name).read_text("utf-8").splitlines()) == 81


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8"), results()), encoding="utf-8")
