"""The texts that oracle programs are put together from; `{}` stands for a value of the program."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """Return the items of a text, which are separated by ` ; ` or by lines."""
    return tuple(
        item.strip() for line in text.splitlines() for item in line.split(" ; ") if item.strip()
    )


# arrays
ARRAYS = listed("""
    np.ones((3, 3)) ; np.ones((3, 3), dtype=np.float32) ; np.linspace(0.1, 0.9, 3)
    np.arange(9.0).reshape(3, 3) ; np.arange(3) ; np.zeros((3, 3), dtype=np.float64)
    np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]) ; np.array([0.5, 0.25, 1.0])
    np.array([1, 2, 0]) ; np.random.rand(3, 3) ; np.eye(3, dtype='float32')
    np.array([0.5, 0.1, 0.2], np.float32) ; np.array([True, False, True]) ; np.array(0.5)
    np.full((3, 3), 0.5) ; np.full((3,), 2) ; np.random.randn(3).astype(np.float32)
""")
# from one array to another
ARRAY_STEPS = listed("""
    {}.astype(np.float32) ; {}.astype('float64') ; {} * 2 ; {} + 0.5 ; {}.copy() ; {}.T
    {}.reshape(-1) ; np.sqrt({}) ; {}.sum(axis=0) ; {} / 2 ; {}[0] ; np.abs({}) ; {}.astype(int)
    np.asarray({}) ; np.concatenate([{}, {}]) ; {} ** 2 ; -{} ; {} > 0.3 ; np.float32({})
    {}.mean(axis=0) ; np.stack([{}, {}]) ; {}.flatten()
""")
# from an array to a tensor
CONVERSIONS = listed("""
    torch.from_numpy({}) ; torch.tensor({}) ; torch.as_tensor({}) ; torch.Tensor({})
    torch.FloatTensor({}) ; torch.DoubleTensor({}) ; torch.tensor({}, dtype=torch.float32)
    torch.tensor({}, requires_grad=True)
    torch.tensor({}, dtype=torch.float64, requires_grad=True)
    torch.as_tensor({}, dtype=torch.float32)
    Variable(torch.from_numpy({}), requires_grad=True) ; Variable(torch.from_numpy({}))
    Parameter(torch.from_numpy({})) ; nn.Parameter(torch.tensor({}))
    nn.Parameter(torch.Tensor({}), requires_grad=False) ; torch.asarray({})
    torch.LongTensor({}) ; torch.tensor({}, requires_grad=False) ; torch.from_numpy({}).float()
    torch.from_numpy({}).float().requires_grad_() ; torch.as_tensor({}).double()
    torch.from_numpy({}).requires_grad_() ; torch.tensor({}.tolist())
    torch.tensor({}.tolist(), requires_grad=True) ; torch.asarray({}, requires_grad=True)
    torch.from_numpy({}).to(torch.float32)
""")
# casts and moves
CASTS = listed("""
    {}.to(torch.float32) ; {}.to(torch.float64) ; {}.to('cpu') ; {}.to({}) ; {}.cpu()
    {}.type(torch.float64) ; {}.type_as({}) ; {}.to('cpu', torch.float32)
    {}.to(dtype=torch.float64) ; {}.to(torch.device('cpu')) ; {}.to(torch.int64)
    {}.to(torch.float16) ; {}.to({}.dtype) ; {}.type(torch.FloatTensor)
    {}.type('torch.DoubleTensor') ; {}.to(torch.float32, copy=True)
    {}.to(device='cpu', dtype=torch.float64) ; {}.double() ; {}.float()
""")
# what may cut, copy, wrap or join
CUTS = listed("""
    {}.detach() ; {}.data ; {}.clone() ; {}.detach().clone() ; {}.clone().detach()
    torch.tensor({}) ; torch.tensor({}, requires_grad=True) ; torch.zeros_like({})
    torch.argmax({}) ; torch.ones_like({}, requires_grad=True) ; {} > 0.3
    torch.where({} > 0.3, {}, {}) ; Variable({}) ; torch.where({} > 0.3, {}, 0.0)
    torch.stack([{}, {}]) ; torch.cat([{}, {}]) ; Parameter({}) ; torch.as_tensor({})
    {}.detach().requires_grad_() ; {}.data.clone() ; torch.cat(({}, {}), dim=0)
    Variable({}.data, requires_grad=True) ; {}.new_zeros(3) ; {}.new_tensor([1.0, 2.0])
    torch.tensor({}.item()) ; torch.tensor({}.tolist()) ; {}.argmax(0)
    torch.tensor([{}.sum(), 1.0]) ; torch.rand_like({})
    torch.as_tensor({}, dtype=torch.float64) ; torch.full_like({}, 2.0, requires_grad=True)
    abs({}) ; sum([{}, {}]) ; torch.empty_like({}).copy_({}) ; max({}.max(), {}.max())
    {}.detach().numpy() ; torch.asarray({})
""")
# parts
INDEXING = listed("""
    {}[0] ; {}[-1] ; {}[1:] ; {}[:, 0] ; {}[..., None] ; {}[None] ; {}[[0, 2]] ; {}[{} > 0.3]
    {}[0, 1] ; {}[torch.tensor([0, 1])] ; {}[::2] ; {}.T[0] ; {}[:, :2]
""")
# arithmetic
NUMBERS = listed("""
    {} + 1 ; {} * 2.5 ; 1 / ({} + 2) ; {} - {} ; {} * {} ; -{} ; 2 ** {} ; {} ** 2 ; {} @ {}
    3 - {} ; {} / 2 ; {} // 2 ; {} + {} ; {} % 2 ; ({} + 1).sum() ; {}.sum() ; {}.mean()
    True * {} ; np.pi * {} ; 1j * {} ; {}.sum() * {} ; ~({} > 0) ; {} + np.float64(1)
    {}.sum().item() * {}
""")
# modules of torch.nn
MODULES = listed("""
    nn.Linear(3, 3) ; nn.ReLU() ; nn.Sequential(nn.Linear(3, 3), nn.Tanh()) ; nn.Linear(3, 1)
    nn.Dropout(0.5) ; nn.Identity() ; nn.LayerNorm(3) ; nn.Linear(3, 3).double() ; nn.Flatten(0)
    nn.Sigmoid() ; nn.Softmax(dim=-1)
""")
# tensors made of sizes and numbers
FACTORIES = listed("""
    torch.zeros(3, 3) ; torch.zeros(3, 3, requires_grad=True)
    torch.ones(3, 3, dtype=torch.float64) ; torch.randn(3, requires_grad=True)
    torch.rand(3, 3, dtype=torch.double, requires_grad=True) ; torch.full((3, 3), 0.5)
    torch.tensor([0.5, 0.2, 0.1]) ; torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    torch.tensor(0.5) ; torch.tensor([1, 2, 0]) ; torch.arange(3)
    torch.arange(9.0).reshape(3, 3) ; torch.full((3,), 2) ; torch.eye(3)
    nn.Parameter(torch.ones(3, 3)) ; torch.randint(0, 3, (3,))
    torch.tensor([True, False, True]) ; torch.arange(3, dtype=torch.float32, requires_grad=True)
    torch.full((3, 3), 2.0, requires_grad=True) ; torch.Tensor(3, 3).zero_()
""")
# three parts of a tensor
UNPACKED = listed("""
    {}.split(1) ; {}.unbind() ; torch.unbind({}) ; torch.split({}, 1) ; {}.chunk(3)
    [{}[0], {}[1], {}[2]] ; {} ; ({}.sin(), {}.detach(), {}) ; torch.tensor_split({}, 3)
""")
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
)
