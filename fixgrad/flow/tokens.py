"""The names in the text of a function by which it is sorted before anything is followed."""

from __future__ import annotations

from fixgrad.flow.ir import Function, Module

CONVERSIONS = frozenset(
    (
        "from_numpy", "as_tensor", "tensor", "asarray", "Tensor", "FloatTensor", "DoubleTensor",
        "HalfTensor", "BFloat16Tensor", "frombuffer", "from_dlpack", "Variable", "new_tensor",
    )
)  # fmt: skip
MAKERS = CONVERSIONS | {"DataLoader"}  # whose batches may be made of arrays
DEMANDS = frozenset(
    (
        ".grad", ".backward", ".register_hook", ".retain_grad", ".add_param_group", ".optim",
        ".gradcheck", ".gradgradcheck", ".register_post_accumulate_grad_hook", ".requires_grad_",
        ".requires_grad", "=requires_grad",
    )
)  # fmt: skip
EXPORT = ".numpy"  # raises on a tensor that is tracked
GRANTS = (".requires_grad_", ".requires_grad=", "=requires_grad")
# Parts of the names of functions that are not known and may grant a gradient.
GRANTING_NAMES = (
    "requires_grad", "enable_grad", "track_grad", "make_leaf", "set_grad", "differentiable",
)  # fmt: skip
_ASKING = frozenset((".backward", ".grad"))
_ASKING_IMPORTS = ("torch.autograd.grad", "torch.autograd.backward", "torch.autograd.functional.")


def asks(module: Module, function: Function) -> bool:
    """Say whether a function asks for gradients itself: by an attribute, or by what its file imports."""
    return not function.tokens.isdisjoint(_ASKING) or any(
        local in function.tokens and f"{name}.{member}".startswith(_ASKING_IMPORTS)
        for local, name, member in module.imports
    )
