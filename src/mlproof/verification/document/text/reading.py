"""Documents read from files: Markdown, LaTeX, notebooks and plain text."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from mlproof.verification.document.text.blocks import (
    Block,
    Kind,
    latex_blocks,
    markdown_blocks,
    setting,
)
from mlproof.verification.document.text.source import Source

LATEX, NOTEBOOK = {".tex", ".ltx", ".latex"}, {".ipynb"}
MOST_BYTES = 50_000_000


class Document(NamedTuple):
    """A document in blocks, in the order in which it is read."""

    name: str
    blocks: list[Block]


class DocumentError(ValueError):
    """A file cannot be read as a document; the message says why, in one sentence."""


def read_document(path: str | os.PathLike[str]) -> Document:
    """The document in a file, whose suffix tells what it is.

    ``.tex`` is LaTeX and ``.ipynb`` a Jupyter notebook; all else is read as Markdown.

    Raises
    ------
    DocumentError
        If there is no such file, or if it is too large, not UTF-8 or no notebook.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DocumentError(
                f"{path} has more than {MOST_BYTES // 1_000_000} MB; split it."
            )
        raw = path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise DocumentError(f"{path} cannot be read: {why.lower()}.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path} must be text in UTF-8; byte {error.start} of it is not. Save it "
            "in that encoding."
        ) from None
    # A line may end in any of three ways; columns count from what begins it.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return read_text(text, str(path), path.suffix.lower())


def read_text(text: str, name: str = "text", suffix: str = ".md") -> Document:
    """The document in a text that a file with this suffix might hold."""
    if suffix in NOTEBOOK:
        return Document(name, _notebook_blocks(text, name))
    blocks = latex_blocks if suffix in LATEX else markdown_blocks
    return Document(name, blocks(Source(text)))


def _notebook_blocks(text: str, name: str) -> list[Block]:
    notebook = _notebook(text, name)
    blocks = _metadata_blocks(notebook, name)
    for number, cell in enumerate(notebook["cells"]):
        source = Source(_source_of(cell, number, name), number)
        kind = cell.get("cell_type")
        if kind == "markdown":
            blocks += markdown_blocks(source)
        elif source.text:
            end = len(source.text)
            code = Kind.CODE if kind == "code" else Kind.PROSE
            blocks.append(Block(code, source, 0, end, 0, end))
    return blocks


def _notebook(text: str, name: str) -> dict[str, Any]:
    notebook: dict[str, Any]
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise DocumentError(
            f"{name} must be a Jupyter notebook, which is JSON; it is none, or cut off."
        ) from None
    if not isinstance(notebook, dict):
        notebook = {}
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(c, dict) for c in cells):
        raise DocumentError(
            f"{name} must be a Jupyter notebook with a list of cells, as version 4 of "
            "its format has; open it in Jupyter and save it again."
        )
    return notebook


def _metadata_blocks(notebook: dict[str, Any], name: str) -> list[Block]:
    """What the metadata of a notebook sets, one value a line."""
    metadata = notebook.get("metadata")
    found = metadata.get("mlproof", {}) if isinstance(metadata, dict) else {}
    if not isinstance(found, dict):
        raise DocumentError(
            f'"mlproof" in the metadata of {name} must be an object with "notation" or '
            f'"layout", got {type(found).__name__}.'
        )
    blocks: list[Block] = []
    for key in ("notation", "layout"):
        value = found.get(key, [])
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, list) or not all(isinstance(v, str) for v in lines):
            raise DocumentError(
                f'"{key}" in the metadata of {name} must be a list of texts.'
            )
        source, at = Source("\n".join(lines)), 0
        for line in lines:
            blocks.append(setting(source, key, at, at + len(line)))
            at += len(line) + 1
    return blocks


def _source_of(cell: dict[str, Any], number: int, name: str) -> str:
    source = cell.get("source", "")
    lines = [source] if isinstance(source, str) else source
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise DocumentError(f"the source of cell {number} of {name} must be text.")
    return "".join(lines)
