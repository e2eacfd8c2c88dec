"""The wheel: what is in it, and that it works where nothing else is installed."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import mlproof

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mlproof"

pytestmark = pytest.mark.slow


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command, away from the variables that would lead it to the sources."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    return python


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(
    wheel: Path,
) -> None:
    expected = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"mlproof/py.typed", "mlproof/datasets/fashion_mnist_14.npz"} <= expected
    found = names_in(wheel)
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert not [name for name in found if re.search(r"tests?/|docs/|scripts/", name)]
    assert wheel.stat().st_size < 2_000_000


def test_the_wheel_holds_both_licences_and_says_so(wheel: Path) -> None:
    info = f"mlproof-{mlproof.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        for path in (ROOT / "LICENSE", PACKAGE / "datasets" / "FASHION_MNIST_LICENSE"):
            name = f"{info}/licenses/{path.relative_to(ROOT).as_posix()}"
            assert archive.read(name) == path.read_bytes()
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Version"] == mlproof.__version__
    assert "mlproof = mlproof.cli:main" in entry_points


def test_the_demo_runs_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    missing = run(
        python,
        "-c",
        "from importlib.util import find_spec; print(find_spec('matplotlib'))",
        cwd=tmp_path,
    )
    assert missing.stdout == "None\n"
    done = run(python.with_name("mlproof"), "demo", "-o", "X", cwd=tmp_path)
    assert done.stdout.count("Matplotlib") == 1
    assert re.search(r"Test accuracy 8\d\.\d%", done.stdout)
    assert os.listdir(tmp_path / "X") == ["fashion.safetensors"]
    where = run(python, "-c", "import mlproof; print(mlproof.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(python.parents[1])


def test_types_are_found_from_outside(python: Path, tmp_path: Path) -> None:
    run(python, "-m", "pip", "check", cwd=tmp_path)
    files = run(python, "-m", "pip", "show", "--files", "mlproof", cwd=tmp_path).stdout
    assert "py.typed" in files
