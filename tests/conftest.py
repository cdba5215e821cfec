"""What the whole test run shares: the option `--bless`, a warm child with torch, and Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator

import pytest

from tests.programs import Programs


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this project."""
    parser.addoption(
        "--bless",
        action="store_true",
        help="rewrite what is compared with fixgrad's output: fixtures/repair/*/after, README.md",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to bless where nobody looks at what was blessed."""
    if config.getoption("bless") and os.environ.get("CI"):
        raise pytest.UsageError("--bless is refused where CI is set: bless at home, read the diff")


@pytest.fixture(scope="session")
def bless(pytestconfig: pytest.Config) -> bool:
    """Say whether to rewrite what differs instead of failing."""
    return bool(pytestconfig.getoption("bless"))


def pytest_sessionstart() -> None:
    """Hear the Ctrl-C that tests send, though a shell that starts us in the background mutes it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    """Return a child that has loaded torch and runs programs."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    with Programs() as child:
        yield child
