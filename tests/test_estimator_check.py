"""clf.check_gradient: every engine's gradient is judged, and its mistakes are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mlproof import MLPClassifier, cli
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.penalties import Penalty, no_penalty
from mlproof.scaling import fit_standardised

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 6)) * (RNG.random((40, 6)) < 0.7)
Y = np.array(["a", "b", "c"])[RNG.integers(0, 3, 40)]
PENALTIES: dict[str, dict[str, Any]] = {
    "none": {"alpha": 0.0},
    "alpha": {"alpha": 0.3},
    "l1 and l2": {"alpha": 0.0, "l1": (0.01, 0.02, 0), "l2": (0.03, 0.05, 0.04)},
}


@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_every_engine_trains_by_a_right_gradient(
    engine: Any, form: Any, dtype: Any, penalty: str, solver: str
) -> None:
    clf = MLPClassifier(
        (5, 4),
        engine=engine,
        solver=solver,
        activation="tanh",
        max_iter=3,
        random_state=0,
        **PENALTIES[penalty],
    )
    rows = form(X.astype(dtype))
    clf.fit(rows, Y)
    assert clf.theta_.dtype == dtype
    report = clf.check_gradient(rows, Y)
    assert report.ok, str(report)
    assert not any(block.vacuous for block in report.blocks)
    weights = RNG.uniform(0.5, 2, len(Y))
    assert clf.check_gradient(rows, Y, weights).ok


@pytest.mark.parametrize("solver", ["gd", "lbfgs"])
def test_so_do_the_solvers_of_the_whole_set(solver: str) -> None:
    clf = MLPClassifier((5,), solver=solver, l1=0.01, l2=0.03, max_iter=3)
    assert clf.fit(X, Y).check_gradient(X, Y).ok


def trained_on_columns(scale: float, activation: str, seed: int) -> Any:
    """A network that takes columns of such numbers as they are, and the columns."""
    rng = np.random.default_rng(seed)
    given = scale * rng.standard_normal((60, 3))
    labels = given[:, 0] + given[:, 1] * rng.standard_normal(60) > 0
    clf = MLPClassifier((4,), activation, max_iter=20, random_state=seed)
    for _ in fit_standardised(clf, given, labels):
        pass
    return clf, given, labels


@pytest.mark.parametrize("activation", ["relu", "abs"])
@pytest.mark.parametrize("scale", [1e-9, 1e5, 1e7, 1e12])
def test_columns_of_any_unit_are_judged_fairly(
    scale: float, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [trained_on_columns(scale, activation, seed) for seed in (1, 3)]
    for clf, given, labels in networks:
        report = clf.check_gradient(given, labels)
        assert report.ok, str(report)
        # Of one row all steps are those of X, and 1e12 times too long for W1.
        assert scale > 1e9 or clf.trace(given[:1], labels[:1]).ok
    original = NumpyEngine.risk_and_gradient

    def wrong(self: Any, *arguments: Any) -> Any:
        risk, gradient = original(self, *arguments)
        # A weight of the first layer; kinks that lie very close hide small mistakes.
        gradient[np.argmax(np.abs(gradient[:12]))] *= 1.001 if scale < 1e9 else 2
        return risk, gradient

    monkeypatch.setattr(NumpyEngine, "risk_and_gradient", wrong)
    for clf, given, labels in networks:
        assert not clf.check_gradient(given, labels).ok


def test_a_row_of_which_the_network_is_sure_is_traced_without_blame() -> None:
    """1 - p has lost digits where p is near 1, and what lies below multiplies that."""
    rng = np.random.default_rng(0)
    given = rng.standard_normal((40, 2))
    labels = np.argmax(given @ rng.standard_normal((2, 3)), axis=1)
    clf = MLPClassifier((8,), solver="lbfgs", max_iter=200, alpha=1e-6, random_state=0)
    clf.fit(given, labels)
    sure = clf.predict_log_proba(given).max(axis=1) > -1e-8
    assert sure.sum() > 10
    for row in np.flatnonzero(sure):
        trace = clf.trace(given[[row]], labels[[row]])
        assert trace.ok, str(trace)


@pytest.mark.parametrize(("part", "lost"), [("l1", {"l1": 0}), ("l2", {"l2": 0})])
def test_a_penalty_that_the_engine_forgets_is_named(
    part: str, lost: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clf = MLPClassifier((5,), engine="numpy", alpha=0.0, l1=0.02, l2=0.05, max_iter=3)
    clf.fit(X, Y)
    original = NumpyEngine.risk_and_gradient

    def forgetful(self: Any, theta: Any, batch: Any, penalty: Penalty) -> Any:
        none = no_penalty(len(penalty.l1))
        kept = penalty._replace(**{name: getattr(none, name) for name in lost})
        return original(self, theta, batch, kept)

    monkeypatch.setattr(NumpyEngine, "risk_and_gradient", forgetful)
    (finding,) = clf.check_gradient(X, Y).diagnosis
    assert (finding.code, finding.blocks) == ("term_missing", ("W1", "W2"))
    assert repr(part) in finding.message


def test_a_check_is_drawn_and_refuses_what_it_cannot_draw_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    MLPClassifier((5,), max_iter=3).fit(X, Y).save("m.safetensors")
    np.savez("t.npz", X=X, y=Y)

    def check(*options: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["check", "m.safetensors", "t.npz", "--target", "y", *options])
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    code, out, err = check("--plot", "check.png")
    assert code == 0, err
    assert "Picture written to check.png." in out
    assert Path("check.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = check("--plot", "none/check.png")
    assert code == 2
    assert "none" in err
    assert err.count("\n") == 1


def test_a_comparison_shows_a_right_gradient_on_the_diagonal() -> None:
    clf = MLPClassifier((5,), engine="numpy", activation="tanh", max_iter=3)
    found = clf.fit(X, Y).compare_gradient(X, Y, max_entries=7)
    assert list(found.given) == ["W1", "b1", "W2", "b2"]
    for name, given in found.given.items():
        assert given.shape == (min(7, found.measured[name].size),)
        np.testing.assert_allclose(given, found.measured[name], atol=1e-8)
    # The V: down with the step, and up again with rounding.
    assert found.central.min() < 1e-8 < found.central[[0, -1]].min()
    assert found.forward.min() > found.central.min()
    assert found.complex.min() < 1e-14
