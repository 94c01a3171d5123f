"""Work that goes on to its end whatever becomes of who waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import anyio

T = TypeVar("T")


async def shielded(work: Awaitable[T], cancel: Callable[[], bool] | None = None) -> T:
    """The result of `work`, which goes on to its end even when the caller is cancelled.

    CancelledError is raised only when the work is done, or when `cancel` called it off.
    """
    future = asyncio.ensure_future(work)
    del work
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if cancel is None or not cancel():
            # The scope holds off anyio, which cancels again and again; the loop, task.cancel().
            with anyio.CancelScope(shield=True):
                while not future.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # Looked at, or asyncio complains that nobody did.
        raise
    finally:
        del future, cancel  # An error's traceback holds this frame, which would hold the error.
