"""Submitting batches and waiting for them, while the client stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from radsmith.errors import Busy, Unavailable
from radsmith.server.jobs.history import BatchView
from radsmith.server.jobs.queue import NewBatch
from radsmith.server.web.access import Caller
from radsmith.server.web.services import Services

_LOOK_S = 10.0
"""A look at the database at least this often, should a notice be lost."""
_SHARED_LOOK_S = 0.5
"""The same where other servers' workers draw, who send no notices here."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


async def submit(services: Services, caller: Caller, new: NewBatch) -> str:
    """Accept a batch and have it begun; its id. Raises Busy or Unavailable."""
    if services.pool.broken:
        raise Unavailable(f"no worker can run: {services.pool.broken}")
    if services.stopped:
        raise Busy("the server is stopping; ask again soon", seconds=5, own=False)

    def accept() -> str:
        batch = services.jobs.submit(new, services.pool.wait_s)
        detail = f"batch {batch}, {len(new.payloads)} images"
        services.audit.note(caller.owner, caller.address, new.operation, detail)
        services.pool.wake()
        return batch

    return await run_in_threadpool(accept)


async def cancel(services: Services, caller: Caller, batch: str) -> None:
    """Stop a batch where it is."""
    await run_in_threadpool(_stop, services, caller, batch)


def cancel_soon(services: Services, caller: Caller, batch: str) -> None:
    """The same from where nothing can be awaited: a generator that is closed from outside."""
    asyncio.get_running_loop().run_in_executor(None, _stop, services, caller, batch)


def _stop(services: Services, caller: Caller, batch: str) -> None:
    services.pool.kill(services.jobs.cancel(batch, caller.owner))
    services.audit.note(caller.owner, caller.address, "cancel", f"batch {batch}")
    services.notices.changed(batch)


async def news_of(
    services: Services, caller: Caller, batch: str, request: Request
) -> AsyncIterator[BatchView]:
    """The batch as it is now and after each change, until it is closed.

    Raises ClientGone, or Busy where the server stops before the end.
    """
    look_s = _LOOK_S if services.store.member is None else _SHARED_LOOK_S
    gone = asyncio.create_task(_gone(request))
    try:
        with services.notices.watch(batch) as event:
            while True:
                event.clear()
                view = await run_in_threadpool(services.history.batch, batch, caller.owner)
                yield view
                if not view.open:
                    return
                if services.stopped:
                    text = "the server stopped; the images are kept and made at its next start"
                    raise Busy(text, seconds=10, own=False)
                news = asyncio.create_task(event.wait())
                await asyncio.wait(
                    {news, gone}, timeout=look_s, return_when=asyncio.FIRST_COMPLETED
                )
                news.cancel()
                if gone.done():
                    raise ClientGone
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
