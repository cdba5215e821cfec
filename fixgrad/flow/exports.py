"""What NumPy takes the values of: the arguments of functions and of objects that work with arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Place
from fixgrad.flow.protocols import special
from fixgrad.flow.state import State
from fixgrad.flow.tensors import log
from fixgrad.flow.values import NOTHING, UNKNOWN, Site, Thing, Value, of_kind, union
from fixgrad.knowledge import exports, keeps_lists, makes_objects

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

RESULT = "result "
_OF_ARRAYS = ("numpy.", "scipy.")


def call_result(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> None:
    """Note that an object of such a library takes the values of what it is called with."""
    maker = thing.name.removeprefix(RESULT) if thing.name.startswith(RESULT) else ""
    if maker.startswith(_OF_ARRAYS) or exports(maker):
        name = f"{maker}.{name}" if makes_objects(maker) else name
        for argument in call.arguments:
            export(m, f, state, argument, name, written=call.written)


def export(
    m: Machine, f: Frame, state: State, argument: Argument, name: str, *, written: bool = True
) -> None:
    """Note that NumPy takes the values of an argument, or of the tensors listed in it.

    What a function is given by one that calls it, `map(np.asarray, tensors)`, is not written anywhere.
    """
    value = consume(m, f, state, argument.value, argument.place)
    kinds = m.graph.kinds.setdefault(Site(f.module.path, argument.place), set())
    kinds.update(t.kind for t in value if t.name != "unknown")
    for instance in of_kind(value, "instance"):
        special(m, f, state, argument.place, instance, "__array__")
    for thing in of_kind(value, "tensor", "opaque"):
        if thing.kind == "tensor" or state.get((thing, "#inputs")):
            detail = name if written else "list"
            log(m, f, state, "export", thing, argument.place, detail=detail)
    packed: tuple[str, ...] = ("list", "tuple")
    if name == "scipy.io.savemat":
        packed = ("list", "tuple", "dict")
    elif keeps_lists(name):
        packed = ("dict",)
    for tensor in _nested(state, value, packed) if "list" in packed else ():
        log(m, f, state, "export", tensor, argument.place, detail="list")
    for thing in of_kind(value, *packed):
        for tensor in of_kind(state.get((thing, "[*]"), NOTHING), "tensor"):
            at = _item_place(m, state, thing, tensor) if written else None
            put = m.put_places.get((thing, tensor))
            detail = name if at else "list"
            if at is None and put is not None and put.path == f.module.path:
                here = thing.kind == "dict" and thing.site == Site(f.module.path, argument.place)
                at, detail = put.place, name if here else f"{name} of a list"
            log(m, f, state, "export", tensor, at or argument.place, detail=detail)


def _nested(state: State, value: Value, packed: tuple[str, ...], depth: int = 3) -> list[Thing]:
    """Return the tensors in the lists that stand in lists."""
    inner = union(state.get((t, "[*]"), NOTHING) for t in of_kind(value, *packed))
    listed = of_kind(inner, "list", "tuple")
    found = union(state.get((t, "[*]"), NOTHING) for t in listed)
    deeper = _nested(state, inner, packed, depth - 1) if listed and depth else []
    return [*of_kind(found, "tensor"), *deeper]


def of_library(
    m: Machine, f: Frame, state: State, call: Call, maker: str, callees: list[Thing], name: str
) -> Value:
    """Call unknown code; of a library that works with arrays it returns an object that takes arrays too."""
    qualified = f"{maker}.{name}" if maker else name
    made = m.unknown(m, f, state, call, callees, qualified)
    if made == UNKNOWN and makes_objects(qualified):
        site = Site(f.module.path, call.place)
        return frozenset((m.thing("opaque", site, f.path, f"{RESULT}{qualified}"),))
    return made


def maker_of(thing: Thing) -> str:
    """Return what has made an object of a library that works with arrays: "pandas.DataFrame"."""
    maker = thing.name.removeprefix(RESULT) if thing.name.startswith(RESULT) else ""
    return maker if makes_objects(maker) else ""


def _item_place(m: Machine, state: State, container: Thing, tensor: Thing) -> Place | None:
    for field in state.get((container, "#fields"), frozenset()):
        number = field[1:-1]
        if number.isdigit() and tensor in state.get((container, field), NOTHING):
            return m.item_places.get((container, int(number)), (None, ""))[0]
    return None


def note_objects(
    m: Machine, f: Frame, state: State, left: Value, right: Value, places: Sequence[Place]
) -> None:
    """Note the tensors whose values an object of SciPy takes that they are computed with: `matrix @ x`."""
    for own, other, place in zip((left, right), (right, left), places[::-1], strict=True):
        maker = next((t.name for t in own if t.kind == "opaque"), "")
        if maker.startswith(f"{RESULT}scipy."):
            for tensor in of_kind(other, "tensor"):
                log(m, f, state, "export", tensor, place, detail=maker)
