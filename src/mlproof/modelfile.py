"""Model files: safetensors with JSON metadata, read without running anything.

The file holds one tensor, ``theta``, and one metadata entry, ``mlproof``, a JSON object
that describes the network.  There is no pickle in it and no way to fall back to one.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mlproof.files import whole_file
from mlproof.functions import Array

FORMAT = 1
# safetensors' names of the dtypes that a theta can have.
FLOATS = ("F32", "F64")
METADATA_KEY = "mlproof"


class ModelFileError(ValueError):
    """A model file that cannot be read, with the reason in one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def write(path: str | os.PathLike[str], theta: Array, description: Any) -> None:
    """Write theta and a description that JSON can hold; the file appears whole or not.

    OSError tells why a file could not be written; theta must be finite, ValueError.
    """
    if not np.isfinite(theta).all():
        raise ValueError(
            f"no model is written to {path}: it has weights that are not finite, as "
            "training diverged. Scale the columns or lower learning_rate_init."
        )
    metadata = {METADATA_KEY: json.dumps({"format": FORMAT, **description})}
    with whole_file(path) as temporary:
        try:
            tensors = {"theta": np.ascontiguousarray(theta)}
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:  # how it reports a full disk
            raise OSError(f"{path} could not be written: {error}") from error


def read(path: str | os.PathLike[str]) -> tuple[Array, Mapping[str, Any]]:
    """The theta and its description, as ``write`` was given them.

    Raises
    ------
    OSError
        If there is no file, or it may not be read.
    ModelFileError
        If it is not a whole model file of a format this version knows.
    """
    with open(path, "rb"):  # safetensors reports a missing file in words of its own
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if METADATA_KEY not in metadata or list(file.keys()) != ["theta"]:
                raise ModelFileError(
                    f"{path} is a safetensors file, but no model of mlproof."
                )
            kind = file.get_slice("theta").get_dtype()
            if kind not in FLOATS:
                raise ModelFileError(
                    f"theta in {path} is {kind}, but should be F32 or F64, float32 "
                    "or float64."
                )
            theta = file.get_tensor("theta")
        description = json.loads(metadata[METADATA_KEY])
    except ModelFileError:
        raise
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not a whole model file: {error}.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise ModelFileError(
            f"{path} is of format {repr(found)[:40]}; this version of mlproof reads "
            f"{FORMAT}."
        )
    if theta.ndim != 1:
        raise ModelFileError(
            f"theta in {path} should be a vector, not of shape {theta.shape}."
        )
    if not np.isfinite(theta).all():
        raise ModelFileError(f"{path} holds parameters that are not finite.")
    return theta, description
