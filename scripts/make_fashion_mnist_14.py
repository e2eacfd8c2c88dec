"""Make the small Fashion-MNIST of the package from the full one.

    python scripts/make_fashion_mnist_14.py [FOLDER] [--output FILE]

FOLDER holds the four IDX files, as the Debian package dataset-fashion-mnist
installs them. The result does not depend on when or where it is made.
"""

import argparse
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlproof.datasets import DEBIAN_FOLDER, FASHION_CLASSES, load_fashion_mnist

OUTPUT = (
    Path(__file__).resolve().parents[1] / "src/mlproof/datasets/fashion_mnist_14.npz"
)
TRAIN_PER_CLASS = 200
TEST_PER_CLASS = 100


def shrink(X: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the images at half the side, each pixel the mean of 2 x 2, halves up."""
    blocks = X.reshape(len(X), side // 2, 2, side // 2, 2)
    # In whole numbers, so that rounding is the same on every machine.
    sums = blocks.sum(axis=(2, 4), dtype=np.uint16).reshape(len(X), -1)
    means: NDArray[np.uint8] = ((sums + 2) // 4).astype(np.uint8)
    return means


def first_of_each_class(y: NDArray[np.uint8], count: int) -> NDArray[np.intp]:
    """Return where the first labels of each class are, in the original order."""
    places = []
    for label, name in enumerate(FASHION_CLASSES):
        found = np.flatnonzero(y == label)[:count]
        if len(found) < count:
            raise ValueError(f"{count} images of {name} are needed, not {len(found)}.")
        places.append(found)
    return np.sort(np.concatenate(places))


def pack(arrays: dict[str, NDArray[np.uint8]], output: Path) -> None:
    """Write arrays to an npz file whose bytes depend on nothing but the arrays.

    NumPy leaves the dates and the system in the archive to Python's defaults;
    here they are constants. Only another zlib may still compress differently.
    """
    with zipfile.ZipFile(output, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, array, (1, 0), allow_pickle=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEBIAN_FOLDER)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    try:
        full = load_fashion_mnist(options.folder)
        train = first_of_each_class(full.y_train, TRAIN_PER_CLASS)
        test = first_of_each_class(full.y_test, TEST_PER_CLASS)
        pack(
            {
                "X_train": shrink(full.X_train[train], full.side),
                "y_train": full.y_train[train],
                "X_test": shrink(full.X_test[test], full.side),
                "y_test": full.y_test[test],
            },
            options.output,
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.output}: {options.output.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
