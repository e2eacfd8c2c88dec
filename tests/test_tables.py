"""tables.py: the files it reads, and what it says of those it cannot read."""

import csv
import io
import os
import pickle
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproof import tables
from mlproof.tables import Table, TableError

X = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
Y = np.array([0, 1, 0])


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Reads a table of the given text or bytes."""

    def read(
        content: str | bytes, target: str | None = "y", columns: Any = None
    ) -> Table:
        path = tmp_path / "table.csv"
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(raw)
        return tables.read(path, target, columns)

    return read


@pytest.fixture
def read_npz(tmp_path: Path) -> Callable[..., Table]:
    """Reads an .npz file of the given arrays or bytes."""

    def read_npz(content: dict[str, Any] | bytes, target: str | None = "y") -> Table:
        path = tmp_path / "table.npz"
        path.write_bytes(content if isinstance(content, bytes) else npz(**content))
        return tables.read(path, target)

    return read_npz


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz_with_header(header: str, data: bytes = b"\0" * 48) -> bytes:
    """An .npz file whose array X says of itself what ``header`` says."""
    text = header.encode("latin1")
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
    return zipped({"X.npy": member, "y.npy": npy(Y)})


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def assert_one_line(error: BaseException) -> None:
    message = str(error)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 500


# ---- CSV that is read -------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_delimiter_line_ends_and_bom_make_no_difference(
    read: Callable[..., Table], delimiter: str, newline: str, bom: str
) -> None:
    lines = [["u", "y", "v"], ["1", "a", "-2.5"], ["3e2", "b", ".5"]]
    table = read(bom + "".join(delimiter.join(line) + newline for line in lines))
    np.testing.assert_array_equal(table.X, [[1, -2.5], [300, 0.5]])
    assert table.X.dtype == np.float64
    assert table.y is not None
    assert table.y.tolist() == ["a", "b"]
    assert (table.columns, table.target) == (("u", "v"), "y")


def test_quoted_cells_may_hold_the_delimiter_quotes_and_line_ends(
    read: Callable[..., Table],
) -> None:
    table = read('"a, b","y"\n"1","x, ""x"""\n"2","two\nlines"\n')
    assert table.columns == ("a, b",)
    assert table.y is not None
    assert table.y.tolist() == ['x, "x"', "two\nlines"]


def test_a_delimiter_inside_a_quoted_name_is_not_counted(
    read: Callable[..., Table],
) -> None:
    table = read('"length, cm, mean, of 3";y\n1;2\n')
    assert table.columns == ("length, cm, mean, of 3",)
    assert table.X.tolist() == [[1]]


def test_blank_lines_are_passed_over_and_still_counted(
    read: Callable[..., Table],
) -> None:
    assert read("\n\na,y\n\n1,0\n\n\n2,1\n\n").X.tolist() == [[1], [2]]
    with pytest.raises(TableError, match=r"line 6, column 'a'"):
        read("\n\na,y\n1,0\n\nx,1\n")


def test_the_delimiter_is_found_below_blank_lines(read: Callable[..., Table]) -> None:
    assert read("\n\na;y\n1;0\n").columns == ("a",)


def test_a_last_line_without_a_line_end_is_read(read: Callable[..., Table]) -> None:
    assert read("a,y\n1,0\n2,1").X.tolist() == [[1], [2]]


def test_spaces_around_cells_and_names_do_not_count(
    read: Callable[..., Table],
) -> None:
    table = read(" a , y \n 1 , no \n")
    assert table.columns == ("a",)
    assert table.y is not None
    assert table.y.tolist() == ["no"]


def test_names_and_labels_may_be_in_any_script(read: Callable[..., Table]) -> None:
    table = read("größe,長さ,вид\n1,2,ёж 🦔\n", "вид")
    assert table.columns == ("größe", "長さ")
    assert table.y is not None
    assert table.y.tolist() == ["ёж 🦔"]


def test_the_columns_asked_for_come_in_the_order_asked_for(
    read: Callable[..., Table],
) -> None:
    table = read("a,b,c,y\n1,2,3,0\n", "y", ["c", "a"])
    assert table.X.tolist() == [[3, 1]]
    assert table.columns == ("c", "a")


def test_a_column_nobody_asked_for_may_hold_anything(
    read: Callable[..., Table],
) -> None:
    assert read("a,note,y\n1,,0\n2,text,1\n", "y", ["a"]).X.tolist() == [[1], [2]]


def test_without_a_target_every_column_is_one_of_x(read: Callable[..., Table]) -> None:
    table = read("a,y\n1,0\n", None)
    assert table.X.tolist() == [[1, 0]]
    assert table.y is None
    assert table.target is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "2", "10"], [0, 2, 10]),
        (["-1", "1"], [-1, 1]),
        (["01", "1"], ["01", "1"]),
        (["-0", "1"], ["-0", "1"]),
        (["+1", "1"], ["+1", "1"]),
        (["--1", "1"], ["--1", "1"]),
        (["-", "1"], ["-", "1"]),
        (["1_0", "1"], ["1_0", "1"]),
        (["1.0", "2.5"], ["1.0", "2.5"]),
        (["True", "False"], ["True", "False"]),
        (["nan", "x"], ["nan", "x"]),
        (["1", "x"], ["1", "x"]),
        (["٣", "1"], ["٣", "1"]),
        (["²", "1"], ["²", "1"]),
        (["9" * 17, "1"], [10**17 - 1, 1]),
        (["9" * 40, "1"], ["9" * 40, "1"]),
    ],
)
def test_labels_are_integers_only_if_nothing_is_lost_by_it(
    read: Callable[..., Table], cells: list[str], expected: list[Any]
) -> None:
    table = read("a,y\n" + "".join(f"1,{cell}\n" for cell in cells))
    assert table.y is not None
    assert table.y.tolist() == expected
    np.testing.assert_array_equal(table.y, tables.labels(cells))


@given(
    st.lists(
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(",;\t"),
)
def test_every_float_that_python_writes_is_read_exactly(
    rows: list[list[float]], delimiter: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(["a", "b", "c"])
            writer.writerows([repr(value) for value in row] for row in rows)
        np.testing.assert_array_equal(tables.read(path).X, rows)


@pytest.mark.parametrize("name", ["TABLE.CSV", "table.tsv", "table.txt"])
def test_the_ending_of_the_name_may_be_one_of_several(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("a,y\n1,0\n")
    assert tables.read(str(tmp_path / name), "y").X.tolist() == [[1]]


def test_a_wide_table_is_read_in_a_moment(read: Callable[..., Table]) -> None:
    d, n = 3000, 100
    text = (
        ",".join(f"column_{i}" for i in range(d)) + "\n" + ("1," * (d - 1) + "1\n") * n
    )
    start = time.perf_counter()
    assert read(text, None).X.shape == (n, d)
    assert time.perf_counter() - start < 2.5


# ---- CSV that is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ["is empty"]),
        ("  \n \n", ["is empty"]),
        ("\ufeff", ["is empty"]),
        ("a,y\n", ["no rows"]),
        ("a,y\n\n\n", ["no rows"]),
        ("a,b,y\n1,2,0\n1,2\n", ["line 3", "2 cells", "has 3"]),
        ("a,b,y\n1,2,0\n\n1,2,0,4\n", ["line 4", "4 cells", "has 3"]),
        ("a,a,y\n1,2,0\n", ["two columns", "'a'"]),
        ("a,b\n1,2\n", ["no column 'y'", "a, b"]),
        ("y\n1\n", ["no column besides 'y'"]),
        ("a,b,y\n1,2,0\n1,,0\n", ["line 3", "column 'b'", "empty"]),
        ("a,b,y\n1,2,0\n1, ,0\n", ["line 3", "column 'b'", "empty"]),
        ("a,b,y\n1,2,0\n1,two,0\n", ["line 3", "column 'b'", "'two'"]),
        ("a,b,y\n1,nan,0\n", ["line 2", "column 'b'", "'nan'"]),
        ("a,b,y\n1,2,0\n1,-Infinity,0\n", ["line 3", "column 'b'", "'-Infinity'"]),
        ("a,b,y\n1,1e999,0\n", ["line 2", "column 'b'", "'1e999'"]),
        ("a,b,y\n1,True,0\n", ["line 2", "column 'b'", "'True'"]),
        ("a;b;y\n1;2,5;0\n", ["line 2", "column 'b'", "'2,5'"]),
        ("a,y\n1,0\n1,\n", ["line 3", "'y'", "missing"]),
        ("a,b,y\n1,\0,0\n", ["line 2"]),
        ("a,b,y\n1,2,0\n1,2,x\0\n", ["line 3"]),
        ("a,\0b,y\n1,2,0\n", ["line 1"]),
        ('a,b,y\n1,2,0\n1,"2,0\n1,2,0\n', ["line"]),
        ('a,b,y\n1,2,0\n1,"2"x,0\n', ["line 3"]),
        ("a,b,y\n1,2,0\n1," + "9" * 200_000 + ",0\n", ["line 3"]),
        ("a,b,y\n1," + "9" * 5000 + ",0\n", ["line 2", "column 'b'", "999"]),
        (bytes(range(256)) * 4, ["UTF-8"]),
        ("a,b,y\n1,2,0\n".encode("utf-16"), ["UTF-8"]),
        ("a,größe,y\n1,2,0\n".encode("latin1"), ["UTF-8"]),
        (b"a,y\n1,\xed\xa0\x80\n", ["UTF-8"]),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, ["table.csv"]),
    ],
    ids=[
        *("empty", "blank", "bom", "header", "header-blank", "short", "long"),
        *("duplicate", "missing", "only-target", "empty-cell", "space", "text", "nan"),
        *(
            "inf",
            "overflow",
            "boolean",
            "decimal-comma",
            "no-label",
            "nul",
            "nul-label",
        ),
        *("nul-name", "open-quote", "after-quote", "huge-field", "huge-number"),
        *("binary", "utf-16", "latin-1", "surrogate", "png"),
    ],
)
def test_a_csv_file_that_is_no_table_is_refused_in_one_line_that_says_where(
    read: Callable[..., Table], content: str | bytes, said: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        read(content)
    assert_one_line(caught.value)
    for fragment in ["table.csv", *said]:
        assert fragment in str(caught.value)


def test_a_column_asked_for_that_is_missing_is_named(
    read: Callable[..., Table],
) -> None:
    with pytest.raises(TableError, match=r"no column 'c'; its columns are: a, b, y\."):
        read("a,b,y\n1,2,0\n", None, ["a", "c"])


def test_the_list_of_columns_in_an_error_stays_short(
    read: Callable[..., Table],
) -> None:
    names = ",".join(f"column_{i}" for i in range(2000))
    with pytest.raises(TableError) as caught:
        read(names + "\n" + "1," * 1999 + "1\n")
    assert_one_line(caught.value)


@pytest.mark.parametrize("name", ["table.json", "table", "table.csv.gz", "table.npy"])
def test_another_ending_of_the_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,y\n1,0\n")
    with pytest.raises(TableError, match=r"neither a \.csv nor an \.npz") as caught:
        tables.read(tmp_path / name, "y")
    assert_one_line(caught.value)


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_folder_and_a_missing_file_are_oserrors(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"folder.{ending}").mkdir()
    with pytest.raises(IsADirectoryError):
        tables.read(tmp_path / f"folder.{ending}", "y")
    with pytest.raises(FileNotFoundError):
        tables.read(tmp_path / f"none.{ending}", "y")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_file_that_may_not_be_read_is_an_oserror(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table.{ending}"
    path.write_bytes(npz(X=X, y=Y) if ending == "npz" else b"a,y\n1,0\n")
    path.chmod(0)
    with pytest.raises(PermissionError):
        tables.read(path, "y")


# ---- .npz ---------------------------------------------------------------------------


def test_npz_arrays_come_back_in_their_dtype(read_npz: Callable[..., Table]) -> None:
    for dtype in (np.float32, np.float64, np.uint8, bool):
        table = read_npz({"X": X.astype(dtype), "y": Y, "other": np.array("x")})
        assert table.X.dtype == dtype
        np.testing.assert_array_equal(table.X, X.astype(dtype))
        np.testing.assert_array_equal(table.y, Y)
        assert (table.columns, table.target) == (None, "y")


def test_npz_labels_may_have_another_name_or_be_left_out(
    read_npz: Callable[..., Table],
) -> None:
    table = read_npz({"X": X, "kind": np.array(["a", "b", "a"])}, "kind")
    assert table.y is not None
    assert table.y.tolist() == ["a", "b", "a"]
    assert read_npz({"X": X}, None).y is None


def test_images_become_rows_of_pixels(read_npz: Callable[..., Table]) -> None:
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    table = read_npz({"X": images, "y": Y})
    np.testing.assert_array_equal(table.X, images.reshape(3, 20))


def test_compressed_and_fortran_ordered_arrays_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.npz"
    np.savez_compressed(path, X=np.asfortranarray(X), y=Y)
    np.testing.assert_array_equal(tables.read(path, "y").X, X)


SHAPE = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
GOOD_NPZ = npz(X=X, y=Y)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"y": Y}, ["no array named 'X'", "y"]),
        ({"X": X}, ["no array named 'y'", "X"]),
        ({"X": X[:, 0], "y": Y}, ["X", "(3,)"]),
        ({"X": np.float64(3), "y": Y}, ["X", "()"]),
        ({"X": X.astype(str), "y": Y}, ["X", "<U"]),
        ({"X": X * 1j, "y": Y}, ["X", "complex128"]),
        ({"X": X, "y": Y[:2]}, ["y", "3 rows", "(2,)"]),
        ({"X": X, "y": Y[:, None]}, ["y", "(3, 1)"]),
        ({"X": X, "y": np.int64(0)}, ["y", "()"]),
        ({"X": X[:0], "y": Y[:0]}, ["X"]),
        ({"X": np.zeros((0, 4, 0)), "y": Y[:0]}, ["X"]),
        ({"X": X[:, :0], "y": Y}, ["X"]),
        ({"X": X, "y": np.array([b"a", b"b", b"a"])}, ["y"]),
        ({"X": X, "y": Y * 1j}, ["y"]),
        ({"X": X, "y": np.zeros(3, "V4")}, ["y"]),
        ({"X": X, "y": Y.astype("M8[s]")}, ["y"]),
        ({"X": X, "y": np.array([0, 1, np.nan])}, ["y"]),
        ({"X": X * np.nan, "y": Y}, ["X"]),
        ({"X": X, "y": np.array(["a", 1, None], dtype=object)}, []),
        (b"", []),
        (b"hello, world", []),
        (b"PK\x05\x06" + b"\0" * 18, ["X"]),
        (b"PK\x03\x04" + b"\0" * 100, []),
        (GOOD_NPZ[: len(GOOD_NPZ) // 2], []),
        (GOOD_NPZ[:-8], []),
        (npy(X), []),
        (zipped({"X.npy": b"hello", "y.npy": npy(Y)}), []),
        (zipped({"X": b"hello", "y": b"hello"}), []),
        (npz_with_header(SHAPE % "(10**15, 10)"), []),
        (npz_with_header(SHAPE % str((10**9, 10**9))), []),
        (npz_with_header(SHAPE % str((10**40, 2))), []),
        (npz_with_header(SHAPE % "(-3, -2)"), []),
        (npz_with_header(SHAPE % "(True, 2)"), []),
        (npz_with_header(SHAPE % "(30, 2)"), []),
        (npz_with_header("(" * 900 + ")" * 900), []),
        (npz_with_header("[" * 9000), []),
        (npz_with_header("-" * 9000 + "1"), []),
        (npz_with_header("{[]: 1}"), []),
        (npz_with_header("[1]"), []),
        (npz_with_header(SHAPE.replace("<f8", "|O") % "(3, 2)"), []),
    ],
    ids=[
        *("no-X", "no-y", "X-1d", "X-0d", "X-text", "X-complex", "y-short", "y-column"),
        *("y-scalar", "no-rows", "no-rows-3d", "no-columns", "y-bytes", "y-complex"),
        *(
            "y-void",
            "y-dates",
            "y-nan",
            "X-nan",
            "y-objects",
            "empty",
            "text",
            "no-array",
        ),
        *("zip-head", "half", "cut", "npy", "no-npy-member", "raw-members"),
        *("shape-code", "shape-huge", "shape-overflow", "shape-negative", "shape-bool"),
        *("shape-beyond", "nested", "brackets", "minuses", "unhashable", "list"),
        "object-header",
    ],
)
def test_an_npz_file_that_is_no_table_is_refused_in_one_line(
    read_npz: Callable[..., Table], content: Any, said: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        read_npz(content)
    assert_one_line(caught.value)
    for fragment in ["table.npz", *said]:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("offset", "value"), [(6, 1), (8, 99), (8, 12), (8, 14)], ids=str
)
def test_a_zip_file_encrypted_or_packed_otherwise_is_refused(
    read_npz: Callable[..., Table], offset: int, value: int
) -> None:
    raw = bytearray(GOOD_NPZ)
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        start = raw.find(signature)
        while start >= 0:
            raw[start + offset + shift] = value
            start = raw.find(signature, start + 1)
    with pytest.raises(TableError) as caught:
        read_npz(bytes(raw))
    assert_one_line(caught.value)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "sprung")


def test_nothing_pickled_in_a_table_is_run(
    tmp_path: Path, read_npz: Callable[..., Table]
) -> None:
    sprung = tmp_path / "sprung"
    y = np.array([Trap(sprung)] * 3, dtype=object)
    for content in (npz(X=X, y=y), pickle.dumps(Trap(sprung)), zipped({"X": npy(y)})):
        with pytest.raises(TableError):
            read_npz(content)
    assert not sprung.exists()
    np.load(io.BytesIO(npz(X=X, y=y)), allow_pickle=True)["y"]
    assert sprung.exists()  # the trap works


# ---- anything at all ----------------------------------------------------------------

GOOD_CSV = (
    '\ufeffa,"b, quoted",größe,y\r\n'
    '1,2.5,-3e-4,"x ""x"""\r\n\r\n4,5,6,z\r\n7,8,"9",äöü\r\n'
).encode()


@st.composite
def mutations(draw: Any, good: bytes) -> bytes:
    """``good`` with up to eight bytes changed, put in or taken out, or cut short."""
    raw = bytearray(good)
    for _ in range(draw(st.integers(1, 8))):
        where = draw(st.integers(0, max(len(raw) - 1, 0)))
        byte = draw(st.integers(0, 255) | st.sampled_from(b'",;\n\r\0\t 019-.PK'))
        what = draw(st.sampled_from(["change", "change", "put in", "take out", "cut"]))
        if what == "change":
            raw[where : where + 1] = [byte]
        elif what == "put in":
            raw[where:where] = [byte]
        elif what == "take out":
            del raw[where : where + 1]
        elif draw(st.integers(0, 9)) == 0:
            del raw[where:]
    return bytes(raw)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def read_or_refuse(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    start = time.perf_counter()
    table, said = None, ""
    try:
        table = tables.read(path, "y")
    except (TableError, OSError) as error:
        said = str(error)
    assert time.perf_counter() - start < 5
    assert "\n" not in said
    if table is not None:
        assert table.y is not None
        assert table.X.shape[0] == len(table.y)
        assert table.X.ndim == 2
        assert path.suffix == ".npz" or np.isfinite(table.X).all()


@settings(max_examples=300)
@given(raw=mutations(GOOD_CSV))
def test_a_damaged_csv_file_is_read_or_refused(folder: Path, raw: bytes) -> None:
    read_or_refuse(folder / "table.csv", raw)


@settings(max_examples=200)
@given(
    raw=st.binary(max_size=200)
    | st.text(',;"\n\r\t\0 ay1-', max_size=60).map(str.encode)
)
def test_any_bytes_as_a_csv_file_are_read_or_refused(folder: Path, raw: bytes) -> None:
    read_or_refuse(folder / "any.csv", raw)


@settings(max_examples=400)
@given(raw=mutations(GOOD_NPZ))
@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file:UserWarning")
def test_a_damaged_npz_file_is_read_or_refused(folder: Path, raw: bytes) -> None:
    read_or_refuse(folder / "table.npz", raw)


@settings(max_examples=200)
@given(raw=mutations(npy(X)[10:-48]))
@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file:UserWarning")
def test_a_damaged_header_of_an_array_is_read_or_refused(
    folder: Path, raw: bytes
) -> None:
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + X.tobytes()
    read_or_refuse(folder / "head.npz", zipped({"X.npy": member, "y.npy": npy(Y)}))
