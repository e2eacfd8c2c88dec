"""The command line: what each command prints, writes and ends with."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import mlproof
from mlproof import cli, load, report
from mlproof.engines.numpy_engine import NumpyEngine

RNG = np.random.default_rng(0)
KIND = RNG.integers(0, 3, 60)
X = RNG.standard_normal((60, 2)) + 3 * np.eye(3)[KIND][:, :2]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as ended:
                cli.main([str(argument) for argument in arguments])
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capsys.readouterr())

    return run


def start(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Runs ``python -m mlproof`` as a user would, its output buffered."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-m", "mlproof", *map(str, arguments)],
        **{
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "encoding": "utf-8",
            "env": environment,
        }
        | options,
    )


def write_csv(path: Path, header: str, *columns: Any) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(zip(*columns, strict=True))
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", "u,v,kind", *X.T, np.array(list("xyz"))[KIND])


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", X=X, y=KIND)
    return tmp_path / "a.npz"


@pytest.fixture
def model(run: Run, table: Path) -> Path:
    """A small model of the table."""
    outcome = run(
        *("fit", table, "--target", "kind", "--hidden-layer-sizes", "8", "-o", "m"),
        *("--solver", "lbfgs", "--max-iter", 30, "--json"),
    )
    assert outcome.code == 0
    return table.with_name("m")


def assert_refused(outcome: Outcome, *said: str, code: int = 2) -> None:
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.startswith("mlproof: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    for fragment in said:
        assert fragment in outcome.err


# ---- as a user runs it --------------------------------------------------------------


def test_the_module_trains_and_predicts_from_a_shell(
    tmp_path: Path, table: Path
) -> None:
    fit = start("fit", table, "--target", "kind", "--max-iter", 40, cwd=tmp_path)
    out, err = fit.communicate(timeout=60)
    assert fit.returncode == 0
    assert re.fullmatch(
        r"60 rows, 2 columns, 3 classes: 40 epochs, loss \d\.\d{4}, training accuracy "
        r"\d+\.\d%\.\nModel written to .*t\.safetensors\.\n",
        out,
    )
    assert "left at most" not in err  # no progress bar where no person looks
    assert "Traceback" not in err
    predict = start("predict", "t.safetensors", table.name, cwd=tmp_path)
    out, err = predict.communicate(timeout=60)
    assert (predict.returncode, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 60
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
@pytest.mark.parametrize("rows", [60, 30_000])
def test_a_reader_that_has_seen_enough_is_no_error(
    tmp_path: Path, model: Path, rows: int
) -> None:
    write_csv(tmp_path / "long.csv", "u,v", *np.resize(X.T, (2, rows)))
    reading, writing = os.pipe()
    predict = start("predict", model, tmp_path / "long.csv", stdout=writing)
    os.close(writing)
    if rows > 60:  # as head -1 does: after some lines, before all
        assert os.read(reading, 10) == b"prediction"
    os.close(reading)
    _, err = predict.communicate(timeout=60)
    assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_an_error(model: Path, table: Path) -> None:
    with open("/dev/full", "w") as full:
        predict = start("predict", model, table, stdout=full)
        _, err = predict.communicate(timeout=60)
    assert_refused(Outcome(predict.returncode, "", err), "No space left")


# with_progress tells when training is under way.
NOTICED = """
import sys
from mlproof import cli, report
original = report.with_progress

def noticed(epochs, *arguments, **options):
    for epoch in original(epochs, *arguments, **options):
        if epoch.number == 3:
            print("under way", flush=True)
        yield epoch

report.with_progress = noticed
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT there")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_ends_training_at_once_and_leaves_no_half_file(
    tmp_path: Path, solver: str
) -> None:
    np.savez(
        tmp_path / "a.npz", X=RNG.standard_normal((3000, 50)), y=np.arange(3000) % 3
    )
    arguments = [
        "fit",
        "a.npz",
        "--max-iter",
        "1000000",
        "--tol",
        "0",
        "--solver",
        solver,
    ]
    fit = subprocess.Popen(
        [sys.executable, "-c", NOTICED, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert fit.stdout is not None
    assert fit.stdout.readline() == "under way\n"
    fit.send_signal(signal.SIGINT)
    _, err = fit.communicate(timeout=30)
    assert fit.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    left = sorted(os.listdir(tmp_path))
    assert left in (["a.npz"], ["a.npz", "a.safetensors"])
    if "a.safetensors" in left:
        load(tmp_path / "a.safetensors").predict(np.zeros((1, 50)))


def test_ctrl_c_outside_of_training_is_said_in_one_line(
    run: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "with_progress", interrupt)
    assert_refused(run("fit", table, "--target", "kind"), "interrupted", code=130)
    assert os.listdir() == ["t.csv"]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_before_anything_is_learned_leaves_the_model_there_was(
    solver: str, run: Run, table: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(NumpyEngine, "epoch", interrupt)
    monkeypatch.setattr(NumpyEngine, "risk_and_gradient", interrupt)
    before = model.read_bytes()
    arguments = "fit", table, "--target", "kind", "--solver", solver, "-o", model
    outcome = run(*arguments)
    assert outcome.code == 130
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1] == "mlproof: interrupted."
    assert model.read_bytes() == before


@pytest.mark.parametrize("dtype", [int, float, np.float32, str])
@pytest.mark.parametrize("written", [int, float])
def test_labels_are_the_same_numbers_in_csv_and_npz(
    written: Any, dtype: Any, run: Run, tmp_path: Path
) -> None:
    np.savez("a.npz", X=X, y=KIND.astype(dtype))
    write_csv(tmp_path / "t.csv", "u,v,y", *X.T, KIND.astype(written))
    assert run("fit", "a.npz", "--max-iter", 3).code == 0
    if dtype is str and written is float:  # "0" and "0.0" are two texts
        assert_refused(run("evaluate", "a.safetensors", "t.csv"), "never saw")
        return
    outcome = run("evaluate", "a.safetensors", "t.csv", "--json")
    assert outcome.code == 0
    expected = run("evaluate", "a.safetensors", "a.npz", "--json")
    assert outcome.out == expected.out


def test_a_training_that_has_converged_at_its_start_is_saved(
    run: Run, table: Path
) -> None:
    outcome = run("fit", table, "--target", "kind", "--solver", "lbfgs", "--tol", 10)
    assert outcome.code == 0
    assert "0 epochs" in outcome.out
    assert table.with_suffix(".safetensors").exists()


def test_what_is_read_is_not_written_over(run: Run, table: Path, model: Path) -> None:
    kept = table.read_bytes(), model.read_bytes()
    Path("link").symlink_to(table)
    for arguments in (
        ("fit", table, "--target", "kind", "-o", table),
        ("fit", table, "--target", "kind", "-o", "link"),
        ("predict", model, table, "-o", table),
        ("predict", model, table, "-o", model),
        ("trace", model, table, "--html", model),
        ("check", model, table, "--plot", table),
        ("bench", "--read", table, "--plot", table),
    ):
        assert_refused(run(*arguments), "is read, so it is not written over")
    assert (table.read_bytes(), model.read_bytes()) == kept


def test_a_screen_of_few_letters_shows_what_it_can(table: Path, model: Path) -> None:
    for command in ("evaluate", "trace"):
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        process = start(command, model, table, env=environment)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "?" in out


@pytest.mark.skipif(sys.platform == "win32", reason="it has no sh")
def test_closed_streams_are_no_error(table: Path, model: Path) -> None:
    for command in ("evaluate", "predict"):
        arguments = sys.executable, "-m", "mlproof", command, model, table
        text = shlex.join(map(str, arguments))
        done = subprocess.run(["sh", "-c", f"{text} >&- 2>&-"], check=False)
        assert done.returncode == 0


# ---- help ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["demo", "fit", "predict", "evaluate", "check", "bench"]
)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    outcome = run(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"mlproof {command}" in outcome.out
    assert "--json" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "``" not in outcome.out


def test_help_names_every_command(run: Run) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        for command in ("demo", "fit", "predict", "evaluate", "check", "bench"):
            assert re.search(rf"^\W*{command}\b", outcome.out, re.M)


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version") == Outcome(0, mlproof.__version__ + "\n", "")


# ---- fit ----------------------------------------------------------------------------


def test_the_model_that_fit_writes_is_the_one_it_reports(run: Run, table: Path) -> None:
    outcome = run(
        *("fit", table, "--target", "kind", "--json", "--max-iter", 50, "-o", "m"),
        *("--hidden-layer-sizes", "16,8", "--activation", "tanh", "--alpha", 0.5),
        *("--l1", 0.001, "--l2", 0.002, "--batch-size", 20, "--random-state", 3),
    )
    result = json.loads(outcome.out)
    assert outcome.code == 0
    assert result["model"] == "m"
    assert (result["rows"], result["columns"]) == (60, 2)
    assert result["classes"] == ["x", "y", "z"]
    classifier = load("m")
    assert (result["epochs"], result["loss"]) == (classifier.n_iter_, classifier.loss_)
    assert [c.shape[1] for c in classifier.coefs_] == [16, 8, 3]
    expected = {
        "activation": "tanh",
        "alpha": 0.5,
        "l1": 0.001,
        "l2": 0.002,
        "batch_size": 20,
        "random_state": 3,
        "max_iter": 50,
    }
    assert {name: getattr(classifier, name) for name in expected} == expected
    assert classifier.feature_names_in_.tolist() == ["u", "v"]
    del classifier.feature_names_in_
    accuracy = classifier.score(X, np.array(list("xyz"))[KIND])
    assert result["training_accuracy"] == pytest.approx(accuracy)


def test_json_is_one_value_on_standard_output_and_progress_goes_elsewhere(
    run: Run, table: Path, model: Path
) -> None:
    for arguments in (
        ["fit", table, "--target", "kind", "--max-iter", 3],
        ["predict", model, table],
        ["evaluate", model, table],
        ["check", model, table],
    ):
        outcome = run(*arguments, "--json")
        assert outcome.code == 0
        assert isinstance(json.loads(outcome.out), dict)
        assert outcome.out.count("\n") == 1
        assert "NaN" not in outcome.out
        assert "training" not in outcome.err.replace("Training", "")
        plain = run(*arguments)
        assert plain.code == 0
        assert "training " not in plain.out.replace("training accuracy", "")
        assert "left at most" not in plain.err


def test_a_terminal_shows_the_loss_and_the_time_left(
    run: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    outcome = run("fit", table, "--target", "kind", "--max-iter", 3)
    assert outcome.code == 0
    for shown in ("training", "3/3", "loss 1.", "left at most"):
        assert shown in outcome.err
    assert "left at most" not in outcome.out


def test_fit_is_repeatable_and_the_seed_matters(run: Run, table: Path) -> None:
    files = []
    for name, seed in (("1", 0), ("2", 0), ("3", 1)):
        assert (
            run(
                *("fit", table, "--target", "kind", "--max-iter", 3, "-o", name),
                *("--random-state", seed),
            ).code
            == 0
        )
        files.append(load(name).theta_)
    np.testing.assert_array_equal(files[0], files[1])
    assert not np.array_equal(files[0], files[2])


def test_standardising_is_on_and_can_be_turned_off(run: Run, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "far.csv", "u,v,kind", *(1e4 * X + 1e6).T, KIND)
    accuracies = []
    for option in ("--standardise", "--no-standardise"):
        outcome = run("fit", path, "--target", "kind", "--json", option)
        accuracies.append(json.loads(outcome.out)["training_accuracy"])
    assert accuracies[0] > 0.8 > accuracies[1]


def test_no_hidden_layer_is_an_empty_list(run: Run, table: Path) -> None:
    assert (
        run(
            *("fit", table, "--target", "kind", "--max-iter", 3, "-o", "m"),
            *("--hidden-layer-sizes", ""),
        ).code
        == 0
    )
    assert [c.shape for c in load("m").coefs_] == [(2, 3)]


def test_a_target_that_is_not_named_is_y_in_npz_and_an_error_in_csv(
    run: Run, arrays: Path, table: Path
) -> None:
    outcome = run("fit", arrays, "--max-iter", 3)
    assert outcome.code == 0
    assert load("a.safetensors").classes_.tolist() == [0, 1, 2]
    assert_refused(run("fit", table), "--target")


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("a,b,y", [range(10), range(10), ["z"] * 10]),
        ("a,y", [range(10), [0, 1] * 5]),
        ("a,y", [[1], ["z"]]),
        ("a,b,y", [[5] * 6, [0.1] * 6, [0, 1] * 3]),
        ("größe 長さ,$x_1$,[bold]y[/bold]", [range(6), range(6), ["ä", "🎉", "ß"] * 2]),
        ("a,b,y", [range(6), range(6), ["[red]", "[/blue]", "[x]"] * 2]),
        ("a,b,y", [range(6), range(6), ['"', ",", "\n x"] * 2]),
    ],
    ids=[
        "one-class",
        "one-column",
        "one-row",
        "constant",
        "unicode",
        "markup",
        "quotes",
    ],
)
def test_unusual_tables_go_all_the_way(
    run: Run, tmp_path: Path, header: str, columns: Any
) -> None:
    path = write_csv(tmp_path / "größe 🎉.csv", header, *columns)
    target = header.split(",")[-1]
    fit = run("fit", path, "--target", target, "--max-iter", 3, "--json")
    assert fit.code == 0
    model = path.with_suffix(".safetensors")
    outcome = run("predict", model, path, "-o", "p.csv")
    assert (outcome.code, outcome.err) == (0, "")
    with open("p.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = json.loads(fit.out)["classes"]
    assert list(rows[0]) == ["prediction", *(f"P({label})" for label in classes)]
    assert {row["prediction"] for row in rows} <= set(map(str, classes))
    evaluated = run("evaluate", model, path)
    assert (evaluated.code, evaluated.err) == (0, "")
    assert "-0.0000" not in evaluated.out
    for label in classes:
        assert str(label).split()[-1] in evaluated.out
    assert run("check", model, path).code == 0


# ---- predict ------------------------------------------------------------------------


def test_predictions_are_those_of_the_model(run: Run, model: Path, table: Path) -> None:
    printed = run("predict", model, table)
    written = run("predict", model, table, "-o", "p.csv")
    assert printed.code == written.code == 0
    assert (printed.err, written.err) == ("", "")
    assert "60 predictions" in written.out
    assert "p.csv" in written.out
    assert Path("p.csv").read_text(encoding="utf-8") == printed.out
    classifier = load(model)
    del classifier.feature_names_in_
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [row["prediction"] for row in rows] == classifier.predict(X).tolist()
    found = [[float(row[f"P({label})"]) for label in "xyz"] for row in rows]
    np.testing.assert_allclose(found, classifier.predict_proba(X), rtol=1e-5)
    as_json = json.loads(run("predict", model, table, "--json").out)
    assert as_json["classes"] == ["x", "y", "z"]
    assert as_json["prediction"] == classifier.predict(X).tolist()
    np.testing.assert_array_equal(as_json["probability"], classifier.predict_proba(X))


def test_columns_are_found_by_name_whatever_else_there_is(
    run: Run, model: Path, table: Path, tmp_path: Path
) -> None:
    other = write_csv(
        tmp_path / "o.csv", "note,v,more,u", ["text"] * 60, X[:, 1], [""] * 60, X[:, 0]
    )
    assert run("predict", model, other).out == run("predict", model, table).out


def test_a_predicted_table_can_be_predicted_and_fitted_again(
    run: Run, model: Path, table: Path
) -> None:
    run("predict", model, table, "-o", "p.csv")
    outcome = run("fit", "p.csv", "--target", "prediction", "--max-iter", 3)
    assert outcome.code == 0
    assert load("p.safetensors").classes_.tolist() == ["x", "y", "z"]


def test_predict_leaves_an_old_file_if_it_cannot_write_a_new_one(
    run: Run, model: Path, table: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    Path("p.csv").write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        outcome = run("predict", model, table, "-o", "p.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_refused(outcome)
    assert Path("p.csv").read_text() == "before"
    assert sorted(os.listdir()) == ["m", "p.csv", "t.csv"]


def test_fit_on_a_full_disk_says_so_and_leaves_nothing(run: Run, table: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        outcome = run("fit", table, "--target", "kind", "--json", "--tol", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_refused(outcome)
    assert os.listdir() == ["t.csv"]


# ---- evaluate -----------------------------------------------------------------------


def test_evaluate_counts_what_predict_gives(run: Run, model: Path, table: Path) -> None:
    result = json.loads(run("evaluate", model, table, "--json").out)
    classifier = load(model)
    del classifier.feature_names_in_
    y, predicted = np.array(list("xyz"))[KIND], classifier.predict(X)
    assert result["rows"] == 60
    assert result["accuracy"] == np.mean(predicted == y)
    log_p = classifier.predict_log_proba(X)[np.arange(60), KIND]
    assert result["mean_loss"] == pytest.approx(-np.mean(log_p))
    for i, true in enumerate("xyz"):
        for j, guess in enumerate("xyz"):
            count = np.sum((y == true) & (predicted == guess))
            assert result["confusion"][i][j] == count
    outcome = run("evaluate", model, table)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"accuracy {result['accuracy']:.1%}" in outcome.out


def test_labels_of_a_csv_file_are_those_of_an_npz_file(
    run: Run, arrays: Path, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "t.csv", "u,v,y", *X.T, KIND)
    for source, other, target in (
        (arrays, table, []),
        (table, arrays, ["--target", "y"]),
    ):
        assert run("fit", source, *target, "--max-iter", 9, "-o", "m").code == 0
        results = [
            json.loads(run("evaluate", "m", path, "--json").out)
            for path in (source, other)
        ]
        assert results[0]["accuracy"] == results[1]["accuracy"]
        assert results[0]["confusion"] == results[1]["confusion"]
        assert run("check", "m", other).code == 0


def test_the_label_column_of_training_is_the_one_to_evaluate_on(
    run: Run, model: Path, tmp_path: Path
) -> None:
    labels = np.array(list("xyz"))[KIND]
    other = write_csv(
        tmp_path / "o.csv", "kind,u,truth,v", labels[::-1], X[:, 0], labels, X[:, 1]
    )
    own = json.loads(run("evaluate", model, other, "--json").out)
    named = json.loads(run("evaluate", model, other, "--target", "truth", "--json").out)
    assert named["accuracy"] > 0.8 > own["accuracy"]


def test_a_label_never_seen_is_named(run: Run, model: Path, tmp_path: Path) -> None:
    other = write_csv(tmp_path / "o.csv", "u,v,kind", [1, 2], [1, 2], ["x", "w"])
    for command in ("evaluate", "check"):
        assert_refused(run(command, model, other), "'w'", "x, y, z")
    assert run("predict", model, other).code == 0


# ---- check --------------------------------------------------------------------------


def test_check_ends_with_1_if_a_gradient_is_wrong(
    run: Run, model: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = run("check", model, table)
    assert (right.code, right.err) == (0, "")
    assert right.out.count("agrees") == 4
    original = NumpyEngine.risk_and_gradient

    def wrong(self: Any, *arguments: Any) -> Any:
        risk, gradient = original(self, *arguments)
        gradient[-1] *= 1.01
        return risk, gradient

    monkeypatch.setattr(NumpyEngine, "risk_and_gradient", wrong)
    outcome = run("check", model, table)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.count("agrees") == 3
    assert "WRONG" in outcome.out
    outcome = run("check", model, table, "--json")
    assert outcome.code == 1
    result = json.loads(outcome.out)
    assert result["ok"] is False
    assert [block["ok"] for block in result["blocks"]] == [True, True, True, False]


def test_check_takes_the_rows_it_is_told(run: Run, model: Path, table: Path) -> None:
    worst = {}
    for rows in (1, 60, 1000):
        outcome = run("check", model, table, "--rows", rows, "--json")
        assert outcome.code == 0
        worst[rows] = outcome.out
    assert worst[60] == worst[1000] != worst[1]
    assert_refused(run("check", model, table, "--rows", 0), "--rows")


# ---- what cannot be used ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], ["bogus"]),
        (["--bogus"], ["--bogus"]),
        (["fit"], ["table"]),
        (["predict", "m"], ["table"]),
        (["fit", "t.csv", "--target", "kind", "--bogus", "1"], ["--bogus"]),
        (["fit", "t.csv", "extra", "--target", "kind"], ["extra"]),
        (["fit", "t.csv", "--target"], ["--target"]),
        (["fit", "t.csv", "--target", "none"], ["no column 'none'", "u, v, kind"]),
        (["fit", "t.csv", "--target", "u"], ["line 2", "'kind'"]),
        (["fit", "none.csv", "--target", "kind"], ["none.csv", "No such file"]),
        (["fit", "none.npz"], ["none.npz", "No such file"]),
        (["fit", ".", "--target", "kind"], ["."]),
        (["fit", "f.csv", "--target", "kind"], ["f.csv", "directory"]),
        (["fit", "m", "--target", "kind"], ["m", ".csv"]),
        (["predict", "none", "t.csv"], ["none", "No such file"]),
        (["predict", "t.csv", "t.csv"], ["t.csv", "model file"]),
        (["predict", "f.csv", "t.csv"], ["f.csv", "directory"]),
        (["predict", "m", "none.csv"], ["none.csv", "No such file"]),
        (["predict", "m", "short.csv"], ["short.csv", "'v'"]),
        (["predict", "m", "text.csv"], ["text.csv", "line 2", "'v'", "two"]),
        (["predict", "m", "t.csv", "-o", "none/p.csv"], ["none", "not exist"]),
        (["predict", "m", "t.csv", "-o", "f.csv"], ["f.csv", "folder"]),
        (["predict", "m", "wide.npz"], ["3"]),
        (["evaluate", "m", "short.csv"], ["short.csv"]),
        (["evaluate", "m", "t.csv", "--target", "none"], ["'none'"]),
        (["check", "m", "t.csv", "--rows", "-1"], ["--rows"]),
        (["check", "m", "t.csv", "--rows", "many"], ["--rows", "many"]),
        (["fit", "bytes.npz"], []),
        (["fit", "nan.npz"], []),
        (["fit", "floats.npz"], []),
        (["fit", "dates.npz"], []),
        (["fit", "array.npz"], []),
        (["fit", "empty.npz"], []),
        (["demo", "-o", "t.csv"], ["t.csv"]),
        (["demo", "-o", "t.csv/x"], ["t.csv"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] != "m" else None,
)
def test_what_cannot_be_used_is_refused_in_one_line(
    run: Run, model: Path, table: Path, arguments: list[str], said: list[str]
) -> None:
    Path("f.csv").mkdir()
    write_csv(Path("short.csv"), "u,kind", [1], ["x"])
    write_csv(Path("text.csv"), "u,v,kind", [1], ["two"], ["x"])
    np.savez("wide.npz", X=np.ones((2, 3)), y=[0, 1])
    np.savez("bytes.npz", X=X, y=np.array([b"a", b"b", b"c"])[KIND])
    np.savez("nan.npz", X=np.where(X > 1, np.nan, X), y=KIND)
    np.savez("floats.npz", X=X, y=X[:, 0])
    np.savez("dates.npz", X=X, y=KIND.astype("M8[s]"))
    np.savez("empty.npz", X=X[:0], y=KIND[:0])
    with open("array.npz", "wb") as file:
        np.save(file, X)
    before = sorted(os.listdir())
    assert_refused(run(*arguments), *said)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--hidden-layer-sizes", v) for v in ("3,x", "1.5", "0", "-3", "8,0")),
        *(("--activation", v) for v in ("rect", "")),
        *(("--solver", v) for v in ("newton", "")),
        *(("--alpha", v) for v in ("-1", "nan", "x")),
        *(("--l1", v) for v in ("-1", "inf")),
        *(("--l2", v) for v in ("-1", "x")),
        *(("--batch-size", v) for v in ("0", "-1", "auto")),
        *(("--learning-rate-init", v) for v in ("0", "-1", "nan")),
        *(("--max-iter", v) for v in ("0", "-1", "x")),
        *(("--tol", v) for v in ("-1", "nan")),
        *(("--random-state", v) for v in ("-1", "99999999999", "x")),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_one_line(
    run: Run, table: Path, option: str, value: str
) -> None:
    name = option.removeprefix("--").replace("-", "[-_ ]")
    outcome = run("fit", table, "--target", "kind", f"{option}={value}")
    assert_refused(outcome)
    if option != "--random-state":
        assert re.search(name, outcome.err)
    assert os.listdir() == ["t.csv"]


@pytest.mark.parametrize("place", ["none/m", "folder"])
def test_a_model_that_cannot_be_written_is_refused_before_training(
    run: Run, table: Path, place: str
) -> None:
    Path("folder").mkdir()
    assert_refused(
        run("fit", table, "--target", "kind", "-o", place), place.split("/")[0]
    )
    assert sorted(os.listdir()) == ["folder", "t.csv"]
    assert os.listdir("folder") == []


@pytest.mark.parametrize("rows", [1, 2, 5, 9])
def test_early_stopping_on_too_few_rows_is_refused_clearly(
    run: Run, tmp_path: Path, rows: int
) -> None:
    path = write_csv(tmp_path / "t.csv", "a,y", range(rows), np.arange(rows) % 2)
    outcome = run("fit", path, "--target", "y", "--early-stopping")
    assert_refused(outcome)
    assert re.search(r"early.stopping|validation", outcome.err)
    assert os.listdir() == ["t.csv"]


def test_training_that_diverges_writes_no_model(run: Run, table: Path) -> None:
    outcome = run(
        *("fit", table, "--target", "kind", "--solver", "sgd", "--json"),
        *("--learning-rate-init", 1e300, "--max-iter", 5),
    )
    assert outcome.code == 2
    assert outcome.out == ""
    assert "learning_rate_init" in outcome.err.splitlines()[-1]
    assert os.listdir() == ["t.csv"]


def test_a_table_too_large_for_memory_is_refused(run: Run, table: Path) -> None:
    outcome = run(
        "fit", table, "--target", "kind", "--hidden-layer-sizes", 10**13, "--json"
    )
    assert_refused(outcome)


def test_a_model_file_with_false_column_names_is_refused(
    run: Run, model: Path, table: Path
) -> None:
    raw = model.read_bytes()
    for false in (rb"\"uv\"      ", rb"{\"u\": 1, \"v\": 2}"):
        old = rb"[\"u\", \"v\"]"
        assert raw.count(old) == 1
        header = raw[8:].replace(old, false)
        length = int.from_bytes(raw[:8], "little") + len(false) - len(old)
        model.write_bytes(length.to_bytes(8, "little") + header)
        assert_refused(run("predict", model, table), "feature_names")


def test_help_comes_quickly() -> None:
    start_time = time.perf_counter()
    shown = start("--help")
    shown.communicate(timeout=60)
    assert shown.returncode == 0
    assert time.perf_counter() - start_time < 5
