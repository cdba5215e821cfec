"""Statements that follow another or are followed by one, or removed.

The notation is explained in test_rewrite.py.
"""

from __future__ import annotations

import pytest

from tests.test_rewrite import Case, cases, edited, rewritten

INSERT = r"""
==== after a statement
«x = 1»  # one
y
---- insert-after z = 1
x = 1  # one
z = 1
y
==== before a statement
for a in b:␍
→# why␍
→«x = 1»  # one␍
→y␍
---- insert-before z = 1
for a in b:␍
→# why␍
→z = 1␍
→x = 1  # one␍
→y␍
==== before a compound on its own
for a in b:
  «if a:
    x»␄
---- insert-before z = 1
for a in b:
  z = 1
  if a:
    x␄
==== before what moves into a block
for a in b:
    «x»
    y
---- insert-before z = 1 | wrap-with w
for a in b:
    z = 1
    with w:
        x
    y
==== before the first of a shared line
for a in b:
    «x»; y
---- insert-before z = 1
for a in b:
    z = 1
    x; y
==== in a block
if c:
→«x = f(
1)»
y
---- insert-after z = 1
if c:
→x = f(
1)
→z = 1
y
==== no final newline
if c:␍
  «x = 1»␄
---- insert-after z = 1
if c:␍
  x = 1␍
  z = 1␄
==== a single line
«x = 1»␄
---- insert-after z = 1
x = 1
z = 1␄
==== after a compound
«if c:
    x»
y
---- insert-after z = 1
if c:
    x
z = 1
y
==== inner and outer
«if c:
    «x»»␄
---- insert-after p
---- insert-after q
if c:
    x
    q
p␄
==== a one-line suite
if c: «x = 1»  # why
---- insert-after z = 1
if c: x = 1; z = 1  # why
==== a shared line
«x = 1»; y = 2
---- insert-after z = 1
x = 1; z = 1; y = 2
==== the end of a shared line
x = 1; «y = 2»;
---- insert-after z = 1
x = 1; y = 2; z = 1;
==== behind the block of a shared line
«a -= g»; «b -= g»
---- wrap-with x
---- wrap-with x | insert-after z = 1
with x:
    a -= g; b -= g
z = 1
==== two in order
«x»
---- insert-after p | insert-after q
x
p
q
==== inside the block
«w -= g»
---- insert-after z = 1 | wrap-with torch.no_grad()
with torch.no_grad():
    w -= g
    z = 1
==== behind the block
«w -= g»
v
---- wrap-with torch.no_grad() | insert-after z = 1
with torch.no_grad():
    w -= g
z = 1
v
==== behind the block of a one-line suite
if c: «w -= g»
---- wrap-with torch.no_grad() | insert-after z = 1
if c:
    with torch.no_grad():
        w -= g
    z = 1
==== between neighbours
«a -= g»
«b -= g»
---- wrap-with torch.no_grad() | insert-after z = 1
---- wrap-with torch.no_grad()
with torch.no_grad():
    a -= g
z = 1
with torch.no_grad():
    b -= g
==== a decorated function
@a
«def f():
    pass»
---- insert-after z = 1
@a
def f():
    pass
z = 1
==== mixed newlines
«a»␍
«b»
c
---- insert-after z = 1
---- insert-after z = 1
a␍
z = 1␍
b
z = 1
c
"""

DELETE = r"""
==== a line
a
«b»  # gone
c
---- delete
a
c
==== the last line
a
«b»␄
---- delete
a
==== all of a module
«a»
«b»
---- delete
---- delete
␄
==== all of a suite
if c:
    «a»
    «b»
---- delete
---- delete
if c:
    pass
==== the only one
if c:
    «a = f(
    1)»  # why
---- delete
if c:
    pass  # why
==== a one-line suite
if c: «a»; «b»
---- delete
---- delete
if c: pass
==== part of a line
a; «b»; c
---- delete
a; c
==== a line's start
«a»; b
---- delete
b
==== a line's end
a; «b»; «c»  # why
---- delete
---- delete
a  # why
==== a whole shared line
x
«a»; «b»;
y
---- delete
---- delete
x
y
==== a compound
x
«if c:
    a
else:
    b»
y
---- delete
x
y
==== a decorated function
x
@a
«def f():
    pass»
---- delete
x
==== with what is inside
x
«if c:
    «w -= g(«a»)»»
---- delete
---- wrap-with torch.no_grad()
---- append .detach()
x
==== and another instead
if c:
    «x = 1»  # why
---- insert-after z = 1 | delete
if c:
    z = 1  # why
==== between neighbours
«a -= g»
«b»
«c -= g»
---- wrap-with torch.no_grad()
---- delete
---- wrap-with torch.no_grad()
with torch.no_grad():
    a -= g
    c -= g
==== the first of a block
«a -= g»
«b -= g»
---- wrap-with torch.no_grad() | delete
---- wrap-with torch.no_grad()
with torch.no_grad():
    b -= g
"""

CASES = [
    *cases("insert", INSERT),
    *cases("delete", DELETE),
]


@pytest.mark.parametrize("case", CASES)
def test_after_is_as_written(case: Case) -> None:
    patch = rewritten(case.before, case.asked)
    assert patch.after == case.after
    assert edited(patch) == patch.after
