"""The classes of the project: their bases, and what stands in them."""

from __future__ import annotations

from fixgrad.flow.ir import Function
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Code, Thing, Value, known, of_kind, ordered


def lookup_class(state: State, of_class: Thing, name: str) -> tuple[Value, Thing]:
    """Return a class attribute and the class that has it, nearest first."""
    for candidate in linear_bases(of_class):
        found = state.get((candidate, name))
        if found:
            return frozenset(found), candidate
    return NOTHING, of_class


def named_methods(state: State, instances: Value, method: Thing) -> list[Function]:
    """Return the methods of the objects' classes, or of their bases, that one of these methods names."""
    codes = [method] if method.kind == "function" else of_kind(method.data, "function")
    names = sorted(t[1:] for code in codes for t in code.data.function.tokens if t[0] == ".")
    found = (lookup_class(state, t.data, name)[0] for t in ordered(instances) for name in names)
    return [t.data.function for value in found for t in of_kind(value, "function")]


def linear_bases(of_class: Thing) -> tuple[Thing, ...]:
    """Return a class of the project and its bases in the project, nearest first."""
    if of_class.bases is None:
        of_class.bases = _linear_bases(of_class)
    return of_class.bases


def _linear_bases(of_class: Thing) -> tuple[Thing, ...]:
    found: dict[Thing, None] = {}
    pending = [of_class]
    while pending:
        cls = pending.pop(0)
        if cls in found or not isinstance(cls.data, Code):
            continue
        found[cls] = None
        pending.extend(b for value in cls.data.bases for b in of_kind(value, "class"))
    return tuple(found)


def is_always_true(state: State, thing: Thing) -> bool:
    """Say whether a thing is an object of the project whose class does not say when it is true."""
    if thing.kind != "instance":
        return False
    return is_all_ours(thing.data) and not any(
        lookup_class(state, thing.data, name)[0] for name in ("__bool__", "__len__")
    )


def is_all_ours(of_class: Thing) -> bool:
    """Say whether a class and all its bases are of the project, so that nothing else calls its methods."""
    bases = [b for cls in linear_bases(of_class) for value in cls.data.bases for b in value]
    return all(b.kind == "class" or b.name == "builtins.object" for b in bases)


def external_bases(of_class: Thing) -> list[str]:
    """Return the names of the bases that are not of the project: "torch.nn.Module"."""
    return [
        t.name
        for cls in linear_bases(of_class)
        for value in cls.data.bases
        for t in of_kind(value, "external")
    ]


def declared(state: State, cls: Thing) -> list[str]:
    """Return the fields that a class and its bases declare, those of bases first."""
    found: dict[str, None] = {}
    for base in reversed(linear_bases(cls)):
        names = state.get((base, "#declared"), ())
        found |= dict.fromkeys(names) if names != "maybe" else {}
    return list(found)


def match_args(state: State, cls: Thing) -> list[str]:
    """Return the attributes that positions of a class pattern mean."""
    own, _ = lookup_class(state, cls, "__match_args__")
    for written in of_kind(own, "tuple") if len(own) == 1 else ():
        length = state.get((written, "#length"), "maybe")
        cells = range(int(length)) if length != "maybe" else ()
        each = [known(frozenset(state.get((written, f"[{n}]"), NOTHING))) for n in cells]
        return [str(name) for sure, name in each if sure]
    return declared(state, cls)
