"""Compound statements of oracle programs: containers, loops, training steps."""

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

# FIRST and SECOND are tensors, RESULT is bound, NAME and MADE are new names,
# STEP(e) is one of STEPS applied to e, ONE_OF(a | b) either, FLAG known only at run time.
CONTAINERS = (
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
RESULT = STEP(FIRST) if FLAG else STEP(SECOND)
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
NAME = [lambda p, q=q: STEP(p) * q for q in (FIRST, SECOND)]
RESULT = NAME[ONE_OF(0 | 1)](FIRST)
""",
    """
RESULT = sum(STEP(z).sum() for z in [FIRST, SECOND])
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
