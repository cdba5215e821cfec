"""The shapes of the knowledge rows: what each torch, numpy and scipy name does, as plain values."""

from __future__ import annotations

from typing import NamedTuple


class TensorOp(NamedTuple):
    """What a torch function, a Tensor method, a Tensor attribute or an operator does.

    grad     for a float input that requires grad: "yes" carries it on, "zero" is tracked and carries
             exact zeros or nothing, "no" cuts it in silence, "error" gives a tracked result whose
             backward raises, "raises" raises at the call, "unknown" could not be measured
    alias    the result against the first tensor argument: "copy" new storage, "self" the same
             object, "view" a new object on the same storage, "maybe-self" at times the same object
             (else a view or a copy), "maybe-view" never the same object, at times the same storage
    outputs  of a tuple result, what holds for each where they differ or have names; () is all as
             `grad`
    dtypes   of these outputs: "same" as the first float tensor, a fixed name, or "unknown"
    pairwise each output is computed from one argument only, in order
    returns  "tensor" (or, by its arguments, a tuple), "tuple" of tensors, "scalar", "other"
    dtype    "same" as the first float tensor (else the first tensor), "promote" as
             `torch.result_type` of the operands, "float" that, and integers become the default
             dtype, "int" that, and small integers and bools become int64, "argument" as a dtype or
             tensor argument says (else "same"), "real" / "complex" of the same precision, a fixed
             name ("bool", "int64"), or "unknown"; a `dtype=` keyword of the call wins
    """

    name: str  # "torch.abs", "torch.Tensor.abs", "torch.nn.functional.relu", "+"
    grad: str = "yes"
    alias: str = "copy"
    inplace: bool = False  # writes its first tensor argument
    outputs: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    pairwise: bool = False
    returns: str = "tensor"
    saves: bool = False  # a second backward through it raises
    forgets: bool = False  # it saves no values of what it was given: these may be written
    keeps: bool = False  # it saves its result: that may not be written
    crosses: bool = (
        False  # of each of its two tensors it saves values for the other's gradient only
    )
    dtype: str = "same"
    first_only: bool = False  # the other tensors give their shape or dtype, not their values
    guarded: bool = False  # writes under no_grad of its own: a tracked leaf may be passed
    attribute: bool = False  # read without a call: x.T


class Conversion(NamedTuple):
    """A call that makes a tensor from outside data."""

    name: str
    shares: str  # "always", "maybe" (when dtype and device already fit), "never"
    keyword: bool = False  # accepts requires_grad=
    # "array": the array's, "argument": as dtype= says, "same": of the tensor whose method it is, or "float32"
    dtype: str = "array"
    dtype_keyword: bool = False  # accepts dtype=
    only_arrays: bool = False  # raises TypeError for tensors, numbers, lists and dicts


class Factory(NamedTuple):
    """A call that makes a tensor from sizes and numbers only: never born from NumPy.

    dtype    "data" of the numbers given (a float gives the default dtype), "same" as the first
             tensor, or fixed: "float32", "int64"; a `dtype=` keyword wins
    """

    name: str
    keyword: bool = False  # accepts requires_grad=
    dtype: str = "float32"


class ArrayCall(NamedTuple):
    """What a numpy or scipy function, an ndarray method or an ndarray attribute does.

    returns  "array", "scalar", "arrays" (a tuple or list of them), "none", "other"
    dtype    "same" as the first array, "float" that, and integers become float64, "int" that, and
             bools and small integers become int64, "promote" as `numpy.result_type` of the
             operands, "data" of the literal given (of an array: "same"), "argument" as an argument
             says, "real" / "complex" of the same precision, "keyword-or:float64" the dtype keyword
             or else float64, a fixed name, or "unknown"; a `dtype=` keyword of the call wins
    alias    as in `TensorOp`, against the first array
    writes   positions of the arguments it writes; -1 is the object whose method it is
    """

    name: str
    returns: str = "array"
    dtype: str = "unknown"
    alias: str = "copy"
    writes: tuple[int, ...] = ()
    out: bool = False  # accepts out=
    reads: bool = True  # takes values by numpy: a tracked tensor raises; else by its own methods
    attribute: bool = False  # read without a call: a.T
    flat: bool = False  # a little more or less of the input changes nothing: there is no gradient
    reduces: bool = False  # to a scalar, if no axis is given


class Demand(NamedTuple):
    """A call that asks for a gradient, or that grants one.

    need     "leaf" wants a tracked leaf, "tracked" is content with a non-leaf, "root" wants
             something tracked upstream, "own-leaves" makes its own (no demand), "grant"
    """

    name: str
    need: str
    position: int | None = None  # of the argument in question; -1 is the object itself
    keyword: str | None = None  # the same argument by name
    roots: int | None = None  # position of the results that are differentiated
    roots_keyword: str | None = None
    inputs_keyword: str | None = None  # an optional keyword that names the leaves
    container: bool = False  # the argument may be a list, an iterator or a dict of tensors


class ModuleClass(NamedTuple):
    """A class of torch.nn: whether it owns parameters, and whether it carries a gradient."""

    name: str
    parameters: bool = False
    grad: str = "yes"
    alias: str = "copy"  # as in `TensorOp`, against the first tensor it is called with
    inplace: int | None = None  # position of the argument that lets it write its input
    keeps: bool = False  # it saves its result, as in `TensorOp`


class Callback(NamedTuple):
    """An argument that is a function which numpy or scipy will call."""

    name: str
    keyword: str
    parameters: tuple[str, ...]  # what it is called with: "array", "scalar", "data" (as given)
    position: int | None = None  # None: by keyword only


class Equivalent(NamedTuple):
    """How torch computes of tensors what a NumPy function, method or operator computes of arrays.

    torch       the function, "torch.sum", or the method's name; "" where the call falls away
    arrays      how many arguments, from `first` on, are arrays; -1 all of them
    numbers     at which of these a Python number may stand as it is; elsewhere it is made a tensor
    constant    of two operands one of which is a number: "torch.clamp min" takes it as a keyword
    positional  how many arguments mean the same by position, from the first; -1 all of them
    keywords    what keywords are called: "axis=dim"; no others may be given
    adds        keywords that give torch NumPy's default: "correction=0"
    required    the argument without which NumPy does what torch does not
    single      the axis must be one number
    listed      the arrays are in a list, which is the first argument
    strict      the operands must have one dtype: torch does not promote here
    casts       its argument is a dtype, of NumPy
    """

    name: str
    torch: str = ""
    arrays: int = 1
    numbers: tuple[int, ...] = ()
    constant: str = ""
    positional: int = 1
    keywords: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    required: str = ""
    single: bool = False
    listed: bool = False
    strict: bool = False
    casts: bool = False
    first: int = 0
