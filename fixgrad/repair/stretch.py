"""The stretch of a program between a tensor's values leaving for NumPy and their coming back.

It is found backwards from the conversion. All that stands in it becomes torch, or nothing does; who else
looks at an array of it is given that array as before.
"""

from __future__ import annotations

from fixgrad.edits import Operation
from fixgrad.flow.graph import Computed
from fixgrad.flow.ir import stands_in
from fixgrad.flow.tape import Step, Tape
from fixgrad.flow.values import Path, Site, Thing, ordered
from fixgrad.hazards import line_of, span
from fixgrad.knowledge import Equivalent, equivalent
from fixgrad.repair.bystanders import Bystanders
from fixgrad.repair.ends import LEAVES, back, comes_back, leaves, leaving_call
from fixgrad.repair.translate import Expression, Translator, Untranslatable

_MAKING = (
    "call",
    "method",
    "binary",
    "unary",
    "compare",
    "index",
    "attr",
    "loop",
    "item",
    "inplace",
)
_ITEM = "numpy.ndarray.__getitem__"
_LISTING = ("numpy.array", "numpy.asarray")
_STACK = Equivalent("numpy.array", torch="torch.stack", listed=True)


class Stretch:
    """What becomes torch so that the values come back with their gradient."""

    def __init__(self, tape: Tape, site: Site, path: Path) -> None:
        self.tape = tape
        self.graph = tape.graph
        self.lifted: set[Thing] = set()  # arrays that become tensors
        self.sites: set[Site] = set()  # the expressions that become torch
        self.operations: dict[Operation, None] = {}
        self._end = site
        self._path = path
        self._back = ""  # what makes an array again of a tensor that is kept
        self._translator = Translator(tape, self.lifted)
        self._bystanders = Bystanders(tape)

    def write(self) -> None:
        """Fill the operations; raises `Untranslatable` where something has no equivalent."""
        self._go_back()
        self._go_on()
        end = self._expression(self._end)
        self._translator.settled = self._is_settled(end)
        for site in sorted(self.sites):
            self.operations.update(dict.fromkeys(self._written(site)))
        self.operations.update(dict.fromkeys(comes_back(self._translator, end)))
        inside = self.sites | {self._end} | self._wrappers(end)
        self.operations.update(self._bystanders.given_back(self.lifted, inside, self._back))

    def _wrappers(self, end: Expression) -> set[Site]:
        """Take off the `Variable` around a conversion, which would cut the gradient as well."""
        found: set[Site] = set()
        for step in (s for t in end.out for s in self.tape.given[t] if s.op.kind != "load"):
            callees = {t.name.rpartition(".")[2] or t.name for t in step.args[0]}
            called = step.op.target or "".join(callees)
            if step.op.kind in ("call", "method") and called == "Variable" and len(step.args) == 2:
                self.operations[Operation(span(step.site), "unwrap-call")] = None
                found.add(step.site)
        return found

    def _steps(self, site: Site) -> list[Step]:
        """Return what an expression does, unknown callers aside where the project calls it itself."""
        aside = self.graph.roots & self.graph.called_here
        steps = [s for s in self.tape.at[site] if s.op.kind in _MAKING]
        return [s for s in steps if not s.path or s.path[0] not in aside] or steps

    def _expression(self, site: Site) -> Expression:
        steps = self._steps(site)
        if not steps or len({s.op for s in steps}) > 1:
            raise Untranslatable(f"the expression at {line_of(site)} cannot be changed alone")
        return Expression.of(steps)

    def _go_back(self) -> None:
        """Collect what the values that come back are computed of."""
        ends = [t for s in self._steps(self._end) if s.path == self._path for t in ordered(s.out)]
        pending = [t for end in ends for t in self._inputs(end)]
        seen: set[Thing] = set()
        while pending:
            thing = pending.pop()
            if thing in seen or thing.kind in ("list", "tuple"):
                continue
            seen.add(thing)
            computed = self._computed(thing)
            if computed.flat and self._row(computed.effect, thing) is None:
                continue  # what has no gradient anyway may stay with NumPy
            site = self._where(thing, computed)
            self.lifted.add(thing)
            self.sites.add(site)
            changed = [s for s in self.tape.given[thing] if s.op.kind == "inplace"]
            self.sites |= {s.site for s in changed if thing in s.args[0]}
            pending += [t for s in self._steps(site) for t in ordered(s.out)]
            if computed.effect != LEAVES:
                pending += self._inputs(thing)

    def _inputs(self, thing: Thing) -> list[Thing]:
        """Return what of the operands of an array holds values of tensors."""
        inputs = ordered(self._computed(thing).inputs)
        return [t for t in inputs if t.kind != "tensor" and t in self.graph.computed]

    def _computed(self, thing: Thing) -> Computed:
        found = self.graph.computed.get(thing)
        line = line_of(thing.site)
        if found is None:
            raise Untranslatable(f"{line} is given other data as well")
        if thing.kind not in ("array", "tensor") or thing.site is None:
            raise Untranslatable(f"at {line} `{_short(found.effect)}` has no equivalent in torch")
        return found

    def _where(self, thing: Thing, computed: Computed) -> Site:
        """Return the expression that makes an array: of a helper that only exports, its call."""
        call = leaving_call(self.tape, thing) if computed.effect == LEAVES else None
        if call is not None:
            return call
        assert thing.site is not None
        return thing.site

    def _row(self, effect: str, thing: Thing) -> object:
        if effect == LEAVES or thing.name.startswith("element of"):
            return effect
        return equivalent("[]" if effect == _ITEM else effect)

    def _is_settled(self, end: Expression) -> bool:
        """Say whether what follows the conversion at once casts to a dtype of its own."""
        steps = [s for t in end.out for s in self.tape.given[t] if s.op.kind != "load"]
        return bool(steps) and all(
            s.op.kind == "method"
            and s.op.target in ("float", "double", "half")
            and s.function.places[s.op.args[0]] == end.site.place
            for s in steps
        )

    def _written(self, site: Site) -> list[Operation]:
        """Return the operations of one expression in the stretch."""
        expression = self._expression(site)
        effects = {
            self.graph.computed[t].effect for t in expression.out if t in self.graph.computed
        }
        if expression.op.kind in ("loop", "item"):
            return []
        try:
            if expression.op.kind == "inplace":
                return self._out_of_place(expression)
            if effects == {LEAVES}:
                self._back = max(self._back, back(expression, self.tape), key=len)
                return leaves(expression, self.tape)
            effect = self._effect(expression, effects)
            row = equivalent(effect)
            if effect in _LISTING and expression.held[1]:
                row = _STACK
            if row is None:
                raise Untranslatable(f"`{_short(effect)}` has no equivalent in torch")
            return self._translator.write(expression, row)
        except Untranslatable as reason:
            raise Untranslatable(f"at {line_of(site)} {reason}") from None

    def _out_of_place(self, expression: Expression) -> list[Operation]:
        """Write `h /= n` as `h = h / n`, where nobody else sees the array change."""
        row = equivalent(expression.op.target)
        seen = {s.op.target for t in expression.args[0] for s in self.tape.stored[t]}
        own = all(
            t.site is not None
            and t.site.path == expression.site.path
            and stands_in(t.site.place, expression.function.place)
            and self._computed(t).effect != LEAVES
            and not any(other.kind == "array" for other in self.tape.sharing[t])
            for t in expression.args[0]
        )
        if row is None or len(seen) != 1 or not own:
            raise Untranslatable("the array is written in place")
        operations = self._translator.write(expression, row)
        return [*operations, Operation(span(expression.site), "out-of-place")]

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
        inside = self.sites | {self._end}
        pending = ordered(self.lifted)
        while pending:
            thing = pending.pop()
            for step in self.tape.given[thing]:
                site = step.site
                if site in inside or site in found or not self._may_join(step):
                    continue
                made = {t for s in self._steps(site) for t in s.out if t.kind == "array"}
                if made:
                    found[site] = made
                    pending += ordered(made)
        while True:
            joined = inside | found.keys()
            lost = [s for s, m in found.items() if not self._bystanders.stay_inside(m, joined)]
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


def _short(effect: str) -> str:
    """Return a function as people write it: "np.linalg.norm"."""
    if effect == "[]=":
        return "array[...] ="
    if effect.startswith("numpy.ndarray."):
        return effect.removeprefix("numpy.ndarray")
    return "np." + effect[6:] if effect.startswith("numpy.") else effect
