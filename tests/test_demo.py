"""demo.py: the whole tour, with pictures and without."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlproof import cli, demo, load
from mlproof.datasets import load_fashion_mnist_14

PICTURES = ["learning-curves", "first-layer", "predictions", "confusion"]


def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Matplotlib look as if it were not installed."""

    class Blind:
        def __init__(self, finder: Any) -> None:
            self.finder = finder

        def find_spec(self, name: str, *arguments: Any) -> Any:
            if name.partition(".")[0] == "matplotlib":
                return None
            find = getattr(self.finder, "find_spec", None)
            return find(name, *arguments) if find else None

    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib" or name == "mlproof.plots":
            monkeypatch.delitem(sys.modules, name)
    if plots := sys.modules.get("mlproof"):
        monkeypatch.delattr(plots, "plots", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Blind(finder) for finder in sys.meta_path])


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One tour with pictures, for several tests to look at."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("tour") / "new" / "folder"
    return demo.run(folder, quiet=True) | {"folder": folder}


def test_the_tour_learns_what_it_is_said_to_learn(tour: dict[str, Any]) -> None:
    assert 0.80 < tour["accuracy"] < 0.90
    assert tour["epochs"] == demo.SETTINGS["max_iter"]
    assert tour["gradient_ok"] is True
    assert tour["gradient_worst"] < 1e-5
    assert tour["loaded_is_the_same"] is True
    assert tour["seconds"] > 0


def test_the_accuracy_is_that_of_the_model_it_leaves(tour: dict[str, Any]) -> None:
    data = load_fashion_mnist_14()
    X_test = data.X_test / np.float32(255)
    assert load(tour["model"]).score(X_test, data.y_test) == tour["accuracy"]


def test_the_model_and_every_picture_lie_in_the_folder(tour: dict[str, Any]) -> None:
    names = [f"{name}.png" for name in PICTURES]
    assert [Path(path).name for path in tour["pictures"]] == names
    assert sorted(os.listdir(tour["folder"])) == sorted([*names, "fashion.safetensors"])
    for path in tour["pictures"]:
        assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_the_numbers_of_the_tour_are_plain_json(tour: dict[str, Any]) -> None:
    numbers = {key: value for key, value in tour.items() if key != "folder"}
    assert json.loads(json.dumps(numbers)) == numbers


def test_without_matplotlib_everything_else_is_there_and_one_sentence_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without_matplotlib(monkeypatch)
    monkeypatch.setitem(demo.SETTINGS, "max_iter", 3)
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(ImportError):
        import matplotlib  # noqa: F401
    result = demo.run(tmp_path / "d")
    out, err = capsys.readouterr()
    assert result["pictures"] == []
    assert os.listdir(tmp_path / "d") == ["fashion.safetensors"]
    assert out.count("Matplotlib") == 1
    assert "pip install 'mlproof[plot]'" in " ".join(out.split())
    assert "Traceback" not in out + err
    assert max(map(len, out.splitlines())) <= 80
    assert all(len(line) <= 80 for line in err.splitlines())
    assert re.search(
        rf"Test accuracy {result['accuracy']:.1%} ".replace(".", r"\."), out
    )
    for number in "12345":
        assert re.search(rf"─ {number}  \w", out)
    for name in load_fashion_mnist_14().class_names:
        assert name in out


def test_a_quiet_tour_says_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without_matplotlib(monkeypatch)
    monkeypatch.setitem(demo.SETTINGS, "max_iter", 2)
    demo.run(tmp_path, quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        demo.run(tmp_path / where, quiet=True)
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", "-o", str(tmp_path / where)])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"mlproof: .*file.*\n", err)
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_oserror(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            demo.run(tmp_path / "d", quiet=True)
    finally:
        tmp_path.chmod(0o700)


def test_the_tour_ends_with_1_if_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for gradient_ok, same, code in (
        (True, True, 0),
        (False, True, 1),
        (True, False, 1),
    ):
        result = {"gradient_ok": gradient_ok, "loaded_is_the_same": same}
        monkeypatch.setattr(demo, "run", lambda *_, r=result, **__: r)
        with pytest.raises(SystemExit) as ended:
            cli.main(["demo", "--json"])
        assert ended.value.code == code
        assert json.loads(capsys.readouterr().out) == result
