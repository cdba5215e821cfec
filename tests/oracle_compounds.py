"""The compound statements of oracle programs: functions, classes, containers, loops, generators."""

from __future__ import annotations

from tests.oracle_texts import listed

# one step inside a compound statement
STEPS = listed("""
    {} * 2 ; {}.sin() ; {}.detach() ; {}.data ; {}.clone() ; {}.float() ; {}.double() ; {}.sum()
    {} + 1 ; -{} ; torch.exp({}) ; F.relu({}) ; {}[0] ; {} > 0 ; torch.zeros_like({})
    {}.view(-1) ; {}.detach().requires_grad_() ; {} ; torch.tensor({})
    torch.ones_like({}, requires_grad=True) ; {}.t() ; {}.to(torch.float32) ; {}.mul_(2)
    {}.add(1).mul_(3) ; {}.argmax() ; {}.detach().numpy()
    torch.from_numpy({}.detach().numpy()) ; {}.T ; {}.squeeze()
""")

# Compound statements. FIRST and SECOND are tensors, RESULT is bound, NAME and MADE are new names,
# STEP(e) is one of STEPS applied to e, ONE_OF(a | b) either, FLAG known only at run time.
COMPOUNDS = (
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
NAME = {'a': STEP(FIRST), 'b': STEP(SECOND)}
RESULT = NAME[ONE_OF('a' | 'b')]
""",
    """
NAME = [STEP(FIRST)]
NAME.append(STEP(SECOND))
RESULT = NAME[ONE_OF(0 | 1 | -1)]
""",
    """
NAME = (STEP(FIRST), STEP(SECOND))
RESULT = NAME[0] * NAME[1]
""",
    """
NAME = [STEP(z) for z in [STEP(FIRST), STEP(SECOND)]]
RESULT = NAME[ONE_OF(0 | 1)]
""",
    """
NAME = {}
NAME['k'] = STEP(FIRST)
NAME['m'] = STEP(SECOND)
RESULT = NAME['k']
""",
    """
NAME = list(map(lambda z: STEP(z), [STEP(FIRST), STEP(SECOND)]))
RESULT = NAME[ONE_OF(0 | 1)]
""",
    """
NAME = dict(a=STEP(FIRST), b=STEP(SECOND))
RESULT = sum(z.sum() for z in NAME.values())
""",
    """
NAME, *NAMEr = [STEP(FIRST), STEP(SECOND), FIRST]
RESULT = NAME
""",
    """
NAME = [STEP(FIRST), SECOND]
NAME[0] = STEP(SECOND)
RESULT = NAME[0]
""",
    """
NAME = {k: v for k, v in zip('ab', [STEP(FIRST), STEP(SECOND)])}
RESULT = NAME['a']
""",
    """
try:
    RESULT = STEP(FIRST)
except RuntimeError:
    RESULT = STEP(SECOND)
""",
    """
def NAME(p):
    yield STEP(p)
    yield STEP(p)
RESULT = list(NAME(FIRST))
""",
    """
RESULT = STEP(FIRST) if FLAG else STEP(SECOND)
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
RESULT = ONE_OF(| torch.tensor | Parameter)(FIRST.detach()ONE_OF(| .clone()))
RESULT.requires_grad_()
NAME = torch.optim.ONE_OF(SGD | Adam)([RESULT], lr=0.1)
for _ in range(2):
    NAME.zero_grad()
    NAMEloss = (STEP(RESULT) * RESULT).sum()
    NAMEloss.backward()
    NAME.step()
""",
    """
NAME = []
for z in [FIRST, SECOND]:
    NAME.append(STEP(z))
RESULT = NAME[ONE_OF(0 | 1)]
""",
    """
NAME = 0
RESULT = FIRST
while NAME < 2:
    RESULT = STEP(RESULT)
    NAME += 1
""",
    """
NAME = 0
for z in (FIRST, SECOND):
    NAME = NAME + STEP(z).sum()
RESULT = NAME
""",
    """
NAME = {'a': FIRST}
NAME['a'] = STEP(FIRST)
for z in NAME:
    RESULT = NAME[z]
""",
    """
NAME = [FIRST, [SECOND, STEP(FIRST)]]
RESULT = NAME[1][ONE_OF(0 | 1)]
""",
    """
RESULT, (RESULTb, RESULTc) = STEP(FIRST), (FIRST, STEP(SECOND))
""",
    """
RESULT = NAME = STEP(FIRST)
NAME2 = NAME
""",
    """
NAME = FIRST
RESULT = (NAME := STEP(SECOND))
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
NAME = [lambda p, q=q: STEP(p) * q for q in (FIRST, SECOND)]
RESULT = NAME[ONE_OF(0 | 1)](FIRST)
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
RESULT = sum(STEP(z).sum() for z in [FIRST, SECOND])
""",
    """
from functools import reduce
RESULT = reduce(lambda p, q: p * STEP(q), [STEP(FIRST), FIRST, FIRST])
""",
    """
NAME = {'a': FIRST, 'b': SECOND}
for k, v in NAME.items():
    NAME[k] = STEP(v)
RESULT = NAME['a']
RESULTb = NAME['b']
""",
    """
NAME = {'a': FIRST, 'b': SECOND}
for k in NAME:
    NAME[k] = STEP(NAME[k])
RESULT = NAME[ONE_OF('a' | 'b')]
""",
    """
NAME = {k: STEP(v) for k, v in {'a': FIRST, 'b': SECOND}.items()}
NAME.update(a=STEP(NAME['a']))
RESULT = NAME.ONE_OF(get('a') | get('c', FIRST) | pop('b') | setdefault('d', SECOND))
""",
    """
NAME = {'a': STEP(FIRST), **{'b': STEP(SECOND)}}
RESULT, RESULTb = NAME.values()
""",
    """
NAME = [FIRST, SECOND]
for n in range(len(NAME)):
    NAME[n] = STEP(NAME[n])
RESULT = NAME[ONE_OF(0 | 1)]
""",
    """
NAME = [FIRST, SECOND]
for n, z in enumerate(NAME):
    NAME[n] = STEP(z)
RESULT, RESULTb = NAME
""",
    """
NAME = [STEP(FIRST), STEP(SECOND)]
NAME.ONE_OF(insert(0, FIRST) | extend([FIRST, SECOND]) | reverse() | pop(0) | append(FIRST))
RESULT = NAME[0]
RESULTb = NAME[-1]
""",
    """
NAME = [STEP(FIRST), STEP(SECOND), FIRST]
del NAME[0]
RESULT, RESULTb = NAME
""",
    """
NAME = [STEP(FIRST)] + [STEP(SECOND)]
NAME += [FIRST]
RESULT = NAME[ONE_OF(0 | 1 | 2 | -1)]
RESULTb = NAME[1:][0]
""",
    """
NAME = [STEP(FIRST), STEP(SECOND), FIRST, SECOND]
RESULT, *RESULTb = NAME[ONE_OF(1: | :2 | ::2 | :-1 | -2:)]
""",
    """
for NAME in reversed([STEP(FIRST), STEP(SECOND)]):
    RESULT = NAME
""",
    """
NAME = [z for z in (STEP(FIRST), STEP(SECOND)) if z.requires_grad]
RESULT = NAME[0] if NAME else FIRST
""",
    """
NAME = [FIRST.detach().clone(), SECOND.detach().clone()]
for z in NAME:
    z.requires_grad_()
RESULT, RESULTb = NAME
""",
    """
NAME = {'w': FIRST.detach().clone(), 'b': SECOND.detach().clone()}
for z in NAME.values():
    z.requires_grad = ONE_OF(True | False)
RESULT = NAME['w']
RESULTb = STEP(NAME['b'])
""",
    """
NAME = []
while len(NAME) < 3:
    NAME.append(STEP(NAME[-1]) if NAME else FIRST)
RESULT = NAME[-1]
""",
    """
RESULT = FIRST
for n in range(4):
    if n == 2:
        ONE_OF(break | continue)
    RESULT = STEP(RESULT)
""",
    """
for n in range(3):
    RESULT = STEP(FIRST)
    if n == 1:
        break
else:
    RESULT = STEP(SECOND)
""",
    """
try:
    RESULT = STEP(FIRST)
finally:
    RESULTb = STEP(SECOND)
""",
    """
try:
    RESULT = STEP(FIRST)
    raise ValueError
except ValueError:
    RESULT = STEP(RESULT)
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
import copy
RESULT = copy.deepcopy(FIRST.detach()ONE_OF( | .requires_grad_()))
RESULTb = copy.copy([STEP(SECOND)])[0]
""",
    """
NAME = FIRST.detach().clone().requires_grad_()
RESULT, = torch.autograd.grad((STEP(NAME) * NAME ** 3).sum(), NAME, create_graph=ONE_OF(True | False))
""",
    """
NAME = FIRST.detach().clone().requires_grad_()
(NAME ** 3).sum().backward(create_graph=ONE_OF(True | False))
RESULT = NAME.grad
""",
    """
RESULT = F.ONE_OF(relu | dropout | elu | leaky_relu)(STEP(FIRST), inplace=ONE_OF(True | False))
""",
    """
RESULT = FIRST.clone()
NAME = nn.ReLU(inplace=True)(RESULT)
RESULTb = NAME
""",
    """
NAME, NAMEb = FIRST, SECOND
NAME, NAMEb = NAMEb, STEP(NAME)
RESULT = NAME
RESULTb = NAMEb
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
    """
NAME = {'a': {'b': [FIRST, STEP(SECOND)]}}
NAME['a']['b'][0] = STEP(NAME['a']['b'][0])
RESULT = NAME['a']['b'][0]
RESULTb = NAME['a']['b'][-1]
""",
    """
NAME = list(zip([FIRST, SECOND], (STEP(SECOND), STEP(FIRST))))
for RESULT, RESULTb in NAME:
    pass
""",
    """
from collections import OrderedDict, defaultdict, deque, namedtuple
NAME = ONE_OF(OrderedDict(a=STEP(FIRST)) | defaultdict(list, a=STEP(FIRST)) | dict(a=STEP(FIRST)))
NAME['b'] = STEP(SECOND)
RESULT = NAME['a']
RESULTb = NAME['b']
""",
    """
from collections import deque, namedtuple
NAME = ONE_OF(deque | list | tuple)([STEP(FIRST), STEP(SECOND)])
RESULT, RESULTb = NAME
""",
    """
import itertools
for RESULT in itertools.chain([STEP(FIRST)], [STEP(SECOND)]):
    RESULTb = STEP(RESULT)
""",
    """
NAME = FIRST
for n in range(2):
    NAME = STEP(NAME.detach().requires_grad_())
RESULT = NAME
""",
    """
RESULT = FIRST.detach().clone().requires_grad_()
for n in range(2):
    (RESULT * STEP(FIRST.detach())).sum().backward()
    with torch.no_grad():
        RESULT -= 0.1 * RESULT.grad
    RESULT.grad = None
""",
    """
RESULT = FIRST.detach().clone().requires_grad_()
for n in range(2):
    (RESULT * RESULT).sum().backward()
    RESULT = (RESULT - 0.1 * RESULT.grad).detach()ONE_OF(| .requires_grad_())
    if not RESULT.requires_grad:
        RESULT.requires_grad = True
""",
)
