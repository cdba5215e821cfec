"""What a run over the program records: each use of a tensor or array that a rule may ask about."""

from __future__ import annotations

from typing import NamedTuple

from fixgrad.flow.values import Path, Site, Thing


class Use(NamedTuple):
    """One use, as the state was when the program came to it.

    kind, and what it means:
      grad           `.grad` of the tensor is read for its value; detail "optional" behind a test for None
      truth          whether the gradient is true is asked: raises if it has several elements
      no-grad-expected  the program insists on the tensor having no gradient
      optimizer      the tensor is given to an optimizer; `others` is it where its class is the project's
      step           the optimizer that holds the tensor makes a step
      inputs         the tensor is an input of autograd.grad, backward(inputs=) or the like
      backward       a gradient is asked for of this root; `others` are the conversions upstream
      hook           register_hook, retain_grad
      gradcheck      gradcheck, gradgradcheck
      granted        requires_grad is set on it by the program
      export         NumPy takes the tensor's values
      mixed          NumPy arithmetic between an array and the tensor; `others` is the array
      out            the tensor is an operand of a call with out=
      displaced      a shallow copy of the tensor, which has moved, is used
      inplace        the tensor is changed in place
      shared-write   an array is written that shares memory with a graph still needed
      stale          the tensor is a copy of an array that was written since
      outdated       an array is read whose copy, the tensor, was updated
      shown          the program prints the tensor, returns it or takes its number
      overwritten    an array is read whose memory a tensor's update overwrote
      modified       a tensor that autograd saved was changed in place before the backward pass
      outpaced       differentiated, but computed before a leaf that it comes from was moved; `others`
      twice          a second backward pass through a graph that is gone
      underivable    a backward pass through what torch has no derivative of
      array-grad     `.grad` is read of an array; `others` are the tensors made of it
      array-backward  `.backward()` is called on an array; `others` are the tensors its values are of
      array-flag     `requires_grad` is set on an array, or `.requires_grad_()` called on it
      barred         a call that raises for what requires a gradient: `x.apply_(f)`, `x.resize_(2)`
      bad-keyword    requires_grad= is passed to a call that does not take it
      returned       a conversion brings values back from NumPy or Python; `others` are the tensors they are of
      attribute      the constructor of a module keeps the tensor; `others` is the module
      rewrap         torch.tensor() of a tensor; `others` are the tensors
    """

    kind: str
    thing: Thing
    site: Site  # the expression
    statement: Site
    path: Path
    tracked: str = "no"  # "yes", "no", "maybe"
    leaf: str = "yes"
    dtype: str = "unknown"
    gradient: str = "none"  # of a leaf: "none", "some", "maybe"
    mode: str = "on"  # whether autograd records: "on", "off", "inference", "maybe"
    detail: str = ""  # the method or function: "numpy", "torch.optim.SGD"
    others: tuple[Thing, ...] = ()
    sure: bool = True  # the tensor is the only thing that may be there
    retained: bool = False  # retain_grad() was called on it
    weighed: bool = False  # a test that mentions the tensor stands before it
    careless: bool = False  # nothing comes of it if it fails: `try: ... except RuntimeError: pass`
