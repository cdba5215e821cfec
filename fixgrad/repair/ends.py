"""The two ends of a NumPy stretch: where the values leave autograd, and where they come back."""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.ir import Op
from fixgrad.flow.values import Site
from fixgrad.hazards import line_of, span
from fixgrad.knowledge import conversion, dtype_class
from fixgrad.repair.translate import Expression, Translator, Untranslatable, producer

_CASTS = {"float32": ".float()", "float64": ".double()", "float16": ".half()"}
_KEPT = ("dtype", "device")  # what `torch.as_tensor` takes of a tensor too
_AS_THEY_ARE = ("torch.as_tensor", "torch.asarray")
_ON_THE_WAY = ("detach", "data", "cpu", "to", "contiguous", "clone")


def leaves(expression: Expression) -> list[Operation]:
    """Return what keeps a tensor where it was taken to NumPy: `x.detach().numpy()` becomes `x`."""
    if expression.op.kind != "method" or any(t.kind != "tensor" for t in expression.args[0]):
        raise Untranslatable("what leaves for NumPy here is not always a tensor")
    operations = [Operation(span(expression.site), "unwrap-method", "numpy")]
    for op in _way_out(expression):
        here = span(Site(expression.site.path, op.place))
        if op.kind == "method" and op.target == "detach":
            operations.append(Operation(here, "unwrap-method", "detach"))
        elif op.kind == "attr" and op.target == "data":
            operations.append(Operation(here, "unwrap-attribute", "data"))
    return operations


def back(expression: Expression) -> str:
    """Return what makes an array again of the tensor that is kept."""
    moved = any(op.target in ("cpu", "to") for op in _way_out(expression))
    return ".detach().cpu().numpy()" if moved else ".detach().numpy()"


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
        raise Untranslatable(f"{line}: the conversion is called in another way")
    (row,) = rows.values()
    here = span(expression.site)
    value = expression.args[1]
    if any(t.kind in ("list", "tuple") for t in value):
        raise Untranslatable(f"{line}: a list of arrays comes back")
    if not value or not all(t in translator.lifted for t in value):
        raise Untranslatable(f"{line} is given other data as well")
    unwrap = Operation(here, "unwrap-call")
    if len(names) == 1:
        if row.dtype == "array":
            return [unwrap]
        if row.dtype in _CASTS and dtype_class(row.dtype) == "float":
            return [unwrap, Operation(here, "append", _CASTS[row.dtype])]
    elif all(name in _KEPT for name in names[1:]):
        if row.name in _AS_THEY_ARE:
            return []
        if row.name == "torch.tensor":
            return [Operation(here, "callee", translator.spelled(expression, "torch.as_tensor"))]
    raise Untranslatable(f"{line}: `{row.name}` with these arguments has no equivalent")


def _callees(expression: Expression) -> set[str]:
    """Return the qualified names of what may be called."""
    suffix = f".{expression.op.target}" if expression.op.kind == "method" else ""
    return {t.name + suffix for t in expression.args[0]}
