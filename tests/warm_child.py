"""A child that has imported torch once and forks for every program it is asked to run.

Started as `python warm_child.py`; reads one JSON request a line from stdin, answers one JSON line each.
It runs in an interpreter of its own, so that the tests' own state never reaches a program.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import os
import re
import runpy
import signal
import sys
import tempfile
import traceback
from typing import Any


def run_forked(request: dict[str, Any]) -> dict[str, object]:
    """Run a script as __main__ in a fork, in its own folder; return exit status and output."""
    with tempfile.TemporaryFile() as out:
        pid = os.fork()
        if pid == 0:
            _become(request, out.fileno())
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "output": out.read().decode("utf-8", "replace")}


def _become(request: dict[str, Any], out: int) -> None:
    code, recorder = 1, None
    script, settings = request["script"], request["settings"]
    try:
        os.setsid()
        signal.alarm(request["seconds"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        folder = request["folder"] or os.path.dirname(script)
        os.chdir(folder)
        sys.argv = [script, *request["arguments"]]
        if settings is not None:
            recorder = probe_of(settings)
        sys.path.insert(0, folder)
        if script.endswith(".ipynb"):
            run_notebook(script)
        else:
            runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:
        sys.last_value, sys.last_traceback = error, error.__traceback__
        traceback.print_exc()
    finally:
        if recorder is not None:
            recorder.end()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def probe_of(settings: object) -> Any:
    """Have the probe watch this process, as where fixgrad is not installed: from its file."""
    path = os.path.join(os.path.dirname(__file__), "../fixgrad/runtime/probe.py")
    spec = importlib.util.spec_from_file_location("fixgrad_probe", os.path.realpath(path))
    assert spec is not None
    assert spec.loader is not None
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    return probe.start(settings)


def run_notebook(path: str) -> None:
    """Run the code cells in order as Jupyter does, top-level await included; magics do nothing."""
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"], 1):
        text = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
        if re.match(r"%%(?!time|capture)", text):
            continue
        text = re.sub(r"(?m)^(\s*)(?:%%?|!|\?|\w+ = [!%]|[\w.]+\?$).*", r"\1pass", text)
        code = compile(text, f"cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if waiting is not None:
            asyncio.run(waiting)


def main() -> None:
    """Answer requests until stdin closes."""
    import numpy
    import scipy.optimize
    import torch
    import torch._dynamo  # an optimizer imports it: most of a second in each fork

    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    answers.write(json.dumps({"torch": torch.__version__, "numpy": numpy.__version__}) + "\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(run_forked(request)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
