"""Calls: keywords, functions, what is put around an expression and what is taken off.

The notation is explained in test_rewrite.py.
"""

from __future__ import annotations

import pytest

from tests.test_rewrite import Case, cases, edited, rewritten

KEYWORD = r"""
==== no argument
«f()»
---- keyword requires_grad=True
f(requires_grad=True)
==== one argument
«f(a)»
---- keyword requires_grad=True
f(a, requires_grad=True)
==== inner space
«f( a )»
---- keyword requires_grad=True
f( a, requires_grad=True )
==== a final comma
«f(a,)»
---- keyword requires_grad=True
f(a, requires_grad=True,)
==== before a mapping
«f(a, **k)»
---- keyword requires_grad=True
f(a, requires_grad=True, **k)
==== only a mapping
«f(**k)»
---- keyword requires_grad=True
f(requires_grad=True, **k)
==== after a sequence
«f(*a)»
---- keyword requires_grad=True
f(*a, requires_grad=True)
==== after a generator
«f(a for a in b)»
---- keyword requires_grad=True
f((a for a in b), requires_grad=True)
==== another value
«f(a, requires_grad = False, b=1)»
---- keyword requires_grad=True
f(a, requires_grad = True, b=1)
==== a line each
«f(
    a,
    b=1,  # why
)»
---- keyword requires_grad=True
f(
    a,
    b=1,  # why
    requires_grad=True,
)
==== a line each without final comma
«f(
    a,
    b=1  # why
)»
---- keyword requires_grad=True
f(
    a,
    b=1,  # why
    requires_grad=True
)
==== one on its own line
«f(
    [1, 2]
)»
---- keyword requires_grad=True
f(
    [1, 2],
    requires_grad=True
)
==== several on a line
«f(
    a, b
)»
---- keyword requires_grad=True
f(
    a, b, requires_grad=True
)
==== aligned
«f(a,
  b)»
---- keyword requires_grad=True
f(a,
  b,
  requires_grad=True)
==== a list that hugs
«f([
    1,
])»
---- keyword requires_grad=True
f([
    1,
], requires_grad=True)
==== own lines before a mapping
«f(
    a,  # a
    **k,
)»
---- keyword requires_grad=True
f(
    a,  # a
    requires_grad=True,
    **k,
)
==== CRLF
«f(␍
    a,␍
)»␍
---- keyword requires_grad=True
f(␍
    a,␍
    requires_grad=True,␍
)␍
==== CR
«f(␍␤    a,␍␤)»␍␤␄
---- keyword requires_grad=True
f(␍␤    a,␍␤    requires_grad=True,␍␤)␍␤␄
==== only a comment
«f(  # why
)»
---- keyword requires_grad=True
f(  # why
requires_grad=True)
"""

DROP = r"""
==== the only one
«f(b=1)»
---- drop-keyword b
f()
==== the only one over lines
«f(
    b=1,
)»
---- drop-keyword b
f()
==== the last
«f(a, b=1)»
---- drop-keyword b
f(a)
==== the last with comma
«f(a, b=1,)»
---- drop-keyword b
f(a,)
==== the first
«f(b=1, c=2)»
---- drop-keyword b
f(c=2)
==== a middle one
«f(a, b=1, c=2)»
---- drop-keyword b
f(a, c=2)
==== on its own line
«f(
    a,
    b=1,
    c=2,
)»
---- drop-keyword b
f(
    a,
    c=2,
)
==== the last on its own line
«f(
    a,  # one
    b=1,  # two
    # three
)»
---- drop-keyword b
f(
    a,  # one
    # two
    # three
)
==== a line's end
«f(a, b=1,
  c=2)»
---- drop-keyword b
f(a,
  c=2)
==== a line's start
«f(a,
  b=1, c=2)»
---- drop-keyword b
f(a,
  c=2)
==== commas in front
«f(a
  , b=1  # why
  , c=2)»
---- drop-keyword b
f(a
  ,  # why
  c=2)
"""

OTHER = r"""
==== callee
«np.array(a, b)»
---- callee torch.tensor
torch.tensor(a, b)
==== callee of a callee
«f(a)(b)»
---- callee g
g(b)
==== call
x = «a + b»
---- call torch.as_tensor
x = torch.as_tensor(a + b)
==== call takes the parentheses
x = (
    «a +
    b»
)
---- call f
x = f(
    a +
    b
)
==== call after a keyword
def f(): return(«a»)
---- call g
def f(): return g(a)
==== call of a tuple
x = «a, b»
---- call f
x = f((a, b))
==== call of a yield
def f():
    x = «yield a»
---- call g
def f():
    x = g((yield a))
==== call of a generator argument
f«(a for a in b)»
---- call g
f(g((a for a in b)))
==== replace
x = «f(a)» * 2
---- replace y
x = y * 2
==== replace by a sum
x = «a» * 2
---- replace y + z
x = (y + z) * 2
==== replace an argument
f(«a», b)
---- replace y + z
f(y + z, b)
==== replace within parentheses
x = («a») * 2
---- replace y + z
x = (y + z) * 2
==== replace sheds parentheses
x = («a + b»).c
---- replace y
x = y.c
==== replace before a keyword
x = («a + b»)if c else d
---- replace y
x = y if c else d
==== unwrap-call
x = «f(a, b=1)»
---- unwrap-call
x = a
==== unwrap-call of a sum
x = «f(a + b)» * 2
---- unwrap-call
x = (a + b) * 2
==== unwrap-call over lines
x = «f(a +
      b)»
---- unwrap-call
x = (a +
      b)
==== unwrap-call keeps comments
x = «f(  # why
    a,
)»
---- unwrap-call
x = (  # why
    a
)
==== unwrap-call of a generator
x = «f(a for a in b)»
---- unwrap-call
x = (a for a in b)
==== rename-keyword
x = «np.sum(a, axis = 1, keepdims=True)»
---- rename-keyword axis=dim | rename-keyword keepdims=keepdim | callee torch.sum
x = torch.sum(a, dim = 1, keepdim=True)
==== name-argument
x = «np.maximum(a,  # values
               0)»
---- name-argument 1=min | callee torch.clamp
x = torch.clamp(a,  # values
               min=0)
==== name-argument before a keyword
x = «f(a, b, c=1)»
---- name-argument 1=b
x = f(a, b=b, c=1)
==== as-buffer
class A:
    «self.kernel = f(a,  # why
                     b)»
---- as-buffer kernel
class A:
    self.register_buffer("kernel", f(a,  # why
                     b), persistent=False)
==== out-of-place
«w /= w.sum()»
---- out-of-place
w = w / w.sum()
==== out-of-place of a sum
if a:
    «self.w *= b + c»  # why
---- out-of-place
if a:
    self.w = self.w * (b + c)  # why
==== out-of-place beside what is inside
«w -= «np.sum(a)»»
---- out-of-place
---- callee torch.sum
w = w - torch.sum(a)
==== swap-arguments
x = «np.maximum(0, a + b)»
---- swap-arguments | name-argument 1=min | callee torch.clamp
x = torch.clamp(a + b, min=0)
==== method
x = «a.transpose(1, 0)».b()
---- method permute
x = a.permute(1, 0).b()
==== unwrap-attribute
x = «a.data».b()
---- unwrap-attribute data
x = a.b()
==== unwrap-attribute after parentheses
x = «(a + b).data»
---- unwrap-attribute data
x = a + b
==== unwrap-method
x = «a.b().c_()»
---- unwrap-method c_
x = a.b()
==== unwrap-method after parentheses
x = «(a + b).c_(True)»
---- unwrap-method c_
x = a + b
==== unwrap-method after parentheses inside arithmetic
x = «(a + b).c_(True)» * 2
---- unwrap-method c_
x = (a + b) * 2
==== unwrap-method over lines
x = (
    «a
    .b()
    .c_()»
)
---- unwrap-method c_
x = (
    a
    .b()
)
"""

CASES = [
    *cases("keyword", KEYWORD),
    *cases("drop", DROP),
    *cases("other", OTHER),
]


@pytest.mark.parametrize("case", CASES)
def test_after_is_as_written(case: Case) -> None:
    patch = rewritten(case.before, case.asked)
    assert patch.after == case.after
    assert edited(patch) == patch.after
