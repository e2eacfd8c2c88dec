"""How kernels are compiled: the flags, and the folder that keeps them between runs.

Numba's own cache looks at the file of each kernel alone, so an edit of a function that
a kernel calls in another file would go unnoticed.  Here the folder is named after a
hash of every source file of the engines and of the versions they were compiled by.
"""

import gc
import hashlib
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import platformdirs
from numba.core.caching import FunctionCache
from numba.core.sigutils import normalize_signature

from mlproof.engines.compiled.linking import PartCompiler

logger = logging.getLogger("mlproof")

CACHE_VARIABLE = "MLPROOF_CACHE_DIR"

# Seconds; the kernels are read from the folder in a third of them.
ANNOUNCED_AFTER = 1.0

# Contraction into fused multiply-adds and the order of a sum may be the compiler's
# choice: it is made once, when a kernel is compiled, whoever runs it later.  NaN and
# infinity keep their meaning, or a diverged network would pass for a trained one.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def _digest() -> str:
    """Names what the compiled code depends on, but the processor, which Numba adds."""
    digest = hashlib.sha256()
    for name in ("numba", "llvmlite", "numpy", "scipy"):
        digest.update(f"{name} {version(name)} ".encode())
    digest.update(f"{sys.version} {numba.config.BOUNDSCHECK}".encode())
    # Those of all engines: a kernel may have a constant of a file beside its folder.
    for source in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path | None:
    base = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("mlproof")
    folder = Path(base) / f"kernels-{_digest()}"
    if _writable(folder):
        return folder
    _warn_of(f"The folder {folder} cannot be written")
    return None


def _warn_of(what: str) -> None:
    warnings.warn(
        f"{what}, so the compiled kernels cannot be kept and every new process compiles"
        f" them again for some seconds. Set {CACHE_VARIABLE} to a folder that can.",
        stacklevel=3,
    )


FOLDER = _cache_folder()


class _Kept(FunctionCache):  # type: ignore[misc]
    """Numba's cache of a kernel, whose files may be damaged or the disk full."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
            # Processes that keep something at the same time may take one file for it.
            if found is None or found.signature.args == normalize_signature(sig)[0]:
                return found
        except Exception:  # what pickle says of a damaged file may be anything
            pass
        with suppress(OSError):
            self.flush()
        return None  # not found, so it is compiled

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_of(f"The folder {FOLDER} cannot be written: {error.strerror}")


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Say so if what is done here takes longer than reading the folder would."""
    kept = "they cannot be kept" if FOLDER is None else f"they are kept in {FOLDER}"
    message = (
        f"mlproof compiles its kernels for {what}, once, in some ten or twenty "
        f"seconds; {kept}."
    )
    timer = threading.Timer(ANNOUNCED_AFTER, logger.warning, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave garbage for later: Numba's compiler makes many objects to go through."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# Kernels allocate nothing and need not count who refers to an array: that takes longer
# than a small product.  Numba refuses to compile what would allocate.
OPTIONS: Any = {
    "nogil": True,
    "fastmath": FASTMATH,
    "error_model": "numpy",
    "_nrt": False,
}


def part(function: Callable[..., Any]) -> Any:
    """Mark a function that kernels call; it is compiled into each of them."""
    return numba.njit(
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=PartCompiler,
        **OPTIONS,
    )(function)


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """Compile at the first call, or take from the folder what was compiled before."""
    made = numba.njit(no_cfunc_wrapper=True, **OPTIONS, **options)(function)
    if FOLDER is None:
        return made
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(FOLDER)
    try:  # Numba reads where the folder is when a cache is made
        made._cache = _Kept(function)
    finally:
        numba.config.CACHE_DIR = before
    return made
