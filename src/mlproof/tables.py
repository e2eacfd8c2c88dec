"""Tables from files: CSV with numeric columns and a label column, or NumPy's .npz.

A file is never trusted: what cannot be read is refused in one sentence that names the
line and the column.
"""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class TableError(ValueError):
    """A table that cannot be used, with the reason in one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Table(NamedTuple):
    """Rows to learn from or to classify."""

    X: npt.NDArray[Any]  # (n, d)
    y: npt.NDArray[Any] | None  # (n,), None if no labels were asked for
    columns: tuple[str, ...] | None  # the d names; None where a file has none
    target: str | None  # the name of the label column or array


def read(
    path: str | os.PathLike[str],
    target: str | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Read a .csv or .npz file.

    Parameters
    ----------
    path : path
        A CSV file with a header line, separated by commas, semicolons or tabs; or an
        .npz file with an array ``X``, and ``y`` where labels are needed.
    target : str, default=None
        The label column, or for .npz the name of the array.  None reads no labels.
    columns : sequence of str, default=None
        The columns of X, in this order; None for all but the target.

    Returns
    -------
    Table
        X in float64, or from .npz in the dtype it has there.

    Raises
    ------
    TableError
        If the file is not such a table.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, target)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return _read_csv(path, target, columns)
    raise TableError(
        f"{path} is neither a .csv nor an .npz file, the two that are read."
    )


def _read_npz(path: Path, target: str | None) -> Table:
    wanted = ["X"] if target is None else ["X", target]
    with path.open("rb") as file:  # an OSError of opening is reported as it is
        try:
            with np.load(file, allow_pickle=False) as archive:
                names = list(archive.files)
                arrays = [archive[name] for name in wanted if name in names]
        # A damaged archive makes NumPy and zipfile raise a dozen kinds of error; all of
        # them are about the file.
        except Exception as error:
            raise TableError(
                f"{path} is not a whole .npz file of plain arrays."
            ) from error
    missing = [name for name in wanted if name not in names]
    if missing:
        raise TableError(
            f"{path} has no array named {missing[0]!r}; it has: {_listed(names)}."
        )
    X = arrays[0]
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "biuf" or X.ndim < 2:
        raise TableError(
            f"X in {path} must be a table of numbers, one row for each example; it has "
            f"shape {np.shape(X)} and dtype {np.asarray(X).dtype}."
        )
    if X.size == 0 or not np.isfinite(X).all():
        raise TableError(f"X in {path} must hold finite numbers, and at least one row.")
    X = X.reshape(len(X), -1)  # images become rows of pixels
    if target is None:
        return Table(X, None, None, None)
    y = arrays[1]
    if not isinstance(y, np.ndarray) or y.shape != (len(X),):
        raise TableError(
            f"{target} in {path} must hold one label for each of the {len(X)} rows of "
            f"X; it has shape {np.shape(y)}."
        )
    if y.dtype.kind not in "biufU" or (
        y.dtype.kind == "f" and not np.isfinite(y).all()
    ):
        raise TableError(
            f"{target} in {path} must hold finite numbers, strings or booleans; it "
            f"holds {y.dtype}."
        )
    return Table(X, y, None, target)


def _read_csv(path: Path, target: str | None, columns: Sequence[str] | None) -> Table:
    header, rows = _cells(path)
    place = {name: j for j, name in enumerate(header)}
    if len(place) < len(header):
        twice = next(name for j, name in enumerate(header) if place[name] != j)
        raise TableError(f"{path} has two columns named {twice!r}.")
    if columns is None:
        if "" in place:
            raise TableError(
                f"{path}: column {place[''] + 1} has no name, as pandas writes its row "
                "index; name it, or leave it out (index=False)."
            )
        columns = [name for name in header if name != target]
    for name in list(columns) if target is None else [*columns, target]:
        if name not in place:
            raise TableError(
                f"{path} has no column {name!r}; its columns are: {_listed(header)}."
            )
    if not columns:
        raise TableError(f"{path} has no column besides {target!r} to learn from.")
    if not rows:
        raise TableError(f"{path} has a header but no rows.")
    # Columns are converted one at a time: fast where all is well, and where not, the
    # first cell at fault is looked for.
    X = np.empty((len(rows), len(columns)))
    for j, name in enumerate(columns):
        cells = [row[place[name]] for _, row in rows]
        try:
            X[:, j] = np.array(cells, dtype=np.float64)
            ok = bool(np.isfinite(X[:, j]).all())
        except ValueError:
            ok = False
        if not ok:
            raise TableError(_first_bad_number(path, name, cells, rows))
    if target is None:
        return Table(X, None, tuple(columns), None)
    cells = [row[place[target]] for _, row in rows]
    for (line, _), cell in zip(rows, cells, strict=True):
        if cell == "":
            raise TableError(f"{path}, line {line}: the label {target!r} is missing.")
    return Table(X, labels(cells), tuple(columns), target)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20]) or "none"
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def labels(cells: Sequence[str]) -> npt.NDArray[Any]:
    """Integers if every label is one as Python would write it, else the texts."""
    if all(cell.removeprefix("-").isdecimal() and len(cell) < 18 for cell in cells):
        numbers = [int(cell) for cell in cells]
        if all(str(n) == cell for n, cell in zip(numbers, cells, strict=True)):
            return np.array(numbers)
    return np.array(cells)


Rows = list[tuple[int, list[str]]]  # line number, cells


def _cells(path: Path) -> tuple[list[str], Rows]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            lines = csv.reader(
                _checked(path, file), delimiter=_delimiter(first), strict=True
            )
            try:
                return _regular(path, lines)
            except csv.Error as error:
                raise TableError(
                    f"{path}, line {lines.line_num}: not a line of CSV, {error}."
                ) from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path} is not a text file in UTF-8: {error.reason}."
        ) from error


def _checked(path: Path, file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise TableError(f"{path}, line {number}: a NUL character, as in no text.")
        yield line


def _delimiter(header: str) -> str:
    outside_quotes = "".join(header.split('"')[0::2])
    return max(",;\t", key=outside_quotes.count)


def _regular(path: Path, lines: Any) -> tuple[list[str], Rows]:
    stripped: Iterator[tuple[int, list[str]]] = (
        (lines.line_num, [cell.strip() for cell in cells]) for cells in lines if cells
    )
    _, header = next(stripped, (0, []))
    if not any(header):
        raise TableError(f"{path} is empty.")
    rows = list(stripped)
    for line, cells in rows:
        if len(cells) != len(header):
            raise TableError(
                f"{path}, line {line}: {len(cells)} cells where the header has "
                f"{len(header)}."
            )
    return header, rows


def _first_bad_number(path: Path, name: str, cells: list[str], rows: Rows) -> str:
    for (line, _), cell in zip(rows, cells, strict=True):
        try:
            if np.isfinite(float(cell)):
                continue
        except ValueError:
            pass
        what = "the cell is empty"
        if cell:
            what = f"{cell[:40]!r} is not a finite number"
        return (
            f"{path}, line {line}, column {name!r}: {what}; fill it, encode it or "
            "leave the column out."
        )
    return f"{path}, column {name!r}: not a column of numbers."
