"""What a repair asks of the source: operations on places, and the patches they become."""

from __future__ import annotations

from typing import NamedTuple

from fixgrad.source import Span


class Operation(NamedTuple):
    """One named change of one expression or statement.

    kind, and what `argument` holds:
      append         expression e becomes e + argument, in parentheses where needed: ".detach()"
      keyword        the call gains or replaces a keyword: "requires_grad=True"
      drop-keyword   the call loses the keyword named: "requires_grad"
      rename-keyword the call's keyword is called otherwise: "axis=dim"
      name-argument  the call's positional argument of this number becomes a keyword: "1=min"
      swap-arguments the call's first two positional arguments change places, argument unused
      callee         the call's function becomes: "torch.tensor"
      method         the method called becomes: "permute"
      replace        the expression becomes: "x"
      call           the expression becomes the only argument of: "torch.as_tensor"
      unwrap-call    the call f(a) becomes its first argument, argument unused
      unwrap-method  a trailing method call is removed, name in argument: "requires_grad_"
      unwrap-attribute  a trailing attribute is removed, name in argument: "data"
      wrap-with      the statement moves into `with <argument>:`; adjacent ones share one block
      out-of-place   the statement `x += e` becomes `x = x + e`, argument unused
      as-buffer      the statement `self.k = e` becomes a call of `self.register_buffer`, name in argument
      insert-before  argument, a one-line statement, is added before the statement, on a line of its own
      insert-after   argument, a one-line statement, is added after the statement
      delete         the statement is removed
      comment        the comment in this place becomes argument; where that is empty it goes
      comment-behind the comment is added at the end of the line
      comment-above  the comment is added on a line of its own above the line
    Operations on the same span apply in the order given.
    """

    span: Span
    kind: str
    argument: str = ""


class Edit(NamedTuple):
    """A stretch of the original text and what stands there afterwards."""

    span: Span
    text: str


class Patch(NamedTuple):
    """One file before and after; `edits` are disjoint and in order."""

    path: str
    before: str
    after: str
    edits: tuple[Edit, ...]
