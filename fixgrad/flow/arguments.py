"""The arguments of one call, and how they meet the parameters of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fixgrad.flow.ir import Function, Place
from fixgrad.flow.values import DEFAULT_FALSE, FALSE, NOTHING, UNKNOWN, Value, is_constant, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame
    from fixgrad.flow.state import State

Within: TypeAlias = "Callable[[Frame, State, Value], None]"


class Argument(NamedTuple):
    """One argument as written: its value, its place, and "", "*", "**" or its keyword."""

    value: Value
    place: Place
    name: str = ""


class Call(NamedTuple):
    """One call as written."""

    place: Place
    arguments: tuple[Argument, ...] = ()
    receiver: Place | None = None  # of `x.f()`: where x is written
    direct: bool = False  # the called function's name stands at this place
    written: bool = False  # the expression at this place is this call, by whatever name
    parts: int = 0  # how many names its result is unpacked into, where that is written
    manages: bool = False  # a `with` statement is about it
    within: Within | None = None  # follows the block of that statement

    def positional(self) -> list[Argument]:
        """Return the plain positional arguments before any star."""
        found: list[Argument] = []
        for argument in self.arguments:
            if argument.name == "*":
                break
            if not argument.name:
                found.append(argument)
        return found

    def get(self, position: int | None, keyword: str | None) -> Argument | None:
        """Return the argument at a position or of a name."""
        if keyword is not None:
            for argument in self.arguments:
                if argument.name == keyword:
                    return argument
        plain = self.positional()
        if position is not None and 0 <= position < len(plain):
            return plain[position]
        return None

    def perhaps(self, position: int | None, keyword: str) -> Value | None:
        """Return the value of an argument; unknown where only what stands behind a star may give it."""
        found = self.get(position, keyword)
        if found is not None:
            return found.value
        stars = {argument.name for argument in self.arguments}
        starred = "**" in stars or (position is not None and "*" in stars)
        return UNKNOWN if starred else None

    def keyword(self, name: str) -> Value | None:
        """Return the value of a keyword argument."""
        found = self.get(None, name)
        return found.value if found is not None else None

    def may_turn_on(self, *names: str) -> bool:
        """Say whether one of some keyword arguments is there and is not `False`."""
        given = (self.keyword(name) for name in names)
        return any(value is not None and not is_constant(value, False) for value in given)

    def without(self, keyword: str) -> Call:
        """Return the call without a keyword."""
        return self._replace(arguments=tuple(a for a in self.arguments if a.name != keyword))

    def with_first(self, first: Argument) -> Call:
        """Return the call with one more argument before the others."""
        return self._replace(arguments=(first, *self.arguments))

    def rest(self) -> Call:
        """Return the call without its first argument."""
        return self._replace(arguments=self.arguments[1:])


def bind(
    function: Function,
    call: Call,
    defaults: tuple[Value, ...],
    keyword_defaults: tuple[tuple[str, Value], ...],
) -> tuple[dict[str, Value], list[Value], dict[str, Value]]:
    """Return the values of the named parameters, of `*args`, and of `**kwargs`.

    Star arguments of the call are expected to be expanded as far as they are known.
    """
    plain = [p.name for p in function.parameters if p.kind in ("", "positional")]
    named = {p.name for p in function.parameters if p.kind in ("", "keyword")}
    bound: dict[str, Value] = {}
    extra: list[Value] = []
    keywords: dict[str, Value] = {}
    queue = list(plain)
    for argument in call.arguments:
        if argument.name == "":
            if queue:
                bound[queue.pop(0)] = argument.value
            else:
                extra.append(argument.value)
        elif argument.name in named:
            bound[argument.name] = argument.value
            if argument.name in queue:
                queue.remove(argument.name)
        elif argument.name not in ("*", "**"):
            keywords[argument.name] = argument.value
    spread = union(a.value for a in call.arguments if a.name in ("*", "**"))
    given = dict(zip(reversed(plain), reversed(defaults), strict=False))
    given.update(keyword_defaults)
    for parameter in function.parameters:
        if parameter.kind in ("*", "**") or parameter.name in bound:
            continue
        default = given.get(parameter.name, NOTHING)
        default = DEFAULT_FALSE if default == FALSE else default
        bound[parameter.name] = (default | spread) or UNKNOWN
    return bound, extra, keywords
