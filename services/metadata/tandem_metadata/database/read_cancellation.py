"""Cancellation of reads that take too long, or that nobody waits for any more."""

import asyncio
import contextlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextvars import ContextVar
from enum import Enum
from functools import partial
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, exc

from tandem_metadata.database.faults import is_interrupted
from tandem_metadata.database.pool import forget
from tandem_shared.errors import BadRequest

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Interrupt = Callable[[bool], None]
"""Has the database stop a statement; with True, whatever becomes of the connection."""

CLIENT_RECEIVE: ContextVar[Receive | None] = ContextVar("client_receive", default=None)
"""ASGI's `receive` of the request, whose body has been read: it tells that the client has left."""

_TOKEN: ContextVar["CancelToken | None"] = ContextVar("cancel_token", default=None)

_GRACE: Final = 1.0
"""Seconds that a read takes before anybody looks whether its client is still there."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_PATIENCE: Final = 2.0
"""Seconds that a database gets to stop a statement before its connection is cut."""
_CANCEL_TIMEOUT: Final = 1.0


class Reason(Enum):
    """Why a read was cancelled."""

    TIMEOUT = "timeout"
    ABANDONED = "abandoned"


class ReadTimeout(BadRequest):
    """A read took longer than one may. A 4xx: clients repeat what is answered 503 or 504."""

    def __init__(self, seconds: float | None = None) -> None:
        limit = "the database" if seconds is None else f"--read-timeout ({seconds:g} seconds)"
        super().__init__(
            f"This takes longer to read than {limit} allows, and was stopped. Ask for less at "
            "once: fewer experiments or runs, a smaller max_results, or a filter of fewer "
            "comparisons, or by = instead of LIKE or ILIKE."
        )


class Abandoned(Exception):
    """Nobody waits for what was read."""


class CancelToken:
    """Cancels what one call reads from the database, now and from then on.

    Three threads share it: the one that reads, the one that cancels, and the one that interrupts.
    `_lock` guards the pair of `_interrupt` and `_reason`.
    """

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds` is what the call may take; the error of a time-out names it."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._interrupt: Interrupt | None = None
        self._reason: Reason | None = None

    @property
    def error(self) -> Exception | None:
        """What the call raises; None while it is not cancelled."""
        if self._reason is None:
            return None
        return ReadTimeout(self._seconds) if self._reason is Reason.TIMEOUT else Abandoned()

    def cancel(self, reason: Reason) -> None:
        """Cancel; only the first reason counts. Does not block. Called by the event loop."""
        if self._reason is not None:
            return
        with self._lock:
            self._reason = reason
            reading = self._interrupt is not None
        if reading:
            threading.Thread(target=self._keep_interrupting, name="cancel", daemon=True).start()

    def attach(self, interrupt: Interrupt) -> None:
        """Let `interrupt` be called from now on. Called by the thread that reads.

        Raises what the call raises when it is cancelled already.
        """
        with self._lock:
            if error := self.error:
                raise error
            self._interrupt = interrupt

    def detach(self) -> None:
        """Nothing interrupts the connection after this. Called by the thread that reads."""
        with self._lock:
            self._interrupt = None

    def _keep_interrupting(self) -> None:
        """Interrupt until the read has ended: between two statements it has no effect."""
        began = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            with self._lock:
                if self._interrupt is None:
                    return
                self._interrupt(time.monotonic() - began > _PATIENCE)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def set_token(token: CancelToken) -> None:
    """From now on, have `token` cancel what is read in this context."""
    _TOKEN.set(token)


def current_token() -> CancelToken | None:
    """What cancels the reads of the call that this thread works for."""
    return _TOKEN.get()


@contextlib.contextmanager
def cancellable(conn: Connection, token: CancelToken) -> Iterator[None]:
    """Within, `token` interrupts what the connection reads.

    Raises what the token says in place of the driver's error, and ReadTimeout for a statement that
    the database stopped by itself.
    """
    token.attach(partial(_interrupt, conn.connection.driver_connection))
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error, psycopg.Error) as error:
        if not is_interrupted(error):
            raise
        raise token.error or ReadTimeout() from error
    finally:
        token.detach()
        if token.error:
            _discard(conn)


def _interrupt(connection: Any, cut: bool) -> None:
    """Have the database stop the statement that a driver's connection executes, if any.

    The statement fails in the thread that executes it. With `cut`, the connection is shut down, for
    a server that no longer listens.
    """
    if isinstance(connection, sqlite3.Connection):
        connection.interrupt()
        return
    with contextlib.suppress(psycopg.Error, OSError):
        if cut:
            # The driver may wait on the socket in another thread: only the kernel can wake it.
            with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
                line.shutdown(socket.SHUT_RDWR)
        else:
            connection.cancel_safe(timeout=_CANCEL_TIMEOUT)


def _discard(conn: Connection) -> None:
    """Have a connection to PostgreSQL closed at its end, so that the pool opens another.

    A cancel request may still be on its way, and would meet the next user's statement.
    """
    if conn.dialect.name == "postgresql" and not (conn.closed or conn.invalidated):
        forget(conn)
        conn.detach()


class Watchdog:
    """Cancels a call that takes too long, and one whose client leaves while it works.

    Neither is looked at during the first second: most calls end within. All methods but `install`
    are called by the event loop.
    """

    def __init__(self, seconds: float | None, *, waited: bool) -> None:
        """`seconds` is what the call may take. One that `waited` may have no client by now."""
        self._token = CancelToken(seconds)
        self._receive = CLIENT_RECEIVE.get()
        self._task: asyncio.Task[None] | None = None
        delay = 0.0 if waited else _GRACE if seconds is None else min(_GRACE, seconds)
        self._loop = asyncio.get_running_loop()
        self._deadline = None if seconds is None else self._loop.time() + seconds
        self._timer = self._loop.call_later(delay, self._begin)

    def install(self) -> None:
        """Have reads in the context that this is called in be cancelled."""
        set_token(self._token)

    def abandon(self) -> bool:
        """Cancel, since nobody waits any more. False: what is cancelled has still to end."""
        self._token.cancel(Reason.ABANDONED)
        return False

    def close(self) -> None:
        """The call has ended."""
        self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._wait())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._client_left()
        except TimeoutError:
            self._token.cancel(Reason.TIMEOUT)
        else:
            self._token.cancel(Reason.ABANDONED)

    async def _client_left(self) -> None:
        if self._receive is None:
            await self._loop.create_future()
        else:
            while (await self._receive())["type"] != "http.disconnect":
                pass  # a body that nobody asked for
