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
from numba.extending import intrinsic

from mlproof.engines.compiled.toolchain import kernel

Types = tuple[Any, ...]  # Numba's, of the arguments


class Stage:
    """Such a kernel, whatever the types of its arguments.

    Its cell for some types must be declared before a caller is loaded: LLVM ends the
    process where a name is missing.
    """

    def __init__(self, function: Callable[..., Any], returns: Any) -> None:
        self.module, self.name = function.__module__, function.__name__
        self.returns = returns
        self._kernel = kernel(function, no_cpython_wrapper=True)
        self._cells: dict[Types, ctypes.c_int64] = {}
        self._held: list[Any] = []  # the code lives as long as its address is known

    def declare(self, of: Types) -> str:
        """Have the cell for arguments of these types; its name for the linker."""
        written = f"{self.module} {self.name} {of}"
        symbol = f"mlproof_{hashlib.sha256(written.encode()).hexdigest()[:32]}"
        if of not in self._cells:
            self._cells[of] = cell = ctypes.c_int64(0)
            llvmlite.binding.add_symbol(symbol, ctypes.addressof(cell))
        return symbol

    def load(self, of: Types) -> bool:
        """Have the code ready, if it is or was kept; whether it is."""
        self.declare(of)
        if self._cells[of].value == 0:
            kept = self._kernel._cache.load_overload(of, self._kernel.targetctx)
            if kept is not None:
                self._use(of, kept)
        return self._cells[of].value != 0

    def ready(self, of: Types) -> None:
        """Have the code ready, compiled now if it was not."""
        if not self.load(of):
            self.compile(of)

    def compile(self, of: Types) -> None:
        self._kernel.compile(of)
        self._use(of, self._kernel.overloads[of])

    def _use(self, of: Types, code: Any) -> None:
        assert code.signature.return_type == self.returns
        self.declare(of)
        self._held.append(code)
        address = code.library.get_pointer_to_function(code.fndesc.llvm_func_name)
        self._cells[of].value = address

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
            of = tuple(map(numba.types.unliteral, arguments))
            symbol, missing = made.declare(of), f"{made.name} is not compiled"

            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                convention, module = context.call_conv, builder.module
                kind = convention.get_function_type(returns, of).as_pointer()
                if symbol not in module.globals:
                    ir.GlobalVariable(module, kind, symbol)
                code = builder.load(module.globals[symbol])
                with cgutils.if_unlikely(builder, cgutils.is_null(builder, code)):
                    convention.return_user_exc(builder, RuntimeError, (missing,))
                status, result = convention.call_function(
                    builder, code, returns, of, args
                )
                with cgutils.if_unlikely(builder, status.is_error):
                    convention.return_status_propagate(builder, status)
                return result

            return returns(*of), generate

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
