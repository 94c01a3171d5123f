"""A listening socket that several processes share fairly."""

import socket
from typing import Any


class Listener(socket.socket):
    """Accepts one connection at each turn of the event loop.

    asyncio accepts all that wait, so of several processes the one that wakes first would get all of
    a client's connections, and the others none. So a busy one leaves them to those that are idle.
    """

    _accepted = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError at every call after one that accepted a connection."""
        if self._accepted:
            self._accepted = False
            raise BlockingIOError
        accepted = super().accept()
        self._accepted = True
        return accepted
