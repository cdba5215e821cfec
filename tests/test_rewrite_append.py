"""What is appended to an expression, and where the parentheses go.

The notation is explained in test_rewrite.py.
"""

from __future__ import annotations

import pytest

from tests.test_rewrite import Case, cases, edited, rewritten

APPEND = r"""
==== a name
x = «a»
---- append .detach()
x = a.detach()
==== a sum
x = «a + b»
---- append .detach()
x = (a + b).detach()
==== its own parentheses
x = («a + b»)
---- append .detach()
x = (a + b).detach()
==== before a method
(«a + b»).sum()
---- append .detach()
(a + b).detach().sum()
==== the only argument
f(«a + b»)
---- append .detach()
f((a + b).detach())
==== an argument's own
f((«a + b»))
---- append .detach()
f((a + b).detach())
==== a later argument
f(a, («b + c»))
---- append .detach()
f(a, (b + c).detach())
==== a keyword's value
f(x=«a+b»)
---- append .detach()
f(x=(a+b).detach())
==== after return
def f(): return(«a+b»)
---- append .detach()
def f(): return(a+b).detach()
==== after not
x = not («a + b»)
---- append .detach()
x = not (a + b).detach()
==== a negation
x = «-a»
---- append .detach()
x = (-a).detach()
==== under a negation
x = -«a»
---- append .detach()
x = -a.detach()
==== a comparison
x = «a < b»
---- append .detach()
x = (a < b).detach()
==== a ternary
x = «a if b else c»
---- append .detach()
x = (a if b else c).detach()
==== a ternary's part
x = a if b else «c»
---- append .detach()
x = a if b else c.detach()
==== a lambda
x = «lambda: a»
---- append .detach()
x = (lambda: a).detach()
==== a lambda's body
x = lambda: «a @ b»
---- append .detach()
x = lambda: (a @ b).detach()
==== a walrus
f((«x := a»))
---- append .detach()
f((x := a).detach())
==== a bare walrus
f(«x := a»)
---- append .detach()
f((x := a).detach())
==== a walrus's value
f(x := «a + b»)
---- append .detach()
f(x := (a + b).detach())
==== an await
async def f():
    «await g()»
---- append .detach()
async def f():
    (await g()).detach()
==== what is awaited
async def f():
    await «g()»
---- append .detach()
async def f():
    await g().detach()
==== a yield
def f():
    «yield a»
---- append .detach()
def f():
    (yield a).detach()
==== what is yielded
def f():
    yield «a, b»
---- append .detach()
def f():
    yield (a, b).detach()
==== a generator
x = «(a for a in b)»
---- append .detach()
x = (a for a in b).detach()
==== a generator argument
f«(a for a in b)»
---- append .detach()
f((a for a in b).detach())
==== a comprehension's element
[«a + b» for a in c]
---- append .detach()
[(a + b).detach() for a in c]
==== a list comprehension
x = «[a for a in c]»
---- append .detach()
x = [a for a in c].detach()
==== a dict's value
{'k': «a * b»}
---- append .detach()
{'k': (a * b).detach()}
==== a starred value
f(*«a or b»)
---- append .detach()
f(*(a or b).detach())
==== an integer
x = «1» + y
---- append .detach()
x = (1).detach() + y
==== joined strings
x = «'a' 'b'»
---- append .detach()
x = 'a' 'b'.detach()
==== an f-string
x = «f'{a}'»
---- append .detach()
x = f'{a}'.detach()
==== a subscript
x = «a[1:2, ::b]»
---- append .detach()
x = a[1:2, ::b].detach()
==== an index
x = a[«b + c», d]
---- append .detach()
x = a[(b + c).detach(), d]
==== a bare tuple
x = «a, b»
---- append .detach()
x = (a, b).detach()
==== a decorator
@«a.b»
def f(): pass
---- append .detach()
@a.b.detach()
def f(): pass
==== a default
def f(a=«b + c»): pass
---- append .detach()
def f(a=(b + c).detach()): pass
==== parentheses over lines
x = (
    «a  # one
    + b»  # two
)
---- append .detach()
x = (
    a  # one
    + b  # two
).detach()
==== a chain over lines
x = (
    «a
    .f()»
)
---- append .detach()
x = (
    a
    .f()
    .detach()
)
==== a dot on each line
x = (
    «a  # one
    .f()  # two
    .g(
        b
    )[0]»  # three
)
---- append .detach() | append .cpu()
x = (
    a  # one
    .f()  # two
    .g(
        b
    )[0]
    .detach()
    .cpu()  # three
)
==== a dot at the end of each line
x = f(«a.
    g()»)
---- append .detach()
x = f(a.
    g().detach())
==== a backslash
x = «a + \
    b»
---- append .detach()
x = (a + \
    b).detach()
==== a comment with a bracket
x = (  # (
    «a + b»)
---- append .detach()
x = (  # (
    a + b).detach()
==== a new line is no call
f
(«a + b»).g()
---- append .detach()
f
(a + b).detach().g()
==== a call over lines
(f
(«a + b»))
---- append .detach()
(f
((a + b).detach()))
==== wide letters before
é = '日本', «ü + b»
---- append .detach()
é = '日本', (ü + b).detach()
==== two on one place
x = «a»
---- append .detach() | append .cpu()
x = a.detach().cpu()
==== the same twice
x = «a»
---- append .detach() | append .detach()
x = a.detach()
==== a guard
match a:
    case b if «c + d»: pass
---- append .detach()
match a:
    case b if (c + d).detach(): pass
"""

NESTED = r"""
==== inner and outer
«f(«g(x)»)»
---- append .detach()
---- append .detach()
f(g(x).detach()).detach()
==== two grants
«f(«g(x)»)»
---- keyword requires_grad=True
---- keyword requires_grad=True
f(g(x, requires_grad=True), requires_grad=True)
==== inside a sum
x = ««a» + «b»»
---- append .detach()
---- append .detach()
---- append .detach()
x = (a.detach() + b.detach()).detach()
==== callee and keyword
«torch.from_numpy(a)»
---- callee torch.tensor | keyword requires_grad=True
torch.tensor(a, requires_grad=True)
==== in the function
«f(«a + b»).g()»
---- keyword requires_grad=True
---- append .detach()
f((a + b).detach()).g(requires_grad=True)
==== a replaced whole
«f(«a»)»
---- replace x
---- append .detach()
x
"""

CASES = [
    *cases("append", APPEND),
    *cases("nested", NESTED),
]


@pytest.mark.parametrize("case", CASES)
def test_after_is_as_written(case: Case) -> None:
    patch = rewritten(case.before, case.asked)
    assert patch.after == case.after
    assert edited(patch) == patch.after
