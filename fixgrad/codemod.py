"""fixgrad as a command of LibCST: `python -m libcst.tool codemod -x fixgrad.codemod.FixGradCommand`.

LibCST hands over one file after the other, in several processes, and writes what it gets back.
So every file is repaired by itself, with the others looked into: a repair that needs edits in
several files is left to `fixgrad --fix`, and a warning says so.
"""

from __future__ import annotations

import argparse

import libcst
from libcst.codemod import CodemodCommand, CodemodContext

from fixgrad import pipeline, project
from fixgrad.errors import FixgradError
from fixgrad.findings import Refusal
from fixgrad.report import Entry
from fixgrad.settings.resolve import options_of, resolve


class FixGradCommand(CodemodCommand):
    """Repairs what `fixgrad --fix` would repair, given the file alone."""

    DESCRIPTION = "Make gradients flow: grant them to NumPy-born tensors that need one."

    def __init__(
        self,
        context: CodemodContext,
        unsafe_fixes: bool | None = None,
        select: str | None = None,
        ignore: str | None = None,
    ) -> None:
        super().__init__(context)
        self._given = {
            "unsafe-fixes": unsafe_fixes or None,
            "select": tuple(select.split(",")) if select else None,
            "ignore": tuple(ignore.split(",")) if ignore else None,
        }

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Declare the options, named and meant as those of the command line."""
        arg_parser.add_argument(
            "--unsafe-fixes", action="store_true", help="Include repairs that are a judgement."
        )
        arg_parser.add_argument("--select", metavar="CODES", help="Only these rules: FG1,FG203.")
        arg_parser.add_argument("--ignore", metavar="CODES", help="All rules but these.")

    def transform_module_impl(self, tree: libcst.Module) -> libcst.Module:
        """Return the repaired module; every character outside the edits stays."""
        path = self.context.filename or "<stdin>"
        settings = resolve((path,) if self.context.filename else (), self._given)
        options = options_of(settings, (path,))._replace(fix=True)
        outcome = pipeline.run_on_source(project.from_text(path, tree.code), options)
        if outcome.problems:
            raise FixgradError(str(outcome.problems[0]))
        for entry in outcome.entries:
            self.warn(_warning(entry))
        for _, patch in outcome.patches:
            return libcst.parse_module(patch.after, config=tree.config_for_parsing)
        return tree


def _warning(entry: Entry) -> str:
    finding, outcome = entry.finding, entry.outcome
    why = f"{outcome.code} {outcome.reason}" if isinstance(outcome, Refusal) else entry.tag
    return f"{finding.span}: {finding.rule} {finding.message} ({why})"
