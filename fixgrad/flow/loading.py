"""Data loaders of torch: what their batches are made of, by the dataset that a loader was given.

A batch is made anew wherever a loader is gone through, of the samples of its dataset: by the project's own
`collate_fn`, else by stacking tensors and converting arrays and numbers as torch does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixgrad.flow import containers
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.conversions import convert
from fixgrad.flow.ir import Place
from fixgrad.flow.protocols import iterated
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, make
from fixgrad.flow.values import NONE, UNKNOWN, Site, Thing, Value, is_constant, ordered
from fixgrad.knowledge import Conversion, TensorOp, tensor_function

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_DEEPEST = 4  # containers inside containers of a sample


def _loader(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Construct a DataLoader."""
    dataset = call.get(0, "dataset")
    starred = any(a.name in ("*", "**") for a in call.arguments)
    if dataset is None or starred or call.keyword("batch_sampler") or call.keyword("sampler"):
        return m.unknown(m, f, state, call, [], "torch.utils.data.DataLoader")
    thing = _made(m, f, state, call, dataset.value, "loader")
    collate = call.get(6, "collate_fn")
    state.set((thing, "#samples"), dataset.value)
    state.set((thing, "#collate"), collate.value if collate is not None else NONE)
    state.set((thing, "dataset"), dataset.value)
    return frozenset((thing,))


def _tensor_dataset(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Construct a TensorDataset: a sample is a row of each tensor."""
    given = call.positional()
    if len(given) < len(call.arguments):
        return m.unknown(m, f, state, call, [], "torch.utils.data.TensorDataset")
    tensors = containers.make(m, f, state, call.place, "tuple", [a.value for a in given])
    thing = _made(m, f, state, call, frozenset((tensors,)), "dataset")
    state.set((thing, "tensors"), frozenset((tensors,)))
    return frozenset((thing,))


def _part(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Take a part of a dataset: its samples are samples of the whole."""
    return call.arguments[0].value if call.arguments else UNKNOWN


def _parts(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Split a dataset."""
    whole = _part(m, f, state, call)
    return frozenset((containers.make(m, f, state, call.place, "list", None, whole),))


def _made(m: Machine, f: Frame, state: State, call: Call, of: Value, name: str) -> Thing:
    thing = m.thing("opaque", Site(f.module.path, call.place), f.path, name)
    inputs = frozenset(containers.reachable(state, [of])) - {thing}
    state.set((thing, "#inputs"), inputs)
    m.graph.carried.setdefault(thing, set()).update(inputs)
    if not m.graph.from_data.isdisjoint(inputs):
        m.graph.from_data.add(thing)
    return thing


def batch(m: Machine, f: Frame, state: State, place: Place, loader: Thing) -> Value:
    """Return a batch of a loader that is gone through at a place."""
    samples: list[Value] = []
    for dataset in ordered(state.get((loader, "#samples"))):
        rows = state.get((dataset, "tensors")) if dataset.name == "dataset" else None
        if rows:
            samples.append(rows)
            continue
        listed = iterated(m, f, state, frozenset((dataset,)), place)
        op = containers.element_op(place)
        samples.append(containers.any_element(m, f, state, listed, op))
    sample = frozenset[Thing]().union(*samples)
    collate: Value = state.get((loader, "#collate"), NONE)
    if is_constant(collate, None):
        return _collated(m, f, state, place, sample)
    several = containers.make(m, f, state, place, "list", None, sample, name="samples")
    return m.apply(m, f, state, Call(place, (Argument(frozenset((several,)), place),)), collate)


def _collated(
    m: Machine, f: Frame, state: State, place: Place, sample: Value, depth: int = 0
) -> Value:
    found: set[Thing] = set()
    for thing in ordered(sample):
        name = f"element of {thing.number} in batches"
        if thing.kind == "tensor":
            found.add(derive(m, f, state, place, _stacking(), [thing], name=name))
        elif thing.kind == "array":
            row = Conversion(name, "never")
            call = Call(place, (Argument(frozenset((thing,)), place),), direct=True)
            found |= convert(m, f, state, call, row)
        elif thing.kind == "number" or isinstance(thing.data, int | float):
            found.add(make(m, f, state, place, name))
        elif thing.kind in containers.CONTAINERS and depth < _DEEPEST:
            found.add(_container(m, f, state, place, thing, depth))
        elif thing.kind != "const":
            found |= containers.carry(m, f, state, place, [frozenset((thing,))], "batch")
    return frozenset(found) or UNKNOWN


def _container(m: Machine, f: Frame, state: State, place: Place, thing: Thing, depth: int) -> Thing:
    def collated(value: Any) -> Value:
        return _collated(m, f, state, place, frozenset(value), depth + 1)

    name = f"batch of {thing.number}"
    if thing.kind == "dict":
        made = containers.make(m, f, state, place, "dict", [], name=name)
        for key, value in containers.known_items(state, thing) or []:
            containers.set_item(state, made, key, collated(value), True)
        if containers.known_items(state, thing) is None:
            state.add((made, "[*]"), collated(state.get((thing, "[*]"), ())))
        return made
    length = state.get((thing, "#length"), "maybe")
    if length == "maybe":
        whole = collated(state.get((thing, "[*]"), ()))
        return containers.make(m, f, state, place, "list", None, whole, name=name)
    items = [collated(state.get((thing, f"[{n}]"), ())) for n in range(int(length))]
    return containers.make(m, f, state, place, "list", items, name=name)


def _stacking() -> TensorOp:
    row = tensor_function("torch.stack")
    assert row is not None
    return row


_MODULES = ("torch.utils.data", "torch.utils.data.dataloader", "torch.utils.data.dataset")
_BY_NAME = {
    "DataLoader": _loader, "TensorDataset": _tensor_dataset, "Subset": _part, "random_split": _parts,
}  # fmt: skip
HANDLERS = {f"{module}.{name}": made for module in _MODULES for name, made in _BY_NAME.items()}
