"""Every setting there is: the options, the checks of a settings file and the documentation are made of this."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from fixgrad.findings import CONFIDENCES
from fixgrad.report import FORMATS

Value: TypeAlias = "bool | int | str | tuple[object, ...] | dict[str, tuple[str, ...]]"

# The order of the sections in `--help-all` and in the documentation.
RULES, FILES, REPAIRS, REPORT, SPEED = "Rules", "Files", "Repairs", "Report", "Speed"
WITHOUT_OPTION = ("tables", "words")


class Setting(NamedTuple):
    """One key of a settings file, and the option of the same name.

    kind, and what the key holds:
      flag           true or false
      choice         one of `choices`
      codes          a list of rules: codes, the beginnings of codes, names, or "ALL"
      codes-by-glob  a table: for files that match a glob, a list of rules
      file           the name of a file, taken from the folder of the settings file
      folders        a list of folders, taken from the folder of the settings file
      words          a command, as a list of its words; no option
      number         a whole number, 0 or more
      globs          a list of globs, taken from the folder of the settings file
      tables         tables of the user's, [[tool.fixgrad.name]]; no option, who uses them looks into them
    """

    name: str
    kind: str
    default: Value
    section: str
    text: str  # for `--help`: a short sentence
    more: str = ""  # for the documentation
    metavar: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""  # the value as a settings file says it
    common: bool = False  # among the options that `--help` shows


_ALL = ("ALL",)

SETTINGS = (
    Setting(
        *("select", "codes", _ALL, RULES, "Only these rules: FG1,FG203."),
        more="The longest code that fits a rule decides; on a tie between `select` and `ignore` the rule is "
        "ignored. On the command line it takes the place of both lists of the file.",
        metavar="CODES",
        example='["FG1", "FG203"]',
        common=True,
    ),
    Setting(
        *("ignore", "codes", (), RULES, "All rules but these."),
        more="The command line adds to the list of the file.",
        metavar="CODES",
        example='["FG205"]',
        common=True,
    ),
    Setting(
        *("extend-select", "codes", (), RULES, "These rules too."),
        more="What is said here and on the command line is added to what `select` says elsewhere.",
        metavar="CODES",
        example='["FG209"]',
    ),
    Setting(
        *("per-file-ignores", "codes-by-glob", {}, RULES, "Not these rules in these files."),
        more="A glob that begins with `!` means all other files. Such a file is looked at for what it says of "
        "others; its tensors are left as they are.",
        metavar="GLOB:CODES",
        example='{ "tests/*" = ["FG102"], "!src/**" = ["FG2"] }',
    ),
    Setting(
        *("min-confidence", "choice", CONFIDENCES[0], RULES, "No findings less certain than this."),
        metavar="LEVEL",
        choices=CONFIDENCES,
        example='"high"',
    ),
    Setting(
        *("sources", "tables", (), RULES, "Calls that make a tensor of outside data."),
        more="Each has `call`, the name as Python imports it, of a library or of the project; `dtype` where the "
        "tensor always has that; `shares`, whether it shares the array's memory: always, maybe or never.",
        example='[{ call = "mylib.to_tensor" }]',
    ),
    Setting(
        *("sinks", "tables", (), RULES, "Calls that ask for the gradient of an argument."),
        more="Each has `call` and `arg`, the position or the name of the argument, which may be a list or a dict of "
        "tensors; `need` is `leaf` where they are trained, `tracked` where results will do.",
        example='[{ call = "mylib.fit", arg = 0 }]',
    ),
    Setting(
        *("grad-enabled", "tables", (), RULES, "Calls that grant the gradient themselves."),
        more="What goes into such a call, or comes out of it, may be tracked: it is left alone.",
        example='[{ call = "mylib.trainable" }]',
    ),
    Setting(
        *("stops-grad", "tables", (), RULES, "Calls whose result has no gradient."),
        example='[{ call = "mylib.frozen" }]',
    ),
    Setting(
        *("exclude", "globs", (), FILES, "Leave out files or folders."),
        more="As in a .gitignore: a glob without a slash names a file or folder at any depth. It holds for files "
        "that are named on the command line too, as a commit hook does, unless `force-exclude` is false. Virtual "
        "environments, caches and build folders are left out in any case.",
        metavar="GLOB",
        example='["vendor", "notebooks/old/*.ipynb"]',
        common=True,
    ),
    Setting(
        *("extend-exclude", "globs", (), FILES, "Leave out these too."),
        more="`--exclude` on the command line takes the place of the list in the file; this adds to it.",
        metavar="GLOB",
        example='["legacy"]',
    ),
    Setting(
        *("respect-gitignore", "flag", True, FILES, "Leave out what git ignores."),
        example="false",
    ),
    Setting(
        *("force-exclude", "flag", True, FILES, "Leave them out where they are named, too."),
        more="Whether `exclude` and `extend-exclude` hold for files that are named on the command line.",
        example="false",
    ),
    Setting(
        *("notebooks", "flag", True, FILES, "Look at notebooks."),
        more="If not, they are left out wherever they are, as by `exclude`.",
        example="false",
    ),
    Setting(
        *("src", "folders", (), FILES, "Folders that imports begin in."),
        more="Taken from the folder of the settings file. They come after the folder of a script and before those that "
        "are tried without being told: the folders further up, each with its `src`, `lib` and `python`.",
        metavar="FOLDER",
        example='["packages/core/code"]',
    ),
    Setting(
        *("unsafe-fixes", "flag", False, REPAIRS, "Include repairs that are a judgement."),
        example="true",
        common=True,
    ),
    Setting(
        *("fixable", "codes", _ALL, REPAIRS, "Repair findings of these rules only."),
        more="The others are reported, and what is repaired is planned without them.",
        metavar="CODES",
        example='["FG1"]',
    ),
    Setting(
        *("unfixable", "codes", (), REPAIRS, "Report these rules, never repair."),
        metavar="CODES",
        example='["FG207"]',
    ),
    Setting(
        *("extend-safe-fixes", "codes", (), REPAIRS, "Count these unsafe repairs as safe."),
        metavar="CODES",
        example='["FG204"]',
    ),
    Setting(
        *("extend-unsafe-fixes", "codes", (), REPAIRS, "Count these safe repairs as unsafe."),
        metavar="CODES",
        example='["FG104"]',
    ),
    Setting(
        *("style", "choice", "auto", REPAIRS, "How a grant is written."),
        more="`tensor` prefers `torch.tensor(a, requires_grad=True)`, which copies the array; `requires_grad_` "
        "prefers `torch.from_numpy(a).requires_grad_()`, and `asarray` prefers `torch.asarray(a, requires_grad=True)`, "
        "which share its memory. `auto` copies, except where tensors are made on another device by default. Whatever "
        "is preferred, the form that the simulated run shows to be wrong is not taken.",
        metavar="STYLE",
        choices=("auto", "tensor", "requires_grad_", "asarray"),
        example='"requires_grad_"',
    ),
    Setting(
        *("verify-command", "words", (), REPAIRS, "What `fixgrad verify` runs."),
        more="The command that runs the program, where none is given after `--`.",
        example='["python", "train.py", "--steps", "5"]',
    ),
    Setting(
        *("baseline", "file", "", REPORT, "Pass over what this file records."),
        more="`--write-baseline` writes what is found now into the file, for the files that are looked at. A finding "
        "is known by its text, not by its line. With `--fix`, what is no longer found goes from the file. An "
        "empty name is none.",
        metavar="FILE",
        example='"fixgrad-baseline.json"',
        common=True,
    ),
    Setting(
        *("baseline-strict", "flag", False, REPORT, "Exit 1 if the baseline could be shorter."),
        more="So a finding that is gone cannot come back unseen: the shorter baseline is committed with the repair.",
        example="true",
    ),
    Setting(
        *("evidence", "file", "", REPORT, "Say what recorded runs show of each finding."),
        more="The file is one of `fixgrad trace` or of the plugin of pytest; files of several runs may be put together "
        "with `cat`. A finding is confirmed, contradicted, executed without an answer, or never executed; what only a "
        "run has found is a finding too (FG912). What a run contradicts has low confidence, is not repaired and does "
        "not count for the exit code (FG913). Evidence of a file that has changed since counts for nothing, and that "
        "is said. An empty name is none.",
        metavar="FILE",
        example='"fixgrad-evidence.jsonl"',
        common=True,
    ),
    Setting(
        *("output-format", "choice", FORMATS[0], REPORT, "How the report is written."),
        metavar="FORMAT",
        choices=FORMATS,
        example='"concise"',
        common=True,
    ),
    Setting(
        *("fail-on", "choice", CONFIDENCES[0], REPORT, "Exit 1 for findings this certain."),
        more="Less certain ones are reported and do not change the exit code.",
        metavar="LEVEL",
        choices=(*CONFIDENCES, "never"),
        example='"high"',
    ),
    Setting(
        *("jobs", "number", 0, SPEED, "Use this many processes; 0 is one a processor."),
        more="Further ones are started only where they save time, from some ten thousand lines on. What is found does "
        "not depend on them.",
        metavar="N",
        example="2",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
