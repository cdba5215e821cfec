"""Who else looks at the arrays of a NumPy stretch: each is given the array that it had before."""

from __future__ import annotations

from collections.abc import Iterable, Set

from fixgrad.edits import Operation
from fixgrad.flow.tape import Step, Tape
from fixgrad.flow.values import Site, Thing, Value, ordered
from fixgrad.hazards import line_of, span
from fixgrad.repair.translate import Untranslatable

# What hands an array on, alone or in a list, without looking at its values.
_HANDS_ON = frozenset(
    ("load", "store", "setattr", "delete", "item", "pack", "collect", "finish", "stmt", "loop")
)
_BUILTIN_HANDS_ON = frozenset(("zip", "enumerate", "list", "tuple", "len", "iter", "reversed"))
_FINE_METHODS = frozenset(("item", "tolist"))
_OF_CONTAINERS = frozenset(("append", "extend", "insert", "items", "values", "keys", "get"))


class Bystanders:
    """The steps of a run that are given arrays which become tensors."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.graph = tape.graph

    def stay_inside(self, made: Iterable[Thing], inside: Set[Site]) -> bool:
        """Say whether nobody outside of some expressions looks at what they make."""
        return all(
            step.site in inside or self.hands_on(step) or step.op.kind in ("branch", "assert")
            for thing in made
            for step in (*self.tape.given[thing], *self.tape.holding[thing])
        )

    def given_back(self, lifted: Set[Thing], inside: Set[Site], back: str) -> dict[Operation, None]:
        """Return what makes arrays again, for those outside, of the tensors that there will be."""
        operations: dict[Operation, None] = {}
        for thing in ordered(lifted):
            for step in self.tape.given[thing]:
                if step.site not in inside and not self.hands_on(step):
                    operations.update(self._given_back(thing, step, lifted, back))
            for step in self.tape.holding[thing]:
                if step.site not in inside and not self.hands_on(step):
                    reason = "the arrays are used in a list as well"
                    raise Untranslatable(f"at {line_of(step.site)} {reason}")
        return operations

    def hands_on(self, step: Step) -> bool:
        """Say whether a step only passes arrays on, or asks what a tensor answers as well."""
        op = step.op
        if op.kind in _HANDS_ON or op.kind == "return":
            return op.kind != "return" or not self._is_unknown_caller(step)
        if op.kind == "attr":
            return op.target in ("shape", "ndim") or not _is_array(step.args[0])
        if op.kind in ("index", "setindex"):
            return not any(map(_is_array, step.args[:2]))
        if op.kind == "method":
            if _is_array(step.args[0]):
                return op.target in _FINE_METHODS
            if op.target in _OF_CONTAINERS and not any(t.kind == "external" for t in step.args[0]):
                return True
        if op.kind == "call":
            names = {t.name.removeprefix("builtins.") for t in step.args[0]}
            if names <= _BUILTIN_HANDS_ON:
                return True
        return op.kind in ("call", "method") and (step.site, step.path) in self.graph.calls

    def _is_unknown_caller(self, step: Step) -> bool:
        return bool(step.path) and step.path[-1] in self.graph.roots - self.graph.called_here

    def _given_back(
        self, thing: Thing, step: Step, lifted: Set[Thing], back: str
    ) -> dict[Operation, None]:
        op, line = step.op, line_of(step.site)
        if (op.kind in ("inplace", "setindex") and thing in step.args[0]) or "out" in op.names:
            raise Untranslatable(f"{line} writes the array in place")
        operations: dict[Operation, None] = {}
        for number, value in enumerate(step.args):
            if thing not in value:
                continue
            name = op.names[number] if number < len(op.names) else ""
            if name.startswith("*") or not value <= lifted:
                raise Untranslatable(f"{line} is given other data as well")
            place = Site(step.site.path, step.function.places[op.args[number]])
            operations[Operation(span(place), "append", back)] = None
        return operations


def _is_array(value: Value) -> bool:
    return any(t.kind == "array" for t in value)
