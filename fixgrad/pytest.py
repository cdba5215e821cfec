"""A plugin of pytest, `-p fixgrad.pytest`: the tests are run as they are, and leave evidence of their gradients.

What they show is added to `fixgrad-evidence.jsonl` in the root folder of pytest; `fixgrad trace --report` shows it.
With pytest-xdist each worker adds its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from fixgrad.evidence import store
from fixgrad.runtime import probe, records


class Tracing:
    """Watches the process of pytest from now on, and keeps what it showed at the end."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = tempfile.mkdtemp(prefix="fixgrad-")
        self._recorder = probe.start({"roots": [root], "out": self._folder, "seed": None})

    def pytest_sessionfinish(self) -> None:
        """Add what was recorded to the evidence."""
        self._recorder.end()
        found = records.read(self._folder)
        store.add(os.path.join(self._root, store.NAME), found, self._root)
        shutil.rmtree(self._folder, ignore_errors=True)


def pytest_configure(config: Any) -> None:
    """Begin to watch, unless `fixgrad trace` or `verify` watches already."""
    if probe.VARIABLE not in os.environ:
        config.pluginmanager.register(Tracing(str(config.rootpath)), "fixgrad-tracing")
