"""What importing loads, in a Python of its own."""

import subprocess
import sys

import pytest

import mlproof

EXTRAS = {"matplotlib", "pandas", "polars", "sympy", "dask", "onnx", "torch", "jax"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules of other packages that this code loads."""
    report = (
        "\nimport sys; print('loaded:', *{n.partition('.')[0] for n in sys.modules})"
    )

    def run(code: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", code + report],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return set(done.stdout.rpartition("loaded:")[2].split())

    return run(code) - run("") - sys.stdlib_module_names


def test_importing_the_package_loads_nothing_but_itself() -> None:
    assert loaded_by("import mlproof") == {"mlproof"}


def test_the_classifier_needs_no_extra() -> None:
    # scikit-learn looks for pandas by itself.
    own = loaded_by("import sklearn.utils.validation, sklearn.metrics")
    assert "sklearn" in own
    found = loaded_by("from mlproof import MLPClassifier, load")
    assert "sklearn" in found  # this way of looking sees what is loaded
    assert not (found & EXTRAS) - own
    assert not (found - own) & {"matplotlib", "numba", "llvmlite", "mpmath", "rich"}


def test_a_small_problem_is_trained_without_numba() -> None:
    found = loaded_by(
        "import warnings; warnings.simplefilter('ignore')\n"
        "from mlproof import MLPClassifier\n"
        "clf = MLPClassifier((4,), max_iter=2).fit([[0.0], [1.0]] * 5, [0, 1] * 5)\n"
        "assert clf.engine_ == 'numpy', clf.engine_"
    )
    assert not found & {"numba", "llvmlite"}


def test_the_gradient_check_needs_neither_scikit_learn_nor_scipy() -> None:
    found = loaded_by("from mlproof import check_gradient")
    assert "numpy" in found
    assert not found & {"sklearn", "scipy", "safetensors", "rich"} - {"numpy"}


@pytest.mark.parametrize("arguments", ["['--help']", "['fit', '--help']"])
def test_help_does_without_scikit_learn(arguments: str) -> None:
    found = loaded_by(
        "import mlproof.cli\n"
        f"try: mlproof.cli.main({arguments})\n"
        "except SystemExit: pass"
    )
    assert "cyclopts" in found
    assert not found & {"sklearn", "scipy", "safetensors", *EXTRAS}


def test_every_public_name_exists() -> None:
    assert mlproof.__all__ == sorted(mlproof.__all__)
    for name in mlproof.__all__:
        found = getattr(mlproof, name)
        assert callable(found)
        assert found.__module__.startswith("mlproof.")
        assert found.__doc__


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from mlproof import *", names)
    assert set(names) - {"__builtins__"} == set(mlproof.__all__)


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(AttributeError, match=r"'mlproof'.*'nonsense'"):
        mlproof.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="nonsense"):
        from mlproof import nonsense  # noqa: F401
    assert not hasattr(mlproof, "nonsense")
