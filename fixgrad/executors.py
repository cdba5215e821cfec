"""Executors of other machines, by their addresses: `dask://host:port` is the scheduler of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from fixgrad.errors import FixgradError

_PATIENCE = 10  # seconds until a scheduler has to answer
_EXTRA = "pip install 'fixgrad[dask]'"


@contextmanager
def executor_at(address: str) -> Iterator[Executor]:
    """Connect to an executor and leave it at the end of the block."""
    scheme, _, place = address.partition("://")
    if scheme != "dask" or not place:
        raise FixgradError(f"--executor {address}: expected dask://HOST:PORT")
    try:
        from distributed import Client  # noqa: PLC0415  (it is an extra)
    except ImportError as error:
        raise FixgradError(f"--executor {address}: Dask is not installed; {_EXTRA}") from error
    try:
        client = Client(f"tcp://{place}", timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise FixgradError(
            f"--executor {address}: no scheduler answers; start one with `dask scheduler`"
        ) from error
    with client:
        yield client.get_executor()
