"""What a run leaves behind: the tensors of a program, how they come of each other, and their uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from fixgrad.flow.arguments import Call
from fixgrad.flow.ir import Place, stands_in
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing, Value, ordered

Where: TypeAlias = tuple[str, Place]  # a function by its file and place


class Mark(NamedTuple):
    """A decorator of pytest's and the function below it."""

    name: str
    call: Call
    function: Thing


class Made(NamedTuple):
    """How one tensor or array is made."""

    effect: str  # "torch.from_numpy", "torch.Tensor.float", "-", "gradient", "factory"
    mode: str  # whether autograd recorded there
    dtype: str
    alias: str  # "copy", "view", "maybe-self", ... of the operation


class Computed(NamedTuple):
    """How NumPy or Python computes what holds the values of tensors."""

    effect: str  # "numpy.sin", "numpy.ndarray.sum", "+", "torch.Tensor.numpy", "float"
    inputs: frozenset[Thing]  # the arrays, numbers and tensors that go in
    flat: bool = False  # it has no gradient, in torch as little as in NumPy: rounded, compared


class CallResult(NamedTuple):
    """What one call of a project's function returned."""

    value: Value
    statement: Site
    is_coroutine: bool  # it is no value before someone awaits it
    written: bool = True  # the expression there is this call; not where `map` makes it


_LONGEST_CHAIN = 50  # of views and copies between a tensor and where it is looked at


def _harmless(thing: Thing) -> bool:
    return thing.kind == "tensor" and not thing.name.startswith(("torch.nn.Parameter", "parameter"))


class Drawn(NamedTuple):
    """A variable that a loop gives its elements to."""

    loop: Site
    first: Site  # the first statement of its body
    name: str


class FlowGraph:
    """Filled by the machine while it runs; read by rules and repairs afterwards."""

    def __init__(self) -> None:  # noqa: PLR0915 - a table a line
        self.uses: dict[tuple[object, ...], Use] = {}
        self.carried: dict[Thing, set[Thing]] = {}  # computed from, the gradient flows
        self.cut: dict[Thing, set[Thing]] = {}  # computed from, the gradient does not
        self.made: dict[Thing, Made] = {}
        self.from_data: set[Thing] = set()  # conversions, and what holds their values
        self.impure: set[Thing] = set()  # something unknown may have been an operand too
        self.capped: set[tuple[str, Place]] = set()  # functions no longer entered by each call
        self.computed: dict[Thing, Computed] = {}  # of arrays and numbers that hold tensors' values
        self.born: dict[Thing, str] = {}  # of conversions: "array", "literal", "unknown", ...
        self.choosy: set[Site] = set()  # conversions that stop at some of what they are given
        self.indirect: set[Site] = set()  # conversions called through map or a callback
        self.renamed: set[Site] = set()  # conversions called by a name of the program's own
        self.no_tensor: set[Site] = set()  # calls that give something else at times
        self.first_turn: set[tuple[str, Site, Path, Thing]] = set()  # untracked there for certain
        self.switched: set[Site] = set()  # conversions whose requires_grad= is left at a default
        self.flags: dict[Site, set[str]] = {}  # a requires_grad= that is not taken: "on", "off"
        self.packed: set[Site] = set()  # what gives its tensors in a tuple, or is no expression
        self.compound: set[Site] = set()  # statements that hold others
        self.passing: set[Site] = set()  # as_tensor(p) where p is a tensor at times
        self.kinds: dict[Site, set[str]] = {}  # what NumPy is given at a place: "tensor", "array"
        self.shadows: dict[str, list[tuple[Place, frozenset[str]]]] = {}  # local names by function
        self.mixes: set[Thing] = set()  # computed from a tensor and an array
        self.by_value: dict[Thing, set[Thing]] = {}  # tensors whose numbers went into it
        self.steered: dict[
            Thing, set[Thing]
        ] = {}  # an item of a tensor -> the tensors it is chosen by
        # at a backward pass: tensors whose values it brought back, if they were not made anew since
        self.came_back: dict[Thing, set[Thing]] = {}
        self.turned: set[Thing] = set()  # lies in memory in another order than its axes say
        # where `.grad` is read of an object's array: how the tensors beside it are written
        self.kept_beside: dict[tuple[Site, Path, Thing], str] = {}
        # by where a gradient was read, the calls that used it, and its tensor: the calls that read it
        self.read_under: dict[tuple[Site, Path, Thing], set[Path]] = {}
        self.read_by_name: set[Thing] = set()  # classes whose methods may be called by any name
        self.clock = 0  # counts what is made, and the turns of loops
        self.made_at: dict[Thing, int] = {}  # when it was made last
        self.made_in: dict[
            Thing, int
        ] = {}  # the turn that certainly makes it, 0 where there is none
        self.flagged_as: dict[Thing, set[Thing]] = {}  # a copy -> what it is tracked like, cut off
        # by leaf: what takes its place in later turns of a loop, and what is computed of either
        self.replaced: dict[Thing, set[tuple[Thing, Thing]]] = {}
        self.refused: set[Thing] = set()  # requires_grad=False is written there
        self.hooked: set[Thing] = set()  # modules with hooks that run before forward
        self.told: set[Thing] = set()  # to have no gradient, before one was asked for
        self.moved: set[Thing] = set()  # by their own gradients, where these are tested for None
        self.manual: set[Thing] = set()  # the program sets their .grad itself
        self.calls: dict[tuple[Site, Path], CallResult] = {}
        # where an optimizer is made, steps or zeroes gradients: the tensors that it holds
        self.optimizing: dict[tuple[Site, Path], set[Thing]] = {}
        # by statement and name: what is unpacked there under this name
        self.drawn: dict[Drawn, set[Thing]] = {}  # what a variable of a loop holds
        # by the statement that gives attributes to an optimizer, and their names: what they hold
        self.listed: dict[tuple[Site, str], set[Thing]] = {}
        self.item_names: dict[Site, str] = {}  # variables that stand in displays: `[x]`
        # by the statement `x = a if b else c`, the calls and the variable: what that may hold
        self.choices: dict[tuple[Site, Path, str], set[Thing]] = {}
        self.taken_out: dict[tuple[Site, str], set[Thing]] = {}
        self.variables: dict[tuple[Path, Thing], str] = {}  # a name that holds the thing
        self.underivable: set[Thing] = set()  # tracked, and made by what has no derivative
        self.held: set[Thing] = set()  # tensors that a variable, an attribute or an item has held
        self.collected: dict[Thing, set[Thing]] = {}  # what loops have put into lists
        self.of_earlier_turns: set[Thing] = set()  # computed of all that such a list holds
        # by the calls, the statement and the name that it binds: the tensors
        self.bound: dict[tuple[Path, Place, str], set[Thing]] = {}
        self.receivers: dict[Site, Place] = {}  # of a conversion `torch.f(a)`: where `torch` stands
        self.names_of: dict[tuple[str, str], str] = {}  # (file, "torch") -> "th"
        self.local_names: dict[tuple[str, str], list[tuple[Place, str]]] = {}  # in functions
        self.before_cpu: dict[Site, Place] = {}  # `x.cpu()` -> where `x` stands
        self.sharing: dict[Thing, list[Thing]] = {}  # array -> the tensors on its memory
        self.descendants: dict[tuple[Thing, str], dict[Thing, int]] = {}  # numbered, see there
        self.visits: dict[Where, set[Where]] = {}  # by root: the functions entered below it
        self.roots: set[Site] = set()  # calls by unknown callers
        self.unwritten: set[Site] = set()  # calls of fixtures by pytest
        self.allowing: set[Site] = set()  # inputs of autograd.grad of which the result may not come
        self.awaited: dict[Site, Site] = {}  # calls, and where they are awaited
        # by function: the decorators of pytest above it
        self.marks: dict[Where, list[Mark]] = {}
        self.of_several_tests: set[Thing] = set()  # what fixtures make once for all tests
        self.called_here: set[Site] = set()  # functions and classes that the project calls itself
        self.cut_short: set[Path] = set()  # calls that were not followed, be it in one turn of many
        self.stepped: set[Thing] = set()  # instances whose step() was called
        self.called: set[str] = set()  # external functions that were called
        self.with_factories: set[str] = set()  # files with fields made anew for each instance
        self.loops: dict[Thing, int] = {}  # how many loops are around the expression that makes it
        # by tensor: for each branch around where it is put into containers, into which on which way
        self.dealt: dict[Thing, dict[tuple[Site | None, Path], dict[int, set[Thing]]]] = {}
        # by such a tensor: the containers of which each item is asked for
        self.gone_through: dict[Thing, set[Thing]] = {}
        # by where its gradient is read: what is tested for None only afterwards
        self.tested: set[tuple[Site | None, Thing]] = set()
        self.sifted: set[Thing] = set()  # chosen among others by a test that mentions them
        self.picked: set[Thing] = set()  # told apart by position from others made by one expression
        self.chosen: set[Thing] = (
            set()
        )  # taken out of several, by a key that is not known or by a test
        self.chosen_of: dict[Thing, set[Thing | None]] = {}  # of which containers they were taken
        self.all_of: dict[Thing, set[Thing]] = {}  # list -> the containers whose items it has all
        self.speed_of: dict[Thing, set[Thing]] = {}  # changed by a gradient -> of which tensors
        self.too_early: set[Site] = set()  # `assert x.grad is None` before any backward pass
        self.counts: dict[Thing, frozenset[Thing]] = {}  # how many there are -> in which list
        self.ranges: dict[Thing, slice] = {}  # a number of a range -> the range
        self.slices: dict[Thing, tuple[Thing, slice]] = {}  # part of a list -> which, of which
        self.singly: dict[
            Thing, set[Thing]
        ] = {}  # such a list -> what else was put into it, one by one
        # by demand and tensor: the containers all of whose items are asked for
        self.asked_of: dict[tuple[Site, Path, Thing], set[Thing]] = {}
        self.whole: set[Thing] = set()  # demanded together with all others of its list
        self.put_first: dict[
            tuple[Thing, Thing], Place
        ] = {}  # what is put into a list: where first
        self.several: set[Thing] = set()  # parts of one result that share a thing
        # by branch and tensor, the ways that detach it; by export, the ways it stands on
        self.detached: dict[tuple[Site, Path, Thing], set[int]] = {}
        self.arms: dict[tuple[Site, Path, Thing], set[tuple[Site, Path, int]]] = {}
        self.beside: set[tuple[Site, Path, Thing]] = (
            set()
        )  # exports of what may be detached by then
        self.kept: dict[Thing, set[Where]] = {}  # attributes of instances: of which classes
        # by statement that gives instances names: what stands in their attributes then, "src.points"
        self.named_parts: dict[tuple[Path, Place], dict[str, set[Thing]]] = {}
        self.named_entries: dict[
            tuple[Path, Site], dict[str, set[Thing]]
        ] = {}  # of dicts and lists
        self.kept_as: dict[Thing, set[str]] = {}  # under which names
        # attributes of the project's modules that `forward` reads; the modules that are moved, and how
        self.read_in_forward: set[tuple[Thing, str]] = set()
        self.relocated: dict[Thing, set[str]] = {}
        self.recast: set[Thing] = set()  # tensors that the program moves or casts itself
        self.placed: set[Thing] = set()  # tensors that are made on a device the program names
        self.of_numbers: set[Thing] = set()  # conversions of a single NumPy number
        self.aliases: dict[Thing, Thing] = {}  # a no-op link -> the tensor it returns

    def take_some(self, tensors: list[Thing], of: Thing | None = None) -> None:
        """Note that some of these are taken, of a container if it is one, and nobody knows which."""
        self.picked.update(t for t in tensors if self.loops.get(t))
        self.chosen.update(tensors)
        for tensor in tensors:
            self.chosen_of.setdefault(tensor, set()).add(of)

    def is_dealt(self, tensor: Thing) -> bool:
        """Say whether a tensor comes into a container that is asked for, on whichever way of branches."""
        asked, dealt = self.gone_through.get(tensor, set()), self.dealt.get(tensor, {})
        return bool(dealt) and all(
            ways.get(number) and ways[number] <= asked
            for ways in dealt.values()
            for number in (0, 1)
        )

    def is_certain(self, site: Site, path: Path, tensor: Thing) -> bool:
        """Say whether a demand is about a tensor whichever key took it, or another, elsewhere."""
        asked = self.asked_of.get((site, path, tensor), set())
        taken = self.chosen_of.get(tensor, {None})
        return self.is_dealt(tensor) or taken <= asked

    def is_one_of(self, tensor: Thing) -> bool:
        """Say whether a demand may be about one of the tensors that an expression makes, not about all."""
        if tensor not in self.picked or tensor in self.whole or self.is_dealt(tensor):
            return False
        return not any(t is tensor and self.is_certain(s, p, t) for s, p, t in self.asked_of)

    def of_kind(self, *kinds: str) -> Iterator[Use]:
        """Yield the uses of these kinds in the order in which they were first met."""
        return (use for use in self.uses.values() if use.kind in kinds)

    def upstream(self, things: Iterable[Thing], through_cuts: bool = False) -> list[Thing]:
        """Return the things and all they are computed from, nearest first."""
        found: dict[Thing, None] = {}
        pending = [self.identity(t) for t in things]
        while pending:
            thing = pending.pop(0)
            if thing in found:
                continue
            found[thing] = None
            sources = set(self.carried.get(thing, ()))
            if through_cuts and not self.is_conversion(thing):
                sources |= self.cut.get(thing, set())
            pending.extend(ordered(sources))
        return list(found)

    def merged(self, call: Site, path: Path, value: Value) -> Value:
        """Note all that a call returns that enters one of several functions; return it."""
        known = self.calls.get((call, path))
        if known is not None:
            self.calls[call, path] = known._replace(value=value)
        return value

    def used(self) -> set[Thing]:
        """Return the tensors that something is computed from, and those that are looked at otherwise."""
        aside = ("optimizer", "step", "export")  # what NumPy makes of it is computed from it
        found = {self.identity(u.thing) for u in self.uses.values() if u.kind not in aside}
        found.update(self.identity(t) for made in self.computed.values() for t in made.inputs)
        for sources in (self.carried, self.cut, self.by_value):
            found.update(self.identity(t) for things in sources.values() for t in things)
        return found

    def tick(self) -> int:
        """Return the next time of the clock."""
        self.clock += 1
        return self.clock

    def identity(self, thing: Thing) -> Thing:
        """Return the tensor that a no-op link returns."""
        while thing in self.aliases:
            thing = self.aliases[thing]
        return thing

    def is_conversion(self, thing: Thing) -> bool:
        """Say whether a tensor is made of outside data, not of a tensor or a size."""
        return self.born.get(thing) in ("array", "literal", "unknown", "tensor")

    def returned_by(self, thing: Thing) -> Iterator[Site]:
        """Yield the calls of the project's functions that hand the tensor on to their callers."""
        me = self.identity(thing)
        for depth, call in enumerate(thing.path):
            result = self.calls.get((call, thing.path[:depth]))
            if result is not None and any(self.identity(t) is me for t in result.value):
                yield call

    def looked_at(self, thing: Thing) -> bool:
        """Say whether the program looks at a tensor itself, or at a view, a copy or an element of it."""
        wanted = self.identity(thing)
        for use in self.of_kind("export", "shown"):
            seen = self.identity(use.thing)
            for _ in range(_LONGEST_CHAIN):
                if seen is wanted:
                    break
                sources = self.carried.get(seen, set()) | self.cut.get(seen, set())
                if len(sources) != 1:
                    break
                (seen,) = sources
            if seen is wanted:
                return True
        return False

    def origins(self, thing: Thing) -> list[Thing] | None:
        """Return the conversions a tensor comes from, or None where something else may track it.

        Native tensors, gradients and numbers on the way do no harm; what is not known, a parameter or
        a module does.
        """
        conversions: list[Thing] = []
        recorded = self._recorded(thing)
        for source in self.upstream([thing], through_cuts=True):
            if self.is_conversion(source):
                if source in recorded and (self.born[source] == "tensor" or source in self.refused):
                    return None
                conversions.append(source)
            elif source in recorded and not _harmless(source):
                return None
        return conversions or None

    def _recorded(self, thing: Thing) -> set[Thing]:
        """Return the tensor and what autograd may have recorded it from: of what `no_grad` made, nothing."""
        found: set[Thing] = set()
        pending = [self.identity(thing)]
        while pending:
            source = pending.pop()
            if source not in found:
                found.add(source)
                made = self.made.get(source)
                if made is None or made.mode != "off":
                    pending += map(self.identity, self.carried.get(source, ()))
        return found

    def spell(self, site: Site, qualified: str) -> str | None:
        """Return how a name of torch is written at a place: "torch.no_grad", "th.no_grad", "no_grad"."""
        prefix, rest = qualified, ""
        while prefix:
            name = self._name_at(site, prefix)
            if name is not None:
                return name + rest
            prefix, dot, last = prefix.rpartition(".")
            rest = dot + last + rest
        return None

    def _name_at(self, site: Site, qualified: str) -> str | None:
        name = self.names_of.get((site.path, qualified))
        if name is not None:
            return None if self._is_shadowed(site, name) else name
        for place, local in self.local_names.get((site.path, qualified), ()):
            if stands_in(site.place, place) and not self._is_shadowed(site, local, place):
                return local
        return None

    def _is_shadowed(self, site: Site, name: str, binder: Place | None = None) -> bool:
        """Say whether a function around a place, inside the one that binds a name, has its own."""
        return any(
            name in names
            and stands_in(site.place, place)
            and (binder is None or (place != binder and stands_in(place, binder)))
            for place, names in self.shadows.get(site.path, ())
        )
