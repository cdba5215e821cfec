"""Watches a PyTorch program from within and records where gradients are asked for and whether they arrive.

One file, and longer than others for that: it needs Python and torch only, and is run where fixgrad is not installed.
Copied as `sitecustomize.py` into a folder of PYTHONPATH, it loads the program's own `sitecustomize` and waits for
torch. It replaces entry points of torch by functions that call them, look at tensors, and change none; it draws no
random number. The environment variable FIXGRAD_PROBE names a file of settings (JSON):

  out        the folder for the records: a file of JSON lines for each process
  roots      folders that hold the program's own code; what runs elsewhere is a library
  seed       for random, numpy and torch; null leaves them alone
  moved      {from: to}: folders whose modules are to be taken from elsewhere
  every      look at each event, however many there are, whatever that costs; at parameters of modules too
  slopes     how many coordinates of each gradient to record for a numeric check
  nudge      {route, turn, index, by, until}: change one coordinate of one leaf, and stop after a backward pass

A record is written when it is first made, and again when its count has doubled: what ends without a word loses counts
only. `place` and `route` records give numbers to places, and to the calls by which a tensor came.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.machinery
import importlib.util
import itertools
import json
import os
import sys
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes its time in each process that is watched
    from collections.abc import Callable
    from types import CodeType, FrameType, TracebackType
    from typing import Any

VARIABLE = "FIXGRAD_PROBE"
_CONVERSIONS = ("from_numpy", "as_tensor", "asarray", "tensor", "frombuffer", "from_dlpack")
_LINKS = (
    *("to", "float", "double", "half", "bfloat16", "type", "cuda", "cpu", "clone", "detach"),
    *("view", "reshape", "unsqueeze", "squeeze", "flatten", "contiguous", "new_tensor"),
)
_GRANT = "requires_grad_"
_HOOKS = ("register_hook", "register_post_accumulate_grad_hook", "retain_grad")
_EXPORTS = ("numpy", "__array__")
_LIBRARY = tuple(os.sep + name + os.sep for name in ("site-packages", "dist-packages"))
_EXAMINED = (
    4  # gradients of one kind that are looked into; then those whose number is a power of two
)
_SHOWN = 4  # coordinates of a gradient that are recorded
_STEPS = 8  # of the way of a tensor that are remembered
_LONGEST = 300  # characters of a message
_OFTEN = 128  # times that a place is looked at; then one time in _SAMPLED, if nobody asks for it
_SAMPLED = 16
_ARRIVED, _MISSING = ("arrived", True), ("arrived", False)
_PARAMETER = "nn.Parameter"


def harmless(note: Any) -> Any:
    """Keep a bug of ours away from the program: it is recorded, and the program goes on."""

    @functools.wraps(note)
    def careful(self: Any, *args: Any) -> Any:
        try:
            return note(self, *args)
        except Exception as error:
            self.recorder.write({"kind": "bug", "in": note.__name__, "error": repr(error)})
            return None

    return careful


def rare(count: int) -> bool:
    """Say whether something that happened so often is looked into."""
    return count <= _EXAMINED or count & (count - 1) == 0


class Recorder:
    """Writes records, each at once and its count now and then."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.out = os.path.abspath(settings["out"])
        self.roots = tuple(os.path.realpath(root) for root in settings["roots"])
        # id of a code -> the code, and the numbers of its places; None: it is not the program's own.
        # Not by the code itself: its hash is computed each time, from all of its constants.
        self.codes: dict[int, tuple[CodeType, dict[int, int] | None]] = {}
        self._numbers: dict[Any, int] = {}
        self.begin()

    def begin(self) -> None:
        """Begin a file of this process's own, once there is a record; a fork counts from nothing."""
        self._path = ""
        self._counts: dict[Any, int] = {}

    def _first(self) -> None:
        name = f"{os.getpid()}-{os.urandom(3).hex()}.jsonl"
        self._path = os.path.join(self.out, name)
        self.write({"kind": "start", "pid": os.getpid(), "python": sys.version.split()[0]})
        for (kind, facts), number in self._numbers.items():  # those of the process that was forked
            self.write({"kind": kind, "number": number, **json.loads(facts)})

    def write(self, record: dict[str, Any]) -> None:
        """Write one line whole; no descriptor stays open, which the program might close or take."""
        if not self._path:
            self._first()
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        with contextlib.suppress(OSError, ValueError):
            file = os.open(self._path, flags, 0o600)
            try:
                os.write(file, (json.dumps(record) + "\n").encode("utf-8", "replace"))
            finally:
                os.close(file)

    def tell(
        self,
        kind: str,
        at: int | None,
        facts: tuple[tuple[str, Any], ...] = (),
        extra: dict[str, Any] | None = None,
        by: int = 1,
    ) -> int:
        """Count an event; `extra` is written with it and does not tell it from others."""
        key = (kind, at, facts)
        before = self._counts.get(key, 0)
        count = self._counts[key] = before + by
        if not before or (count ^ before > before and (count >= 16 or extra)):
            self.write({"kind": kind, "at": at, **dict(facts), **(extra or {}), "count": count})
        return count

    def end(self) -> None:
        """Write the last counts, what the program died of, and what it took from elsewhere."""
        for (kind, at, facts), count in self._counts.items():
            if count > 1:
                self.write({"kind": kind, "at": at, **dict(facts), "count": count})
        error = getattr(sys, "last_value", None)
        if error is not None:
            self.failure("uncaught", error, getattr(sys, "last_traceback", None))
        for path in self._strays():
            self.write({"kind": "stray", "file": path})
        self.write({"kind": "end"})

    def _strays(self) -> list[str]:
        """Return the modules that were loaded from folders that are to be taken from elsewhere."""
        moved = [os.path.realpath(old) + os.sep for old in self.settings.get("moved") or ()]
        real: dict[str, str] = {}  # folders: to look up each file would take a tenth of a second
        found = []
        for module in list(sys.modules.values()) if moved else ():
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                folder = os.path.dirname(path)
                if folder not in real:
                    real[folder] = os.path.realpath(folder)
                where = os.path.join(real[folder], "")
                if where.startswith(tuple(moved)) and not self.is_library(where):
                    found.append(path)
        return found

    def failure(
        self, kind: str, error: BaseException, trace: TracebackType | None, **facts: Any
    ) -> None:
        """Record an exception, with the program's own places that it came through, outermost first."""
        frames: list[int] = []
        own = False
        while trace is not None:
            code = trace.tb_frame.f_code
            place = self.place(code, trace.tb_lasti, trace)
            own = place is not None or (own and code.co_filename == __file__)
            if place is not None:
                frames.append(place)
            trace = trace.tb_next
        said = {"error": type(error).__name__, "message": str(error)[:_LONGEST], "own": own}
        at = frames[-1] if frames else None
        self.write({"kind": kind, "at": at, "frames": frames, **said, **facts})

    def is_library(self, path: str) -> bool:
        """Say whether a file is installed, wherever that is."""
        return any(part in path for part in _LIBRARY)

    def is_own(self, path: str) -> bool:
        """Say whether a file is the program's own code; the cells of a notebook are."""
        if path == __file__:
            return False
        if path.startswith("<ipython-input-") or f"{os.sep}ipykernel_" in path:
            return True
        if path.startswith("<"):
            return False  # "<frozen runpy>", "<string>"
        real = os.path.realpath(path)
        inside = any(real.startswith(root.rstrip(os.sep) + os.sep) for root in self.roots)
        return inside and not self.is_library(real)

    def place(self, code: CodeType, at: int, where: FrameType | TracebackType) -> int | None:
        """Return the number of a place, None where it is not the program's own.

        `where` knows the line; in a long module it takes long to find.
        """
        known = self.codes.get(id(code))
        if known is None:
            known = (code, {} if self.is_own(code.co_filename) else None)
            self.codes[id(code)] = known
        places = known[1]
        if places is None:
            return None
        found = places.get(at)
        if found is None:
            found = places[at] = self._number("place", self._described(code, at, where))
        return found

    def _described(
        self, code: CodeType, at: int, where: FrameType | TracebackType
    ) -> dict[str, Any]:
        line = getattr(where, "f_lineno", None) or getattr(where, "tb_lineno", None)
        span: list[int | None] = [line, None, line, None]
        if sys.version_info >= (3, 11):
            found = next(itertools.islice(code.co_positions(), at // 2, None), (None,) * 4)
            if None not in found:
                span = [found[0], found[2], found[1], found[3]]
        path, facts = code.co_filename, {}
        if os.path.exists(path) and "ipykernel_" not in path:
            path = os.path.realpath(path)
        elif "linecache" in sys.modules:
            facts["text"] = "".join(sys.modules["linecache"].getlines(path))
        return {"file": path, "span": span, "in": code.co_name, **facts}

    def route(self, steps: tuple[tuple[str, int], ...]) -> int:
        """Return the number of a way by which a tensor came: a call and its place each."""
        return self._number("route", {"steps": [list(step) for step in steps]})

    def _number(self, kind: str, facts: dict[str, Any]) -> int:
        key = (kind, json.dumps(facts))
        number = self._numbers.get(key)
        if number is None:
            number = len(self._numbers)
            self.write({"kind": kind, "number": number, **facts})
            self._numbers[key] = number
        return number


class Watch:
    """Which tensors are watched, by which calls they came, and whether their gradients are there."""

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        self.recorder, self.settings = recorder, recorder.settings
        self.torch = torch
        self._plain: tuple[type, ...] = ()
        self.raw_grad: Callable[[Any], Any] = lambda tensor: None
        self.known: dict[int, tuple[Any, int]] = {}  # id -> (weak reference, number of its route)
        # (id of a code, instruction) -> [how often to pass over it, how often it was looked at]
        self.spots: dict[tuple[int, int], list[int]] = {}
        self.every = bool(self.settings.get("every"))
        self.nudge = self.settings.get("nudge")
        self.numeric = bool(self.nudge or self.settings.get("slopes"))
        self._asked: set[int] = set()  # places of conversions whose gradients somebody asks for
        self._is_new = False  # there is a leaf at which no backward pass has looked
        self.leaves: dict[int, Any] = {}  # id -> weak reference: what a backward pass may give to
        self._steps: dict[int, tuple[tuple[str, int], ...]] = {}  # of each route
        self._routes: dict[tuple[tuple[str, int], ...], int] = {}
        self._turns: dict[int | None, int] = {}  # how many leaves came by a route
        self._sampled: set[int] = set()  # the routes of gradients that are recorded for a check
        self._names: dict[Any, str] = {}  # of dtypes
        self.backwards = 0
        # torch 2.2 has no such function; whoever compiles has loaded dynamo then
        compiler = getattr(torch, "compiler", None)
        self._is_compiling = getattr(compiler, "is_compiling", self._is_in_dynamo)

    def _is_in_dynamo(self) -> bool:
        dynamo = sys.modules.get("torch._dynamo")
        return dynamo is not None and bool(dynamo.is_compiling())

    def here(self, frame: FrameType | None) -> tuple[int | None, CodeType | None]:
        """Return the nearest place of the program's own, and the code of a library called there."""
        via = None
        while frame is not None:
            code = frame.f_code
            place = self.recorder.place(code, frame.f_lasti, frame)
            if place is not None:
                return place, via
            if via is None and code.co_filename == __file__:
                break  # arithmetic of ours
            via, frame = code, frame.f_back
        return None, via

    def is_quiet(self) -> bool:
        """Say whether arithmetic of ours would be seen by nobody: no mode, transform or trace."""
        c = self.torch._C
        return not (
            c._len_torch_function_stack()
            or c._len_torch_dispatch_stack()
            or c._are_functorch_transforms_active()
            or c._get_tracing_state()
            or self._is_compiling()
        )

    def route_of(self, tensor: Any) -> int | None:
        """Return the number of the route of a tensor that is watched."""
        known = self.known.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def is_of_module(self, route: int | None) -> bool:
        """Say whether a route is that of a parameter which a module makes of nothing."""
        return route is not None and self._steps[route][0][0].startswith(_PARAMETER)

    def watch(
        self, tensor: Any, call: str, place: int, before: tuple[tuple[str, int], ...] = ()
    ) -> None:
        """Begin to watch a tensor, or note one more step of its way."""
        steps = (*before, (call, place))[-_STEPS:]
        number = self._routes.get(steps)
        if number is None:
            number = self._routes[steps] = self.recorder.route(steps)
            self._steps[number] = steps
        key = id(tensor)
        self.known[key] = (weakref.ref(tensor, lambda _: self.known.pop(key, None)), number)
        self.expect(tensor)

    def expect(self, tensor: Any) -> None:
        """Look at this tensor after each backward pass, if it is a tracked leaf."""
        key = id(tensor)
        if key in self.leaves or self.look(tensor)[1:] != (True, True):
            return
        self.leaves[key] = weakref.ref(tensor, lambda _: self.leaves.pop(key, None))
        self._is_new = True
        number = self.route_of(tensor)
        turn = self._turns[number] = self._turns.get(number, 0) + 1
        nudge = self.nudge
        if nudge and nudge["route"] == number and nudge["turn"] == turn:
            with self.torch.no_grad():
                tensor.data = tensor.data.clone()  # what shares its memory stays as it is
                tensor.data.view(-1)[nudge["index"]] += nudge["by"]

    def facts(self, tensor: Any) -> tuple[tuple[str, Any], ...]:
        """Return what a record says of a tensor."""
        dtype, tracked, leaf = self.look(tensor)
        name = self._names.get(dtype)
        if name is None:
            name = self._names[dtype] = str(dtype).replace("torch.", "")
        return (
            ("of", self.route_of(tensor)),
            ("dtype", name),
            ("tracked", tracked),
            ("leaf", leaf),
        )

    def look(self, tensor: Any) -> tuple[Any, bool, bool]:
        """Return dtype, tracked and leaf; a subclass or a mode that sees all reads does not see these."""
        if type(tensor) in self._plain and not self.torch._C._len_torch_function_stack():
            return tensor.dtype, tensor.requires_grad, tensor.is_leaf
        with self.torch._C.DisableTorchFunction():
            return tensor.dtype, tensor.requires_grad, tensor.is_leaf

    def demanded(self, tensor: Any) -> tuple[tuple[str, Any], ...]:
        """Return the facts of a tensor whose gradient is asked for; its conversion is watched closely."""
        facts = self.facts(tensor)
        if facts[0][1] is not None:
            self._asked.add(self._steps[facts[0][1]][0][1])
        return facts

    def weight(self, frame: FrameType, place: int) -> int:
        """Return how many events this one stands for: the following ones at this spot are passed over."""
        spot = self.spots.setdefault((id(frame.f_code), frame.f_lasti), [0, 0])
        spot[1] += 1
        if spot[1] <= _OFTEN or place in self._asked or self.every:
            return 1
        spot[0] = _SAMPLED - 1
        return _SAMPLED

    @harmless
    def converted(self, call: str, result: Any, frame: FrameType) -> None:
        """Note a conversion; one that a library makes is told of once somebody asks for it."""
        place, via = self.here(frame)
        if place is None or type(result) is not self.torch.Tensor:
            return
        if via is not None:
            call = f"{call} in {os.path.basename(via.co_filename)}:{via.co_name}"
        self.watch(result, call, place)
        if via is None:
            facts = (("call", call), *self.facts(result))
            self.recorder.tell("conversion", place, facts, by=self.weight(frame, place))

    @harmless
    def linked(self, call: str, tensor: Any, result: Any, frame: FrameType) -> None:
        """Note that a tensor came of one that is watched, or is granted its gradient."""
        number = self.route_of(tensor)
        if not isinstance(result, self.torch.Tensor) or (result is tensor and call != _GRANT):
            return
        place, _ = self.here(frame)
        if place is not None and (number is not None or call == _GRANT):
            self.watch(result, call, place, self._steps[number] if number is not None else ())

    @harmless
    def parameter(self, result: Any, frame: FrameType) -> None:
        """Watch a parameter that is not made of a tensor that is watched: that of a module, mostly."""
        place, via = self.here(frame)
        if place is not None:
            where = f" in {os.path.basename(via.co_filename)}:{via.co_name}" if via else ""
            self.watch(result, _PARAMETER + where, place)

    @harmless
    def module_moved(self, module: Any, frame: FrameType) -> None:
        """Note which of the tensors that a module keeps it takes along to another type or device."""
        place, via = self.here(frame)
        if place is None:
            return
        call = via.co_name if via is not None else "_apply"
        for part in module.modules():
            kept = {"left": vars(part), "taken": part._buffers}
            for kind, tensors in kept.items():
                for tensor in list(tensors.values()):
                    if isinstance(tensor, self.torch.Tensor) and self.route_of(tensor) is not None:
                        self.recorder.tell(kind, place, (("call", call), *self.facts(tensor)))

    @harmless
    def loaded(self, batch: Any, frame: FrameType, depth: int = 0) -> None:
        """Watch the tensors that come out of a loader."""
        if isinstance(batch, self.torch.Tensor):
            place, _ = self.here(frame)
            if place is not None:
                number = self.route_of(batch)
                steps = self._steps[number] if number is not None else ()
                own = (
                    bool(steps) and " in " not in steps[0][0]
                )  # made by the program, not by torch's collate
                self.watch(batch, "DataLoader", place, steps if own else ())
        elif depth < 3 and isinstance(batch, (list, tuple, dict)):
            for each in batch.values() if isinstance(batch, dict) else batch:
                self.loaded(each, frame, depth + 1)

    @harmless
    def read_grad(self, tensor: Any, gradient: Any, frame: FrameType) -> None:
        """Note that the program's own code reads `.grad`."""
        place = self.recorder.place(frame.f_code, frame.f_lasti, frame)
        if place is None:
            return
        by = self.weight(frame, place)
        if gradient is None:
            self.recorder.tell("grad", place, (*self.demanded(tensor), _MISSING), by=by)
        else:
            self.arrived("grad", place, tensor, gradient, by)
        self.expect(tensor)

    def arrived(self, kind: str, place: int, tensor: Any, gradient: Any, by: int = 1) -> None:
        """Record a gradient that is there, and now and then what is in it."""
        facts = self.demanded(tensor)
        if rare(self.recorder.tell(kind, place, (*facts, _ARRIVED), by=by)):
            self.examine(place, gradient, facts[0][1])

    def examine(self, place: int, gradient: Any, number: int | None) -> None:
        """Record whether a gradient is finite, whether it is zero, and a little of it."""
        if not self.is_quiet() or type(gradient) not in self._plain:
            return
        with self.torch.no_grad():
            values = gradient.detach()
            flat = (values.coalesce().values() if values.is_sparse else values).reshape(-1)
            finite = bool(self.torch.isfinite(flat).all())
            nonzero = bool((flat != 0).any())
            norm = float(flat.abs().double().norm()) if finite else None
            some = [] if flat.is_complex() else flat[:_SHOWN].tolist()
        shown = {"norm": norm, "some": [v if v - v == 0 else str(v) for v in some]}
        said = (("of", number), ("finite", finite), ("nonzero", nonzero))
        self.recorder.tell("gradient", place, said, shown)

    def value_of(self, roots: Any, weights: Any) -> float | None:
        """Return the number that is differentiated, where a numeric check needs it."""
        if not self.is_quiet():
            return None
        tensor = self.torch.Tensor
        roots = [roots] if isinstance(roots, tensor) else list(roots)
        weights = [weights] if isinstance(weights, tensor) else list(weights or ())
        weights += [None] * (len(roots) - len(weights))
        pairs = zip(roots, weights)  # noqa: B905  (the program's Python may not know `strict`)
        with self.torch.no_grad():
            parts = (r.double() if w is None else r.double() * w for r, w in pairs)
            return sum(float(part.sum()) for part in parts)

    @harmless
    def sampled(self, place: int, tensor: Any, gradient: Any, value: float | None) -> None:
        """Record some slopes of the number that was differentiated, for a numeric check."""
        number, wanted = self.route_of(tensor), self.settings.get("slopes")
        if not wanted or value is None or number is None or number in self._sampled:
            return
        if self.is_of_module(number):
            return
        if (
            gradient.is_complex()
            or gradient.is_sparse
            or not (gradient.numel() and self.is_quiet())
        ):
            return
        self._sampled.add(number)
        with self.torch.no_grad():
            flat, points = gradient.detach().reshape(-1), tensor.detach().reshape(-1)
            chosen = [int(flat.abs().argmax()), 0, len(flat) // 2, len(flat) - 1]
            chosen = list(dict.fromkeys(chosen))[:wanted]
            slopes, points = flat[chosen].tolist(), points[chosen].tolist()
        facts: dict[str, Any] = {
            "turn": self._turns.get(number, 1),
            "backward": self.backwards,
            "value": value,
        }
        facts.update(index=chosen, slopes=slopes, points=points, dtype=str(tensor.dtype))
        self.recorder.write({"kind": "slopes", "at": place, "of": number, **facts})


class Demands(Watch):
    """What the program asks of torch: backward passes, optimizers, hooks, checks."""

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        super().__init__(recorder, torch)
        self._within = False  # a backward pass; a checkpoint differentiates inside of one
        self._optimizers: dict[int, tuple[Any, list[list[Any]], list[Any]]] = {}
        self._spent: list[Any] = []  # hooks of optimizers that have been watched for long enough

    def differentiate(
        self, call: str, run: Callable[..., Any], args: Any, kwargs: Any, frame: FrameType
    ) -> Any:
        """Run a backward pass or `autograd.grad`, and note which gradients it brings."""
        place, _ = self.here(frame)
        if place is None or self._within:
            return run(*args, **kwargs)
        self.backwards += 1
        while self._spent:
            self._spent.pop().remove()
        value = self._differentiated(call, args, kwargs) if self.numeric else None
        self._within = True
        try:
            result = run(*args, **kwargs)
        except Exception as error:
            self.recorder.failure(call, error, error.__traceback__, at=place)
            if call == "autograd":
                self._returned(place, args[1] if len(args) > 1 else kwargs["inputs"], None, None)
            raise
        finally:
            self._within = False
        self.recorder.tell(call, place)
        if call == "autograd":
            self._returned(place, args[1] if len(args) > 1 else kwargs["inputs"], result, value)
        elif self.every or self._is_new or self.backwards <= _OFTEN:
            self._gathered(place, value, 1)
        elif not self.backwards % _SAMPLED:
            self._gathered(place, value, _SAMPLED)
        if self.nudge and self.backwards >= self.nudge["until"]:
            self.recorder.write({"kind": "nudged", "value": value})
            os._exit(0)
        return result

    @harmless
    def _differentiated(self, call: str, args: Any, kwargs: Any) -> float | None:
        roots = args[0] if args else kwargs.get("tensors", kwargs.get("outputs"))
        weights = kwargs.get("grad_tensors", kwargs.get("grad_outputs"))
        given = args[1:2] if call == "backward" else args[2:3]
        return self.value_of(roots, given[0] if given else weights)

    @harmless
    def _gathered(self, place: int, value: float | None, by: int) -> None:
        self._is_new = False
        for leaf in [reference() for reference in list(self.leaves.values())]:
            gradient = None if leaf is None else self.raw_grad(leaf)
            if gradient is not None:
                self.arrived("arrival", place, leaf, gradient, by)
                self.sampled(place, leaf, gradient, value)

    @harmless
    def _returned(self, place: int, inputs: Any, gradients: Any, value: float | None) -> None:
        inputs = [inputs] if isinstance(inputs, self.torch.Tensor) else list(inputs)
        gradients = gradients or [None] * len(inputs)  # it raised
        for tensor, gradient in zip(inputs, gradients):  # noqa: B905
            if gradient is None:
                self.recorder.tell("inputs", place, (*self.demanded(tensor), _MISSING))
            elif isinstance(tensor, self.torch.Tensor):
                self.arrived("inputs", place, tensor, gradient)
                self.sampled(place, tensor, gradient, value)

    def asked(
        self,
        kind: str,
        call: str,
        run: Callable[..., Any],
        args: Any,
        kwargs: Any,
        frame: FrameType,
    ) -> Any:
        """Run something that raises where a gradient is missing or in the way, and note whether it does."""
        place, via = self.here(frame)
        if place is None or (via and kind == "hook"):
            return run(*args, **kwargs)
        known = kind in ("hook", "export")
        facts = (("call", call), *(self.demanded(args[0]) if known else ()))
        try:
            result = run(*args, **kwargs)
        except Exception as error:
            self.recorder.failure(kind, error, error.__traceback__, **dict(facts), at=place)
            raise
        if kind in ("hook", "gradcheck"):
            self.recorder.tell(kind, place, facts)
        return result

    @harmless
    def optimized(self, optimizer: Any, group: Any, frame: FrameType) -> None:
        """Note the tensors that an optimizer was given; a module's own parameters are not of interest."""
        place, _ = self.here(frame)
        if place is None:
            return
        for parameter in group["params"]:
            plain = not isinstance(parameter, self.torch.nn.Parameter)
            route = self.route_of(parameter)
            if plain or (route is not None and not self.is_of_module(route)):
                facts = (("call", type(optimizer).__name__), *self.demanded(parameter))
                self.recorder.tell("optimizer", place, facts)
                self._watch_step(optimizer, parameter, place)

    def _watch_step(self, optimizer: Any, parameter: Any, place: int) -> None:
        """Look for a while whether an optimizer moves this tensor."""
        key = id(optimizer)
        if key not in self._optimizers:
            gone = weakref.ref(optimizer, lambda _: self._optimizers.pop(key, None))
            before = optimizer.register_step_pre_hook(self.before_step)
            after = optimizer.register_step_post_hook(self.after_step)
            self._optimizers[key] = (gone, [], [before, after])
        self._optimizers[key][1].append([weakref.ref(parameter), place, 0, None])
        self.expect(parameter)

    @harmless
    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Keep what an optimizer may move, now and then."""
        for entry in self._optimizers.get(id(optimizer), (None, (), ()))[1]:
            parameter = entry[0]()
            entry[2] += 1
            if parameter is not None and rare(entry[2]) and self.is_quiet():
                entry[3] = parameter.detach().clone()

    @harmless
    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Note which tensors an optimizer moved; after many steps nothing new is to be seen."""
        _, entries, hooks = self._optimizers.get(id(optimizer), (None, [], []))
        for entry in entries:
            parameter, before, entry[3] = entry[0](), entry[3], None
            if parameter is not None and before is not None:
                moved = not self.torch.equal(before, parameter.detach())
                facts = (("call", type(optimizer).__name__), *self.facts(parameter))
                arrived = self.raw_grad(parameter) is not None
                facts = (*facts, ("moved", moved), _ARRIVED if arrived else _MISSING)
                self.recorder.tell("step", entry[1], facts)
        if entries and min(entry[2] for entry in entries) > _OFTEN and not self.every:
            self._spent += hooks  # not removed here: torch goes through them
            del self._optimizers[id(optimizer)]


class Probe(Demands):
    """Puts our functions in the place of torch's entry points."""

    def install(self) -> None:
        """Watch torch, which has just been imported."""
        torch = self.torch
        if not hasattr(torch, "_C"):
            return
        tensor, autograd = torch.Tensor, torch.autograd
        self._plain = (tensor, torch.nn.Parameter)
        if self.settings.get("seed") is not None:
            torch.manual_seed(self.settings["seed"])
        self.recorder.write({"kind": "torch", "version": str(torch.__version__)})
        builtins = sys.modules["torch.jit._builtins"]
        for name in _CONVERSIONS:
            function = getattr(torch, name, None)
            _replace(torch, name, self._conversion)
            known = builtins._find_builtin(function)
            if known is not None:  # scripted code looks for functions by their identity
                builtins._register_builtin(getattr(torch, name), known)
            if (
                "torch._dynamo" in sys.modules and function is not None
            ):  # it knows the others by now
                sys.modules["torch._dynamo"].allow_in_graph(getattr(torch, name))
        torch.utils.dlpack.from_dlpack = torch.from_dlpack
        for name in (*_LINKS, _GRANT):
            _replace(tensor, name, self._link)
        for name in _HOOKS:
            _replace(tensor, name, functools.partial(self._asking, "hook"))
        for name in _EXPORTS:
            _replace(tensor, name, functools.partial(self._asking, "export"))
        for name in ("gradcheck", "gradgradcheck"):
            _replace(autograd, name, functools.partial(self._asking, "gradcheck"))
        for name in ("backward", "grad"):
            _replace(autograd, name, self._differentiation)
        _replace(
            sys.modules["torch.utils.data.dataloader"]._BaseDataLoaderIter,
            "__next__",
            self._loading,
        )
        _replace(torch.nn.Module, "_apply", self._moving)
        optimizers = sys.modules["torch.optim.optimizer"]
        _replace(optimizers.Optimizer, "add_param_group", self._group)
        self._watch_grad()
        self._watch_classes()
        _relocate_warnings()

    def _watch_grad(self) -> None:
        raw, read, this = self.torch._C.TensorBase.grad, self.read_grad, sys._getframe
        self.raw_grad = raw.__get__
        get, known, spots, unknown = (
            raw.__get__,
            self.recorder.codes.get,
            self.spots.get,
            (None, ()),
        )

        def grad(tensor: Any) -> Any:
            gradient = get(tensor)
            frame = this(1)
            code = id(frame.f_code)
            if known(code, unknown)[1] is not None:
                spot = spots((code, frame.f_lasti))
                if spot is not None and spot[0]:
                    spot[0] -= 1
                else:
                    read(tensor, gradient, frame)
            return gradient

        class Grad(property):  # torch 2.2 asks it for its name and for the class that it belongs to
            __name__, __objclass__ = raw.__name__, raw.__objclass__

        self.torch.Tensor.grad = Grad(grad, raw.__set__, raw.__delete__, raw.__doc__)
        if not self.every:
            # Parameters are tracked by themselves, and optimizers read the gradients of all of them.
            self.torch.nn.Parameter.grad = raw

    def _watch_classes(self) -> None:
        """Watch what is made by calling a class, where the class can be told to."""
        torch, this = self.torch, sys._getframe
        make, make_parameter = torch._C.TensorBase.__new__, torch.nn.Parameter.__new__

        @functools.wraps(make)
        def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
            result = make(cls, *args, **kwargs)
            self.converted("torch.Tensor", result, this(1))
            return result

        @functools.wraps(make_parameter)
        def parameter(cls: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
            result = make_parameter(cls, data, *args, **kwargs)
            if self.route_of(data) is not None:
                self.linked(_PARAMETER, data, result, this(1))
            elif self.every:
                self.parameter(result, this(1))
            return result

        def variable(cls: Any, *args: Any, **kwargs: Any) -> Any:
            result = type.__call__(cls, *args, **kwargs)
            if args and self.route_of(args[0]) is not None:
                self.linked("Variable", args[0], result, this(1))
            else:
                self.converted("Variable", result, this(1))
            return result

        torch.Tensor.__new__ = staticmethod(new)
        torch.nn.Parameter.__new__ = staticmethod(parameter)
        sys.modules["torch.autograd.variable"].VariableMeta.__call__ = variable

    def _conversion(self, name: str, function: Any) -> Any:
        call, this, converted, spots = (
            f"torch.{name}",
            sys._getframe,
            self.converted,
            self.spots.get,
        )

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            frame = this(1)
            spot = spots((id(frame.f_code), frame.f_lasti))
            if spot is not None and spot[0]:
                spot[0] -= 1
            else:
                converted(call, result, frame)
            return result

        return wrapper

    def _link(self, name: str, function: Any) -> Any:
        known, this, linked, grants = self.known, sys._getframe, self.linked, name == _GRANT

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = function(self, *args, **kwargs)
            if grants or id(self) in known:
                linked(name, self, result, this(1))
            return result

        return wrapper

    def _asking(self, kind: str, name: str, function: Any) -> Any:
        return lambda *args, **kwargs: self.asked(
            kind, name, function, args, kwargs, sys._getframe(1)
        )

    def _differentiation(self, name: str, function: Any) -> Any:
        call = "backward" if name == "backward" else "autograd"
        return lambda *args, **kwargs: self.differentiate(
            call, function, args, kwargs, sys._getframe(1)
        )

    def _group(self, name: str, function: Any) -> Any:
        def wrapper(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            result = self.asked("refused", name, function, (optimizer, *args), kwargs, frame)
            self.optimized(optimizer, optimizer.param_groups[-1], frame)
            return result

        return wrapper

    def _moving(self, name: str, function: Any) -> Any:
        def wrapper(module: Any, *args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            result = function(module, *args, **kwargs)
            if frame.f_code is not function.__code__:  # not for the parts of a module
                self.module_moved(module, frame)
            return result

        return wrapper

    def _loading(self, name: str, function: Any) -> Any:
        def wrapper(iterator: Any) -> Any:
            batch = function(iterator)
            self.loaded(batch, sys._getframe(1))
            return batch

        return wrapper


def _replace(owner: Any, name: str, make: Callable[[str, Any], Any]) -> None:
    """Replace a function; one that this torch does not have is left out."""
    function = getattr(owner, name, None)
    if function is None:
        return
    ours = functools.wraps(function)(make(name, function))
    of_class = isinstance(owner, type)  # it is pickled by its name, as the function may be
    ours.__module__ = owner.__module__ if of_class else owner.__name__
    ours.__qualname__ = f"{owner.__qualname__}.{name}" if of_class else name
    setattr(owner, name, ours)


def _relocate_warnings() -> None:
    """Have torch's warnings name the program's line, and be filtered by it: we stand between the two."""
    import warnings  # noqa: PLC0415  (torch has imported it)

    show = getattr(warnings, "_showwarnmsg", None)
    if show is None:
        return

    def relocated(said: Any) -> None:
        frame = sys._getframe(1) if said.filename == __file__ else None
        while frame is not None and frame.f_code.co_filename in (__file__, warnings.__file__):
            frame = frame.f_back
        if frame is None:
            show(said)
            return
        globals().pop("__warningregistry__", None)  # what is told once is told once for each line
        names = frame.f_globals
        registry = names.setdefault("__warningregistry__", {})
        where = (frame.f_code.co_filename, frame.f_lineno, names.get("__name__") or "<unknown>")
        warnings.warn_explicit(
            said.message, said.category, *where, registry, None, getattr(said, "source", None)
        )

    warnings._showwarnmsg = relocated  # type: ignore[attr-defined]


class Waiting:
    """An import hook that calls somebody once a module has been loaded."""

    def __init__(self, wanted: dict[str, Callable[[Any], None]]) -> None:
        self.wanted = {name: act for name, act in wanted.items() if name not in sys.modules}
        for name in set(wanted) - set(self.wanted):
            wanted[name](sys.modules[name])

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find what the others find, and have it tell when it is loaded."""
        if name not in self.wanted:
            return None
        for finder in [finder for finder in sys.meta_path if finder is not self]:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                self._tell_when_loaded(name, spec)
                return spec
        return None

    def _tell_when_loaded(self, name: str, spec: Any) -> None:
        load = getattr(spec.loader, "exec_module", None)

        def exec_module(module: Any) -> None:
            assert load is not None
            load(module)
            spec.loader.__dict__.pop("exec_module", None)
            act = self.wanted.pop(name, None)
            if act is not None:
                act(module)

        with contextlib.suppress(AttributeError):
            if load is not None:
                spec.loader.exec_module = exec_module


def start(settings: dict[str, Any]) -> Recorder:
    """Begin to watch this process."""
    recorder = Recorder(settings)
    atexit.register(recorder.end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=recorder.begin)
    _move(settings.get("moved") or {})
    wanted: dict[str, Callable[[Any], None]] = {}
    wanted["torch"] = functools.partial(_watch_torch, recorder)
    wanted["_pytest.runner"] = functools.partial(_watch_pytest, recorder)
    wanted["unittest.result"] = functools.partial(_watch_unittest, recorder)
    if settings.get("seed") is not None:
        _seed(settings["seed"], wanted)
    sys.meta_path.insert(0, Waiting(wanted))
    show = sys.excepthook
    sys.excepthook = lambda kind, error, trace: show(kind, error, _without_us(trace))
    return recorder


def _move(moved: dict[str, str]) -> None:
    """Take modules from a copy: folders of sys.path, and what an editable install names."""

    def there(path: Any) -> Any:
        for old, new in moved.items():
            inside = isinstance(path, str) and (path + os.sep).startswith(old + os.sep)
            if inside and not any(part in path + os.sep for part in _LIBRARY):
                return new + path[len(old) :]
        return path

    sys.path[:] = [there(entry) for entry in sys.path]
    for finder in sys.meta_path:
        mapping = getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None)
        if isinstance(mapping, dict):
            mapping.update({name: there(path) for name, path in mapping.items()})


def _seed(seed: int, wanted: dict[str, Callable[[Any], None]]) -> None:
    """Seed what draws random numbers, as soon as it is there."""
    import random  # noqa: PLC0415  (the program may have no use for it)

    random.seed(seed)
    turns = itertools.count()

    def seed_numpy(numpy: Any) -> None:
        numpy.random.seed(seed)
        make = numpy.random.default_rng
        numpy.random.default_rng = functools.wraps(make)(
            lambda seed_=None: make([seed, next(turns)] if seed_ is None else seed_)
        )

    wanted["numpy"] = seed_numpy


def _without_us(trace: TracebackType | None) -> TracebackType | None:
    """Take the frames of this file out of a traceback that is shown."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    if trace is not None:
        trace.tb_next = _without_us(trace.tb_next)
    return trace


def _watch_torch(recorder: Recorder, torch: Any) -> None:
    """Watch torch; what is only called like it, or is too old, is left alone."""
    try:
        Probe(recorder, torch).install()
    except AttributeError as error:
        recorder.write({"kind": "bug", "in": "install", "error": repr(error)})


def _watch_pytest(recorder: Recorder, runner: Any) -> None:
    """Record how each test of pytest ends, and what it raises."""
    make = runner.pytest_runtest_makereport

    @functools.wraps(make)
    def makereport(item: Any, call: Any) -> Any:
        report = make(item, call)
        if report.outcome == "failed" or report.when == "call":
            facts = (("test", item.nodeid), ("outcome", report.outcome))
            recorder.tell("test", None, facts)
        if report.outcome == "failed" and call.excinfo is not None:
            error = call.excinfo
            recorder.failure("failed", error.value, error.tb, test=item.nodeid)
        return report

    runner.pytest_runtest_makereport = makereport


def _watch_unittest(recorder: Recorder, module: Any) -> None:
    """Record how each test of unittest ends, and what it raises."""
    for name, outcome in (
        ("addSuccess", "passed"),
        ("addError", "failed"),
        ("addFailure", "failed"),
    ):

        def make(name: str, function: Any, outcome: str = outcome) -> Any:
            def wrapper(self: Any, test: Any, *error: Any) -> Any:
                recorder.tell("test", None, (("test", str(test)), ("outcome", outcome)))
                if error:
                    recorder.failure("failed", error[0][1], error[0][2], test=str(test))
                return function(self, test, *error)

            return wrapper

        _replace(module.TestResult, name, make)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _begin() -> None:
    """Begin as `sitecustomize`, and let the program's own have its turn."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    settings = None
    with contextlib.suppress(OSError, ValueError, KeyError):
        settings = json.loads(_read(os.environ[VARIABLE]))
    if settings is not None:
        start(settings)
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        theirs = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = theirs
        spec.loader.exec_module(theirs)


if __name__ == "sitecustomize":
    _begin()
