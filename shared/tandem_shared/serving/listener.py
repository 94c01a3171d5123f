"""A listening socket that several processes share fairly, and that leaves descriptors for others.

Each connection takes a file descriptor, of which a process has a bounded number: a quarter of them
is left to files, databases and stores, without which no request could be answered.
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
    """What a server makes of an accepted socket."""

    def abort(self) -> None:
        """Close at once, whatever is unsent."""


class Connections:
    """Those that are open; any on which nothing is under way may be closed."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        # By when they became idle.
        self._new: OrderedDict[Connection, float] = OrderedDict()
        self._kept: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, connection: Connection) -> None:
        """It is accepted, and has not sent a request yet."""
        self._open.add(connection)
        self._new[connection] = time.monotonic()

    def busy(self, connection: Connection) -> None:
        """A request has come on it."""
        self._new.pop(connection, None)
        self._kept.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Its requests are answered."""
        if connection in self._open:
            self._kept[connection] = time.monotonic()

    def closed(self, connection: Connection) -> None:
        """Its descriptor is free again."""
        self._open.discard(connection)
        self.busy(connection)

    def close_one(self) -> bool:
        """Close the oldest of those that never sent a request, else the one idle for longest.

        One that is idle for less than `_SPARED_SECONDS` may have a request on its way.
        """
        before = time.monotonic() - _SPARED_SECONDS
        connections = self._new or self._kept
        if connections and next(iter(connections.values())) <= before:
            connections.popitem(last=False)[0].abort()
            return True
        return False


class Listener(socket.socket):
    """Accepts one connection at each turn of the event loop, while there may be more.

    asyncio accepts all that wait, so of several processes the one that wakes first would get all of
    a client's connections, and the others none. So a busy one leaves them to those that are idle.
    """

    def __init__(self, *, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.connections = Connections()
        """Who serves keeps account here: some are closed when there are too many."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = 2**31 if limit == resource.RLIM_INFINITY else limit - limit // 4
        self._turn_is_over = False
        self._say_at = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError at every call after one that accepted a connection.

        Raises OSError of EMFILE, upon which asyncio waits for a second, when there are as many
        connections as there may be, and none that may be closed.
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
                raise BlockingIOError from error  # its descriptor is free at the next turn
            self._say("No more connections are accepted for now")
            self._turn_is_over = True  # or asyncio goes on as often as the backlog is long
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
    """Let this process and its children have as many descriptors as they are allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS has a limit of its own besides
            _log.warning("The limit of file descriptors stays at %d: %s", soft, error)
