"""Executors of other machines, by their addresses: `dask://host:port` is the scheduler of a Dask cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fixgrad.edition import edition
from fixgrad.errors import FixgradError

if TYPE_CHECKING:
    from distributed import Client

_Result = TypeVar("_Result")

_ADDRESS = re.compile(r"dask://((?:\[[\da-fA-F:.]+\]|[^\s/:@\[\]]+):\d{1,5})/?")
_PATIENCE = 10  # seconds until a scheduler has to answer, and to have a worker
_EXTRA = "pip install 'fixgrad[dask]'"


@contextmanager
def executor_at(address: str) -> Iterator[Executor]:
    """Connect to an executor and leave it at the end of the block.

    Its workers have the same fixgrad; those that come later are asked with each piece of work.
    """
    named = f"--executor {address}"
    place = _ADDRESS.fullmatch(address)
    if place is None:
        raise FixgradError(f"{named}: expected dask://HOST:PORT")
    try:
        from distributed import Client, rpc  # noqa: PLC0415  (it is an extra)
    except ImportError as error:
        raise FixgradError(f"{named}: Dask cannot be loaded ({error}); {_EXTRA}") from error
    where = f"tcp://{place[1]}"

    async def identity() -> Any:
        async with rpc(where) as scheduler:
            return await scheduler.identity()

    try:
        # A client waits for ever where somebody listens and says nothing, and falls over what others say.
        known = asyncio.run(asyncio.wait_for(identity(), _PATIENCE))
    except Exception as error:
        raise FixgradError(
            f"{named}: no scheduler answers there; start one with `dask scheduler`"
        ) from error
    if known["type"] != "Scheduler":
        raise FixgradError(f"{named}: this is a {known['type'].lower()}; name its scheduler")
    with Client(where, timeout=_PATIENCE, set_as_default=False) as client:
        _see_to_the_workers(client, named)
        yield _Cluster(client)


class _Cluster(Executor):
    """A Dask client as an executor; Dask's own never answers once the scheduler is lost."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, work: Callable[..., _Result], /, *given: Any, **named: Any) -> Future[_Result]:
        # A pure task is known again by a digest of all that it is given, which is long.
        task = self._client.submit(work, *given, pure=False, **named)
        answer: Future[_Result] = Future()
        self._client.loop.add_callback(self._hand_on, task, answer)
        return answer

    async def _hand_on(self, task: Any, answer: Future[_Result]) -> None:
        found: list[_Result] = []
        failure: Exception | None = None
        try:
            found = await self._client.gather([task], asynchronous=True)
        except Exception as error:
            failure = error
        except asyncio.CancelledError:
            failure = OSError("the scheduler is gone")
        if not answer.set_running_or_notify_cancel():
            return
        if found:
            answer.set_result(found[0])
        else:
            answer.set_exception(failure)


def _see_to_the_workers(client: Client, named: str) -> None:
    """Stop where there is no worker, or one whose fixgrad would give other answers."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except (OSError, asyncio.TimeoutError) as error:
        raise FixgradError(
            f"{named}: the scheduler has no worker; start some with `dask worker`"
        ) from error
    answers: dict[str, object] = {"the scheduler": _scheduler_says(client)}
    said = client.run(edition, on_error="return")
    answers |= {f"the worker at {worker}": said[worker] for worker in sorted(said)}
    for who, answer in answers.items():
        if isinstance(answer, OSError) or answer == edition():  # it is gone, or is right
            continue
        if isinstance(answer, Exception):
            lack = f"{named}: {who} cannot load {edition()}: {answer}"
            raise FixgradError(f"{lack}; install it there")
        raise FixgradError(f"{named}: {who} has {answer}, not {edition()}; install the same there")


def _scheduler_says(client: Client) -> object:
    """Ask the scheduler for its fixgrad: it opens what it hands on to the workers."""
    try:
        return client.run_on_scheduler(edition)
    except Exception as error:  # whatever it raised there
        return error
