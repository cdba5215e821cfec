"""Run fixture programs under torch, through one warm child; also `python -m tests.programs CASE...`.

As a command it checks the torch side of cases without fixgrad: `before` shows the symptom, `after` exits 0
and prints exactly `stdout`, `noop` exits 0, `refuse` shows its symptom.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Ran(NamedTuple):
    """What a program did."""

    code: int
    output: str  # stdout and stderr together


class Programs:
    """A warm child with torch loaded; use as a context manager."""

    def __enter__(self) -> Programs:
        child = Path(__file__).with_name("warm_child.py")
        self._child = subprocess.Popen(
            [sys.executable, "-I", str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        self.versions: dict[str, str] = json.loads(self._child.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(timeout=60)  # where much else is running, the last fork takes its time
        self._child.stdout.close()

    def run(
        self,
        script: Path,
        seconds: int = 60,
        *,
        arguments: Sequence[str] = (),
        folder: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Ran:
        """Run one program in a fork of the child, in the script's folder; `settings` have it watched."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        request = {
            "script": str(script.resolve()),
            "seconds": seconds,
            "arguments": list(arguments),
            "folder": str(folder or ""),
            "settings": settings,
        }
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        answer = json.loads(self._child.stdout.readline())
        return Ran(answer["code"], answer["output"])


@cache
def read_case(case: Path) -> dict[str, object]:
    """Read a case's `case.toml`."""
    return tomllib.loads((case / "case.toml").read_text("utf-8"))


def main_of(folder: Path) -> Path:
    """Return what of a program is run: a script, or a notebook."""
    script = folder / "main.py"
    return script if script.exists() else folder / "main.ipynb"


def torch_side(programs: Programs, case: Path) -> list[str]:
    """Return what is wrong with a case as far as torch alone can tell; empty when all is right."""
    about = read_case(case)
    wrong: list[str] = []
    if not about.get("title"):
        wrong.append("case.toml has no title")
    kind = case.parent.name
    if kind == "noop":
        ran = programs.run(main_of(case))
        return wrong + ([f"exits {ran.code}:\n{ran.output}"] if ran.code else [])
    symptom = str(about.get("symptom", ""))
    if not symptom:
        return [*wrong, "case.toml has no symptom"]
    ran = programs.run(main_of(case / "before" if kind == "repair" else case))
    if symptom not in ran.output:
        wrong.append(
            f"the symptom {symptom!r} is not in the output (exit {ran.code}):\n{ran.output}"
        )
    if kind == "repair":
        wrong += _repaired(programs.run(main_of(case / "after")), symptom, case)
    return wrong


def _repaired(ran: Ran, symptom: str, case: Path) -> list[str]:
    expected = (case / "stdout").read_text("utf-8")
    if ran.code:
        return [f"after exits {ran.code}:\n{ran.output}"]
    wrong = []
    if ran.output != expected:
        wrong.append(f"after prints\n{ran.output}\ninstead of\n{expected}")
    if symptom in ran.output:
        wrong.append(f"after still shows the symptom {symptom!r}")
    return wrong


def main(arguments: list[str]) -> int:
    """Check the cases named; every case under fixtures/ when none is."""
    root = Path(__file__).parent.parent / "fixtures"
    cases = [Path(a) for a in arguments] or sorted(p.parent for p in root.glob("*/*/case.toml"))
    failed = 0
    with Programs() as programs:
        for case in cases:
            wrong = torch_side(programs, case.resolve())
            failed += bool(wrong)
            for text in wrong:
                print(f"{case.name}: {text}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
