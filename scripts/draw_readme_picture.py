"""Draw the picture of the README, docs/images/demo-predictions.png: run the demo."""

import shutil
import tempfile
from pathlib import Path

from mlproof.demo import run

TARGET = Path(__file__).parents[1] / "docs" / "images" / "demo-predictions.png"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), quiet=True)
        shutil.copyfile(Path(folder) / "predictions.png", TARGET)
