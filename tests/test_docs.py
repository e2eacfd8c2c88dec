"""What README and docs say is true today."""

import contextlib
import importlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
IDS = [
    *(f"Q1.{i}" for i in range(1, 10)),
    *(f"Q2.{i}" for i in range(1, 19)),
    *(f"P{i}" for i in range(1, 11)),
]


def rows_of_the_map() -> dict[str, tuple[str, str]]:
    """Id: (code, test)."""
    page = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    found = re.findall(
        r"^\| ([QP][\d.]+) \|[^|]+\| `([^`]*)` \| `([^`]*)` \|$", page, re.M
    )
    return {name: (code, test) for name, code, test in found}


def test_every_id_is_on_the_map_once() -> None:
    assert list(rows_of_the_map()) == IDS


@pytest.mark.parametrize("name", IDS)
def test_what_the_map_names_exists(name: str) -> None:
    code, test = rows_of_the_map()[name]
    where, function = code.split(":")
    if where.endswith(".py"):  # an example, which is no module
        source = (ROOT / where).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", source, re.M)
    else:
        assert callable(getattr(importlib.import_module(where), function))
    file, case = test.split("::")
    source = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {case}\(", source, re.M)


def without_digits(text: str) -> str:
    """The text with every measured error masked: machines differ in their rounding."""
    return re.sub(r"\d\.\de-\d\d", "#.#e-##", text).strip()


def test_the_tour_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = (
        re.search(pattern, README, re.S)
        for pattern in (r"```python\n(.*?)```", r"<!-- tour -->\n```\n(.*?)```")
    )
    assert code is not None
    assert shown is not None
    assert code[1].count("\n") <= 35
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code[1], "README.md", "exec"), {})
    assert without_digits(printed.getvalue()) == without_digits(shown[1])


def test_the_readme_quotes_the_committed_measurement() -> None:
    measured = json.loads((ROOT / "benchmarks" / "fashion_mnist.json").read_text())
    results = measured["results"]
    assert results["mlproof"]["test_accuracy"] >= 0.87
    for name, result in results.items():
        row = (
            f"| {name} | {result['test_accuracy']:.4f} | "
            f"{result['training_loss']:.4f} | {result['epochs']} |"
        )
        assert row in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    for link in links:
        assert (page.parent / link).exists(), link


def test_every_command_of_the_makefile_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([\w-]+)", README, re.M))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_command_line_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sklearn.datasets import load_iris

    from mlproof.cli import main

    commands = re.findall(r"^mlproof (\w.*?)(?:  +#.*)?$", README, re.M)
    assert [command.split()[0] for command in commands] == [
        "fit",
        "evaluate",
        "predict",
        "check",
        "trace",
        "verify",
    ]
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    iris = load_iris(as_frame=True)
    flowers = iris.frame.assign(species=iris.target_names[iris.target])
    flowers = flowers.drop(columns="target")
    for file in ("flowers.csv", "others.csv", "new.csv"):
        flowers.to_csv(file, index=False)
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main(command.split())
        wrong = command.startswith("verify")  # a document with mistakes
        assert ended.value.code == int(wrong), capsys.readouterr().err
    assert {"flowers.safetensors", "answers.csv", "step.html"} <= set(os.listdir())
