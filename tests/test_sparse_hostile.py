"""Sparse matrices that contradict themselves: a ValueError, and never a crash."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from trainings import FORMATS, new, rows_of_words, run_python

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def compressed(**changes: Any) -> Callable[[Any], None]:
    """Writes into the arrays of a CSR or CSC matrix: name=(index, value)."""

    def spoil(X: Any) -> None:
        for name, (index, value) in changes.items():
            getattr(X, name)[index] = value

    return spoil


def replaced(**arrays: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Puts other arrays in the place of these: name=function of X."""

    def spoil(X: Any) -> None:
        for name, made in arrays.items():
            setattr(X, name, made(X))

    return spoil


def listed(columns: list[int], values: list[float]) -> Callable[[Any], None]:
    def spoil(X: Any) -> None:
        X.rows[3], X.data[3] = columns, values

    return spoil


def emptied(X: Any) -> None:
    """No entries, and pointers between the first and the last that tell of some."""
    X.data, X.indices = X.data[:0], X.indices[:0]
    X.indptr = np.zeros_like(X.indptr)
    X.indptr[1:-1] = 1000


def with_far_pointer(dtype: str) -> Callable[[Any], Any]:
    """The pointers in another dtype, the fifth of them far beyond the next."""

    def made(X: Any) -> Any:
        pointers = X.indptr.astype(dtype)
        pointers[5] = min(FAR, np.iinfo(dtype).max)
        return pointers

    return made


FAR = 10**8  # from there a read is a crash, wherever the array lies
SPOILT_COMPRESSED: dict[str, Callable[[Any], None]] = {
    "an index just out of range": compressed(indices=(5, 40)),
    "an index far out of range": compressed(indices=(5, FAR)),
    "a negative index": compressed(indices=(5, -1)),
    "an index far below 0": compressed(indices=(5, -FAR)),
    "pointers that fall": compressed(indptr=(3, 40)),
    "a negative pointer": compressed(indptr=(3, -FAR)),
    "a pointer far past the entries": compressed(indptr=(3, FAR)),
    "a first pointer that is not 0": compressed(indptr=(0, 2)),
    "a first pointer below 0": compressed(indptr=(0, -FAR)),
    "a last pointer past the entries": compressed(indptr=(-1, FAR)),
    "a last pointer of 0": compressed(indptr=(-1, 0)),
    "no entries, and pointers to some": emptied,
    "unsigned pointers that fall": replaced(indptr=with_far_pointer("uint32")),
    "long unsigned pointers that fall": replaced(indptr=with_far_pointer("uint64")),
    "short pointers that fall": replaced(indptr=with_far_pointer("int8")),
    "a table of values": replaced(data=lambda X: X.data[:, None]),
    "too few pointers": replaced(indptr=lambda X: X.indptr[:-2].copy()),
    "too many pointers": replaced(indptr=lambda X: np.append(X.indptr, X.indptr[-1])),
    "fewer values than indices": replaced(data=lambda X: X.data[:3].copy()),
    "fewer indices than values": replaced(indices=lambda X: X.indices[:3].copy()),
    "pointers that are no whole numbers": replaced(indptr=lambda X: X.indptr + 0.5),
    "indices that are no whole numbers": replaced(indices=lambda X: X.indices / 2),
}
SPOILT: dict[str, tuple[str, Callable[[Any], None]]] = (
    {
        f"{made}: {name}": (made, spoil)
        for made in ("csr_matrix", "csr_array", "csc_matrix", "int64_indices")
        for name, spoil in SPOILT_COMPRESSED.items()
    }
    | {
        f"{made}: {name}": (made, spoil)
        for made in ("coo_matrix", "coo_array")
        for name, spoil in {
            "a row out of range": replaced(
                coords=lambda X: (X.coords[0] + 40, X.coords[1])
            ),
            "a row far out of range": replaced(
                coords=lambda X: (X.coords[0] + FAR, X.coords[1])
            ),
            "a row far below 0": replaced(
                coords=lambda X: (X.coords[0] - FAR, X.coords[1])
            ),
            "a column far out of range": replaced(
                coords=lambda X: (X.coords[0], X.coords[1] + FAR)
            ),
            "a negative column": replaced(
                coords=lambda X: (X.coords[0], X.coords[1] - 1)
            ),
            "fewer rows than columns": replaced(
                coords=lambda X: (X.coords[0][:3], X.coords[1])
            ),
            "fewer values than rows": replaced(data=lambda X: X.data[:3]),
        }.items()
    }
    | {
        f"dia_array: {name}": ("dia_array", spoil)
        for name, spoil in {
            "more offsets than diagonals": replaced(
                offsets=lambda X: np.arange(999, dtype=np.int32)
            ),
            "a table of offsets": replaced(offsets=lambda X: X.offsets[:, None]),
            "offsets that are no whole numbers": replaced(
                offsets=lambda X: X.offsets + 0.5
            ),
        }.items()
    }
    | {
        "bsr_array: an index far out of range": (
            "bsr_array",
            compressed(indices=(2, FAR)),
        ),
        "bsr_array: pointers that fall": (
            "bsr_array",
            replaced(indptr=with_far_pointer("uint64")),
        ),
        "bsr_array: blocks of no rows": (
            "bsr_array",
            replaced(data=lambda X: X.data[:, :0]),
        ),
        "bsr_array: blocks that leave rows over": (
            "bsr_array",
            replaced(data=lambda X: np.ones((len(X.data), 3, X.data.shape[2]))),
        ),
        "lil_matrix: an index far out of range": ("lil_matrix", listed([FAR], [1.0])),
        "lil_matrix: an index far below 0": ("lil_matrix", listed([-FAR], [1.0])),
        "lil_matrix: more values than indices": (
            "lil_matrix",
            listed([0], [1.0] * 9999),
        ),
        "lil_matrix: more indices than values": (
            "lil_matrix",
            listed([0, 1, 2], [1.0]),
        ),
        "lil_matrix: more lists than rows": (
            "lil_matrix",
            replaced(
                rows=lambda X: np.tile(X.rows, 999), data=lambda X: np.tile(X.data, 999)
            ),
        ),
        "lil_matrix: fewer lists than rows": (
            "lil_matrix",
            replaced(rows=lambda X: X.rows[:5], data=lambda X: X.data[:5]),
        ),
    }
)
METHODS = (
    *("fit", "partial_fit", "predict", "predict_proba", "predict_log_proba", "score"),
    *("check_gradient", "compare_gradient", "trace"),
)


def attack(name: str) -> None:
    """Hand such a matrix to every method; print what each says, a line for each."""
    made, spoil = SPOILT[name]
    X, y = rows_of_words(40, 8)
    fitted = new(engine="compiled").fit(X, y)
    for method in METHODS:
        thin = FORMATS[made](X)
        spoil(thin)
        clf = new(engine="compiled") if method == "fit" else deepcopy(fitted)
        arguments = (thin,) if method.startswith("predict") else (thin, y)
        said = [name, method, "no error", ""]
        try:
            getattr(clf, method)(*arguments)
        except Exception as error:
            said[2:] = [type(error).__name__, str(error)]
        print(json.dumps(said), flush=True)


def compile_kernels() -> None:
    """Beforehand, as that may take as long as a test for a hang waits."""
    X, y = rows_of_words(40, 8)
    for form in (np.asarray, sparse.csr_array):
        new(engine="compiled").fit(form(X), y)


ATTACK = """
import faulthandler, sys
from test_sparse_hostile import attack, compile_kernels
compile_kernels()
for name in sys.argv[1:]:
    faulthandler.dump_traceback_later(30, exit=True)  # it may hang, too
    attack(name)
"""


@cache
def attacked() -> tuple[list[str], dict[tuple[str, str], tuple[str, str]]]:
    """Which of the matrices ended the process that met them, and what the others got.

    After such an end a new process goes on with the next one.
    """
    names, fatal = sorted(SPOILT), []
    answers: dict[tuple[str, str], tuple[str, str]] = {}
    while names and len(fatal) < 5:
        done = run_python(ATTACK, *names, check=False, timeout=300)
        for line in done.stdout.splitlines():
            name, method, kind, text = json.loads(line)
            answers[name, method] = kind, text
        if done.returncode == 0:
            break
        names = [name for name in names if (name, METHODS[-1]) not in answers]
        fatal.append(names.pop(0) if names else done.stderr)
    return fatal, answers


def test_no_matrix_that_contradicts_itself_ends_the_process() -> None:
    fatal, _ = attacked()
    assert fatal == []


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_a_matrix_that_contradicts_itself_is_a_value_error(name: str) -> None:
    _, answers = attacked()
    for method in METHODS:
        kind, text = answers.get((name, method), ("the process ended", ""))
        assert (method, kind) == (method, "ValueError")
        assert text.startswith("X is a sparse matrix that contradicts itself: ")
        assert "\n" not in text
        assert len(text) < 250


ATTACK_BY_LABELS = """
import numpy as np
from scipy import sparse
from mlproof import MLPClassifier
X, Y = np.eye(8), sparse.csr_array(np.eye(8, 3, dtype=int))
clf = MLPClassifier(max_iter=1).fit(X, Y)
Y.indices[1] = 10**8
for method in ("fit", "partial_fit", "check_gradient"):
    try:
        getattr(clf, method)(X, Y)
    except ValueError as error:
        print(error)
"""


def test_labels_that_contradict_themselves_are_a_value_error() -> None:
    said = run_python(ATTACK_BY_LABELS).stdout.splitlines()
    assert len(said) == 3
    for line in said:
        assert line.startswith("y is a sparse matrix that contradicts itself: ")


def test_a_refused_matrix_leaves_the_estimator_as_it_was() -> None:
    X, y = rows_of_words(40, 8)
    clf = new(engine="compiled").fit(sparse.csr_array(X), y)
    before, thin = clf.theta_.copy(), sparse.csr_array(X)
    thin.indices[5] = 8
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="contradicts itself"):
            getattr(clf, method)(thin, y)
        np.testing.assert_array_equal(clf.theta_, before)
        assert clf.n_iter_ == 5
    thin.indices[5] = 0
    assert clf.predict(thin).shape == (40,)


def test_a_sound_matrix_is_left_as_it_is() -> None:
    """SciPy's own check would cut it to size and change the dtype of its indices."""
    X, y = rows_of_words(40, 8)
    thin = sparse.csr_array(X)
    thin.data = np.append(thin.data, [np.nan, 7]).astype(">f8")
    thin.indices = np.append(thin.indices, [-1, 10**8]).astype(np.int32)
    thin.indptr = thin.indptr.astype(np.int64)
    before = thin.data, thin.indices, thin.indptr
    for engine in ("numpy", "compiled"):
        clf = new(engine=engine).fit(thin, y)
        np.testing.assert_allclose(clf.theta_, new(engine=engine).fit(X, y).theta_)
        np.testing.assert_allclose(clf.predict_proba(thin), clf.predict_proba(X))
    after = thin.data, thin.indices, thin.indptr
    assert all(a is b for a, b in zip(after, before, strict=True))
