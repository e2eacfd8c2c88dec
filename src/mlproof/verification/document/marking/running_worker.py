"""Runs the code of a document, in a process of its own.

Standard input holds one JSON object: the stretches, and for each trial the arrays that
names are bound to.  On the file descriptor given goes one line of JSON for each trial
and stretch.  This file is run as a script, apart from the package.
"""

import ast
import contextlib
import io
import json
import os
import sys
from typing import Any

import numpy as np

MOST_ENTRIES = 100_000
FORBIDDEN = ("socket", "subprocess", "os.system", "os.exec", "os.fork", "ctypes")


def fence(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what an expression of NumPy has no need of."""
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"{event} is not allowed here")
    mode = arguments[1] if event == "open" else None
    if isinstance(mode, str) and set(mode) & set("wax+"):
        raise PermissionError("writing files is not allowed here")


def run(source: str, name: str, names: dict[str, Any]) -> tuple[str, Any]:
    """The name that is asked for, or else is assigned last, or none; and its value."""
    tree = ast.parse(source)
    if name:
        exec(compile(tree, "code", "exec"), names)
        return name, names[name]
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        body = ast.Module(tree.body[:-1], type_ignores=[])
        exec(compile(body, "code", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "code", "eval"), names)
        return "", value
    exec(compile(tree, "code", "exec"), names)
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        name = last.targets[0].id
        return name, names[name]
    return "", None


def described(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {"name": name, "error": "it has no value"}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.size > MOST_ENTRIES:
        return {"name": name, "error": "its value is no array of real numbers"}
    return {
        "name": name,
        "shape": array.shape,
        "value": array.astype(float).ravel().tolist(),
    }


def outcome(source: str, name: str, names: dict[str, Any]) -> dict[str, Any]:
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            return described(*run(source, name, names))
    except BaseException as error:
        about = " ".join(str(error).split())[:200]
        return {"name": "", "error": f"{type(error).__name__}: {about}"}


def main() -> None:
    job = json.loads(sys.stdin.read())
    answer = os.fdopen(int(sys.argv[1]), "w")
    sys.addaudithook(fence)
    for bound in job["trials"]:
        names: dict[str, Any] = {"np": np, "numpy": np}
        for name, (shape, value) in bound.items():
            array = np.array(value, dtype=float).reshape(shape)
            names[name] = array if shape else value
        right = {name: names[name] for name in bound}
        names |= {n: v.copy() for n, v in right.items() if isinstance(v, np.ndarray)}
        for source, name, unfinished in job["stretches"]:
            found = outcome(source, name, names)
            print(json.dumps(found), file=answer, flush=True)
            # A slip is one mistake: what follows is given the right values.
            for known, value in right.items():
                if known not in unfinished:
                    names[known] = (
                        value.copy() if isinstance(value, np.ndarray) else value
                    )


if __name__ == "__main__":
    main()
