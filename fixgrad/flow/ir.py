"""The intermediate form of one module: operations over registers, in nested blocks, as plain data.

    module   ::= function*                        the module's own body is function 0
    function ::= name(parameter, ...) { op* }
    op       ::= [%out =] kind [target] [%arg, ...] [constant] { op* } ...   @line:column
    kind     ::= const | load | store | delete | attr | setattr | delattr | index | setindex | call | method
               | binary | inplace | unary | compare | pack | collect | finish | item | function | class | import
               | branch | loop | try | with | return | raise | break | continue | yield | assert
               | format | none-of-these: opaque

Registers are numbered per function and assigned by one op each. The form holds no syntax node, refers to
nothing outside itself, and is a pure function of the file's text. It does not know torch.
"""

from __future__ import annotations

import marshal
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Place: TypeAlias = tuple[int, int, int, int]  # line, column, end line, end column, as in Span
Constant: TypeAlias = str | bytes | int | float | complex | bool | None

REGISTERS = "@registers"  # a token of a body that has its classes or functions kept by others
SETS = "@sets"  # a token of a function that changes what variables of the file hold
MADE_OF = "<-"  # "w<-zeros": a token of a file's body that makes a variable of what it names
LOCAL, GLOBAL = 0, -1  # scopes of load and store; n > 0 is the n-th enclosing function


class Op(NamedTuple):
    """One step of a function; its blocks, if any, are its branches or its body."""

    kind: str
    place: Place  # of the expression, or of the statement
    out: int = -1  # register of the result
    target: str = ""  # "grad" of attr, "+" of binary, "x" of load and store
    args: tuple[int, ...] = ()
    names: tuple[str, ...] = ()  # beside args: "" positional, "*", "**", or the keyword
    # value of const, scope of load and store, function number; of a call, or of the loop of a
    # comprehension, how many names its result is unpacked into; of pack: a comprehension begins
    constant: Constant = None
    blocks: tuple[tuple[Op, ...], ...] = ()


Block: TypeAlias = tuple[Op, ...]


class Parameter(NamedTuple):
    """One parameter of a function."""

    name: str
    kind: str  # "", "*", "**", "keyword" (after the star), "positional" (before the slash)
    annotation: str  # dotted source text: "np.ndarray"; empty where there is none


class Function:
    """A function, lambda, class body or module body.

    Most functions of a project are never followed, or not now, so what stands in them may wait in packed form.
    """

    __slots__ = (
        "_code", "_packed", "assigns", "defaults", "encloses", "kind", "local", "name", "parameters",
        "place", "size", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        name: str,  # "Net.forward"
        kind: str,  # "module", "class", "function", "lambda", "generator", "coroutine"
        place: Place,
        parameters: tuple[Parameter, ...],
        defaults: int,  # how many of the plain parameters have a default, from the right
        local: frozenset[str],  # the names it binds itself
        tokens: frozenset[str],  # what it mentions: "name", ".attribute"; not in nested functions
        encloses: bool,  # functions or classes are defined in it, which may keep its variables
        assigns: bool,  # it sets attributes
        size: int,  # registers
        code: tuple[Block, tuple[Place, ...]] | bytes,
    ) -> None:
        self.name, self.kind, self.place = name, kind, place
        self.parameters, self.defaults = parameters, defaults
        self.local, self.tokens = local, tokens
        self.encloses, self.assigns, self.size = encloses, assigns, size
        self._packed = code if isinstance(code, bytes) else b""  # it may be compressed as well
        self._code = None if isinstance(code, bytes) else code

    @property
    def is_bare(self) -> bool:
        """Whether what stands in it was left out."""
        return self.size > 0 and self._code is not None and not (self._packed or self._code[1])

    @property
    def body(self) -> Block:
        """The operations."""
        return (self._code or self._unpacked())[0]

    @property
    def places(self) -> tuple[Place, ...]:
        """By register: where its value is written."""
        return (self._code or self._unpacked())[1]

    def packed(self) -> bytes:
        """Return the body and the places as bytes; ValueError where they hold what has no such form."""
        if self._packed or self._code is None:
            return _as_dumped(self._packed)
        return marshal.dumps((_plain(self._code[0]), self._code[1]))

    def pack(self) -> None:
        """Keep what stands in it as few bytes until someone asks."""
        self._packed = zlib.compress(self.packed(), 1)
        self._code = None

    def _unpacked(self) -> tuple[Block, tuple[Place, ...]]:
        """Unpack it; what was unpacked the longest ago waits in packed form again."""
        body, places = marshal.loads(_as_dumped(self._packed))
        code = self._code = _block(body), places
        _room.take(self)
        return code

    def let_go(self) -> None:
        """Forget the operations; whoever executes them has hold of them."""
        self._code = None


def _as_dumped(data: bytes) -> bytes:
    """Return what `marshal` wrote, which does not begin as what is compressed."""
    return zlib.decompress(data) if data.startswith(b"x") else data


MOST_UNPACKED = 20_000  # registers of functions that are there in both forms


class _Room:
    """The functions that were unpacked last."""

    def __init__(self) -> None:
        self._there: deque[Function] = deque()
        self._size = 0

    def take(self, function: Function) -> None:
        """Add one, in the place of the oldest."""
        self._there.append(function)
        self._size += function.size
        while self._size > MOST_UNPACKED and len(self._there) > 1:
            oldest = self._there.popleft()
            self._size -= oldest.size
            oldest.let_go()


_room = _Room()


def _plain(block: Block) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        [(*op[:7], tuple(map(_plain, op.blocks))) if op.blocks else tuple(op) for op in block]
    )


def _block(plain: tuple[tuple[Any, ...], ...]) -> Block:
    return tuple([_op((*op[:7], tuple(map(_block, op[7])))) if op[7] else _op(op) for op in plain])


_op = Op._make


class Module(NamedTuple):
    """All the functions of one file; number 0 is the file's own body."""

    path: str
    functions: tuple[Function, ...]
    imports: tuple[tuple[str, str, str], ...] = ()  # local name, module, name in it or ""
    search: tuple[str, ...] = ()  # folders it adds to sys.path, as seen from its own


def stands_in(place: Place, around: Place) -> bool:
    """Say whether what stands at a place is inside another, or all of it."""
    return around[:2] <= place[:2] and place[2:] <= around[2:]


def text_of(function: Function) -> str:
    """Print a function in the notation of this module's docstring."""
    head = ", ".join(
        p.kind.replace("keyword", "").replace("positional", "") + p.name
        for p in function.parameters
    )
    return "\n".join([f"fn {function.name}({head}) {{", *_lines(function.body, "  "), "}"])


def _lines(block: Block, indent: str) -> Iterator[str]:
    for op in block:
        if op.kind == "stmt":
            continue
        yield indent + _one_line(op)
        for inner in op.blocks:
            yield indent + "{"
            yield from _lines(inner, indent + "  ")
            yield indent + "}"


def _one_line(op: Op) -> str:
    names = op.names or ("",) * len(op.args)
    args = ", ".join(
        (name if name.startswith("*") else f"{name}=" if name else "") + f"%{arg}"
        for name, arg in zip(names, op.args, strict=True)
    )
    out = f"%{op.out} = " if op.out >= 0 else ""
    constant = f" {op.constant!r}" if op.kind in ("const", "function", "class") else ""
    target = f"[{op.target}]" if op.target else ""
    return f"{out}{op.kind}{target}{constant}{' ' + args if args else ''}  @{op.place[0]}:{op.place[1] + 1}"
