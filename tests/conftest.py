"""What all tests share: the hypothesis profile, BLAS, and random networks."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from mlproof.deep import Network, forward
from mlproof.engines import Examples, chunks
from mlproof.engines.compiled import cores, microkernel, nonzeros
from mlproof.engines.compiled.team import Team
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS
from mlproof.parameters import n_theta, views
from mlproof.penalties import Penalty

# The same examples in every run; a shared machine may take any time over one of them.
settings.register_profile("mlproof", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("mlproof")

# What a failed assert of the helpers shows is what one of a test shows.
pytest.register_assert_rewrite("trainings", "traces", "backwards")

KINKED = {"rect", "abs"}


def pytest_collection_finish() -> None:
    """Keep the tests themselves out of every later search for garbage."""
    gc.collect()
    gc.freeze()


class Case(NamedTuple):
    """A network, where it stands, and what it is trained on."""

    network: Network
    theta: Array
    examples: Examples
    penalty: Penalty

    def total_weight(self) -> float:
        """What the examples count together, the s of (S.1)."""
        weight = self.examples.sample_weight
        return float(len(self.examples.y) if weight is None else np.sum(weight))

    def weight(self) -> Array:
        """What each example counts in the risk, w_r of (S.1)."""
        sample_weight = self.examples.sample_weight
        if sample_weight is None:
            sample_weight = np.ones(len(self.examples.y))
        return (sample_weight / self.total_weight()).astype(self.theta.dtype)

    def distance_to_a_kink(self) -> float:
        """The smallest |h_a| of a unit with a kink in it."""
        h_a = forward(self.network, self.theta, self.examples.X).h_a
        if not h_a or self.network.activation.name not in KINKED:
            return np.inf
        return min(float(np.min(np.abs(of_layer))) for of_layer in h_a)

    def roundings(self) -> int:
        """How many roundings an entry of the gradient may have met, at the worst.

        It is a sum over the examples of products that went through every unit once on
        the way forward and once on the way back; each unit adds a product to a sum.
        """
        return len(self.examples.y) + 4 * sum(self.network.units) + 16


def make_case(
    seed: int,
    *,
    units: tuple[int, ...],
    activation: str,
    output: str,
    n: int,
    dtype: Any = np.float64,
    weighted: bool = False,
    penalised: bool = False,
    clearance: float = 0.0,
) -> Case:
    """A random case, its h_a and weights at least ``clearance`` away from their kinks.

    Weights as large as 1/sqrt(n_in) keep the activations of every layer near 1, where
    no gradient vanishes and rounding has a known size.
    """
    rng = np.random.default_rng(seed)
    m, layers = units[-1], len(units) - 1
    for _ in range(200):
        theta = rng.standard_normal(n_theta(units))
        for W_k in views(theta, units).W:
            W_k /= np.sqrt(W_k.shape[1])
            W_k += np.copysign(clearance, W_k)
        y = rng.integers(0, m if output == "softmax" else 2, size=(n, m))
        sample_weight = rng.integers(0, 3, size=n) + rng.uniform(0, 1, size=n)
        case = Case(
            Network(units, ACTIVATIONS[activation], OUTPUTS[output]),
            theta.astype(dtype),
            Examples(
                rng.standard_normal((n, units[0])).astype(dtype),
                y[:, 0] if output == "softmax" else y,
                sample_weight.astype(dtype) if weighted else None,
            ),
            Penalty(
                tuple((rng.uniform(0, 0.1, layers) * penalised).tolist()),
                tuple((rng.uniform(0, 0.1, layers) * penalised).tolist()),
                0.3 * penalised,
            ),
        )
        if case.distance_to_a_kink() > clearance:
            return case
    raise AssertionError("no draw keeps away from every kink")


@st.composite
def cases(draw: Any, dtypes: tuple[Any, ...] = (np.float64,), **fixed: Any) -> Case:
    """Networks of 0 to 3 hidden layers, with sizes of 1 and sizes no vector unit likes.

    What is named in ``fixed`` is not drawn.
    """
    output = draw(st.sampled_from(sorted(OUTPUTS)))
    hidden = draw(st.lists(st.sampled_from([1, 2, 5, 8, 9, 17]), max_size=3))
    dtype = draw(st.sampled_from(dtypes))
    drawn = {
        "units": (
            draw(st.sampled_from([1, 2, 3, 13])),
            *hidden,
            draw(st.sampled_from([2, 3, 7] if output == "softmax" else [1, 2, 5])),
        ),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "output": output,
        "n": draw(st.sampled_from([1, 2, 3, 9, 21])),
        "dtype": dtype,
        "weighted": draw(st.booleans()),
        "penalised": draw(st.booleans()),
        # In float32 a rounding must not carry h_a over a kink.
        "clearance": 1e-4 if dtype == np.float32 else 1e-10,
    }
    return make_case(draw(st.integers(0, 2**32 - 1)), **drawn | fixed)


def assert_close(found: Array, expected: Array, tolerance: float) -> None:
    """Every entry is within ``tolerance`` times the largest entry of ``expected``."""
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=tolerance * float(np.max(np.abs(expected)))
    )


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """On a busy machine those of OpenBLAS wait for one another, ten times as long."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="session")
def products_are_ready() -> None:
    """What tests compile may call those that kernels call."""
    for dtype in (np.float32, np.float64):
        matrix = np.empty((1, 1), dtype)
        microkernel.product.stage.compile(microkernel.types_of_product(matrix))
        nonzeros.panel_of_nonzeros.stage.compile(nonzeros.types_of_panel(matrix))


def peak_memory(work: Callable[[], Any]) -> int:
    """The most bytes that Python and NumPy held for it at one time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def every_core_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many threads work as are asked for, however few cores there are for them."""
    monkeypatch.setattr(cores, "JUDGED_AFTER", np.inf)
    cores.cores_for.cache_clear()  # what earlier tests have found


@pytest.fixture
def all_is_shared(monkeypatch: pytest.MonkeyPatch, every_core_is_free: None) -> None:
    """Threads share every batch, however little work it is."""
    monkeypatch.setattr(chunks, "WORTH_SHARING", 0)


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch, every_core_is_free: None) -> set[int]:
    """Fills up with how many threads have worked together."""
    sizes: set[int] = set()
    run = Team.run

    def watched(self: Team, *arguments: Any) -> None:
        sizes.add(self.n_threads)
        return run(self, *arguments)

    monkeypatch.setattr(Team, "run", watched)
    return sizes


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Callable[[], int]]:
    """Ctrl-C comes instead of the n-th work of a team; says how many there were."""

    def at(n: int) -> Callable[[], int]:
        run, n_runs = Team.run, 0

        def interrupt(self: Team, *arguments: Any) -> None:
            nonlocal n_runs
            n_runs += 1
            if n_runs == n:
                raise KeyboardInterrupt
            run(self, *arguments)

        monkeypatch.setattr(Team, "run", interrupt)
        return lambda: n_runs

    return at
