"""The two ends of a NumPy stretch: where the values leave autograd, and where they come back."""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.ir import Op
from fixgrad.flow.tape import Tape
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import line_of, span
from fixgrad.knowledge import Conversion, conversion, dtype_class
from fixgrad.repair.translate import Expression, Translator, Untranslatable, producer

LEAVES = "torch.Tensor.numpy"
_CASTS = {"float32": ".float()", "float64": ".double()", "float16": ".half()"}
_KEPT = ("dtype", "device")  # what `torch.as_tensor` takes of a tensor too
_AS_THEY_ARE = ("torch.as_tensor", "torch.asarray")
_DEFAULTS = {"torch.set_default_device", "torch.set_default_tensor_type", "torch.set_default_dtype"}
_ON_THE_WAY = ("detach", "data", "cpu", "to", "contiguous", "clone")
_NOTHING_NEW = ("torch.Tensor.detach", "torch.Tensor.cpu", "torch.Tensor.data", "torch.detach")


def leaves(expression: Expression, tape: Tape) -> list[Operation]:
    """Return what keeps a tensor where it was taken to NumPy: `x.detach().numpy()` becomes `x`."""
    here = span(expression.site)
    if expression.op.target != "numpy":  # a helper that does
        moved = back(expression, tape) != ".detach().numpy()"
        unwrapped = Operation(here, "unwrap-call")
        return [unwrapped, Operation(here, "append", ".cpu()")] if moved else [unwrapped]
    if expression.op.kind != "method" or any(t.kind != "tensor" for t in expression.args[0]):
        raise Untranslatable("what leaves for NumPy is not always a tensor")
    operations = [Operation(here, "unwrap-method", "numpy")]
    for op in _way_out(expression):
        here = span(Site(expression.site.path, op.place))
        if op.kind == "method" and op.target == "detach":
            operations.append(Operation(here, "unwrap-method", "detach"))
        elif op.kind == "attr" and op.target == "data":
            operations.append(Operation(here, "unwrap-attribute", "data"))
    return operations


def back(expression: Expression, tape: Tape) -> str:
    """Return what makes an array again of the tensor that is kept."""
    sites = {t.site for t in expression.out if t.site is not None}
    exits = [s for site in sites for s in tape.at[site] if s.op.target == "numpy"]
    ways = [op.target for s in exits for op in _way_out(Expression.of([s]))]
    moved = any(target in ("cpu", "to") for target in ways)
    return ".detach().cpu().numpy()" if moved else ".detach().numpy()"


def leaving_call(tape: Tape, array: Thing) -> Site | None:
    """Return the call of a helper that does nothing but take its argument to NumPy."""
    if not array.path:
        return None
    graph, site, path = tape.graph, array.path[-1], array.path[:-1]
    result = graph.calls.get((site, path))
    if result is None or result.value != {array}:
        return None
    for step in tape.at[site]:
        if step.path != path or step.op.kind not in ("call", "method"):
            continue
        given = {graph.identity(t) for t in step.args[1]} if len(step.args) == 2 else set()
        pending = [graph.identity(t) for t in graph.computed[array].inputs]
        while pending:
            thing = pending.pop()
            if thing in given:
                continue
            made = graph.made.get(thing)
            sources = graph.carried.get(thing, set()) | graph.cut.get(thing, set())
            if made is None or made.effect not in _NOTHING_NEW or not sources:
                return None
            pending += map(graph.identity, sources)
        return site
    return None


def _way_out(expression: Expression) -> Iterator[Op]:
    """Yield what stands between a tensor and `.numpy()`, from the end."""
    op = producer(expression.function, expression.op.args[0])
    while op is not None and op.kind in ("method", "attr"):
        if op.target not in _ON_THE_WAY:
            break
        yield op
        op = producer(expression.function, op.args[0])


def comes_back(translator: Translator, expression: Expression) -> list[Operation]:
    """Return what lets a conversion pass a tensor on: `torch.from_numpy(e)` becomes `e`."""
    line = line_of(expression.site)
    names = expression.op.names[1:] or ("",) * (len(expression.args) - 1)
    rows = {row.name: row for name in _callees(expression) if (row := conversion(name)) is not None}
    if len(rows) != 1 or not names or names[0] not in ("", "data", "obj"):
        raise Untranslatable(f"the conversion at {line} is called in another way")
    (row,) = rows.values()
    if any(t.kind in ("list", "tuple") for t in expression.args[1]):
        return _list_comes_back(translator, expression, row, names)
    ours = [t in translator.lifted for t in expression.args[1]]
    if not any(ours):
        raise Untranslatable(f"what {line} brings back is not known")
    return _passed_on(translator, expression, row, names, always=all(ours))


def _passed_on(
    translator: Translator,
    expression: Expression,
    row: Conversion,
    names: tuple[str, ...],
    *,
    always: bool,
) -> list[Operation]:
    here = span(expression.site)
    as_they_are = row.name in _AS_THEY_ARE and all(name in _KEPT for name in names[1:])
    if as_they_are and (len(names) > 1 or not always):
        return []
    copied = (
        [Operation(here, "append", ".clone()")] if _must_copy(translator, expression, row) else []
    )
    if always and len(names) == 1:
        unwrap = Operation(here, "unwrap-call")
        if row.dtype == "array":
            return [unwrap, *copied]
        if row.dtype in _CASTS and dtype_class(row.dtype) == "float":
            return [unwrap, Operation(here, "append", _CASTS[row.dtype])]
    kept = all(name in _KEPT for name in names[1:])
    # Of arrays `torch.as_tensor` makes what `torch.from_numpy` does, but for a default device.
    shares = row.name == "torch.from_numpy" and translator.graph.called.isdisjoint(_DEFAULTS)
    if kept and (shares or (row.name == "torch.tensor" and always)):
        passed = Operation(here, "callee", translator.spelled(expression, "torch.as_tensor"))
        return [passed, *copied]
    line = line_of(expression.site)
    if not always:
        raise Untranslatable(f"{line} is given other data as well")
    raise Untranslatable(f"at {line} `{row.name}` with these arguments has no equivalent")


def _must_copy(translator: Translator, expression: Expression, row: Conversion) -> bool:
    """Say whether a copy of a tensor's values must stay one: it or the tensor is changed in place."""
    if row.shares != "never":
        return False
    tape = translator.tape
    pending = [*expression.args[1], *expression.out]
    shared = set(pending)
    for thing in pending:  # it grows meanwhile
        new = tape.sharing.get(thing, set()) - shared
        shared |= new
        pending += new
    if not any(t.kind == "tensor" for t in shared - expression.out):
        return False
    return any(_changes(step.op) for t in shared for step in tape.given[t] if t in step.args[0])


def _changes(op: Op) -> bool:
    """Say whether an operation changes its first operand in place."""
    method = op.target if op.kind == "method" else ""
    in_place = method.endswith("_") and method not in ("requires_grad_", "retain_grad_")
    return op.kind in ("inplace", "setindex") or (in_place and not method.endswith("__"))


def _list_comes_back(
    translator: Translator, expression: Expression, row: Conversion, names: tuple[str, ...]
) -> list[Operation]:
    """Let a list of arrays come back as a stack of tensors."""
    line, here = line_of(expression.site), span(expression.site)
    held = expression.held[1]
    if len(names) > 1 or not held or not all(t in translator.lifted for t in held):
        raise Untranslatable(f"at {line} a list of more than these arrays comes back")
    stack = Operation(here, "callee", translator.spelled(expression, "torch.stack"))
    if row.dtype == "array":
        return [stack]
    if row.dtype in _CASTS:
        return [stack, Operation(here, "append", _CASTS[row.dtype])]
    raise Untranslatable(f"at {line} `{row.name}` with these arguments has no equivalent")


def _callees(expression: Expression) -> set[str]:
    """Return the qualified names of what may be called."""
    suffix = f".{expression.op.target}" if expression.op.kind == "method" else ""
    return {t.name + suffix for t in expression.args[0]}
