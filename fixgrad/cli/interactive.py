"""`fixgrad -i`: asks about each repair, lets it be written otherwise or edited, and writes what was accepted."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import click

from fixgrad import opening, pipeline, write
from fixgrad.cli.answer import Output, conclude
from fixgrad.cli.streams import emit, note
from fixgrad.edits import Patch
from fixgrad.findings import Repair
from fixgrad.options import Options
from fixgrad.report import Report, render
from fixgrad.report.colour import harmless, paint
from fixgrad.review import decisions
from fixgrad.review.decisions import Decision
from fixgrad.review.editing import Editing
from fixgrad.review.session import Choice, Session
from fixgrad.source import Problem, Source

_HELP = """\
  y  repair this
  n  leave this as it is
  a  repair this, and all others of {rule} that are as safe
  d  done: leave all the rest as it is
  q  quit: keep what was accepted, decide on the rest another time
  e  edit the repaired file before it is written
{forms}  ?  explain the answers"""


class _Edited(NamedTuple):
    """A repair that the user has written otherwise, in whole files."""

    repairs: tuple[Repair, ...] = ()
    patches: tuple[tuple[Source, Patch], ...] = ()


def review(options: Options, output: Output, file: str | None, *, ask: bool) -> int:
    """Ask, or take what was decided before; write what was accepted, and say what remains."""
    known = decisions.read(file) if file else []
    repairs: list[Repair] = []
    patches: dict[str, tuple[Source, Patch]] = {}
    while True:
        opened = opening.opened(options, pipeline.known_findings(options))
        session = Session(opened, options, known)
        edited = _Dialogue(session, opened.sources, output).run() if ask else _Edited()
        session.close()
        plan = session.plan()
        made = {patch.path: (source, patch) for source, patch in (*plan.patches, *edited.patches)}
        if not options.diff:
            write.write(tuple(made.values()))
        repairs += (*plan.repairs, *edited.repairs)
        patches |= made
        known = _merged(known, session.decisions())
        if file and ask:
            decisions.write(file, known)
        if not edited.patches:
            break
    return conclude(options, output, repairs, tuple(patches.values()), listed=not ask)


def _merged(before: Iterable[Decision], now: Iterable[Decision]) -> list[Decision]:
    return list({each.fingerprint: each for each in (*before, *now)}.values())


class _Dialogue:
    """The questions about the repairs of one session."""

    def __init__(self, session: Session, sources: Sequence[Source], output: Output) -> None:
        self._session = session
        self._sources: Mapping[str, Source] = {source.path: source for source in sources}
        self._output = output

    def run(self) -> _Edited:
        """Ask until nothing is left to decide on, or a repair was edited."""
        while (choice := self._session.next()) is not None:
            self._show(choice)
            edited = self._decide(choice)
            if edited.patches:
                return edited
        return _Edited()

    def _show(self, choice: Choice) -> None:
        entry = choice.entry._replace(fixable=True)
        output = self._output
        report = Report((entry,), self._sources, colour=output.colour, width=output.width)
        lines = ["", render("full", report).rstrip("\n")]
        for number, form in enumerate(choice.forms, 1):
            mark = "*" if form.line in choice.entry.diff else " "
            lines.append(f"  {mark}{number}  {harmless(form.told(choice.forms))}")
        if choice.again:
            lines.append("  what you decided since has changed this repair: is it still right?")
        emit("\n".join(lines) + "\n")

    def _decide(self, choice: Choice) -> _Edited:
        """Ask until the answer is one; what was edited is returned."""
        session = self._session
        while True:
            match self._answer(choice):
                case "y":
                    session.accept(choice)
                case "n":
                    session.reject(choice)
                case "a":
                    session.accept(choice, whole_rule=True)
                case "d":
                    session.close(reject=True)
                case "q" | "":
                    session.close()
                case "e":
                    edited = self._edited(choice)
                    if edited is None:
                        continue
                    if edited.patches:
                        return edited
                    session.accept(choice)
                case answer if answer in map(str, range(1, len(choice.forms) + 1)):
                    session.restyle(choice, choice.forms[int(answer) - 1].style)
                case _:
                    self._explain(choice)
                    continue
            return _Edited()

    def _answer(self, choice: Choice) -> str:
        """Return the first letter of what is typed; at the end of the input, nothing."""
        keys = ["y", "n", "a", "d", "q", "e", *map(str, range(1, len(choice.forms) + 1)), "?"]
        question = f"[{choice.number}/{choice.total}] repair this? [{','.join(keys)}] "
        click.echo(paint(question, "bold", self._output.colour), nl=False, err=True)
        line = sys.stdin.readline() if sys.stdin else ""
        if not line:
            click.echo(err=True)
            return ""
        return line.strip().lower()[:1] or "?"

    def _explain(self, choice: Choice) -> None:
        forms = "".join(
            f"  {number}  write it as {harmless(form.told(choice.forms))}\n"
            for number, form in enumerate(choice.forms, 1)
        )
        note(_HELP.format(rule=choice.repair.finding.rule, forms=forms))

    def _edited(self, choice: Choice) -> _Edited | None:
        """Return what the user makes of a repair: nothing if it was right, None to ask again."""
        found: list[tuple[Source, Patch]] = []
        changed = False
        for source, patch in self._session.with_it(choice):
            editing = Editing(source, patch)
            text = editing.text()
            edited = self._in_editor(editing, text)
            if edited is None:
                return None
            changed |= edited[0] != text
            found.append(edited[1])
        return _Edited((choice.repair,), tuple(found)) if changed else _Edited()

    def _in_editor(self, editing: Editing, text: str) -> tuple[str, tuple[Source, Patch]] | None:
        """Let the user edit a text until it is Python, or give up."""
        while True:
            try:
                text = _edit(editing.name, text)
            except (click.ClickException, OSError, UnicodeError) as error:
                note(f"the editor gave nothing back: {error}")
                return None
            taken = editing.taken(text)
            if not isinstance(taken, Problem):
                return text, taken
            note(str(taken))
            click.echo("edit it again? [y,n] ", nl=False, err=True)
            if not sys.stdin.readline().strip().lower().startswith("y"):
                return None


def _edit(name: str, text: str) -> str:
    """Return what becomes of a text in the user's editor, newlines as they are."""
    with tempfile.TemporaryDirectory(prefix="fixgrad-") as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        click.edit(filename=path)
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
