"""Statements moved into a block.

The notation is explained in test_rewrite.py.
"""

from __future__ import annotations

import pytest

from tests.test_rewrite import Case, cases, edited, rewritten

WRAP = r'''
==== a statement
«w -= g»
---- wrap-with torch.no_grad()
with torch.no_grad():
    w -= g
==== in a loop
for w in ws:
  «w -= g»  # step
end
---- wrap-with torch.no_grad()
for w in ws:
  with torch.no_grad():
    w -= g  # step
end
==== with tabs
if c:
→«w -= g»
---- wrap-with torch.no_grad()
if c:
→with torch.no_grad():
→→w -= g
==== the file's unit
def f():
  pass
«w -= g»
---- wrap-with torch.no_grad()
def f():
  pass
with torch.no_grad():
  w -= g
==== neighbours share
if c:
    «a -= g»

    # why
    «b -= g»
    d
---- wrap-with torch.no_grad()
---- wrap-with torch.no_grad()
if c:
    with torch.no_grad():
        a -= g

        # why
        b -= g
    d
==== strangers do not
«a -= g»
d
«b -= g»
---- wrap-with torch.no_grad()
---- wrap-with torch.no_grad()
with torch.no_grad():
    a -= g
d
with torch.no_grad():
    b -= g
==== other headers do not
«a -= g»
«b -= g»
---- wrap-with torch.no_grad()
---- wrap-with x
with torch.no_grad():
    a -= g
with x:
    b -= g
==== strings in a changed call stay
if c:
    «w -= «f("""
  in

""",
      a)»»
---- wrap-with torch.no_grad()
---- keyword b=1
if c:
    with torch.no_grad():
        w -= f("""
  in

""",
          a,
          b=1)
==== strings stay
if c:
    «f("""
  in
""", a,
      b)»
---- wrap-with torch.no_grad()
if c:
    with torch.no_grad():
        f("""
  in
""", a,
          b)
==== a compound
«for a in b:
    c

    # why
    d
else:
    e»
---- wrap-with torch.no_grad()
with torch.no_grad():
    for a in b:
        c

        # why
        d
    else:
        e
==== a nested one
«for a in b:
    «w -= g»»
---- wrap-with torch.no_grad()
---- wrap-with x
with torch.no_grad():
    for a in b:
        with x:
            w -= g
==== two headers
«w -= g»
---- wrap-with x | wrap-with y
with y:
    with x:
        w -= g
==== a whole line
«a -= g»; «b -= g»;  # two
---- wrap-with torch.no_grad()
---- wrap-with torch.no_grad()
with torch.no_grad():
    a -= g; b -= g;  # two
==== a one-line suite
if c: «w -= g»  # why
else: pass
---- wrap-with torch.no_grad()
if c:
    with torch.no_grad():
        w -= g  # why
else: pass
==== a one-line else
if c: pass
else: «w -= g»␄
---- wrap-with torch.no_grad()
if c: pass
else:
    with torch.no_grad():
        w -= g␄
==== a one-line case
match a:
  case (b): «w -= g»
---- wrap-with torch.no_grad()
match a:
  case (b):
    with torch.no_grad():
      w -= g
==== a one-line suite inside
«for a in b:
    if c: «w -= g»»
---- wrap-with torch.no_grad()
---- wrap-with x
with torch.no_grad():
    for a in b:
        if c:
            with x:
                w -= g
==== a decorated function
@a
@b
«def f():
    pass»
---- wrap-with torch.no_grad()
with torch.no_grad():
    @a
    @b
    def f():
        pass
==== expressions go first
if c:
    «w -= «f(a,
           b)»»
---- wrap-with torch.no_grad()
---- keyword requires_grad=True
if c:
    with torch.no_grad():
        w -= f(a,
               b,
               requires_grad=True)
==== CRLF
if c:␍
    «w -= g»␍
---- wrap-with torch.no_grad()
if c:␍
    with torch.no_grad():␍
        w -= g␍
==== no final newline
x␍
«w -= g»␄
---- wrap-with torch.no_grad()
x␍
with torch.no_grad():␍
    w -= g␄
==== a form feed
x
␌
«w -= g»
␌«v -= g»
---- wrap-with torch.no_grad()
---- wrap-with torch.no_grad()
x
␌
with torch.no_grad():
    w -= g
␌    v -= g
==== a backslash
«w -= a + \
  b»
---- wrap-with torch.no_grad()
with torch.no_grad():
    w -= a + \
      b
'''

CASES = [
    *cases("wrap", WRAP),
]


@pytest.mark.parametrize("case", CASES)
def test_after_is_as_written(case: Case) -> None:
    patch = rewritten(case.before, case.asked)
    assert patch.after == case.after
    assert edited(patch) == patch.after
