"""What is written down of Python's library behaves as Python's library: each program prints the same with both."""

from __future__ import annotations

import importlib
import inspect
import types

import pytest

from fixgrad.knowledge import library

# By module: programs that use its names and leave what they found in `out`.
PROGRAMS = {
    "contextvars": [
        "v = ContextVar('v', default=1)\nout.append(v.get())\nv.set(2)\nout.append(v.get())",
        "v = ContextVar('v')\nv.set([1])\nv.get().append(2)\nout.append(v.get())",
        "out.append(copy_context().run(lambda a, b=0: a + b, 1, b=2))",
    ],
    "threading": [
        "def f(a, b): out.append(a + b)\nt = Thread(target=f, args=(1,), kwargs={'b': 2})\nt.start()\nt.join()",
        "class T(Thread):\n    def run(self): out.append(self.name)\nt = T(name='n')\nt.start()\nt.join()",
        "t = Timer(0, lambda a, b: out.append((a, b)), [1], {'b': 2})\nt.start()\nt.join()",
        "l = local()\nl.x = 3\nout.append(l.x)",
    ],
    "concurrent.futures": [
        "with ThreadPoolExecutor(1) as e:\n    out.append(e.submit(pow, 2, 3).result())",
        "with ThreadPoolExecutor(max_workers=1) as e:\n    out.append(list(e.map(pow, [1, 2], [3, 4])))",
        "with ThreadPoolExecutor(1) as e:\n    out.append([f.result() for f in as_completed([e.submit(abs, -1)])])",
        (
            "with ThreadPoolExecutor(1) as e:\n    done, left = wait([e.submit(abs, -1)])\n"
            "out.append(([f.result() for f in done], list(left)))"
        ),
        "f = Future()\nf.set_result(1)\nf.add_done_callback(lambda f: out.append(f.result()))\nout.append(f.done())",
    ],
    "multiprocessing.pool": [
        "with ThreadPool(1) as p:\n    out.append(p.map(abs, [-1, 2]))\n    out.append(p.starmap(pow, [(2, 3)]))",
        "with ThreadPool(1) as p:\n    out.append(list(p.imap(abs, [-1])))\n    out.append(p.apply(pow, (2, 3)))",
        (
            "with ThreadPool(1) as p:\n    r = p.apply_async(pow, (2, 3), callback=out.append)\n    r.wait()\n"
            "    out.append(r.get())"
        ),
        (
            "with ThreadPool(1) as p:\n    out.append(p.map_async(abs, [-1]).get())\n"
            "    out.append(p.starmap_async(pow, [(2, 3)]).get())"
        ),
        "p = ThreadPool(1)\nout.append(list(p.imap_unordered(abs, [-1])))\np.close()\np.join()",
    ],
    "weakref": [
        "class A: pass\na = A()\nout.append(ref(a)() is a)\na.x = 1\nout.append(proxy(a).x)",
        "class A:\n    def f(self): return 1\na = A()\nout.append(WeakMethod(a.f)()())",
        "class A: pass\na = A()\nd = WeakValueDictionary()\nd['a'] = a\nout.append(d['a'] is a)",
        "class A: pass\na = A()\nd = WeakKeyDictionary()\nd[a] = 1\nout.append(list(d.values()))",
    ],
    "types": [
        "m = ModuleType('m')\nm.x = 1\nout.append((m.__name__, m.x))",
        "d = {'a': 1}\nm = MappingProxyType(d)\nd['b'] = 2\nout.append((m['a'], dict(m)))",
    ],
    "collections": [
        "c = ChainMap({'a': 1}, {'a': 2, 'b': 3})\nout.append((c['a'], c['b'], c.get('c', 4), 'b' in c))",
        "c = ChainMap({'a': 1}, {'a': 2, 'b': 3})\nc['b'] = 5\nout.append((c.maps, sorted(c.items())))",
        "c = ChainMap({'a': 1}).new_child({'a': 2})\nout.append((sorted(c), sorted(c.keys()), list(c.values())))",
    ],
    "contextlib": [
        "with nullcontext(3) as x:\n    out.append(x)",
        "class A:\n    def close(self): out.append('closed')\nwith closing(A()) as a:\n    out.append('in')",
        (
            "class A:\n    def __enter__(self): return 1\n    def __exit__(self, *e): pass\n"
            "with ExitStack() as s:\n    out.append(s.enter_context(A()))"
        ),
        "with ExitStack() as s:\n    s.callback(out.append, 1)\nwith ExitStack() as s:\n    s.pop_all().close()",
    ],
    "functools": [
        (
            "@singledispatch\ndef f(x): return 'any'\n@f.register\ndef _(x: int): return 'int'\n"
            "@f.register(list)\ndef _(x): return 'list'\nf.register(str, lambda x: 'str')\n"
            "out.append([f(1), f([]), f(''), f(None)])"
        ),
        (
            "class A:\n    @singledispatchmethod\n    def f(self, x): return 'any'\n"
            "    @f.register\n    def _(self, x: int): return 'int'\nout.append([A().f(1), A().f('')])"
        ),
    ],
    "json": [
        "seen = []\ndumps([{'a': {1}}, 2, 'b'], default=lambda o: seen.append(o))\nout.append(seen)",
        (
            "class E(JSONEncoder):\n    def default(self, o):\n        out.append(o)\n        return 1\n"
            "dumps({'a': {2}}, cls=E)\nE().encode({3})\nlist(E().iterencode({4}))"
        ),
        "import io\nf = io.StringIO()\ndump({'a': {1}}, f, default=out.append)\nout.append(bool(f.getvalue()))",
    ],
    "dataclasses": [
        (
            "import dataclasses as d\nA = d.make_dataclass('A', ['x', 'y'])\na = A([1], 2)\n"
            "out.append((asdict(a), astuple(a), asdict(a)['x'] is a.x))"
        ),
    ],
    "operator": [
        "d = {}\nsetitem(d, 'a', 1)\nout.append(dict(d))\ndelitem(d, 'a')\nout.append(d)",
        "a = [1]\nb = iadd(a, [2])\nout.append((a, b is a))\nout.append((isub(3, 1), imul(3, 2), itruediv(3, 2)))",
    ],
    "torch.utils._pytree": [
        "out.append(tree_map(lambda x: x * 2, {'a': [1, (2, 3)], 'b': 4}))",
    ],
}
NEEDS_TORCH = ("torch.utils._pytree",)
EVERY = [
    pytest.param(module, n, marks=[pytest.mark.torch] if module in NEEDS_TORCH else [])
    for module, programs in PROGRAMS.items()
    for n in range(len(programs))
]


def written_down(module: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(library.text(module), names)
    return names


def modules() -> set[str]:
    return {module for module, _ in library.members().values()}


def real(module: str) -> types.ModuleType:
    if module in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    return importlib.import_module(module)


@pytest.mark.parametrize(("module", "number"), EVERY)
def test_behaves_alike(module: str, number: int) -> None:
    ours = written_down(module)
    members = [name for where, name in library.members().values() if where == module]
    theirs = {name: getattr(real(module), name) for name in members}
    shown = []
    for names in (ours, theirs):
        out: list[object] = []
        exec(PROGRAMS[module][number], {**names, "out": out, "__name__": "program"})
        shown.append(repr(out))
    assert shown[0] == shown[1]
    assert shown[0] != "[]" or "callback" in PROGRAMS[module][number]


def test_every_module_is_run() -> None:
    assert modules() == set(PROGRAMS)


@pytest.mark.parametrize("name", sorted(library.members()))
def test_is_there_and_takes_the_same(name: str) -> None:
    module, _, member = name.rpartition(".")
    theirs = getattr(real(module), member)
    where, ours_as = library.members()[name]
    ours = written_down(where)[ours_as]
    assert callable(ours)
    if not isinstance(ours, types.FunctionType) or not inspect.isfunction(theirs):
        return
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [p.name for p in inspect.signature(theirs).parameters.values() if p.kind in plain]
    for parameter in inspect.signature(ours).parameters.values():
        assert parameter.name in known or parameter.kind not in plain
