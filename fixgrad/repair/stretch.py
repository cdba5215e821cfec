"""The stretch of a program between a tensor's values leaving for NumPy and their coming back.

It is found backwards from the conversion. All that stands in it becomes torch, or nothing does; who else
looks at an array of it is given that array as before.
"""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.edits import Operation
from fixgrad.flow.graph import Computed
from fixgrad.flow.tape import Step, Tape
from fixgrad.flow.values import Site, Thing, Value, ordered
from fixgrad.hazards import line_of, span
from fixgrad.knowledge import equivalent
from fixgrad.repair.ends import back, comes_back, leaves
from fixgrad.repair.translate import Expression, Translator, Untranslatable

_MAKING = ("call", "method", "binary", "unary", "compare", "index", "attr", "loop", "item")
_ITEM = "numpy.ndarray.__getitem__"
# What hands an array on, alone or in a list, without looking at its values.
_HANDS_ON = frozenset(
    ("load", "store", "setattr", "delete", "item", "pack", "collect", "finish", "stmt", "loop")
)
_BUILTIN_HANDS_ON = frozenset(("zip", "enumerate", "list", "tuple", "len", "iter", "reversed"))
_FINE_METHODS = frozenset(("item", "tolist"))
_OF_CONTAINERS = frozenset(("append", "extend", "insert", "items", "values", "keys", "get"))


class Stretch:
    """What becomes torch so that the values come back with their gradient."""

    def __init__(self, tape: Tape, site: Site) -> None:
        self.tape = tape
        self.graph = tape.graph
        self.lifted: set[Thing] = set()
        self.operations: dict[Operation, None] = {}
        self.sites: set[Site] = set()  # the expressions that become torch
        self._ends: set[Site] = {site}
        self._back = ""  # what makes an array again of a tensor that is kept
        self._translator = Translator(tape, self.lifted)

    def write(self) -> None:
        """Fill the operations; raises `Untranslatable` where something has no equivalent."""
        self._go_back()
        self._go_on()
        for site in sorted(self.sites):
            self._add(site, self._written(site))
        for site in sorted(self._ends):
            self._add(site, comes_back(self._translator, self._expression(site)))
        self._keep_others()

    def _add(self, site: Site, operations: Iterable[Operation]) -> None:
        self.operations.update(dict.fromkeys(operations))

    def _steps(self, site: Site) -> list[Step]:
        """Return what an expression does, unknown callers aside where the project calls it itself."""
        aside = self.graph.roots & self.graph.called_here
        steps = [s for s in self.tape.at[site] if s.op.kind in _MAKING]
        return [s for s in steps if not s.path or s.path[0] not in aside] or steps

    def _expression(self, site: Site) -> Expression:
        steps = self._steps(site)
        if not steps or len({s.op for s in steps}) > 1:
            raise Untranslatable(f"{line_of(site)}: the expression cannot be changed alone")
        return Expression.of(steps)

    def _go_back(self) -> None:
        """Collect what the values that come back are computed of."""
        pending = [t for site in self._ends for s in self._steps(site) for t in ordered(s.out)]
        seen: set[Thing] = set()
        while pending:
            thing = pending.pop()
            if thing in seen or thing.kind in ("list", "tuple"):
                continue
            seen.add(thing)
            computed = self._computed(thing)
            if thing.kind == "array" and thing.site is not None:
                if computed.flat and self._row(computed.effect, thing) is None:
                    continue  # what has no gradient anyway may stay with NumPy
                self.lifted.add(thing)
                self.sites.add(thing.site)
                pending += [t for s in self._steps(thing.site) for t in ordered(s.out)]
            holding = (
                t for t in computed.inputs if t.kind != "tensor" and t in self.graph.computed
            )
            pending += ordered(holding)

    def _computed(self, thing: Thing) -> Computed:
        found = self.graph.computed.get(thing)
        line = thing.site.place[0] if thing.site is not None else 0
        if found is None:
            raise Untranslatable(f"{line} is given other data as well")
        if thing.kind not in ("array", "tensor"):
            raise Untranslatable(
                f"line {line}: `{_short(found.effect)}` has no equivalent in torch"
            )
        return found

    def _row(self, effect: str, thing: Thing) -> object:
        if effect == "torch.Tensor.numpy" or thing.name.startswith("element of"):
            return effect
        return equivalent("[]" if effect == _ITEM else effect)

    def _written(self, site: Site) -> list[Operation]:
        """Return the operations of one expression in the stretch."""
        expression = self._expression(site)
        line = line_of(site)
        effects = {
            self.graph.computed[t].effect for t in expression.out if t in self.graph.computed
        }
        if expression.op.kind in ("loop", "item"):
            return []
        try:
            if effects == {"torch.Tensor.numpy"}:
                self._back = max(self._back, back(expression), key=len)
                return leaves(expression)
            effect = self._effect(expression, effects)
            row = equivalent(effect)
            if row is None:
                name = _short(effect)
                raise Untranslatable(f"`{name}` has no equivalent in torch")
            return self._translator.write(expression, row)
        except Untranslatable as reason:
            raise Untranslatable(f"{line}: {reason}") from None

    def _effect(self, expression: Expression, effects: set[str]) -> str:
        op = expression.op
        if op.kind in ("binary", "unary", "compare"):
            return op.target
        if op.kind == "index":
            return "[]"
        if len(effects) == 1:
            (effect,) = effects
            return effect
        if op.kind == "method":
            owners = {t.name for t in expression.args[0] if t.kind == "external"}
            owner = owners.pop() if len(owners) == 1 else "numpy.ndarray"
            return f"{owner}.{op.target}"
        names = {t.name for t in expression.args[0]}
        return names.pop() if len(names) == 1 else "the call"

    def _go_on(self) -> None:
        """Add what is only computed for the stretch: masks and signs, which have no gradient."""
        found: dict[Site, set[Thing]] = {}
        pending = ordered(self.lifted)
        while pending:
            thing = pending.pop()
            for step in self.tape.given[thing]:
                site = step.site
                if site in self.sites | self._ends or site in found or not self._may_join(step):
                    continue
                made = {t for s in self._steps(site) for t in s.out if t.kind == "array"}
                if made:
                    found[site] = made
                    pending += ordered(made)
        while True:
            joined = self.sites | self._ends | found.keys()
            lost = [s for s, made in found.items() if not self._stay_inside(made, joined)]
            if not lost:
                break
            for site in lost:
                del found[site]
        self.sites |= found.keys()
        self.lifted.update(*found.values())

    def _may_join(self, step: Step) -> bool:
        if step.op.kind not in ("compare", "binary", "unary", "call", "method", "index"):
            return False
        made = [t for t in step.out if t.kind == "array"]
        if not made or any(t in self.graph.computed for t in made):
            return False
        try:
            expression = self._expression(step.site)
            row = equivalent(self._effect(expression, set()))
            if row is None:
                return False
            self._translator.write(expression, row)
        except Untranslatable:
            return False
        return True

    def _stay_inside(self, made: Iterable[Thing], joined: Iterable[Site]) -> bool:
        inside = set(joined)
        return all(
            step.site in inside or self._hands_on(step) or step.op.kind in ("branch", "assert")
            for thing in made
            for step in (*self.tape.given[thing], *self.tape.holding[thing])
        )

    def _keep_others(self) -> None:
        """Give arrays to those who are not in the stretch."""
        inside = self.sites | self._ends
        for thing in ordered(self.lifted):
            for step in self.tape.given[thing]:
                if step.site not in inside and not self._hands_on(step):
                    self._give_back(thing, step)
            for step in self.tape.holding[thing]:
                if step.site not in inside and not self._hands_on(step):
                    line = step.site.place[0]
                    raise Untranslatable(
                        f"line {line}: the arrays are used in a list there as well"
                    )

    def _hands_on(self, step: Step) -> bool:
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

    def _give_back(self, thing: Thing, step: Step) -> None:
        """Hand a step that looks at an array the array that it had before."""
        op, line = step.op, line_of(step.site)
        if (op.kind in ("inplace", "setindex") and thing in step.args[0]) or "out" in op.names:
            raise Untranslatable(f"{line} writes the array in place")
        for number, value in enumerate(step.args):
            if thing not in value:
                continue
            name = op.names[number] if number < len(op.names) else ""
            if name.startswith("*") or not value <= self.lifted:
                raise Untranslatable(f"{line} is given other data as well")
            place = Site(step.site.path, step.function.places[op.args[number]])
            self._add(place, [Operation(span(place), "append", self._back)])


def _is_array(value: Value) -> bool:
    return any(t.kind == "array" for t in value)


def _short(effect: str) -> str:
    """Return a function as people write it: "np.linalg.norm"."""
    if effect.startswith("numpy.ndarray."):
        return effect.removeprefix("numpy.ndarray")
    return "np." + effect[6:] if effect.startswith("numpy.") else effect
