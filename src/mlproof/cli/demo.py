"""``mlproof demo``"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mlproof.cli.options import Json


def demo(
    folder: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("mlproof-demo"),
    *,
    as_json: Json = False,
) -> int:
    """Train, test, check, save, load and draw, on real images, offline.

    Parameters
    ----------
    folder
        Where the model and the pictures go; made if it does not exist.
    """
    from mlproof.demo import run

    result = run(folder, quiet=as_json)
    if as_json:
        print(json.dumps(result))
    return 0 if result["gradient_ok"] and result["loaded_is_the_same"] else 1
