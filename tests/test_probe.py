"""The probe sees what a program asks of torch, in each of its processes, and changes nothing of what it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fixgrad.runtime import records
from fixgrad.runtime.launch import equip
from fixgrad.runtime.records import Event
from tests.programs import Programs

# One of everything that a wrapped function or class might disturb; what it prints must not change.
EVERYTHING = """\
import copy, io, pickle, warnings
import numpy as np
import torch
from torch.autograd import Variable
from torch.nn.utils import clip_grad_norm_
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
np.random.seed(3)
shown = []

def show(*values):
    shown.extend(v.hex() if isinstance(v, float) else str(v) for v in values)

net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.2), torch.nn.GELU(), torch.nn.Linear(8, 1))
shift = torch.from_numpy(np.zeros(3, dtype=np.float32)).requires_grad_()
scale = torch.nn.Parameter(torch.tensor(np.ones(1), dtype=torch.float32))
optimizer = torch.optim.Adam([*net.parameters(), shift, scale], lr=0.01)
seen = []
optimizer.register_step_post_hook(lambda *rest: seen.append(len(rest)))
data = np.random.standard_normal((48, 3)).astype(np.float32)
loader = DataLoader(TensorDataset(torch.from_numpy(data)), batch_size=8, shuffle=True)
for epoch in range(30):
    for (x,) in loader:
        y = torch.as_tensor(x.numpy().sum(1, keepdims=True))
        optimizer.zero_grad()
        out = checkpoint(net, x + shift, use_reentrant=False) * scale
        loss = ((out - y) ** 2).mean()
        loss.backward()
        clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    show(loss.item(), float(shift.grad.norm()))
show(len(seen))

a = np.array([1.0, 2.0, 3.0])
x = torch.tensor(a, requires_grad=True)
handle = x.register_hook(lambda g: g * 2)
(x ** 3).sum().backward(retain_graph=False)
handle.remove()
show(x.grad, torch.autograd.grad((x ** 2).sum(), [x])[0])
show(torch.func.grad(lambda t: (t ** 2).sum())(torch.from_numpy(a)))
show(torch.func.vmap(lambda t: torch.tensor(2.0) * t)(torch.from_numpy(a)))
show(torch.autograd.functional.hessian(lambda t: (t ** 3).sum(), torch.from_numpy(a)))
show(torch.autograd.gradcheck(lambda t: t.sin(), (torch.tensor(a, requires_grad=True),)))
show(isinstance(torch.Tensor([1.0]), torch.Tensor), torch.Tensor(2, 3).shape, torch.Tensor([1, 2]))
show(torch.FloatTensor([1.0]), isinstance(x, Variable), Variable(torch.ones(1), requires_grad=True))
show(type(scale), scale.grad.shape, copy.deepcopy(net)[0].weight.sum().item(), torch.from_numpy.__name__)

class Meters(torch.Tensor):
    pass

m = torch.ones(2).as_subclass(Meters)
show(type(m.view(2, 1)), type(Meters([1.0])), m.grad, (m * 2).float())

class Doubled(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        show(getattr(func, "__name__", "?"))
        return super().__torch_function__(func, types, args, kwargs or {})

d = torch.ones(2).as_subclass(Doubled)
show(d.reshape(2, 1).shape, d.clone().sum().item(), d.detach().requires_grad_().grad)

file = io.BytesIO()
torch.save({"x": x, "net": net.state_dict()}, file)
file.seek(0)
show(torch.load(file, weights_only=True)["x"])
show(pickle.loads(pickle.dumps(x)), pickle.loads(pickle.dumps(torch.from_numpy)) is torch.from_numpy)

@torch.jit.script
def scripted(t: torch.Tensor) -> torch.Tensor:
    return t.view(-1).float() + torch.tensor([1.0])

show(scripted(torch.from_numpy(a)))
traced = torch.jit.trace(lambda t: t.reshape(1, 3).double() * 2, (torch.from_numpy(a),))
show(traced(torch.from_numpy(a)))

@torch.compile(backend="eager", fullgraph=True)
def compiled(t):
    return (t.view(-1).double() * torch.tensor(2.0)).sum()

show(compiled(x), torch.autograd.grad(compiled(x), x)[0])

class Seen(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        show(getattr(func, "__name__", "?"))
        return func(*args, **(kwargs or {}))

with Seen():
    z = torch.as_tensor(a).float().requires_grad_()
    (z * z).sum().backward()
    show(z.grad)

with torch.inference_mode():
    show(torch.from_numpy(a).clone().is_inference())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    (x * 2).grad
    show([str(w.message)[:40] for w in caught])
for wrong in (lambda: torch.ones(2).sum().backward(), lambda: x.numpy(), lambda: torch.from_numpy([1])):
    try:
        wrong()
    except Exception as error:
        show(type(error).__name__, str(error))
x.grad = None
show(x.grad, torch.rand(1), np.random.rand())
del x.grad
print("\\n".join(shown))
"""


def watch(
    programs: Programs, folder: Path, text: str, *, every: bool = False
) -> tuple[str, records.Records]:
    """Run a program under the probe; return what it prints and what was recorded."""
    script, out = folder / "main.py", folder / f"out{every}"
    script.write_text(text)
    out.mkdir()
    settings = {"roots": [str(folder)], "out": str(out), "seed": None, "every": every}
    ran = programs.run(script, settings=settings)
    found = records.read(str(out))
    assert not found.bugs
    return ran.output, found


def lines(events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Return where events happened, and how often."""
    return sorted((e.place.line if e.place else None, e.times) for e in events)


@pytest.mark.torch
class TestUnchanged:
    @pytest.mark.parametrize("every", [False, True])
    def test_everything_stays_as_it_is(
        self, every: bool, programs: Programs, tmp_path: Path
    ) -> None:
        """The same losses, bit for bit, and all else that a program may find out."""
        (tmp_path / "main.py").write_text(EVERYTHING)
        bare = programs.run(tmp_path / "main.py")
        assert bare.code == 0, bare.output
        watched, found = watch(programs, tmp_path, EVERYTHING, every=every)
        assert watched == bare.output
        assert {"conversion", "grad", "arrival", "inputs", "step", "hook", "export"} <= {
            event.kind for event in found.events
        }

    def test_messages_do_not_show_the_probe(self, tmp_path: Path) -> None:
        """Neither tracebacks nor warnings, which are told once for each line and filtered by module."""
        text = (
            "import torch, warnings\nx = torch.ones(2, requires_grad=True)\n"
            "for turn in range(2):\n    torch.tensor(x)\ntorch.tensor(x)\n(x * 2).grad\n(x * 3).grad\n"
            "warnings.filterwarnings('ignore', module='__main__')\n(x * 4).grad\n"
            "torch.ones(2).sum().backward()\n"
        )
        (tmp_path / "main.py").write_text(text)
        command = [sys.executable, "main.py"]
        said = []
        for environment in ({}, equip(str(tmp_path / "probe"), {"roots": [str(tmp_path)]})):
            ran = subprocess.run(
                command, cwd=tmp_path, env={**os.environ, **environment}, stderr=-1, check=False
            )
            said.append(ran.stderr)
        assert said[0].count(b"UserWarning") == 4
        assert said[0] == said[1]


@pytest.mark.torch
class TestRecords:
    HEAD = "import os\nimport numpy as np\nimport torch\na = np.ones(2)\n"

    def test_a_tensor_is_known_by_its_way(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + "x = torch.from_numpy(a).float()\nx = x.view(1, 2).requires_grad_()\n"
        _, found = watch(programs, tmp_path, text + "(x * 2).sum().backward()\nx.grad\n")
        (read,) = found.of("grad")
        assert read.arrived
        assert [(step.call, step.place.line) for step in read.route] == [
            ("torch.from_numpy", 5), ("float", 5), ("view", 6), ("requires_grad_", 6)
        ]  # fmt: skip
        (gradient, *_) = found.of("gradient")
        assert gradient.facts["some"] == [2.0, 2.0]

    def test_classes_convert_too(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "from torch.autograd import Variable\nf = a.astype('float32')\n"
            "x = torch.Tensor(f)\ny = Variable(torch.from_numpy(a), requires_grad=True)\n"
            "z = torch.nn.Parameter(torch.as_tensor(a))\n"
            "(x.sum() + y.sum() + z.sum()).backward()\n"
        )
        _, found = watch(programs, tmp_path, text)
        arrivals = {event.route[-1].call for event in found.of("arrival")}
        assert arrivals == {"Variable", "nn.Parameter"}
        assert (7, 1) in lines(list(found.of("conversion")))

    def test_what_a_library_converts(self, programs: Programs, tmp_path: Path) -> None:
        """It is the business of the program's line that called the library; so is a loader's batch."""
        text = self.HEAD + (
            "from torch.utils.data import DataLoader\n"
            "for x in DataLoader([a, a + 1], batch_size=1):\n"
            "    x.grad\n"
        )
        _, found = watch(programs, tmp_path, text)
        (read,) = found.of("grad")
        assert [step.call.partition(" ")[0] for step in read.route] == ["DataLoader"]
        assert (read.route[0].place.line, read.times, read.arrived) == (6, 2, False)

    def test_what_the_program_converts_for_a_loader(
        self, programs: Programs, tmp_path: Path
    ) -> None:
        text = self.HEAD + (
            "from torch.utils.data import DataLoader\n"
            "def join(rows):\n    return {'x': torch.from_numpy(np.stack(rows))}\n"
            "for batch in DataLoader([a, a], batch_size=2, collate_fn=join):\n    batch['x'].grad\n"
        )
        _, found = watch(programs, tmp_path, text)
        (read,) = found.of("grad")
        steps = [(step.call, step.place.line) for step in read.route]
        assert steps == [("torch.from_numpy", 7), ("DataLoader", 8)]

    def test_counts_are_about_right_however_many(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + "for n in range(5000):\n    torch.from_numpy(a)\n"
        _, found = watch(programs, tmp_path, text)
        ((line, times),) = lines(list(found.of("conversion")))
        assert (line, abs(int(str(times)) - 5000) < 20) == (6, True)

    def test_a_sudden_end_loses_counts_only(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "x = torch.tensor(a, requires_grad=True)\nfor n in range(20):\n    x.sum().backward()\n"
            "os.kill(os.getpid(), 9)\n"
        )
        _, found = watch(programs, tmp_path, text)
        assert lines(list(found.of("arrival"))) == [(7, 16)]

    def test_forks_write_records_of_their_own(self, programs: Programs, tmp_path: Path) -> None:
        """A tensor made before the fork is known in it."""
        text = self.HEAD + (
            "x = torch.tensor(a, requires_grad=True)\n"
            "if os.fork() == 0:\n    x.sum().backward()\n    x.grad\n    os._exit(0)\nos.wait()\n"
        )
        _, found = watch(programs, tmp_path, text)
        assert found.processes == 2
        assert [(e.place.line, e.route[0].place.line) for e in found.of("grad") if e.place] == [
            (8, 5)
        ]

    def test_what_an_optimizer_moves(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "x, y = torch.tensor(a, requires_grad=True), torch.tensor(a)\n"
            "o = torch.optim.Adam([x, y])\nx.sum().backward()\no.step()\n"
            "try:\n    o.add_param_group({'params': x * 2})\nexcept ValueError as error:\n"
            "    print(error)\n"
        )
        _, found = watch(programs, tmp_path, text)
        assert [(e.facts["tracked"], e.facts["moved"]) for e in found.of("step")] == [
            (True, True),
            (False, False),
        ]
        (refused,) = found.of("refused")
        assert refused.facts["message"] == "can't optimize a non-leaf Tensor"

    def test_what_raises_brings_no_gradient(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "x = torch.tensor(a)\ntry:\n    torch.autograd.grad((x * 2).sum(), [x])\n"
            "except RuntimeError: pass\n"
        )
        _, found = watch(programs, tmp_path, text)
        assert [(e.place.line, e.arrived) for e in found.of("inputs") if e.place] == [(7, False)]

    def test_what_a_module_takes_along(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.kept = torch.from_numpy(a)\n"
            "        self.register_buffer('mask', torch.as_tensor(a))\n"
            "net = torch.nn.Sequential(Net()).float()\n"
        )
        _, found = watch(programs, tmp_path, text)
        kept = [(e.kind, e.route[0].place.line, e.place and e.place.line) for e in found.events]
        assert ("left", 8, 10) in kept
        assert ("taken", 9, 10) in kept
        assert {e.facts["call"] for e in found.of("left", "taken")} == {"float"}

    def test_parameters_of_modules(self, programs: Programs, tmp_path: Path) -> None:
        """Only where each event is looked at, as `verify` does."""
        text = self.HEAD + (
            "one, two = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)\n"
            "one(torch.ones(2)).backward()\none.weight.grad, two.weight.grad\n"
        )
        _, found = watch(programs, tmp_path, text)
        assert not list(found.of("grad", "arrival"))
        _, found = watch(programs, tmp_path, text, every=True)
        assert sorted(e.arrived for e in found.of("grad")) == [False, True]
        (arrival,) = found.of("arrival")
        assert arrival.route[0].call == "nn.Parameter in linear.py:__init__"

    def test_exceptions_know_their_places(self, programs: Programs, tmp_path: Path) -> None:
        text = self.HEAD + (
            "def fit(x):\n    x.sum().backward()\n\ntry:\n    torch.tensor(a, requires_grad=True).numpy()\n"
            "except RuntimeError: pass\nfit(torch.from_numpy(a))\n"
        )
        _, found = watch(programs, tmp_path, text)
        failed = [(e.kind, e.place.line) for e in found.events if e.failed and e.place]
        assert failed == [("export", 9), ("backward", 6), ("uncaught", 6)]
        (uncaught,) = found.of("uncaught")
        assert [frame.line for frame in uncaught.frames] == [11, 6]


class TestWithoutTorch:
    """Programs that never import torch are hardly touched."""

    def run(self, folder: Path, text: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the probe in its environment."""
        (folder / "main.py").write_text(text)
        environment = equip(str(folder / "probe"), {"roots": [str(folder)], "seed": 0})
        inherited = os.pathsep.join(
            filter(None, [environment.pop("PYTHONPATH"), more.pop("path", "")])
        )
        return subprocess.run(
            [sys.executable, "main.py"],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": inherited, **more},
            capture_output=True,
            text=True,
            check=True,
        )

    def test_nothing_is_loaded_and_the_path_is_as_it_was(self, tmp_path: Path) -> None:
        text = (
            "import sys\nprint('torch' in sys.modules, 'numpy' in sys.modules)\n"
            "print([p for p in sys.path if 'probe' in p])\n"
        )
        assert self.run(tmp_path, text).stdout == "False False\n[]\n"

    def test_the_programs_own_sitecustomize_has_its_turn(self, tmp_path: Path) -> None:
        own = tmp_path / "own"
        own.mkdir()
        (own / "sitecustomize.py").write_text("import os\nos.environ['GREETING'] = __file__\n")
        text = "import os, sys\nprint(os.environ['GREETING'])\nprint(sys.modules['sitecustomize'].__file__)\n"
        ran = self.run(tmp_path, text, path=str(own))
        assert ran.stdout.split() == [str(own / "sitecustomize.py")] * 2

    def test_an_import_is_found_as_before(self, tmp_path: Path) -> None:
        """A package that is called like one that is waited for."""
        (tmp_path / "torch.py").write_text("value = 3\n__version__ = 'own'\n")
        ran = self.run(tmp_path, "import torch, unittest.result\nprint(torch.value)\n")
        assert (ran.stdout, ran.stderr) == ("3\n", "")

    def test_unittest_tells_of_its_tests(self, tmp_path: Path) -> None:
        text = (
            "import unittest\n\nclass T(unittest.TestCase):\n    def test_a(self): pass\n"
            "    def test_b(self): self.fail('so')\n\nunittest.main(exit=False)\n"
        )
        self.run(tmp_path, text)
        found = records.read(str(tmp_path / "probe/records"))
        assert sorted(e.facts["outcome"] for e in found.of("test")) == ["failed", "passed"]
        (failed,) = found.of("failed")
        assert (failed.facts["message"], failed.place and failed.place.line) == ("so", 5)

    def test_records_are_lines_of_json(self, tmp_path: Path) -> None:
        self.run(tmp_path, "raise SystemExit(0)\n")
        (file,) = (tmp_path / "probe/records").iterdir()
        assert [json.loads(line)["kind"] for line in file.read_text().splitlines()] == [
            "start",
            "end",
        ]
