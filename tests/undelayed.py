"""Whether Nagle's algorithm holds a connection's small answers back."""

import contextlib
import os
import socket


def is_undelayed(client: tuple[str, int]) -> bool:
    """Whether this process's connection from that address has TCP_NODELAY.

    Raises LookupError when it has no such connection.
    """
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # no socket, or none that is connected
            found = socket.socket(fileno=descriptor)
            try:
                if found.getpeername()[:2] == client:
                    return bool(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            finally:
                found.detach()
    raise LookupError(client)
