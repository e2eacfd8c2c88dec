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
METADATA_KEY = "mlproof"


class ModelFileError(ValueError):
    """A model file that cannot be read, with the reason in one sentence."""


def write(path: str | os.PathLike[str], theta: Array, description: Any) -> None:
    """Write theta and a description that JSON can hold; the file appears whole or not.

    OSError tells why a file could not be written.
    """
    metadata = {METADATA_KEY: json.dumps({"format": FORMAT, **description})}
    with whole_file(path) as temporary:
        save_file({"theta": np.ascontiguousarray(theta)}, temporary, metadata=metadata)


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
            theta = file.get_tensor("theta")
        description = json.loads(metadata[METADATA_KEY])
    except (SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise ModelFileError(f"{path} is not a whole model file: {error}.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise ModelFileError(
            f"{path} is of format {found!r}; this version of mlproof reads {FORMAT}."
        )
    if theta.ndim != 1 or theta.dtype not in (np.float32, np.float64):
        raise ModelFileError(
            f"{path} should hold a vector of float32 or float64; it holds "
            f"{theta.dtype} of shape {theta.shape}."
        )
    if not np.isfinite(theta).all():
        raise ModelFileError(f"{path} holds parameters that are not finite.")
    return theta, description
