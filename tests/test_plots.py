"""plots/: pictures of a sensible size, whatever is drawn."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from mlproof import plots  # noqa: E402 - it needs Matplotlib

RNG = np.random.default_rng(0)
COUNTS = np.array([[3, 1], [0, 2]])
# What Matplotlib takes for mathematics, and what would be bad mathematics.
NAMES = [
    "$x_1$",
    r"$\frac$",
    "$",
    "a_b",
    "_",
    "^",
    r"\alpha",
    "größe",
    "naïve Ωμ",
    "a\nb",
]


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file, from its header."""
    raw = path.read_bytes()
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    assert raw.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">2I", raw[16:24])
    return width, height


def assert_drawn(path: Path) -> None:
    width, height = size_of(path)
    assert 300 <= width <= 2000
    assert 100 <= height <= 4000
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("loss", "accuracies"),
    [
        ([1.0, 0.5, 0.3], {"training": [0.1, 0.2, 0.3], "test": [0.1, 0.2, 0.25]}),
        ([1.0], {"training": [0.1]}),
        ([1.0, 0.5], {}),
        ([0.0, 0.0], {"a": [0.0, 0.0]}),
        ([1.0, np.nan, np.inf], {"a": [0.1, np.nan, 0.2]}),
        ([1e300, 1e-300], {"a": [1.0, 0.0]}),
        ([1.0, 0.5], {name: [0.1, 0.2] for name in "abcde"}),
        (list(np.linspace(2, 1, 3000)), {"a": list(np.linspace(0, 1, 3000))}),
    ],
    ids=["two", "one-epoch", "no-accuracies", "zeros", "nan", "huge", "five", "long"],
)
def test_learning_curves_are_drawn(tmp_path: Path, loss: Any, accuracies: Any) -> None:
    plots.learning_curves(tmp_path / "p.png", loss, accuracies)
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize(
    ("units", "side", "rows"),
    [(1, 2, 1), (10, 3, 1), (11, 3, 2), (95, 4, 5), (3, 1, 1)],
)
def test_up_to_fifty_hidden_units_have_an_image_ten_in_a_row(
    tmp_path: Path, units: int, side: int, rows: int
) -> None:
    plots.first_layer(tmp_path / "p.png", RNG.standard_normal((side**2, units)), side)
    assert_drawn(tmp_path / "p.png")
    _, height = size_of(tmp_path / "p.png")
    assert height == pytest.approx(120 * (0.72 * rows + 0.4), abs=1)


def test_weights_that_are_all_zero_are_drawn(tmp_path: Path) -> None:
    plots.first_layer(tmp_path / "p.png", np.zeros((4, 3)), 2)
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize("n", [1, 8, 9, 16])
def test_predictions_are_drawn_eight_in_a_row(tmp_path: Path, n: int) -> None:
    images = RNG.uniform(0, 255, (n, 9))
    plots.predictions(tmp_path / "p.png", images, ["a"] * n, ["b"] * n, [0.5] * n, 3)
    assert_drawn(tmp_path / "p.png")
    width, height = size_of(tmp_path / "p.png")
    assert (width, height) == (960, 174 * (1 if n <= 8 else 2))


def test_a_black_image_is_drawn(tmp_path: Path) -> None:
    plots.predictions(tmp_path / "p.png", np.zeros((1, 4)), ["a"], ["a"], [1.0], 2)
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        (COUNTS, ["a", "b"]),
        (np.array([[3]]), ["only"]),
        (np.zeros((2, 2), dtype=int), ["a", "b"]),
        (np.array([[0, 0], [0, 10**9]]), ["a", "b"]),
        (np.diag(np.arange(30)), [f"class {i}" for i in range(30)]),
    ],
    ids=["two", "one", "empty", "large", "thirty"],
)
def test_a_confusion_matrix_is_drawn(tmp_path: Path, counts: Any, names: Any) -> None:
    plots.confusion(tmp_path / "p.png", counts, names)
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_a_curve(tmp_path: Path, name: str) -> None:
    plots.learning_curves(tmp_path / "p.png", [1.0, 0.5], {name: [0.1, 0.2]})
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_a_class(tmp_path: Path, name: str) -> None:
    plots.confusion(tmp_path / "p.png", COUNTS, ["plain", name])
    assert_drawn(tmp_path / "p.png")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_predicted(tmp_path: Path, name: str) -> None:
    for true, guess in ((name, name), ("plain", name), (name, "plain")):
        plots.predictions(
            tmp_path / "p.png", np.ones((1, 4)), [true], [guess], [0.5], 2
        )
        assert_drawn(tmp_path / "p.png")


def test_a_dollar_sign_is_drawn_as_one(tmp_path: Path) -> None:
    """As mathematics "$a$" and "$ a $" would look alike, without their dollars."""
    pictures = []
    for name in ("$a$", "$ a $"):
        plots.confusion(tmp_path / "p.png", COUNTS, ["plain", name])
        pictures.append((tmp_path / "p.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_the_settings_of_matplotlib_stay_as_they_were(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plots.confusion(tmp_path / "p.png", COUNTS, ["a", "b"])
    assert dict(matplotlib.rcParams) == before


def test_a_picture_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    plots.confusion(tmp_path / "p.png", COUNTS, ["a", "b"])
    before = (tmp_path / "p.png").read_bytes()
    with pytest.raises(ValueError, match=r"."):
        plots.first_layer(tmp_path / "p.png", np.ones((5, 3)), 2)
    assert (tmp_path / "p.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["p.png"]


def test_a_folder_that_does_not_exist_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        plots.confusion(tmp_path / "none" / "p.png", COUNTS, ["a", "b"])
