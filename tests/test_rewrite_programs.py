"""Programs that hold every way of writing that has been awkward; see test_rewrite_meaning.py."""

from __future__ import annotations

import ast

import pytest

PROGRAMS = {
    "parentheses": """\
x = (a + b)
y = (a + b).sum() * (c)
z = ((a)) ** -(b)
w = (a,), (b, c), ()
v = a, (b), c
u = (
    a  # first
    + b  # second (
)
t = (  # why
    f(a)
    .g()
)
return_ = not (a) in (b)
s = -1 .real + (1).imag - 1.5 .real
r = "a" "b" + ("c"
    "d")
q = [(a + b), (yield_), *(c or d), *e]
p = {(a): (b + c), **(d), "k": e if f else g}
o = (lambda: a + b), (lambda x, y=(a + b), *z: (x))
n = (m := a + b)
k = f((m := a), (b), (c + d), *(e + f), k=(g + h), **(i))
""",
    "calls": """\
f()
f( )
f(  # nothing
)
f(a)
f( a )
f(a,)
f(a, )
f(a, b=1, **c)
f(**c)
f(*a, **c,)
f(
    **c
)
f(x for x in y)
f((x for x in y))
f (x for x in y if (x))
f(
    a,
    b=1,  # about b
    # below
    c=2  # about c
    # last
)
f(
    a,  # about a

    b=1,
    # before the star
    **c,  # about c
)
f(a,
  b=1, c=2,
  d=3)
f(g(h(a, b=1), b=2), b=3)
f(a)(b)(c=1)(d=2, e=3).g(a=(1))[h(b=1):i(c=2), ...]
f(a, b=1)\\
    .g()
f(a
  , b=1
  , c=2)
f(a,
  b=1  # tail
  , c=2)
f(b=1,
  # own
  c=2)
f(a, b=1,  # shared
  c=2)
@f(a, b=1)
@(g(c=1))
class A(f(a, b=1), metaclass=g(c=2)): x = f(a=1); y = f(b=1)
print(f"{f(a, b=1)!r:>{w}}", f(a=f"{b}"))
""",
    "blocks": """\
def f(a, b=c(d), *, e: g(h) = i) -> j:
    'Doc.'
    if a: b -= c
    elif b: c -= d; e -= f
    else: g = h

    # a comment
    for i in range(3): j -= i  # tail
    while a:
        b -= c ; c -= d;
        d -= e  # tail

        # between
        e -= f
    else:
        pass
    with a as b, (c): d -= e
    try: a
    except B: c
    except (C, D) as e:
        f -= g
    else: h
    finally: i -= j
    return (a)


class A:
    x: int = 1
    y = (2)

    @property
    # decorated
    def p(self):
        return '''
  not moved
'''

    async def q(self):
        async with a(b) as c, d: await (e)
        async for i in (f): yield (g)
        return [h async for h in (i) if (await j)]
lambda: (yield)
""",
    "match": """\
match (a + b):
    case 1: w -= g
    case (
        A(x=1) | B(2)
    ) if (c): v -= g; u -= g
    case [x, *y] if f(x, k=1):
        z -= g
        z -= h
    case _: pass
match = a
match (x), (y)
print(match (a), match[(b)])
""",
    "lines": """\
x = a + \\
    b
if c: \\
    x = 1
if (a and
        b): x = 1; y = (2 +
    3)
x = f(
a,
        b); y = 1  # one
""",
    "tabs": """\
if a:
\tif b:
\t\tx -= '''
\t\t  in
in'''; y = 1
\t\tz = f(
\t\t\ta,
  b,
\t\t)
\telse:
\t    w = 1
\t    v = 2
for i in j:
  if i:
    k -= 1
  \f# form feed
  l = 1
\f
m = é + "ü" + f("日本", b=1)
""",
    "short": """\
def f(): return(a)if(b)else(c)
def g(): yield(a);return
x = [a for(b)in(c)if(d)]
y = a if b else c if d else(e)
assert(a),(b)
del(a)
raise(a)from(b)
z = a<b<(c)!=(d)is(e)
import a; from b import (c,
  d); global_ = 1
x: (a) = (b)
x = y = (z)
x += (a or b)
x[a:b, (c):(d), ::e] = f[(g)]
x.y[(z)].w = -(-a)**-b
print(a, end="")  ; print(b)
if True:
    pass; pass
""",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_they_are_valid(text: str) -> None:
    assert ast.parse(text).body
