"""Which engine computes: the one that was asked for, or the one that will be faster."""

from typing import Literal

from mlproof.deep import Network
from mlproof.engines import Engine
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.engines.threads import available
from mlproof.parameters import n_theta

EngineName = Literal["numpy", "compiled"]

# What NumPy needs for a batch besides the products, for each layer of weights, and for
# a multiplication in them: seconds, measured by benchmarks/engines.py.
SECONDS_PER_LAYER, SECONDS_PER_PRODUCT = 4e-5, 3e-11
# Loading the compiled kernels takes a third of a second, which a fit of the default 200
# epochs gets back from epochs as long as this.
WORTHWHILE = 2e-3


def choose(network: Network, n_rows: int, batch_size: int) -> EngineName:
    """The faster engine for epochs of this kind.

    It depends on the problem alone, not on what has been compiled before: engines agree
    to rounding, and the same fit shall give the same bits every time.
    """
    n_batches = -(-n_rows // batch_size)
    seconds = (
        n_batches * network.n_layers * SECONDS_PER_LAYER
        + n_rows * 3 * n_theta(network.units) * SECONDS_PER_PRODUCT
    )
    return "compiled" if seconds > WORTHWHILE else "numpy"


def engine(name: EngineName, network: Network, n_threads: int | None) -> Engine:
    """An engine of this name; None means all the threads there are."""
    threads = available() if n_threads is None else n_threads
    if name == "numpy":
        return NumpyEngine(network, threads)
    # Numba is loaded by those who need it: it takes longer than all the rest.
    from mlproof.engines.compiled import CompiledEngine

    return CompiledEngine(network, threads)
