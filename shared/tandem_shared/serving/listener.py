"""A listening socket that processes share fairly, with a bound on its connections.

Connections take up to three quarters of the process's file descriptors. Files, databases and stores
need the rest: without them no request could be answered.
"""

import errno
import logging
import os
import resource
import socket
import time
from collections import OrderedDict
from typing import Any, Final, Protocol

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SILENT_SECONDS: Final = 10.0
_SPARED_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class Connection(Protocol):
    """A server's protocol of one accepted socket."""

    def abort(self) -> None:
        """Close at once, whatever is unsent."""


class Connections:
    """The open connections, and which of them are idle and may be closed."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        # Both in the order in which they became idle.
        self._new: OrderedDict[Connection, float] = OrderedDict()
        self._kept: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, connection: Connection) -> None:
        """Note a connection that is accepted, and has not sent a request yet."""
        self._open.add(connection)
        self._new[connection] = time.monotonic()

    def busy(self, connection: Connection) -> None:
        """Note that a request has come."""
        self._new.pop(connection, None)
        self._kept.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Note that all its requests are answered."""
        if connection in self._open:
            self._kept[connection] = time.monotonic()

    def closed(self, connection: Connection) -> None:
        """Forget a connection; its descriptor is free again."""
        self._open.discard(connection)
        self.busy(connection)

    def close_one(self) -> bool:
        """Close the oldest that never sent a request, else the one idle for longest.

        Returns whether there was one. A connection idle for less than `_SPARED_SECONDS` is spared:
        a request may be on its way.
        """
        before = time.monotonic() - _SPARED_SECONDS
        connections = self._new or self._kept
        if connections and next(iter(connections.values())) <= before:
            connections.popitem(last=False)[0].abort()
            return True
        return False


class Listener(socket.socket):
    """Accepts one connection per turn of the event loop, up to a bound.

    asyncio accepts until BlockingIOError, as often as the backlog is long. The first process to
    wake would get all of a client's connections, and the others none. `accept` therefore raises it
    at every second call, and a busy process leaves connections to idle ones.

    This relies on `BaseSelectorEventLoop._accept_connection`: it returns upon BlockingIOError, and
    stops accepting for a second upon EMFILE, ENFILE, ENOBUFS and ENOMEM.
    """

    def __init__(self, *, fileno: int, beside: "Listener | None" = None) -> None:
        """`beside`: another listener of the process, with which it shares the bound."""
        super().__init__(fileno=fileno)
        self.connections: Connections = beside.connections if beside else Connections()
        """The ASGI server notes connections here; some are closed when there are too many."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = 2**31 if limit == resource.RLIM_INFINITY else limit - limit // 4
        self._turn_is_over = False
        self._say_at = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError at every call after one that accepted a connection.

        Raises OSError of EMFILE when the bound is reached and no connection may be closed.
        """
        if self._turn_is_over:
            self._turn_is_over = False
            raise BlockingIOError
        try:
            if len(self.connections) >= self._most:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            accepted = super().accept()
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            if self.connections.close_one():
                self._say("Idle connections are closed to make room")
                raise BlockingIOError from error  # the descriptor is free in the next turn
            self._say("No more connections are accepted for now")
            self._turn_is_over = True  # else asyncio calls this for the rest of the backlog
            raise
        self._turn_is_over = True
        return accepted

    def _say(self, what: str) -> None:
        now = time.monotonic()
        if now >= self._say_at:
            self._say_at = now + _SILENT_SECONDS
            _log.warning(
                "%s: there are %d, may be %d, three quarters of the file descriptors (ulimit -Hn)",
                what,
                len(self.connections),
                self._most,
            )


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors to the hard one; child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS has a further limit of its own
            _log.warning("The limit of file descriptors stays at %d: %s", soft, error)
