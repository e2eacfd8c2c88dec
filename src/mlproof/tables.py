"""Tables from files: CSV with numeric columns and a label column, or NumPy's .npz.

A file is never trusted: what cannot be read is refused in one sentence that names the
line and the column.
"""

import csv
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class TableError(ValueError):
    """A table that cannot be used, with the reason in one sentence."""


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
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in wanted if name not in arrays.files]
            if missing:
                found = ", ".join(arrays.files) or "none"
                raise TableError(
                    f"{path} has no array named {missing[0]!r}; it has: {found}."
                )
            X, *y = (arrays[name] for name in wanted)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} is not a whole .npz file of plain arrays.") from error
    if X.ndim < 2 or X.dtype.kind not in "biuf":
        raise TableError(
            f"X in {path} must be a table of numbers, one row for each example; it has "
            f"shape {X.shape} and dtype {X.dtype}."
        )
    X = X.reshape(len(X), -1)  # images become rows of pixels
    if y and y[0].shape != (len(X),):
        raise TableError(
            f"{target} in {path} must hold one label for each of the {len(X)} rows of "
            f"X; it has shape {y[0].shape}."
        )
    return Table(X, y[0] if y else None, None, target)


def _read_csv(path: Path, target: str | None, columns: Sequence[str] | None) -> Table:
    header, rows = _cells(path)
    for name in header:
        if header.count(name) > 1:
            raise TableError(f"{path} has two columns named {name!r}.")
    if columns is None:
        columns = [name for name in header if name != target]
    wanted = list(columns) if target is None else [*columns, target]
    for name in wanted:
        if name not in header:
            raise TableError(
                f"{path} has no column {name!r}; its columns are: {', '.join(header)}."
            )
    if not columns:
        raise TableError(f"{path} has no column besides {target!r} to learn from.")
    if not rows:
        raise TableError(f"{path} has a header but no rows.")
    # Columns are converted one at a time: fast where all is well, and where not, the
    # first cell at fault is looked for.
    X = np.empty((len(rows), len(columns)))
    for j, name in enumerate(columns):
        cells = [row[header.index(name)] for _, row in rows]
        try:
            X[:, j] = np.array(cells, dtype=np.float64)
            ok = bool(np.isfinite(X[:, j]).all())
        except ValueError:
            ok = False
        if not ok:
            raise TableError(_first_bad_number(path, name, cells, rows))
    if target is None:
        return Table(X, None, tuple(columns), None)
    cells = [row[header.index(target)] for _, row in rows]
    for (line, _), cell in zip(rows, cells, strict=True):
        if cell == "":
            raise TableError(f"{path}, line {line}: the label {target!r} is missing.")
    return Table(X, labels(cells), tuple(columns), target)


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
            lines = csv.reader(file, delimiter=_delimiter(file.readline()), strict=True)
            file.seek(0)
            return _regular(path, lines)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path} is not a text file in UTF-8: {error.reason}."
        ) from error
    except csv.Error as error:
        raise TableError(f"{path} is not a CSV file: {error}.") from error


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


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
        what = (
            "a cell is empty" if cell == "" else f"{cell[:40]!r} is not a finite number"
        )
        return (
            f"{path}, line {line}, column {name!r}: {what}. Columns must be numeric; "
            "fill it, encode it or leave the column out."
        )
    return f"{path}, column {name!r}: not a column of numbers."
