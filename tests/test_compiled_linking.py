"""Parts of kernels, which are linked in and have no machine code of their own."""

import numba
import numpy as np
import pytest

from mlproof.engines.compiled.linking import Linked
from mlproof.engines.compiled.toolchain import OPTIONS, part


@part
def doubled(x: float) -> float:
    return 2 * x


@part
def halved(x: float) -> float:
    return x / 2


@part
def quadrupled(x: float) -> float:
    return doubled(doubled(x))


@numba.njit(**OPTIONS)
def kernel(x: float) -> tuple[float, float, float]:
    return doubled(x), halved(x), quadrupled(x)


def test_parts_of_one_signature_are_told_apart() -> None:
    assert kernel(3.0) == (6.0, 1.5, 12.0)
    assert kernel(np.float32(3)) == (6.0, 1.5, 12.0)


def test_a_part_is_linked_in_and_never_reaches_the_engine() -> None:
    kernel(3.0)
    libraries = [each.library for each in quadrupled.overloads.values()]
    assert libraries
    for library in libraries:
        assert isinstance(library, Linked)
        name = next(f.name for f in library.get_defined_functions())
        assert not library.codegen._engine.is_symbol_defined(name)


def test_a_part_called_from_python_raises() -> None:
    with pytest.raises(TypeError):
        doubled(3.0)
