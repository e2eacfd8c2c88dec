"""Kernels that kernels call, which are compiled by themselves.

What ``part`` marks is compiled into each kernel that calls it.  A stage has machine
code of its own, which all kernels share and which another process may have compiled.
Its callers can be compiled and loaded before it is: what they are linked with is not
its code but a cell of memory, which holds the code's address once there is any.
"""

import ctypes
import hashlib
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from mlproof.engines.compiled.toolchain import kernel

Types = tuple[Any, ...]  # Numba's, of the arguments


class Stage:
    """A kernel that kernels call, whatever the types of its arguments.

    For the types that a caller uses it must be declared before the caller is loaded:
    LLVM ends the process where it misses a name.
    """

    def __init__(self, function: Callable[..., Any], returns: Any) -> None:
        self.module, self.name = function.__module__, function.__name__
        self.returns = returns
        self._kernel = kernel(function, no_cpython_wrapper=True)
        self._cells: dict[Types, ctypes.c_int64] = {}
        self._used: list[Any] = []  # what the code refers to lives as long as this

    def declare(self, types: Types) -> str:
        """Have the cell for arguments of these types; its name for the linker."""
        written = f"{self.module} {self.name} {types}"
        symbol = f"mlproof_{hashlib.sha256(written.encode()).hexdigest()[:32]}"
        with global_compiler_lock:
            if types not in self._cells:
                cell = ctypes.c_int64(0)
                # Never freed: at the end of the process threads may still read it.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(cell))
                llvmlite.binding.add_symbol(symbol, ctypes.addressof(cell))
                self._cells[types] = cell
        return symbol

    def load(self, types: Types) -> bool:
        """Have the code ready, if it is or was kept; whether it is."""
        self.declare(types)
        with global_compiler_lock:  # which Numba's cache relies on
            if self._cells[types].value == 0:
                target = self._kernel.targetctx
                kept = self._kernel._cache.load_overload(types, target)
                if kept is not None:
                    self._use(types, kept)
            return self._cells[types].value != 0

    def compile(self, types: Types) -> None:
        """Have the code ready, compiled now unless it was kept."""
        self.declare(types)
        with global_compiler_lock:
            if self._cells[types].value == 0:
                self._kernel.compile(types)
                self._use(types, self._kernel.overloads[types])

    def _use(self, types: Types, code: Any) -> None:
        assert code.signature.return_type == self.returns
        address = code.library.get_pointer_to_function(code.fndesc.llvm_func_name)
        assert address != 0
        self._used.append(code)
        self._cells[types].value = address

    def __reduce__(self) -> Any:
        return _stage, (self.module, self.name)


def _stage(module: str, name: str) -> Any:
    return getattr(import_module(module), name).stage


def types_of(*arguments: Any) -> Types:
    """The types for which Numba compiles what is called with such arguments."""
    return tuple(map(numba.typeof, arguments))


def stage(returns: Any) -> Callable[[Callable[..., Any]], Any]:
    """Mark a function that kernels call, and that returns a value of this type.

    They call what comes out, whose attribute ``stage`` is the Stage.
    """

    def mark(function: Callable[..., Any]) -> Any:
        made = Stage(function, returns)

        def call(_: Any, *arguments: Any) -> Any:
            types = tuple(map(numba.types.unliteral, arguments))
            symbol, missing = made.declare(types), f"{made.name} is not compiled"

            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                convention, module = context.call_conv, builder.module
                kind = convention.get_function_type(returns, types).as_pointer()
                if symbol not in module.globals:
                    ir.GlobalVariable(module, kind, symbol)
                code = builder.load(module.globals[symbol])
                with cgutils.if_unlikely(builder, cgutils.is_null(builder, code)):
                    convention.return_user_exc(builder, RuntimeError, (missing,))
                status, result = convention.call_function(
                    builder, code, returns, types, args
                )
                with cgutils.if_unlikely(builder, status.is_error):
                    convention.return_status_propagate(builder, status)
                return result

            return returns(*types), generate

        # Numba reads there what the arguments are called.
        signature = inspect.signature(function)
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY)
        known: Any = call
        known.__signature__ = signature.replace(
            parameters=[context, *signature.parameters.values()]
        )
        known.__name__, known.__doc__ = function.__name__, function.__doc__
        called = intrinsic(known)
        called.stage = made
        return called

    return mark
