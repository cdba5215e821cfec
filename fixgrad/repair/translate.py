"""Writes one expression of a NumPy stretch in torch: as data rows say, or not at all.

The result has the same values and the same dtype. Where that is not certain, `Untranslatable` says why.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.flow.ir import Function, Op
from fixgrad.flow.tape import Step, Tape
from fixgrad.flow.values import NOTHING, Site, Thing, Value
from fixgrad.hazards import span
from fixgrad.knowledge import Equivalent, dtype_class

_CONSTANTS = {f"{m}.{n}" for m in ("math", "numpy") for n in ("pi", "e", "inf", "nan", "tau")}
_AS_TENSOR = "torch.as_tensor"


class Untranslatable(Exception):  # noqa: N818 - carries a reason up to where the stretch is known
    """Why an expression has no equivalent in torch."""


class Expression(NamedTuple):
    """An expression, whoever calls the function that it stands in."""

    op: Op
    site: Site
    function: Function
    args: tuple[Value, ...]
    held: tuple[Value, ...]
    out: Value

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Expression:
        """Take the steps of an expression under several chains of calls together."""
        first = steps[0]
        args = zip(*(s.args for s in steps), strict=True)
        held = zip(*(s.held for s in steps), strict=True)
        return cls(
            first.op, first.site, first.function,
            tuple(NOTHING.union(*values) for values in args),
            tuple(NOTHING.union(*values) for values in held),
            NOTHING.union(*(s.out for s in steps)),
        )  # fmt: skip

    def place(self, number: int) -> Site:
        """Return where an argument is written."""
        return Site(self.site.path, self.function.places[self.op.args[number]])


class Translator:
    """Knows which arrays become tensors, and writes the expressions that compute with them."""

    def __init__(self, tape: Tape, lifted: set[Thing]) -> None:
        self.tape = tape
        self.graph = tape.graph
        self.dtypes = tape.dtypes
        self.lifted = lifted  # arrays that will be tensors
        self.settled = False  # what comes back is cast to a dtype that the program names

    def write(self, expression: Expression, row: Equivalent) -> list[Operation]:
        """Return the operations that write an expression in torch."""
        op = expression.op
        if op.kind in ("binary", "unary", "compare", "inplace"):
            return self._operands(expression, range(len(op.args)), row, operator=True)
        if op.kind == "index":
            _check_key(expression)
            return []
        if op.kind == "attr":
            return []
        called = op.names[1:] or ("",) * (len(op.args) - 1)
        if any(name.startswith("*") for name in called):
            raise Untranslatable("its arguments are not written out")
        if row.name.startswith("numpy.ndarray."):
            return self._method(expression, row)
        return self._function(expression, row)

    def spelled(self, expression: Expression, name: str) -> str:
        """Return how a name of torch is written at an expression."""
        found = self.graph.spell(expression.site, name)
        if found is None:
            raise Untranslatable("the file has no name for torch")
        return found

    def _method(self, expression: Expression, row: Equivalent) -> list[Operation]:
        here = span(expression.site)
        if row.casts:
            return self._cast(expression, row)
        arguments = self._arguments(expression, row, first=1)
        operations = self._operands(expression, range(row.arrays), row)
        operations += arguments
        if row.torch != expression.op.target:
            operations.append(Operation(here, "method", row.torch))
        return operations

    def _cast(self, expression: Expression, row: Equivalent) -> list[Operation]:
        """Write `h.astype(np.float32)` as `h.to(torch.float32)`."""
        names = {self.dtypes.get(t, "unknown") for t in expression.out}
        name = names.pop() if len(names) == 1 else "unknown"
        if dtype_class(name) != "float" or len(expression.args) != 2 or expression.op.names[1]:
            raise Untranslatable("the dtype that is asked for is not known, or no floating one")
        dtype = self.spelled(expression, f"torch.{name}")
        return [
            Operation(span(expression.place(1)), "replace", dtype),
            Operation(span(expression.site), "method", row.torch),
        ]

    def _function(self, expression: Expression, row: Equivalent) -> list[Operation]:
        here = span(expression.site)
        op = expression.op
        count = len(op.args) - 1
        if row.listed:
            operations = self._listed(expression, row)
        else:
            last = count if row.arrays < 0 else row.first + row.arrays
            numbers = range(1 + row.first, 1 + last)
            if count < last:
                raise Untranslatable("an operand is missing")
            constant = self._constant(expression, row)
            if constant:
                return constant
            operations = self._operands(expression, numbers, row)
        operations += self._arguments(expression, row, first=0)
        if not row.torch:
            return [*operations, Operation(here, "unwrap-call")]
        callee = Operation(here, "callee", self.spelled(expression, row.torch))
        added = [o for o in operations if o.kind == "keyword"]
        rest = [o for o in operations if o.kind != "keyword"]
        return [*rest, callee, *added]

    def _constant(self, expression: Expression, row: Equivalent) -> list[Operation]:
        """Write `np.maximum(h, 0)` as `torch.clamp(h, min=0)`."""
        if not row.constant or len(expression.args) != 3:
            return []
        plain = [number for number in (1, 2) if _is_number(expression.args[number])]
        if len(plain) != 1 or any(expression.op.names[1:]):
            return []
        here = span(expression.site)
        torch, keyword = row.constant.split()
        operations = self._operands(expression, [3 - plain[0]], row)
        if plain == [1]:
            operations.append(Operation(here, "swap-arguments"))
        operations.append(Operation(here, "name-argument", f"1={keyword}"))
        return [*operations, Operation(here, "callee", self.spelled(expression, torch))]

    def _arguments(self, expression: Expression, row: Equivalent, *, first: int) -> list[Operation]:
        """Rename the keywords; refuse what torch takes otherwise or not at all."""
        op, here = expression.op, span(expression.site)
        names = op.names[1:] or ("",) * (len(op.args) - 1)
        positional = sum(1 for name in names if not name)
        allowed = max(row.positional, row.first + row.arrays - first)
        if -1 not in (row.positional, row.arrays) and positional > allowed:
            raise Untranslatable("torch takes its arguments in another order")
        renaming = dict(pair.split("=") for pair in row.keywords)
        given = {name for name in names if name}
        unknown = sorted(given - renaming.keys())
        if unknown:
            raise Untranslatable(f"`{unknown[0]}=` has no equivalent")
        axis = 2 - first if positional > 1 - first else None
        named = next((names.index(n) + 1 for n in ("axis", "axes") if n in given), None)
        axis = named if named is not None else axis
        if row.required and (axis is None or axis >= len(op.args)):
            raise Untranslatable(f"without `{row.required}` it has no equivalent")
        axes = expression.args[axis] if axis is not None and axis < len(op.args) else NOTHING
        if row.single and any(t.kind in ("tuple", "list") for t in axes):
            raise Untranslatable("over several axes it has no equivalent")
        self._refuse_arrays(expression, row, first)
        changed = [
            Operation(here, "rename-keyword", f"{name}={renaming[name]}")
            for name in names
            if name and renaming[name] != name
        ]
        present = {renaming[name] for name in given}
        added = [a for a in row.adds if a.partition("=")[0] not in present]
        return [*changed, *(Operation(here, "keyword", a) for a in added)]

    def _refuse_arrays(self, expression: Expression, row: Equivalent, first: int) -> None:
        last = 1 if row.listed else row.first + row.arrays - first
        for number in range(1 + last, len(expression.args)) if row.arrays >= 0 else ():
            values = expression.args[number] | expression.held[number]
            if any(t.kind in ("array", "tensor") for t in values):
                raise Untranslatable("an argument of it that is an array has no equivalent")

    def _listed(self, expression: Expression, row: Equivalent) -> list[Operation]:
        """Return what makes tensors of the other arrays in a list."""
        if len(expression.args) < 2 or not expression.held[1]:
            raise Untranslatable("its list of arrays is not known")
        target = self._agree([expression.held[1]], row)
        if all(self._is_ours(t) for t in expression.held[1]):
            return []
        display = producer(expression.function, expression.op.args[1])
        site = Site(expression.site.path, display.place) if display is not None else None
        shown = [s for s in self.tape.at.get(site, ()) if s.op is display] if site else []
        if not shown or any(shown[0].op.names):
            raise Untranslatable("its list holds other arrays too")
        listed = Expression.of(shown)
        return [
            operation
            for number, value in enumerate(listed.args)
            for operation in self._operand(listed, value, listed.place(number), target)
        ]

    def _operands(
        self,
        expression: Expression,
        numbers: Iterable[int],
        row: Equivalent,
        *,
        operator: bool = False,
    ) -> list[Operation]:
        """Make tensors of the operands that are none: other arrays, and numbers where they must be."""
        numbers = list(numbers)
        condition = row.torch == "torch.where"
        target = self._agree([expression.args[n] for n in numbers[condition:]], row)
        operations: list[Operation] = []
        for position, number in enumerate(numbers):
            value, place = expression.args[number], expression.place(number)
            if _is_number(value):
                if not (operator or position in row.numbers):
                    if row.strict or not _is_exact(value):
                        raise Untranslatable("a number is no operand of it in torch")
                    operations += self._call(expression, place)
                continue
            cast = "" if condition and position == 0 else target
            operations += self._operand(expression, value, place, cast)
        return operations

    def _operand(
        self, expression: Expression, value: Value, place: Site, cast: str
    ) -> list[Operation]:
        """Make a tensor of an operand that is another array, at times or always."""
        if not value or any(t.kind not in ("array", "tensor") for t in value):
            raise Untranslatable("what one of its operands is, is not known")
        if all(self._is_ours(t) for t in value):
            return []
        operations = self._call(expression, place)
        return [*operations, Operation(span(place), "append", cast)] if cast else operations

    def _call(self, expression: Expression, place: Site) -> list[Operation]:
        return [Operation(span(place), "call", self.spelled(expression, _AS_TENSOR))]

    def _agree(self, operands: list[Value], row: Equivalent) -> str:
        """Return the cast that the other arrays need so that the dtype stays NumPy's."""
        ours = {self.dtypes.get(t, "unknown") for v in operands for t in v if self._is_ours(t)}
        others = {
            self.dtypes.get(t, "unknown")
            for v in operands
            for t in v
            if t.kind == "array" and not self._is_ours(t)
        }
        if len(ours | others) <= 1 and "unknown" not in others:
            return ""
        if not others and not (row.strict and len(ours) > 1):
            return ""
        if ours == {"float64"} and not others & {"complex64", "complex128"}:
            return ".double()"
        if self.settled and not row.strict:
            return ""
        floating = all(dtype_class(name) == "float" for name in others)
        if floating and ours == {"unknown"} and not row.strict:
            return ""
        raise Untranslatable("the dtype would not be NumPy's, or is not known")

    def _is_ours(self, thing: Thing) -> bool:
        return thing in self.lifted or thing.kind == "tensor"


def _is_number(value: Value) -> bool:
    return bool(value) and all(
        t.kind == "number"
        or (t.kind == "external" and t.name in _CONSTANTS)
        or (t.kind == "const" and isinstance(t.data, int | float))
        for t in value
    )


def _is_exact(value: Value) -> bool:
    """Say whether a number stays what it is where it is made a tensor of the default dtype."""
    return all(
        t.kind == "const" and struct.unpack("f", struct.pack("f", t.data))[0] == t.data
        for t in value
    )


def _check_key(expression: Expression) -> None:
    """Refuse what only NumPy takes between brackets: a step back."""
    steps = _slice_steps(expression.function, expression.op.args[1])
    if any(not (isinstance(step, int) and step > 0) for step in steps):
        raise Untranslatable("torch takes no step back")


def _slice_steps(function: Function, register: int) -> list[object]:
    """Return the steps of the slices that an index is written with; None for what is no constant."""
    op = producer(function, register)
    if op is None or op.kind != "pack":
        return []
    if op.target != "slice":
        return [step for inner in op.args for step in _slice_steps(function, inner)]
    return [
        made.constant if (made := producer(function, register)) is not None else None
        for register, name in zip(op.args, op.names, strict=True)
        if name == "step"
    ]


def producer(function: Function, register: int) -> Op | None:
    """Return the operation that fills a register."""
    pending = list(function.body)
    while pending:
        op = pending.pop()
        if op.out == register and op.kind != "loop":
            return op
        for block in op.blocks:
            pending.extend(block)
    return None
