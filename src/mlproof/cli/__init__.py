"""The command line: parse, call, show.  Results go to standard output, notes beside.

Exit codes: 0 for success, 1 if a gradient or a claim of a document is wrong, 2 for
input that cannot be used, 3 if no claim could be checked, 130 after Ctrl-C, 141 if
nobody reads on.  What a command needs is imported when it runs, so that help comes
quickly.
"""

import os
import sys
import warnings
from typing import Any

from cyclopts import App, CycloptsError

from mlproof.cli.bench import bench
from mlproof.cli.check import check
from mlproof.cli.demo import demo
from mlproof.cli.evaluate import evaluate
from mlproof.cli.fit import fit
from mlproof.cli.predict import predict
from mlproof.cli.trace import trace
from mlproof.cli.verify import verify
from mlproof.version import __version__

app = App(
    name="mlproof",
    help="Neural-network classifiers whose every gradient is derived by hand, "
    "checked, and fast.",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (demo, fit, predict, evaluate, check, trace, verify, bench):
    app.command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""

    def note(message: Warning | str, *_: Any, **__: Any) -> None:
        print("note: " + " ".join(str(message).split()), file=sys.stderr)

    warnings.showwarning = note
    _expect_nobody()
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        code = _fail(2, f"{error} Try mlproof --help.")
    except BrokenPipeError:  # as in `mlproof predict ... | head`
        _discard_output()
        code = 141
    except OSError as error:
        about = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        code = _fail(2, f"{about}.")
        _discard_output()
    except ValueError as error:
        code = _fail(2, str(error).split("\n")[0])
    except MemoryError:
        code = _fail(2, "there is not enough memory for this table.")
    except KeyboardInterrupt:
        code = _fail(130, "interrupted.")
    sys.exit(code)


def _expect_nobody() -> None:
    """Write to nowhere where standard output or error is closed; Python has None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)


def _fail(code: int, message: str) -> int:
    print("mlproof: " + " ".join(message.split()), file=sys.stderr)
    return code


def _discard_output() -> None:
    """Let what is left in the buffer go nowhere; Python would report it at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
