"""Parts of kernels, which have no machine code of their own.

Numba gives every function that it compiles machine code, also one that is only ever
taken into another, and here that is no small part of a first fit.  A part stops a step
earlier, with the code that a kernel links in.  It cannot be called from Python.

Numba also optimises what it links with each function that links it, once more at every
level up to the kernel.  A part that links others leaves this to the kernel.  One that
links none is optimised by itself: some of its loops lose their vectors if the first
optimisation meets them in the middle of all the rest.
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering


class Linked(JITCodeLibrary):  # type: ignore[misc]
    """Code to be linked into a kernel; the engine that runs code never sees it."""

    def _optimize_final_module(self) -> None:
        if not any(isinstance(library, Linked) for library in self._linking_libraries):
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class PartLowering(NativeLowering):  # type: ignore[misc]
    """What Numba makes of its own representation, without the last step."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        codegen = state.targetctx.codegen()
        state.library = Linked(codegen, state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        # Numba tells functions apart by what Python calls them with.  This raises,
        # whatever it is given, and is another for every part.
        lowered = state["cr"]._replace(cfunc=[].index)
        state.targetctx.insert_user_function(
            lowered.cfunc, lowered.fndesc, [state.library]
        )
        state["cr"] = lowered
        return True


class PartCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's own passes but for the one above."""

    def define_pipelines(self) -> list[PassManager]:
        whole = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = PassManager("part")
        for each, about in whole.passes:
            passes.add_pass(PartLowering if each is NativeLowering else each, about)
        passes.finalize()
        return [passes]
