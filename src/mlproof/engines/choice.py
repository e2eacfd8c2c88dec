"""Which engine computes: the one that was asked for, or the one that will be faster."""

import os
from typing import Any, Literal

from mlproof.deep import Network
from mlproof.engines import Engine, products_per_row
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.engines.threads import number
from mlproof.parameters import n_theta

EngineName = Literal["numpy", "compiled"]

# What NumPy needs for each layer of a batch, for each parameter when it changes, and
# for a multiplication in a product: seconds, rough ones of one machine.
PER_LAYER, PER_PARAMETER, PER_PRODUCT = 4e-5, 3e-9, 2e-11
# Loading Numba and the kernels takes about half a second, which a fit of the default
# 200 epochs gets back, or nearly, from epochs as long as this.
WORTHWHILE = 2e-3


def choose(network: Network, X: Any, n_rows: int, batch_size: int) -> EngineName:
    """The faster engine for epochs of so many rows of X.

    It depends on the problem alone, not on what has been compiled before: engines agree
    to rounding, and the same fit shall give the same bits every time.
    """
    if _without_compiler():
        return "numpy"
    products = products_per_row(network.units, X)
    n_batches = -(-n_rows // batch_size)
    per_batch = network.n_layers * PER_LAYER + n_theta(network.units) * PER_PARAMETER
    seconds = n_batches * per_batch + n_rows * 3 * products * PER_PRODUCT
    return "compiled" if seconds > WORTHWHILE else "numpy"


def engine(
    name: EngineName, network: Network, n_threads: int | None, sparse_adam: str
) -> Engine:
    """An engine of this name; n_threads=None means all the cores there are."""
    threads = number(n_threads)
    if name == "numpy":
        return NumpyEngine(network, threads, lazy_adam=sparse_adam == "lazy")
    if _without_compiler():
        raise ValueError(
            "the compiled engine needs Numba's compiler, and NUMBA_DISABLE_JIT "
            "switches it off. Unset it, or train with engine='numpy'."
        )
    # Numba is loaded by those who need it: it takes longer than all the rest.
    from mlproof.engines.compiled import CompiledEngine

    return CompiledEngine(network, threads, lazy_adam=sparse_adam == "lazy")


def _without_compiler() -> bool:
    """Whether Numba is told to leave functions to Python, as it is for coverage."""
    try:  # which it reads like this
        return int(os.environ.get("NUMBA_DISABLE_JIT", "0")) != 0
    except ValueError:
        return False
