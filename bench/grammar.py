"""Programs out of nothing: Python's grammar at random, with a liking for tensors and arrays."""

from __future__ import annotations

import random
from collections.abc import Callable

_NAMES = ("x", "y", "w", "a", "loss", "net", "opt", "self", "f", "C", "n")
_MAKERS = (
    *("torch.from_numpy({})", "torch.tensor({})", "torch.as_tensor({})", "torch.Tensor({})"),
    *("Variable(torch.from_numpy({}))", "torch.asarray({})", "torch.FloatTensor({})"),
    *("torch.tensor({}, dtype=torch.float64)", "torch.tensor({}, requires_grad=True)"),
)
_ARRAYS = (
    *(
        "np.ones(3)",
        "np.array([1.0, 2.0])",
        "np.random.rand(2, 3)",
        "[1.0, 2.0]",
        "1.0",
        "np.arange(3)",
    ),
    *("np.load('a.npy')['w']", "np.zeros((2, 2), dtype=np.float32)", "x.numpy()", "a"),
)
_METHODS = (
    *(
        "sum()",
        "mean()",
        "detach()",
        "numpy()",
        "float()",
        "double()",
        "cpu()",
        "to('cpu')",
        "clone()",
    ),
    *(
        "requires_grad_()",
        "view(-1)",
        "reshape(3)",
        "long()",
        "item()",
        "backward()",
        "tolist()",
        "T",
    ),
    *(
        "grad",
        "data",
        "shape",
        "grad.zero_()",
        "add_(1)",
        "retain_grad()",
        "squeeze(0)",
        "contiguous()",
    ),
)
_STEPS = (
    *(
        "loss.backward()",
        "opt.step()",
        "opt.zero_grad()",
        "x.grad.zero_()",
        "print(x.grad)",
        "x -= x.grad",
    ),
    *(
        "opt = torch.optim.SGD([x], lr=0.1)",
        "opt = torch.optim.Adam(params=[w, y])",
        "print(w.grad)",
    ),
    *(
        "(g,) = torch.autograd.grad(loss, [x])",
        "w = w - 0.1 * w.grad",
        "y.numpy()[0] = 1",
        "a[0] = 2",
    ),
    *("w.data -= 0.1 * w.grad", "self.w = x", "x.requires_grad = True", "x.register_hook(print)"),
    *("loss = ((x @ w - y) ** 2).mean()", "net = nn.Linear(3, 1)", "y.backward(torch.ones(3))"),
)
_HEADER = (
    "import numpy as np\nimport torch\nfrom torch import nn\nfrom torch.autograd import Variable\n"
)
_OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "@",
    "**",
    "//",
    "%",
    "<",
    "==",
    "is",
    "in",
    "and",
    "or",
    "&",
    "<<",
)
_TARGETS = ("{}", "{}, {}", "({}, *{})", "{}[0]", "{}.w", "[{}, {}]", "{}[1:]", "{} = {}", "{}: {}")


class Grammar:
    """One program in the making."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left = chance.choice((10, 30, 80, 200))  # what may still be written

    def program(self) -> str:
        """Write a whole program."""
        lines = ["x = torch.from_numpy(np.ones(3))", *self.block(0)]
        lines += self.chance.sample(_STEPS, self.chance.randint(0, 4))
        return _HEADER + "\n".join(lines) + self.chance.choice(("\n", "", "\n\n", "  # end\n"))

    def block(self, depth: int) -> list[str]:
        """Write the lines of a block, indented from nothing."""
        lines: list[str] = []
        for _ in range(self.chance.randint(1, 8 if depth == 0 else 4)):
            lines += self.statement(depth)
        return lines

    def inside(self, head: str, depth: int) -> list[str]:
        """Write a block under its head, at times behind it on its line."""
        if self.chance.random() < 0.1:
            return [f"{head} {self.simple()}; {self.simple()}"]
        indent = self.chance.choice(("    ", "    ", "  ", "\t"))
        return [head, *(indent + line for line in self.block(depth + 1))]

    def statement(self, depth: int) -> list[str]:
        """Write a statement."""
        self.left -= 1
        if depth > 5 or self.left < 0 or self.chance.random() < 0.55:
            return [self.simple()]
        compound: tuple[Callable[[int], list[str]], ...] = (
            self._if, self._for, self._while, self._with, self._def, self._class, self._try, self._match
        )  # fmt: skip
        return self.chance.choice(compound)(depth)

    def simple(self) -> str:
        """Write a statement of one line."""
        one, name = self.chance.random(), self.name()
        if one < 0.35:
            return self.chance.choice(_STEPS)
        if one < 0.7:
            count = (target := self.chance.choice(_TARGETS)).count("{}")
            return f"{target.format(*(self.name() for _ in range(count)))} = {self.expression()}"
        if one < 0.8:
            return (
                f"{name} {self.chance.choice(('+', '-', '*', '/', '@', '**'))}= {self.expression()}"
            )
        return self.chance.choice((
            f"del {name}", "pass", "break", "continue", f"return {self.expression()}", f"global {name}",
            f"assert {self.expression()}, {name}", f"raise {name} from {name}", f"import {name}",
            f"from {name} import *", f"yield {self.expression()}", self.expression(), f"nonlocal {name}",
            f"{name}: torch.Tensor", f"print({self.expression()})", "'''text\n  more'''", "...",
        ))  # fmt: skip

    def name(self) -> str:
        """Return a name, one of few: so that they meet."""
        return self.chance.choice(_NAMES)

    def expression(self, depth: int = 0) -> str:
        """Write an expression."""
        self.left -= 1
        if depth > 5 or self.left < 0 or self.chance.random() < 0.2:
            return self.chance.choice((self.name(), self.name(), "1", "2.0", "None", "'s'", "True"))
        one, other = self.expression(depth + 1), self.expression(depth + 1)
        if self.chance.random() < 0.5:
            made = self.chance.choice(_MAKERS).format(self.chance.choice((*_ARRAYS, one)))
            return made + "".join(self._calls(self.chance.randint(0, 3)))
        name = self.name()
        return self.chance.choice((
            f"({one} {self.chance.choice(_OPERATORS)} {other})", f"({one}){''.join(self._calls(2))}",
            f"{name}({one}, {name}={other})", f"{name}(*{name}, **{name})", f"[{one}, {other}]",
            f"[{one} for {name} in {other} if {name}]", f"{{{name}: {one} for {name} in {other}}}",
            f"(lambda {name}, *{self.name()}_, k={one}: {other})", f"({name} := {one})", f"({one}, {other})",
            f"({one} if {name} else {other})", f"{{'k': {one}, **{name}}}", f"f'{{{name}!r:>{{n}}}} {{{name}}}'",
            f"{name}[{one}]", f"{name}[{one}:, ...]", f"-{one}", f"not {one}", f"sum({one} for {name} in {other})",
            f"(yield {one})", f"(\n    {one}  # why\n    + {other}\n)", f"{name} < {one} < {other}",
            f"torch.stack([{one}, *{name}])", f"net({one})", f"np.sin({one})", f"F.relu({one}, inplace=True)",
        ))  # fmt: skip

    def _calls(self, count: int) -> list[str]:
        return ["." + self.chance.choice(_METHODS) for _ in range(count)]

    def _if(self, depth: int) -> list[str]:
        lines = self.inside(f"if {self.expression()}:", depth)
        if self.chance.random() < 0.3:
            lines += self.inside(f"elif {self.name()}:", depth)
        return lines + (self.inside("else:", depth) if self.chance.random() < 0.4 else [])

    def _for(self, depth: int) -> list[str]:
        target = self.chance.choice(("i", "x, y", "(x, (y, *w))", "self.w", "a[0]"))
        over = self.chance.choice(
            (f"range({self.chance.randint(1, 9)})", "zip(x, y)", self.expression())
        )
        lines = self.inside(f"for {target} in {over}:", depth)
        return lines + (self.inside("else:", depth) if self.chance.random() < 0.1 else [])

    def _while(self, depth: int) -> list[str]:
        return self.inside(f"while {self.expression()}:", depth)

    def _with(self, depth: int) -> list[str]:
        manager = self.chance.choice(
            ("torch.no_grad()", "torch.enable_grad()", "open('f') as n", "x as y, w")
        )
        return self.inside(f"with {manager}:", depth)

    def _def(self, depth: int) -> list[str]:
        signature = self.chance.choice(
            ("x", "self, x=1", "x, /, y, *, w=None", "*x, **w", "", "x: int = 2")
        )
        head = self.chance.choice(
            ("", "", "@torch.no_grad()\n", "@property\n", "@staticmethod\n")
        ).splitlines()
        word = self.chance.choice(("def", "def", "def", "async def"))
        return [*head, *self.inside(f"{word} {self.name()}({signature}):", depth)]

    def _class(self, depth: int) -> list[str]:
        bases = self.chance.choice(
            ("(nn.Module)", "", "(C)", "(torch.autograd.Function)", "(x, metaclass=y)")
        )
        return self.inside(f"class {self.name()}{bases}:", depth)

    def _try(self, depth: int) -> list[str]:
        lines = self.inside("try:", depth)
        for kind in self.chance.choice((("except:",), ("except E as x:", "else:"), ("finally:",))):
            lines += self.inside(kind, depth)
        return lines

    def _match(self, depth: int) -> list[str]:
        lines = [f"match {self.expression()}:"]
        for pattern in self.chance.sample(
            ("[x, *y]", "C(w=x)", "{'k': y, **w}", "1 | 2", "x.y", "str(a)"), 2
        ):
            lines += [f"    {line}" for line in self.inside(f"case {pattern}:", depth)]
        return lines
