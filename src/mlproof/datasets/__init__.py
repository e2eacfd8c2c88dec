"""Real images: a small Fashion-MNIST inside the package, the full one from disk."""

import gzip
import math
import os
import zlib
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FASHION_CLASSES",
    "ImageSet",
    "load_fashion_mnist",
    "load_fashion_mnist_14",
]

FASHION_CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

FOLDER_VARIABLE = "MLPROOF_FASHION_MNIST"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# What an IDX file may hold here; a header that says otherwise is not believed.
IMAGES_MAGIC = 0x00000803
LABELS_MAGIC = 0x00000801
SIDE = 28
MOST_EXAMPLES = 60_000
CHUNK = 1 << 20


class ImageSet(NamedTuple):
    """Square grey images in two parts, a row of pixels 0 to 255 for each image."""

    X_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    class_names: tuple[str, ...]

    @property
    def side(self) -> int:
        """Return the number of pixels along one side of an image."""
        return math.isqrt(self.X_train.shape[1])


def load_fashion_mnist_14() -> ImageSet:
    """Return the images shipped in the package: 2000 and 1000, of 14 x 14 pixels.

    They are the first 200 training and 100 test images of each class.
    """
    packed = files(__name__).joinpath("fashion_mnist_14.npz")
    with packed.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return ImageSet(
            arrays["X_train"],
            arrays["y_train"],
            arrays["X_test"],
            arrays["y_test"],
            FASHION_CLASSES,
        )


def load_fashion_mnist(folder: str | os.PathLike[str] | None = None) -> ImageSet:
    """Return the full set of 28 x 28 images, from the four IDX files in a folder.

    Without a folder it is the one that the environment variable
    MLPROOF_FASHION_MNIST names, else the one of the Debian package. FileNotFoundError
    says that files are missing, ValueError that one is not what it should be.
    """
    if folder is None:
        folder = os.environ.get(FOLDER_VARIABLE) or DEBIAN_FOLDER
    place = Path(folder)
    parts: list[NDArray[np.uint8]] = []
    for part in ("train", "t10k"):
        images = place / f"{part}-images-idx3-ubyte.gz"
        labels = place / f"{part}-labels-idx1-ubyte.gz"
        for path in (images, labels):
            if not path.is_file():
                raise FileNotFoundError(
                    f"Fashion-MNIST: no file {path.name} in {place}; run 'apt-get "
                    f"install dataset-fashion-mnist', or name the folder of its four "
                    f"files in the environment variable {FOLDER_VARIABLE}."
                )
        X = _read_idx(images, IMAGES_MAGIC, (SIDE, SIDE))
        y = _read_idx(labels, LABELS_MAGIC, ())
        if len(X) != len(y):
            raise ValueError(
                f"{images} holds {len(X)} images, but {labels.name} {len(y)} labels."
            )
        if y.max() >= len(FASHION_CLASSES):
            raise ValueError(
                f"{labels} holds the label {y.max()}, but 9 is the highest."
            )
        parts += [X.reshape(len(X), -1), y]
    return ImageSet(parts[0], parts[1], parts[2], parts[3], FASHION_CLASSES)


def _read_idx(path: Path, magic: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the examples of an IDX file, each of the given shape.

    No more is read or held than a believable header asks for, and only as it comes,
    so that neither a false header nor a bomb after it costs more than the real set.
    """
    length = 4 * (2 + len(shape))
    payload = bytearray()
    try:
        with gzip.open(path, "rb") as stream:
            header = stream.read(length)
            if len(header) < length:
                raise ValueError(f"{path} ends within its header.")
            found, count, *sides = (int(v) for v in np.frombuffer(header, ">u4"))
            if found != magic:
                raise ValueError(
                    f"{path} starts with 0x{found:08x}, but 0x{magic:08x} is expected."
                )
            if tuple(sides) != shape:
                raise ValueError(
                    f"{path} declares images of {sides[0]} x {sides[1]} pixels, "
                    f"but {SIDE} x {SIDE} are expected."
                )
            if not 1 <= count <= MOST_EXAMPLES:
                raise ValueError(
                    f"{path} declares {count} examples, but 1 to {MOST_EXAMPLES} are "
                    f"expected."
                )
            size = count * math.prod(shape)
            # One byte more than declared, to see whether the file goes on.
            while chunk := stream.read(min(CHUNK, size + 1 - len(payload))):
                payload += chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no whole gzip file: {error}.") from error
    if len(payload) != size:
        amount = f"only {len(payload)}" if len(payload) < size else "more"
        raise ValueError(
            f"{path} declares {size} bytes after its header, but holds {amount}."
        )
    return np.frombuffer(payload, np.uint8).reshape(count, *shape)
