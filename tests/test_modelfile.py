"""modelfile.py and persistence.py: what is saved comes back, and files that lie."""

import copy
import json
import os
import pickle
import struct
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from mlproof import MLPClassifier, load, modelfile
from mlproof.modelfile import ModelFileError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 2))
Y = np.array(["a", "bb", "cc"])[RNG.integers(0, 3, 30)]


def fitted(X: Any = X, y: Any = Y, **parameters: Any) -> MLPClassifier:
    parameters = {"max_iter": 2, "random_state": 0} | parameters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier((3,), **parameters).fit(X, y)


CLASSIFIER = fitted()


def description_of(classifier: MLPClassifier, folder: Path) -> dict[str, Any]:
    classifier.save(folder / "described.safetensors")
    with safe_open(folder / "described.safetensors", framework="numpy") as file:
        description: dict[str, Any] = json.loads(file.metadata()["mlproof"])
    return description


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def description(folder: Path) -> dict[str, Any]:
    return description_of(CLASSIFIER, folder)


@pytest.fixture
def load_bytes(tmp_path: Path) -> Callable[[bytes], MLPClassifier]:
    def load_bytes(raw: bytes) -> MLPClassifier:
        path = tmp_path / "model.safetensors"
        path.unlink(missing_ok=True)
        path.write_bytes(raw)
        return load(path)

    return load_bytes


def model_bytes(description: Any, theta: Any = CLASSIFIER.theta_) -> bytes:
    """A safetensors file with this description: a text, or an object to make one of."""
    text = description if isinstance(description, str) else json.dumps(description)
    return save({"theta": theta}, {"mlproof": text})


def raw_safetensors(header: bytes | dict[str, Any], data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def changed(description: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The description with another value at a path such as history.loss."""
    new = copy.deepcopy(description)
    *parents, last = path.split(".")
    place = new
    for parent in parents:
        place = place[parent]
    place[last] = value
    return new


def assert_refused(
    load_bytes: Callable[[bytes], MLPClassifier], raw: bytes, *said: str
) -> None:
    with pytest.raises(ModelFileError) as caught:
        load_bytes(raw)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert "model.safetensors" in message
    assert len(message) < 3000
    for fragment in said:
        assert fragment in message


# ---- round trips --------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        Y,
        np.array([0, 1, 5])[RNG.integers(0, 3, 30)],
        np.array([-1, 1], dtype=np.int8)[RNG.integers(0, 2, 30)],
        RNG.integers(0, 2, 30).astype(bool),
        np.array([1.0, 2.0, 3.0])[RNG.integers(0, 3, 30)],
        np.array(["ä", "🎉", "\n"], dtype=object)[RNG.integers(0, 3, 30)],
        np.full(30, "only"),
        RNG.integers(0, 2, (30, 4)),
        sparse.csr_matrix(RNG.integers(0, 2, (30, 4))),
    ],
    ids=[
        *("texts", "integers", "int8", "booleans", "floats", "objects", "one-class"),
        *("multilabel", "sparse"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_saved_predicts_the_same_bits(
    tmp_path: Path, y: Any, dtype: Any
) -> None:
    classifier = fitted(X.astype(dtype), y)
    classifier.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.theta_.dtype == dtype
    np.testing.assert_array_equal(again.theta_, classifier.theta_)
    np.testing.assert_array_equal(again.classes_, classifier.classes_)
    assert again.classes_.dtype.kind == classifier.classes_.dtype.kind
    new = RNG.standard_normal((20, 2)).astype(dtype)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found, expected = getattr(again, method)(new), getattr(classifier, method)(new)
        assert type(found) is type(expected)
        if sparse.issparse(expected):
            found, expected = found.toarray(), expected.toarray()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_parameters_history_and_names_come_back(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["größe", "x_2"])
    classifier = fitted(
        frame, early_stopping=True, l1=[0.1, 0.0], n_iter_no_change=np.inf, max_iter=4
    )
    classifier.save(tmp_path / "m")
    again = load(tmp_path / "m")
    expected = classifier.get_params()
    found = again.get_params()
    assert list(found.pop("l1")) == list(expected.pop("l1"))
    assert found == expected
    assert again.feature_names_in_.tolist() == ["größe", "x_2"]
    for name in (
        *("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "n_layers_"),
        *("validation_scores_", "best_validation_score_", "n_outputs_"),
        *("out_activation_", "n_features_in_"),
    ):
        assert getattr(again, name) == getattr(classifier, name)


def test_training_goes_on_from_a_loaded_model(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path / "m")
    again = load(tmp_path / "m").partial_fit(X, Y)
    assert again.t_ == CLASSIFIER.t_ + len(X)
    assert len(again.loss_curve_) == 3
    assert not np.array_equal(again.theta_, CLASSIFIER.theta_)


def test_a_model_saved_again_is_the_same_file(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path / "1")
    load(tmp_path / "1").save(tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_generator_as_random_state_is_saved_as_none(tmp_path: Path) -> None:
    fitted(random_state=np.random.RandomState(0)).save(tmp_path / "m")
    assert load(tmp_path / "m").random_state is None


def test_the_safetensors_library_reads_theta(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path / "m")
    tensors = load_file(tmp_path / "m")
    assert list(tensors) == ["theta"]
    np.testing.assert_array_equal(tensors["theta"], CLASSIFIER.theta_)


def test_a_model_file_is_json_and_numbers_and_no_pickle(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path / "m")
    raw = (tmp_path / "m").read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    assert set(header) == {"__metadata__", "theta"}
    assert json.loads(header["__metadata__"]["mlproof"])["format"] == modelfile.FORMAT
    assert raw[8 + length :] == CLASSIFIER.theta_.tobytes()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert b"\x80" + bytes([protocol]) not in raw[: 8 + length]
    with pytest.raises(Exception):  # noqa: B017, PT011 - pickle raises what it likes
        pickle.loads(raw)


@pytest.mark.parametrize(
    "name", ["modèle 🎉", " ", "a'b\"c", "模型.safetensors", "x" * 200]
)
def test_a_model_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    CLASSIFIER.save(str(tmp_path / name))
    np.testing.assert_array_equal(load(tmp_path / name).theta_, CLASSIFIER.theta_)
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_no_text_works(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"mod\xff")
    CLASSIFIER.save(path)
    np.testing.assert_array_equal(load(path).theta_, CLASSIFIER.theta_)


def test_an_unfitted_classifier_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        MLPClassifier().save(tmp_path / "m")
    assert os.listdir(tmp_path) == []


# ---- writing that fails -------------------------------------------------------------


def test_a_save_that_breaks_off_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    CLASSIFIER.save(path)
    before = path.read_bytes()

    def half(tensors: Any, filename: Any, metadata: Any = None) -> None:
        Path(filename).write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(modelfile, "save_file", half)
    with pytest.raises(OSError, match="no space left"):
        fitted(random_state=1).save(path)
    with pytest.raises(OSError, match="no space left"):
        CLASSIFIER.save(tmp_path / "new")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


def test_a_full_disk_is_an_oserror(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=r"."):
            CLASSIFIER.save(tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_no_file_is_written_over_a_folder_or_into_none(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder"):
        CLASSIFIER.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        CLASSIFIER.save(tmp_path / "none" / "m")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_oserror(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            CLASSIFIER.save(tmp_path / "m")
    finally:
        tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []


def test_classes_that_json_cannot_hold_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    classifier = fitted(y=Y)
    classifier.save(tmp_path / "m")
    with pytest.raises((ValueError, TypeError)):
        modelfile.write(tmp_path / "m", classifier.theta_, {"classes": {1, 2}})
    np.testing.assert_array_equal(load(tmp_path / "m").theta_, classifier.theta_)
    assert os.listdir(tmp_path) == ["m"]


# ---- files that are none ------------------------------------------------------------


def test_a_missing_file_and_a_folder_are_oserrors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_an_oserror(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path / "m")
    (tmp_path / "m").chmod(0)
    with pytest.raises(PermissionError):
        load(tmp_path / "m")


def test_a_file_cut_short_anywhere_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier], description: dict[str, Any]
) -> None:
    whole = model_bytes(description)
    load_bytes(whole)
    for length in np.linspace(0, len(whole) - 1, 60).astype(int):
        assert_refused(load_bytes, whole[:length])
    assert_refused(load_bytes, whole + b"x")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "sprung")


def test_a_pickle_is_refused_and_not_run(
    tmp_path: Path, load_bytes: Callable[[bytes], MLPClassifier]
) -> None:
    raw = pickle.dumps(Trap(tmp_path / "sprung"))
    assert_refused(load_bytes, raw)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(raw)
    assert (tmp_path / "sprung").exists()  # the trap works


THETA = {"dtype": "F64", "shape": [21], "data_offsets": [0, 168]}
ZEROS = bytes(168)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"1234567",
        bytes(8),
        b"\xff" * 100,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**8) + b"{}",
        raw_safetensors(b"{}"),
        raw_safetensors(b"[" * 100_000),
        raw_safetensors(b'{"a":' * 100_000),
        raw_safetensors(b'{"\xff": 1}'),
        raw_safetensors({"theta": THETA}, ZEROS),
        raw_safetensors({"__metadata__": {}, "theta": THETA}, ZEROS),
        raw_safetensors({"__metadata__": {"mlproof": 5}, "theta": THETA}, ZEROS),
        raw_safetensors({"__metadata__": ["mlproof"], "theta": THETA}, ZEROS),
        raw_safetensors({"__metadata__": {"format": "pt"}, "theta": THETA}, ZEROS),
        save({"other": CLASSIFIER.theta_}, {"mlproof": "{}"}),
        save({"theta": X, "other": X}, {"mlproof": "{}"}),
        raw_safetensors({"__metadata__": {"mlproof": "{}"}}),
        raw_safetensors(
            {
                "__metadata__": {"mlproof": "{}"},
                "theta": THETA | {"shape": [2**62] * 2},
            },
            ZEROS,
        ),
        raw_safetensors(
            {
                "__metadata__": {"mlproof": "{}"},
                "theta": THETA | {"data_offsets": [0, 2**63]},
            },
            ZEROS,
        ),
    ],
    ids=[
        *("empty", "short", "zeros", "ones", "header-2^63", "header-1e8", "no-entries"),
        *("brackets", "braces", "no-utf8", "no-metadata", "empty-metadata"),
        *("number-metadata", "list-metadata", "foreign-metadata", "other-tensor"),
        *("two-tensors", "no-tensor", "shape-2^124", "offsets-2^63"),
    ],
)
def test_what_is_no_model_file_is_refused_in_one_sentence(
    load_bytes: Callable[[bytes], MLPClassifier], raw: bytes
) -> None:
    start = time.perf_counter()
    assert_refused(load_bytes, raw)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_refused(
    load_bytes: Callable[[bytes], MLPClassifier], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    assert_refused(load_bytes, rng.bytes(int(rng.integers(0, 2000))))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            "5",
            '"text"',
            "NaN",
            "\ufeff{}",
            "{}",
            "{'format': 1}",
        ),
        *("[" * 100_000, '{"a":' * 100_000, '{"format": 1}', '{"format": [1]}'),
        '{"format": ' + "9" * 5000 + "}",
        '{"format": 1, "units": ' + "9" * 5000 + "}",
        '{"format": 1e400}',
    ],
    ids=lambda text: f"{text[:24]}.. {len(text)}",
)
def test_metadata_that_is_no_description_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier], text: str
) -> None:
    assert_refused(load_bytes, model_bytes(text))


@pytest.mark.parametrize("number", [0, 2, -1, 1.5, "1", None, [1], 10**30])
def test_a_format_of_another_version_is_refused_and_named(
    load_bytes: Callable[[bytes], MLPClassifier],
    description: dict[str, Any],
    number: Any,
) -> None:
    raw = model_bytes(description | {"format": number})
    assert_refused(load_bytes, raw, f"format {number!r}", "reads 1")


# ---- theta that does not fit --------------------------------------------------------


@pytest.mark.parametrize(
    ("theta", "said"),
    [
        (np.full(21, np.nan), "not finite"),
        (np.append(np.zeros(20), np.inf), "not finite"),
        (np.zeros(20), "21 parameters"),
        (np.zeros(22), "21 parameters"),
        (np.zeros(0), "21 parameters"),
        (np.zeros((21, 1)), "shape (21, 1)"),
        (np.zeros(21, np.float16), "F16"),
        (np.zeros(21, np.int64), "I64"),
        (np.zeros(21, bool), "BOOL"),
    ],
    ids=["nan", "inf", "short", "long", "none", "table", "float16", "int64", "bool"],
)
def test_a_theta_that_does_not_fit_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier],
    description: dict[str, Any],
    theta: Any,
    said: str,
) -> None:
    assert_refused(load_bytes, model_bytes(description, theta), said)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        *(("BF16", 2), ("F16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F8_E8M0", 1)),
        *(("F4", 1), ("C64", 8), ("U16", 2), ("I8", 1), ("F128", 16)),
    ],
)
def test_a_theta_in_any_other_number_format_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier],
    description: dict[str, Any],
    dtype: str,
    size: int,
) -> None:
    theta = {"dtype": dtype, "shape": [21], "data_offsets": [0, 21 * size]}
    header = {"__metadata__": {"mlproof": json.dumps(description)}, "theta": theta}
    assert_refused(load_bytes, raw_safetensors(header, bytes(21 * size)))


# ---- descriptions that lie ----------------------------------------------------------


def with_classes(
    description: dict[str, Any], classes: Any, dtype: Any, **more: Any
) -> dict[str, Any]:
    labelling = description["labelling"] | {"classes": classes, "dtype": dtype} | more
    return description | {"labelling": labelling}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("units", v) for v in (None, 5, "23", [], [21], [2, 3], [2, 3, 0])),
        *(("units", v) for v in ([2, 3, 4], [2.0, 3, 3], [2, True, 3], [[2], 3, 3])),
        *(("units", v) for v in ([2, -3, 3], [10**300, 3, 3], [1] * 5000, {"2": 3})),
        *(("activation", v) for v in (None, "relu", "", 1, [], ["rect"], {"rect": 1})),
        *(("parameters", v) for v in (None, [], {}, "x", 1, [["alpha", 1]])),
        ("parameters.unknown", 1),
        ("parameters.alpha__x", 1),
        ("parameters.alpha", -1),
        ("parameters.alpha", "0"),
        ("parameters.alpha", float("nan")),
        ("parameters.hidden_layer_sizes", [[3]]),
        ("parameters.hidden_layer_sizes", {"3": 3}),
        ("parameters.hidden_layer_sizes", "3"),
        ("parameters.l1", [0.0] * 7),
        ("parameters.activation", ["relu"]),
        ("parameters.solver", "exec"),
        ("parameters.max_iter", 1e300),
        ("parameters.verbose", None),
        *(("parameters.random_state", v) for v in ("x", [1], {"a": 1}, 1.5, -1)),
        *(("labelling", v) for v in (None, [], {}, "x")),
        *(("labelling.kind", v) for v in (None, "", "regression", [], {}, 1)),
        *(("labelling.classes", v) for v in (None, [], "abc", {}, {"a": 1, "b": 2})),
        ("labelling.classes", ["a", "bb"]),
        ("labelling.classes", ["a", "bb", "cc", "dd"]),
        ("labelling.classes", ["bb", "a", "cc"]),
        ("labelling.classes", ["a", "a", "cc"]),
        ("labelling.classes", ["a", "bb", 3]),
        ("labelling.classes", ["a", "bb", None]),
        ("labelling.classes", [["a"], ["bb"], ["cc"]]),
        *(("labelling.dtype", v) for v in ("V8", "M8[s]", "m8", "S3", "c16", "f8,f8")),
        *(
            ("labelling.dtype", v)
            for v in ("(2,)f8", "x", "", 5, [], ["U2"], [["a", "U2"]])
        ),
        ("labelling.dtype", {"names": ["a"], "formats": ["U2"]}),
        *(("labelling.dtype", v) for v in (None, "i8", "f8", "?")),
        *(("labelling.sparse", v) for v in ("no", None, 1, [])),
        *(
            ("feature_names", v)
            for v in (["a"], ["a", "b", "c"], ["a", 1], [], 5, True)
        ),
        *(("feature_names", v) for v in ("ab", {"a": 1, "b": 2}, [["a"], ["b"]])),
        *(("history", v) for v in (None, [], "x", 5, {"unknown": 1})),
        *(("history.n_iter", v) for v in (None, "x", [], 1.5, -1)),
        *(("history.n_seen", v) for v in (None, "x", [], 1.5, -1)),
        *(("history.loss", v) for v in (None, "x", [], {})),
        *(("history.loss_curve", v) for v in (None, "x", 1, {}, ["x"], [None])),
        *(("history.best_loss", v) for v in (None, "x", [], {})),
        *(("history.validation_scores", v) for v in (None, "x", 1, {}, ["x"])),
        *(("history.best_validation_score", v) for v in (None, "x", [], {})),
        *(("history.best_theta", v) for v in ([1.0], "x")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_description_with_a_wrong_entry_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier],
    description: dict[str, Any],
    path: str,
    value: Any,
) -> None:
    assert_refused(load_bytes, model_bytes(changed(description, path, value)))


@pytest.mark.parametrize(
    "path",
    [
        *("parameters", "units", "activation", "labelling", "feature_names", "history"),
        *("labelling.kind", "labelling.classes", "labelling.dtype", "labelling.sparse"),
    ],
)
def test_a_missing_entry_is_named(
    load_bytes: Callable[[bytes], MLPClassifier], description: dict[str, Any], path: str
) -> None:
    new = copy.deepcopy(description)
    *parents, last = path.split(".")
    del (new[parents[0]] if parents else new)[last]
    assert_refused(load_bytes, model_bytes(new), last, "missing")


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        ([1, 2, 3], "O"),
        ([1, 2, 3], "V8"),
        ([1, 2, 3], "<U1"),
        ([1, 2, 3], "?"),
        ([1, 2, 300], "i1"),
        ([-1, 0, 1], "u1"),
        ([0.5, 1.5, 2.5], "i8"),
        ([10**30, 10**30 + 1, 10**30 + 2], "f8"),
        ([10**30, 10**30 + 1, 10**30 + 2], "i8"),
        (["1", "2", "3"], "i8"),
        (["a", "bb", "cc"], "<U0"),
        (["a", "bb", "cc"], "<U1"),
        (["a", "ab", "ac"], "<U1"),
        (["a", "bb", "cc"], "<M8[s]"),
        (["a", "bb", "cc"], ">U2"),
        (["a\0", "b", "c"], "<U2"),
        ([1.0, 2.0, float("nan")], "f8"),
        ([1.0, 2.0, float("inf")], "f8"),
        ([False, True], "?"),
        ([True, True, True], "?"),
    ],
    ids=str,
)
def test_classes_are_what_the_file_says_or_the_file_is_refused(
    load_bytes: Callable[[bytes], MLPClassifier],
    description: dict[str, Any],
    classes: Any,
    dtype: str,
) -> None:
    raw = model_bytes(with_classes(description, classes, dtype))
    try:
        classifier = load_bytes(raw)
    except ModelFileError:
        return
    assert classifier.classes_.tolist() == classes
    assert set(classifier.predict(X).tolist()) <= set(classes)


def test_a_class_dtype_wider_than_its_classes_costs_no_memory(
    load_bytes: Callable[[bytes], MLPClassifier], description: dict[str, Any]
) -> None:
    raw = model_bytes(changed(description, "labelling.dtype", "<U1000000"))
    try:
        classifier = load_bytes(raw)
    except ModelFileError:
        return
    assert classifier.classes_.nbytes < 1000


# ---- anything at all ----------------------------------------------------------------


def load_or_refuse(folder: Path, raw: bytes) -> None:
    path = folder / "model.safetensors"
    path.unlink(missing_ok=True)  # an old one may be mapped into memory
    path.write_bytes(raw)
    start = time.perf_counter()
    classifier, said = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            classifier = load(path)
        except (ModelFileError, OSError) as error:
            said = str(error)
        if classifier is not None:
            rows = np.zeros((4, classifier.n_features_in_))
            assert len(classifier.predict(rows)) == 4
            assert classifier.predict_proba(rows).shape[0] == 4
            assert classifier.theta_.dtype in (np.float32, np.float64)
    assert time.perf_counter() - start < 5
    assert "\n" not in said


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.integers(-3, 5)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        ["O", "V8", "<U0", "M8[s]", "softmax", "multilabel", "auto", "\ud800"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(entry: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be put into a description."""
    found = [above] if above else []
    if isinstance(entry, dict):
        for key, value in entry.items():
            found += places(value, (*above, key))
    elif isinstance(entry, list):
        for i, value in enumerate(entry):
            found += places(value, (*above, i))
    return found


@settings(max_examples=400)
@given(data=st.data())
def test_a_description_with_anything_in_it_is_loaded_or_refused(
    folder: Path, description: dict[str, Any], data: st.DataObject
) -> None:
    new = copy.deepcopy(description)
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(places(new)[1:] or [("format",)]))
        place = new
        for parent in parents:
            place = place[parent]
        if data.draw(st.integers(0, 4)) == 0:
            del place[last]
        else:
            place[last] = data.draw(values)
    load_or_refuse(folder, model_bytes(new))


@st.composite
def mutations(draw: Any, good: bytes) -> bytes:
    """``good`` with up to six bytes changed, put in or taken out."""
    raw = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        where = draw(st.integers(0, max(len(raw) - 1, 0)))
        byte = draw(st.integers(0, 255) | st.sampled_from(b'{}[]",:0129.-eNIU\\'))
        what = draw(st.integers(0, 3))
        raw[where : where + (what != 2)] = [] if what == 3 else [byte]
    return bytes(raw)


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_description_is_loaded_or_refused(
    folder: Path, description: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(description).encode()
    broken = data.draw(mutations(text)).decode("utf-8", errors="replace")
    load_or_refuse(folder, model_bytes(broken))


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_model_file_is_loaded_or_refused(
    folder: Path, description: dict[str, Any], data: st.DataObject
) -> None:
    load_or_refuse(folder, data.draw(mutations(model_bytes(description))))
