"""Compound statements of oracle programs that define functions, generators and classes.

`tests/oracle_containers.py` says what the words in capitals stand for.
"""

from __future__ import annotations

DEFINITIONS = (
    """
NAME = lambda p: STEP(p) + STEP(SECOND)
RESULT = NAME(FIRST)
""",
    """
def NAME(p):
    q = STEP(p)
    def inner(r):
        return r * STEP(q)
    return inner
RESULT = NAME(FIRST)(SECOND)
""",
    """
class NAME:
    def __init__(self, w):
        self.w = w
        self.x = STEP(w)
    def forward(self, p):
        self.y = STEP(self.w)
        return STEP(p) * STEP(self.x)
MADE = NAME(FIRST)
RESULT = MADE.forward(SECOND)
""",
    """
class NAME(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = w
        self.x = STEP(w)
    def forward(self, p):
        self.y = STEP(self.w)
        return STEP(p) * STEP(self.x)
MADE = NAME(FIRST)
RESULT = MADE(SECOND)
""",
    """
class NAME:
    def __init__(self, a):
        self.a = a
class NAMEx(NAME):
    def __init__(self, a, b):
        super().__init__(STEP(a))
        self.b = b
    def __call__(self):
        return self.a * self.b
MADE = NAMEx(FIRST, SECOND)
RESULT = MADE()
""",
    """
class NAME:
    a = FIRST
    @property
    def b(self):
        return STEP(self.a)
    @staticmethod
    def c(p):
        return STEP(p)
MADE = NAME()
RESULT = ONE_OF(MADE.b | NAME.c(FIRST) | MADE.a)
""",
    """
from dataclasses import dataclass
@dataclass
class NAME:
    a: object
    b: object = None
MADE = NAME(FIRST, b=STEP(SECOND))
RESULT = ONE_OF(MADE.a | MADE.b)
""",
    """
from typing import NamedTuple
class NAME(NamedTuple):
    a: object
    b: object
MADE = NAME(FIRST, STEP(SECOND))
RESULT, RESULTb = MADE
""",
    """
NAME = list(map(lambda z: STEP(z), [STEP(FIRST), STEP(SECOND)]))
RESULT = NAME[ONE_OF(0 | 1)]
""",
    """
def NAME(p):
    yield STEP(p)
    yield STEP(p)
RESULT = list(NAME(FIRST))
""",
    """
def NAME(p, *q, r=2, **s):
    t = s['k'] if 'k' in s else q[0]
    return STEP(p) * r + t
RESULT = NAME(FIRST, SECOND, k=STEP(SECOND))
""",
    """
def NAME(p, q=None):
    if q is None:
        q = STEP(p)
    return q
RESULT = NAME(FIRSTONE_OF( | , SECOND | , q=SECOND))
""",
    """
def NAME(p, q):
    return STEP(q), STEP(p)
RESULT, RESULTb = NAME(*[FIRST, SECOND])
""",
    """
def NAME(p):
    return {'x': STEP(p), 'y': p}
RESULT = NAME(FIRST)[ONE_OF('x' | 'y')]
""",
    """
from functools import partial
NAME = partial(lambda p, q: STEP(p) + q, FIRST)
RESULT = NAME(SECOND)
""",
    """
def NAME(p):
    def inner(*a):
        return STEP(p(*a))
    return inner
@NAME
def NAMEg(p):
    return STEP(p)
RESULT = NAMEg(FIRST)
""",
    """
def NAME(n, p):
    return p if n == 0 else STEP(NAME(n - 1, p))
RESULT = NAME(1, FIRST)
""",
    """
def NAME(p, on):
    return p.detach().requires_grad_(on)
RESULT = NAME(FIRST, ONE_OF(True | False))
""",
    """
def NAME():
    global RESULT
    RESULT = STEP(FIRST)
NAME()
""",
    """
def NAME(p, /, q=FIRST, *, r=None):
    r = q if r is None else r
    return STEP(p) * STEP(r)
RESULT = NAME(SECOND, ONE_OF(| r=FIRST | q=SECOND))
""",
    """
def NAME(*p, **q):
    return NAMEg(*p, **q)
def NAMEg(a, b, c=1):
    return STEP(a) + b * c
RESULT = NAME(FIRST, b=STEP(SECOND), c=2)
""",
    """
def NAME(p, kept=[]):
    kept.append(STEP(p))
    return kept
NAME(FIRST)
RESULT = NAME(SECOND)[ONE_OF(0 | 1 | -1)]
""",
    """
def NAME():
    n = STEP(FIRST)
    def change():
        nonlocal n
        n = STEP(n)
        return n
    change()
    return ONE_OF(n | change())
RESULT = NAME()
""",
    """
def NAME(k):
    def outer(g):
        def inner(p):
            return STEP(g(p)) * k
        return inner
    return outer
@NAME(2)
def NAMEg(p):
    return STEP(p)
RESULT = NAMEg(FIRST)
""",
    """
def NAME(p):
    for q in p:
        yield STEP(q)
RESULT = [STEP(z) for z in NAME([FIRST, SECOND])][ONE_OF(0 | 1)]
""",
    """
def NAME(p, q):
    yield p
    yield from (STEP(z) for z in (p, q))
for z in NAME(FIRST, SECOND):
    RESULT = STEP(z)
""",
    """
def NAME(p):
    yield STEP(p)
NAMEi = NAME(FIRST)
RESULT = next(NAMEi)
""",
    """
from functools import reduce
RESULT = reduce(lambda p, q: p * STEP(q), [STEP(FIRST), FIRST, FIRST])
""",
    """
from contextlib import contextmanager
@contextmanager
def NAME(p):
    ONE_OF(pass | with torch.no_grad(): pass)
    yield STEP(p)
with NAME(FIRST) as RESULT:
    RESULTb = STEP(RESULT)
""",
    """
class NAME:
    def __init__(self, a):
        self.a = a
    def step(self):
        self.a = STEP(self.a)
        return self
MADE = NAME(FIRST).step().step()
RESULT = MADE.a
""",
    """
class NAME:
    def __init__(self, a):
        self._a = a
    @property
    def a(self):
        return STEP(self._a)
    @a.setter
    def a(self, new):
        self._a = STEP(new)
MADE = NAME(FIRST)
MADE.a = SECOND
RESULT = MADE.a
""",
    """
class NAME:
    scale = 2
    def __init__(self, a):
        self.a = STEP(a)
    @classmethod
    def of(cls, p):
        return cls(STEP(p))
    def run(self, p):
        return self.a * p
class NAMEx(NAME):
    def run(self, p):
        return STEP(super().run(p)) * self.scale
MADE = NAMEx.of(FIRST)
RESULT = MADE.run(SECOND)
""",
    """
class NAME:
    def __init__(self, *items):
        self.items = list(items)
    def __getitem__(self, n):
        return STEP(self.items[n])
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)
    def __add__(self, other):
        return NAME(*self.items, *other.items)
MADE = NAME(FIRST) + NAME(SECOND)
RESULT = MADE[ONE_OF(0 | 1)]
RESULTb = [STEP(z) for z in MADE][0]
""",
    """
class NAME:
    def __init__(self, a):
        self.a = a
NAMEs = [NAME(STEP(z)) for z in (FIRST, SECOND)]
for n in NAMEs:
    n.a = STEP(n.a)
RESULT, RESULTb = (n.a for n in NAMEs)
""",
    """
class NAME:
    def __enter__(self):
        self.a = STEP(FIRST)
        return self
    def __exit__(self, *e):
        self.a = STEP(self.a)
with NAME() as MADE:
    RESULT = STEP(MADE.a)
RESULTb = MADE.a
""",
    """
from dataclasses import dataclass, field
@dataclass
class NAME:
    a: object
    x: list = field(default_factory=list)
    def add(self, p):
        self.x.append(STEP(p))
        return self
MADE = NAME(STEP(FIRST)).add(SECOND)
RESULT = MADE.x[0]
RESULTb = MADE.a
""",
    """
class NAME(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w.detach().clone())
        self.register_buffer('b', STEP(w.detach()))
    def forward(self, p):
        return STEP(p) * self.w + self.b
MADE = NAME(FIRST)
for z in MADE.parameters():
    z.requires_grad = ONE_OF(True | False)
RESULT = MADE(SECOND)
""",
    """
class NAME(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    def forward(self, p):
        return self.net(STEP(p))
MADE = NAME()
RESULT = MADE(FIRST)
""",
    """
class NAME(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p):
        return p * 2
    @staticmethod
    def backward(ctx, g):
        return g * 2
RESULT = NAME.apply(FIRST)
""",
    """
RESULT = (lambda *p: STEP(p[0]) * p[-1])(FIRST, SECOND)
""",
    """
def NAME(p):
    if p.requires_grad:
        return STEP(p)
    return p.clone().requires_grad_()
RESULT = NAME(FIRST)
""",
    """
def NAME(p):
    global NAMEg
    NAMEg = STEP(p)
    return NAMEg
NAMEg = None
NAME(FIRST)
RESULT = NAMEg
""",
)
