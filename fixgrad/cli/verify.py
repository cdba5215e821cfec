"""`fixgrad verify [PATHS]... -- COMMAND...`: prove the repairs by running the program."""

from __future__ import annotations

import os
from typing import Any

import click

from fixgrad.cli.command_line import WithCommand, analysed, planned, said_in_settings
from fixgrad.cli.streams import colour_wanted, emit, note

_EPILOG = """\b
Examples:
  fixgrad verify -- python train.py --steps 5
  fixgrad verify src --fix --require-proof -- pytest tests/test_attack.py
  fixgrad verify fit.ipynb -- python fit.ipynb

\b
The program is run in copies of the project, once as it is and once repaired,
with the same seeds; your own files are not touched.
Exit code: 0 all repairs that were reached are proved, 1 one is refuted or none
is reached, 2 a problem with a file, an option or the command."""


@click.command("verify", cls=WithCommand, epilog=_EPILOG)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@analysed
@click.option("--python", metavar="PROGRAM", help="The interpreter that `python` stands for.")
@click.option("--timeout", type=float, default=600.0, metavar="SECONDS", help="For each run.")
@click.option("--memory", type=int, metavar="MIB", help="Address space for each process.")
@click.option("--root", metavar="FOLDER", help="What is copied (the project around you).")
@click.option("--share", multiple=True, metavar="GLOB", help="Read in place, not copied: big data.")
@click.option("--gradcheck", is_flag=True, help="Compare gradients with finite differences.")
@click.option("--fix", is_flag=True, help="Write the repairs that are not refuted.")
@click.option("--require-proof", is_flag=True, help="With --fix: write only what is proved.")
@click.option("--certificate", metavar="FILE", help="Write down what was run and seen.")
@click.option("--keep", is_flag=True, help="Keep the copies.")
@click.option("--show-output", is_flag=True, help="Show what the two programs print.")
@click.option(
    "--output-format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    metavar="FORMAT",
    help="table or json.",
)
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    metavar="WHEN",
    help="auto, always or never.",
)
@click.help_option("-h", "--help")
def command(paths: tuple[str, ...], words: tuple[str, ...], **options: Any) -> int:
    """Prove repairs: run the program before and after, and see the gradients arrive."""
    from fixgrad.proof import report  # noqa: PLC0415  (not for --help)
    from fixgrad.proof.verify import verify  # noqa: PLC0415

    words = words or said_in_settings(paths, options)
    if not words:
        raise click.UsageError(
            "give the command that runs the program after --, or as the setting verify-command"
        )
    if options["require_proof"] and not options["fix"]:
        raise click.UsageError("--require-proof goes with --fix")
    proof = verify(_request(paths, words, options))
    for problem in proof.problems:
        note(str(problem))
    if proof.problems:
        from fixgrad.cli.bugs import keep  # noqa: PLC0415  (there should be none)

        keep(proof.problems, proof.sources, proof.request.plan)
    if options["show_output"] and proof.before is not None:
        note(f"--- original\n{proof.before.ran.output.rstrip()}")
        note(f"--- repaired\n{proof.trials[0].after.ran.output.rstrip()}\n---")
    colour = colour_wanted(options["color"])
    emit(report.render(proof) if options["form"] == "json" else report.table(proof, colour=colour))
    for text in proof.notes:
        note(f"note: {text}")
    note(report.summary(proof))
    if proof.written:
        note(f"wrote {', '.join(source.path for source, _ in proof.written)}")
    if options["certificate"]:
        with open(options["certificate"], "w", encoding="utf-8") as file:
            file.write(report.certificate(proof))
    return proof.exit_code


def _request(paths: tuple[str, ...], words: tuple[str, ...], options: dict[str, Any]) -> Any:
    from fixgrad.proof.verify import Request  # noqa: PLC0415  (not for --help)
    from fixgrad.runtime.child import Limits  # noqa: PLC0415
    from fixgrad.runtime.launch import Command  # noqa: PLC0415

    plan = planned(paths, options)
    limits = Limits(options["timeout"], options["memory"])
    return Request(
        plan,
        Command(words, os.getcwd(), options["python"], limits),
        options["root"],
        options["share"],
        keep=options["keep"],
        fix=options["fix"],
        require_proof=options["require_proof"],
        coordinates=3 if options["gradcheck"] else 0,
    )
