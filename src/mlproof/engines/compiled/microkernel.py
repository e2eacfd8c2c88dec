"""A matrix product, block by block in the registers of the processor.

    C = S + A B      C  (rows, columns)   A  (rows, depth)   B  (depth, columns)

A block of C has up to ROWS rows and up to VECTORS vectors of columns.  For each index
of depth the vectors of B are loaded once, and multiplied by one number of A for each
row; the sums begin with S.  Numba turns loops into vector instructions by itself, but
it neither holds a block in registers nor fills a vector with the last columns of a
narrow matrix, and these two make the speed of a product.

Libraries of BLAS have such a kernel too (Van Zee and van de Geijn 2015, "BLIS: a
framework for rapidly instantiating BLAS functionality"), and first copy A and B into
the order in which it reads them.  Here the rows are those of a chunk, too few for a
copy to be worth its time, but where rows of B are long.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from mlproof.engines.compiled.machine import ZERO, address_of
from mlproof.engines.compiled.stages import Types, stage, types_of
from mlproof.engines.compiled.toolchain import part
from mlproof.functions import Array


def _processor() -> tuple[int, int]:
    """The bytes of a vector of this processor, and how many vectors it holds."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    if "+avx512f" in features.split(","):
        return 64, 32
    return (32 if "+avx2" in features.split(",") else 16), 16


VECTOR_BYTES, REGISTERS = _processor()
# Sums enough that none waits for the one before, in registers that leave some for the
# vectors of B and a number of A.
ROWS, VECTORS = 4, 4 if REGISTERS == 32 else 3
# Whether shorter vectors take less time.
QUARTERS = VECTOR_BYTES == 64
# Whether storing a part of a vector takes long, as it does without AVX-512.
SLOW_MASKS = VECTOR_BYTES < 64
# A deeper product is made piece by piece: what a piece reads of B stays in the cache.
DEPTH = 400
# Where rows of B are long a panel of a piece is copied first, as what lies that far
# apart has few places in the cache.  Only with short vectors, where it was measured.
PACKED_BYTES = DEPTH * VECTORS * VECTOR_BYTES if REGISTERS == 16 else 0
PACKED_FROM = 2**16  # rows of A times bytes of a row of B

I32, I64 = ir.IntType(32), ir.IntType(64)


class Vectors:
    """Instructions on the vectors of a row, of which the last may not be full.

    Where no more than a quarter of it is, it may be a vector of a quarter: most
    processors of 512 bits take half the time for one of up to 256.
    """

    def __init__(
        self,
        context: Any,
        builder: Any,
        like: Any,
        n: int,
        columns: Any,
        *,
        quarter: bool = False,
    ) -> None:
        self.builder, self.n, self.size = builder, n, like.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.size
        self.real = context.get_value_type(like)
        last = self.lanes // 4 if quarter else self.lanes
        lengths = [self.lanes] * (n - 1) + [last]
        self.types = [ir.VectorType(self.real, length) for length in lengths]
        self.zeros = [ir.Constant(of, [0.0] * of.count) for of in self.types]
        # Compared as numbers of the same length, which is a mask without AVX-512.
        whole = ir.IntType(8 * self.size)
        lanes = ir.Constant(ir.VectorType(whole, last), list(range(last)))
        self.left = builder.sub(columns, I64((n - 1) * self.lanes))
        left = self.left if whole == I64 else builder.trunc(self.left, whole)
        self.mask = builder.icmp_signed("<", lanes, self.filled(left, last))

    def filled(self, value: Any, lanes: int = 0) -> Any:
        """A vector of equal numbers."""
        lanes = lanes or self.lanes
        empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(empty, value, I32(0))
        return self._lane_0(first, lanes)

    def _lane_0(self, vector: Any, lanes: int) -> Any:
        """Its first number in each of so many lanes."""
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return self.builder.shuffle_vector(vector, vector, zeros)

    def number(self, address: Any) -> Any:
        """The number at this address, in every lane."""
        pointer = self.builder.inttoptr(address, self.real.as_pointer())
        return self.filled(self.builder.load(pointer))

    def load(self, address: Any) -> list[Any]:
        *full, last = self._pointers(address)
        values = [self.builder.load(pointer, align=self.size) for pointer in full]
        arguments = last, I32(self.size), self.mask, self.zeros[-1]
        return [*values, self._masked("load", self.types[-1], arguments)]

    def load_lines(self, address: Any) -> list[Any]:
        """As load, from where lines of the cache begin, and all of each vector."""
        pointers = self._pointers(address)
        return [self.builder.load(pointer, align=VECTOR_BYTES) for pointer in pointers]

    def store_lines(self, values: list[Any], address: Any) -> None:
        """As store, to where lines of the cache begin, and all of each vector."""
        for value, pointer in zip(values, self._pointers(address), strict=True):
            self.builder.store(value, pointer, align=VECTOR_BYTES)

    def not_zero(self, address: Any) -> Any:
        """A bit for each number of the last vector: whether it is there and not 0."""
        return self.builder.fcmp_unordered("!=", self.load(address)[-1], self.zeros[-1])

    def begin(self, S: Any, rows: list[tuple[Any, list[Any]]]) -> None:
        """Fill the slots of each row from its address, or with zeros if S is 0."""
        with self.builder.if_else(cgutils.is_null(self.builder, S)) as (zeros, given):
            with zeros:
                for _, slots in rows:
                    self.keep(self.zeros, slots)
            with given:
                for address, slots in rows:
                    self.keep(self.load(address), slots)

    def end(self, rows: list[tuple[Any, list[Any]]]) -> None:
        """Store what the slots of each row hold at its address."""
        places = []
        for address, slots in rows:
            *full, last = [self.builder.load(slot) for slot in slots]
            *pointers, pointer = self._pointers(address)
            for value, place in zip(full, pointers, strict=True):
                self.builder.store(value, place, align=self.size)
            places.append((last, pointer))
        lanes = self.types[-1].count
        self._store_last(places, (lanes, lanes // 2) if SLOW_MASKS else ())

    def _store_last(
        self, places: list[tuple[Any, Any]], lengths: tuple[int, ...]
    ) -> None:
        """Store what is there of these vectors; no mask is used for these lengths."""
        if not lengths:
            for value, pointer in places:
                arguments = value, pointer, I32(self.size), self.mask
                self._masked("store", ir.VoidType(), arguments)
            return
        length, *others = lengths
        lanes = ir.Constant(ir.VectorType(I32, length), list(range(length)))
        as_long = self.builder.icmp_signed("==", self.left, I64(length))
        with self.builder.if_else(as_long) as (this_length, another):
            with this_length:
                for value, pointer in places:
                    first = self.builder.shuffle_vector(value, value, lanes)
                    place = self.builder.bitcast(pointer, first.type.as_pointer())
                    self.builder.store(first, place, align=self.size)
            with another:
                self._store_last(places, tuple(others))

    def keep(self, values: list[Any], slots: list[Any]) -> None:
        for value, slot in zip(values, slots, strict=True):
            self.builder.store(value, slot)

    def add_products(self, number: Any, values: list[Any], slots: list[Any]) -> None:
        """Add number * values to what the slots of a row hold."""
        for value, slot in zip(values, slots, strict=True):
            same = self._lane_0(number, value.type.count)
            total = self.multiply_add(same, value, self.builder.load(slot))
            self.builder.store(total, slot)

    def slots(self) -> list[Any]:
        """Room for the sums of a row: registers, once LLVM has seen it."""
        return [cgutils.alloca_once(self.builder, of) for of in self.types]

    def multiply_add(self, number: Any, values: Any, sums: Any) -> Any:
        """The sum of number * values and sums, rounded once where the processor can."""
        product = self.builder.fmul(number, values, flags=("contract",))
        return self.builder.fadd(product, sums, flags=("contract",))

    def _pointers(self, address: Any) -> list[Any]:
        first = self.builder.inttoptr(address, self.types[0].as_pointer())
        pointers = [self.builder.gep(first, [I32(j)]) for j in range(self.n)]
        return [
            self.builder.bitcast(pointer, of.as_pointer())
            for pointer, of in zip(pointers, self.types, strict=True)
        ]

    def _masked(self, verb: str, result: Any, arguments: tuple[Any, ...]) -> Any:
        name = f"llvm.masked.{verb}.v{self.types[-1].count}f{8 * self.size}.p0"
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, arguments)


def by_shape(
    builder: Any,
    shape: Any,
    vectors: range,
    quarters: tuple[int, ...],
    generate: Callable[[int, bool], None],
) -> None:
    """Go on in the kernel for rows of this shape, and from there to what follows.

    ``generate`` makes a kernel for a number of vectors, and for whether a quarter of
    the last is enough: that has a kernel of its own only for some numbers.
    """
    kernels = [(n, False) for n in vectors]
    kernels += [(n, True) for n in quarters if QUARTERS]
    blocks = {each: builder.append_basic_block("kernel") for each in kernels}
    end = builder.append_basic_block("end")
    switch = builder.switch(shape, blocks[vectors[-1], False])
    for n in vectors:
        switch.add_case(I64(2 * n), blocks[n, False])
        switch.add_case(I64(2 * n + 1), blocks.get((n, True), blocks[n, False]))
    for each, block in blocks.items():
        builder.position_at_end(block)
        generate(*each)
        builder.branch(end)
    builder.position_at_end(end)


@part
def shape_of(vectors: int, columns: int, size: int) -> Any:
    """What ``by_shape`` goes by: the vectors, and if a quarter of the last will do."""
    last = columns * size - (vectors - 1) * VECTOR_BYTES
    return 2 * vectors + (QUARTERS and 4 * last <= VECTOR_BYTES)


@intrinsic
def _block(
    typingctx: Any,
    like: Any,
    shape: Any,
    S: Any,
    S_step: Any,
    A: Any,
    A_row: Any,
    A_depth: Any,
    B: Any,
    B_step: Any,
    C: Any,
    C_step: Any,
    rows: Any,
    columns: Any,
    depth: Any,
) -> Any:
    """A block of C: all by address, the steps in bytes; no S where its address is 0."""
    if getattr(like, "dtype", None) not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, shape, S, S_step, A, A_row, A_depth, B, B_step, C, C_step = args[:11]
        rows, columns, depth = args[11:]

        def at(address: Any, step: Any, index: Any) -> Any:
            return builder.add(address, builder.mul(step, index))

        # Of a block that has fewer rows the last stands for those it lacks.
        last = builder.sub(rows, I64(1))
        row = [I64(0)]
        for i in range(1, ROWS):
            inside = builder.icmp_signed("<", I64(i), last)
            row.append(builder.select(inside, I64(i), last))
        begin = [at(A, A_row, i) for i in row]

        def of(vectors: int, quarter: bool) -> None:
            vector = Vectors(
                context, builder, like.dtype, vectors, columns, quarter=quarter
            )
            sums = [vector.slots() for _ in row]
            starts = [at(S, S_step, i) for i in row]
            vector.begin(S, list(zip(starts, sums, strict=True)))
            with cgutils.for_range(builder, depth) as loop:
                values = vector.load(at(B, B_step, loop.index))
                for i in range(ROWS):
                    number = vector.number(at(begin[i], A_depth, loop.index))
                    vector.add_products(number, values, sums[i])
            ends = [at(C, C_step, i) for i in row]
            vector.end(list(zip(ends, sums, strict=True)))

        by_shape(builder, shape, range(1, VECTORS + 1), (3, 4), of)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 13), generate


def copy_of_panel(vectors: range, quarters: tuple[int, ...]) -> Any:
    """An instruction that copies panels of so many vectors."""

    def copy(
        typingctx: Any,
        like: Any,
        shape: Any,
        source: Any,
        step: Any,
        rows: Any,
        columns: Any,
        target: Any,
    ) -> Any:
        """Copy so many numbers of these rows, each to begin with a whole vector."""
        if getattr(like, "dtype", None) not in (types.float32, types.float64):
            return None

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, shape, source, step, rows, columns, target = args

            def of(vectors: int, quarter: bool) -> None:
                vector = Vectors(
                    context, builder, like.dtype, vectors, columns, quarter=quarter
                )
                with cgutils.for_range(builder, rows) as row:
                    begin = builder.add(source, builder.mul(step, row.index))
                    place = builder.mul(I64(vectors * VECTOR_BYTES), row.index)
                    vector.store_lines(vector.load(begin), builder.add(target, place))

            by_shape(builder, shape, vectors, quarters, of)
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 6), generate

    return intrinsic(copy)


_copy = copy_of_panel(range(1, VECTORS + 1), ())


@stage(types.void)
def product(
    S: int,
    S_step: int,
    A: int,
    A_row: int,
    A_depth: int,
    B: int,
    B_step: int,
    C: Any,
    depth: int,
    room: int,
) -> None:
    """C = S + A B, where C is a matrix and the others are addresses.

    A has a step from row to row and one along the depth, so that it may be transposed;
    S and B lie row by row.  Steps are in bytes.  S is left out if its address is 0.
    At room, if that is not 0, there are PACKED_BYTES from a line of the cache on.
    The order in which a number of C is added up depends on the depth alone.
    """
    rows, columns = C.shape
    size = C.itemsize
    lanes = VECTOR_BYTES // size
    n_vectors = (columns + lanes - 1) // lanes
    n_panels = (n_vectors + VECTORS - 1) // VECTORS
    n_pieces = (depth + DEPTH - 1) // DEPTH
    C_at, C_step = address_of(C), columns * size
    for panel in range(n_panels):
        v = panel * n_vectors // n_panels
        vectors = (panel + 1) * n_vectors // n_panels - v
        width, at = min(vectors * lanes, columns - v * lanes), v * VECTOR_BYTES
        shape = shape_of(vectors, width, size)
        for piece in range(n_pieces):
            k = piece * depth // n_pieces
            length = (piece + 1) * depth // n_pieces - k
            panel_at, panel_step = B + k * B_step + at, B_step
            if PACKED_BYTES and room and rows * B_step >= PACKED_FROM:
                _copy(C, shape, panel_at, B_step, length, width, room)
                panel_at, panel_step = room, vectors * VECTOR_BYTES
            for i in range(0, rows, ROWS):
                start, start_step = C_at + i * C_step + at, C_step
                if piece == 0:
                    start, start_step = S + i * S_step + at if S else 0, S_step
                _block(
                    C,
                    shape,
                    start,
                    start_step,
                    A + i * A_row + k * A_depth,
                    A_row,
                    A_depth,
                    panel_at,
                    panel_step,
                    C_at + i * C_step + at,
                    C_step,
                    min(ROWS, rows - i),
                    width,
                    length,
                )


def types_of_product(matrix: Array) -> Types:
    """Those of the arguments of ``product``, for a C like this matrix."""
    return types_of(*[ZERO] * 7, matrix, ZERO, ZERO)
