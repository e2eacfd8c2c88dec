"""The images shipped in the package, the full set, and files that lie."""

import gzip
import os
import re
import runpy
import struct
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from conftest import peak_memory

from mlproof import datasets
from mlproof.datasets import (
    DEBIAN_FOLDER,
    FASHION_CLASSES,
    FOLDER_VARIABLE,
    ImageSet,
    load_fashion_mnist,
    load_fashion_mnist_14,
)

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "make_fashion_mnist_14.py"
FULL_FOLDER = Path(os.environ.get(FOLDER_VARIABLE) or DEBIAN_FOLDER)
needs_full_set = pytest.mark.skipif(
    not (FULL_FOLDER / "train-images-idx3-ubyte.gz").is_file(),
    reason=f"no full Fashion-MNIST in {FULL_FOLDER} (see {FOLDER_VARIABLE})",
)

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"


def images_idx(count: int, magic: int = 0x803, side: int = 28) -> bytes:
    """Return the header of a file of images."""
    return struct.pack(">4I", magic, count, side, side)


def labels_idx(count: int, magic: int = 0x801) -> bytes:
    """Return the header of a file of labels."""
    return struct.pack(">2I", magic, count)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with four good IDX files of a few images."""
    for part, count in (("train", 5), ("t10k", 3)):
        pixels = bytes(i % 256 for i in range(count * 784))
        labels = bytes(range(9, 9 - count, -1))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(images_idx(count) + pixels)
        )
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(labels_idx(count) + labels)
        )
    return tmp_path


def check_arrays(images: ImageSet, side: int) -> None:
    """Check what holds for every image set."""
    assert images.side == side
    assert images.class_names == FASHION_CLASSES
    for X, y in ((images.X_train, images.y_train), (images.X_test, images.y_test)):
        assert X.shape == (len(y), side * side)
        assert y.ndim == 1
        assert X.dtype == y.dtype == np.uint8
        assert y.max() <= 9


def test_class_names() -> None:
    assert len(set(FASHION_CLASSES)) == 10
    assert FASHION_CLASSES[0] == "T-shirt"
    assert FASHION_CLASSES[9] == "Ankle boot"


def test_small_set() -> None:
    images = load_fashion_mnist_14()
    check_arrays(images, 14)
    assert np.bincount(images.y_train).tolist() == [200] * 10
    assert np.bincount(images.y_test).tolist() == [100] * 10
    # Real pictures: dark borders, bright somewhere, none the same in all pixels.
    assert images.X_train.max() > 200
    assert images.X_train.reshape(-1, 14, 14)[:, :, 0].mean() < 30
    assert np.ptp(images.X_train, axis=1).min() > 0


def test_small_set_holds_no_image_twice() -> None:
    images = load_fashion_mnist_14()
    both = np.concatenate([images.X_train, images.X_test])
    assert len(np.unique(both, axis=0)) == len(both)


def test_small_set_can_be_changed_without_changing_the_next() -> None:
    images = load_fashion_mnist_14()
    before = int(images.X_train.sum())
    images.X_train[:] = 0
    assert int(load_fashion_mnist_14().X_train.sum()) == before


def test_small_set_comes_with_its_licence() -> None:
    notice = files(datasets).joinpath("FASHION_MNIST_LICENSE").read_text()
    assert "Zalando SE" in notice
    assert "Permission is hereby granted, free of charge" in notice


@needs_full_set
def test_full_set() -> None:
    images = load_fashion_mnist(FULL_FOLDER)
    check_arrays(images, 28)
    assert np.bincount(images.y_train).tolist() == [6000] * 10
    assert np.bincount(images.y_test).tolist() == [1000] * 10


@needs_full_set
def test_small_set_is_what_the_script_makes(tmp_path: Path) -> None:
    main = runpy.run_path(str(SCRIPT))["main"]
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    for output in (first, second):
        assert main([str(FULL_FOLDER), "--output", str(output)]) == 0
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        dates = {entry.date_time for entry in archive.infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    # The arrays and not the bytes: another zlib may compress them differently.
    shipped = load_fashion_mnist_14()._asdict()
    with np.load(first) as arrays:
        assert sorted(arrays) == ["X_test", "X_train", "y_test", "y_train"]
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], shipped[name], strict=True)


def test_script_takes_the_mean_of_four_pixels_and_rounds_halves_up() -> None:
    shrink = runpy.run_path(str(SCRIPT))["shrink"]
    image = np.array(
        [[0, 1, 255, 255], [0, 0, 255, 255], [1, 1, 3, 0], [0, 0, 0, 0]], np.uint8
    )
    assert shrink(image.reshape(1, 16), 4).tolist() == [[0, 255, 1, 1]]


def test_script_keeps_the_original_order() -> None:
    first_of_each_class = runpy.run_path(str(SCRIPT))["first_of_each_class"]
    y = np.array([3, 3, *range(9, -1, -1), *range(10)], np.uint8)
    kept = first_of_each_class(y, 2)
    assert kept.tolist() == [*range(8), *range(9, 15), *range(16, 22)]


def test_script_says_in_one_line_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(SCRIPT))["main"]
    output = folder / "out.npz"
    assert main([str(folder), "--output", str(output)]) == 1
    assert main([str(folder / "nowhere"), "--output", str(output)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "200 images of T-shirt are needed, not 0."
    assert not output.exists()


def test_good_files(folder: Path) -> None:
    images = load_fashion_mnist(folder)
    check_arrays(images, 28)
    assert images.y_train.tolist() == [9, 8, 7, 6, 5]
    assert images.X_train.ravel().tolist() == [i % 256 for i in range(5 * 784)]
    assert images.X_test.shape == (3, 784)
    images.X_train[0, 0] = 7


def test_folder_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert len(load_fashion_mnist().y_train) == 5
    # A folder that is named outright comes first.
    with pytest.raises(FileNotFoundError):
        load_fashion_mnist(folder / "nowhere")


@pytest.mark.parametrize("value", [None, ""])
def test_folder_of_the_debian_package(
    value: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "DEBIAN_FOLDER", folder)
    if value is None:
        monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(FOLDER_VARIABLE, value)
    assert len(load_fashion_mnist().y_train) == 5


@pytest.mark.parametrize("part", ["train", "t10k"])
@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_missing_file(folder: Path, part: str, kind: str) -> None:
    name = f"{part}-{kind}-ubyte.gz"
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_fashion_mnist(folder)
    message = str(caught.value)
    for told in (name, str(folder), "dataset-fashion-mnist", FOLDER_VARIABLE):
        assert told in message
    assert "\n" not in message


def flip(data: bytes, place: int) -> bytes:
    """Return the data with one byte inverted."""
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


GOOD_IMAGES = gzip.compress(images_idx(5) + bytes(5 * 784), mtime=0)
BAD_FILES = {
    "empty": (TRAIN_IMAGES, b"", "ends within its header"),
    "no gzip": (TRAIN_IMAGES, b"plain text", "no whole gzip file"),
    "gzip cut short": (TRAIN_IMAGES, GOOD_IMAGES[:-6], "no whole gzip file"),
    "gzip checksum": (TRAIN_IMAGES, flip(GOOD_IMAGES, -8), "no whole gzip file"),
    "gzip body": (TRAIN_IMAGES, flip(GOOD_IMAGES, 10), "no whole gzip file"),
    "gzip then text": (TRAIN_IMAGES, GOOD_IMAGES + b"text", "no whole gzip file"),
    "header cut short": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(5)[:15]),
        "ends within its header",
    ),
    "labels for images": (
        TRAIN_IMAGES,
        gzip.compress(labels_idx(5) + bytes(5 * 784)),
        "starts with 0x00000801, but 0x00000803 is expected",
    ),
    "images for labels": (
        TRAIN_LABELS,
        gzip.compress(images_idx(5) + bytes(5)),
        "starts with 0x00000803, but 0x00000801 is expected",
    ),
    "other image size": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(5, side=14) + bytes(5 * 196)),
        "declares images of 14 x 14 pixels",
    ),
    "no examples": (TRAIN_IMAGES, gzip.compress(images_idx(0)), "declares 0 examples"),
    "fewer bytes than declared": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(5) + bytes(5 * 784 - 1)),
        "declares 3920 bytes after its header, but holds only 3919",
    ),
    "more bytes than declared": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(5) + bytes(5 * 784 + 1)),
        "declares 3920 bytes after its header, but holds more",
    ),
    "more images than labels": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(6) + bytes(6 * 784)),
        f"holds 6 images, but {TRAIN_LABELS} 5 labels",
    ),
    "label 10": (
        TRAIN_LABELS,
        gzip.compress(labels_idx(5) + bytes([0, 1, 10, 2, 3])),
        "holds the label 10, but 9 is the highest",
    ),
    "huge count of images": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(2**32 - 1)),
        "declares 4294967295 examples",
    ),
    "huge count of labels": (
        TRAIN_LABELS,
        gzip.compress(labels_idx(2**32 - 1)),
        "declares 4294967295 examples",
    ),
    "huge image size": (
        TRAIN_IMAGES,
        gzip.compress(images_idx(5, side=2**32 - 1)),
        "declares images of 4294967295 x 4294967295 pixels",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(folder: Path, case: str) -> None:
    name, data, expected = BAD_FILES[case]
    (folder / name).write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        load_fashion_mnist(folder)
    message = str(caught.value)
    assert str(folder / name) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: images_idx(60_000) + bytes(10), id="declared, not there"),
        pytest.param(
            lambda: images_idx(5) + bytes(200_000_000), id="there, not declared"
        ),
    ],
)
def test_bad_file_takes_no_memory(folder: Path, make: Callable[[], bytes]) -> None:
    (folder / TRAIN_IMAGES).write_bytes(gzip.compress(make(), 1))

    def refused() -> None:
        with pytest.raises(ValueError, match="bytes after its header, but holds"):
            load_fashion_mnist(folder)

    assert peak_memory(refused) < 10_000_000
