"""The tests that need no torch, on every Python that fixgrad supports: `nox`, or `nox -s tests-3.12` for one.

Processes that are started by copying this one (fork) are started anew (spawn) in a second, shorter run: of all tests
that start some, and of runs over files, which have workers there however small they are.
"""

from __future__ import annotations

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NEEDED = (
    *("pytest>=8", "pytest-xdist>=3.5", "hypothesis>=6.100", "hatchling>=1.27", "jsonschema>=4.20"),
    *(
        "junitparser>=3.1",
        "markdown-it-py>=3",
        "check-jsonschema>=0.28",
        "flake8>=6",
        "mypy>=1.10",
        "pyyaml",
    ),
)
OF_PROCESSES = (
    *("tests/test_crew.py", "tests/test_pipeline.py", "tests/test_api.py", "tests/test_cache.py"),
    *(
        "tests/test_cli.py",
        "tests/test_report.py",
        "tests/test_notebook.py",
        "tests/test_baseline.py",
    ),
    *("tests/test_second_look.py", "tests/test_surroundings.py", "tests/test_hostile.py"),
)


@nox.session(python=PYTHONS, venv_backend="venv")
def tests(session: nox.Session) -> None:
    """Run them; what is given behind `--` goes to pytest."""
    session.install("-q", "-c", "constraints.txt", *NEEDED, ".[lsp,review]")
    session.run("pytest", "-q", "-n", "auto", "-m", "not torch", *session.posargs)
    session.run(
        "pytest", "-q", "-m", "not torch", *OF_PROCESSES, env={"FIXGRAD_START_METHOD": "spawn"}
    )
