"""What systemd hands to a service, and what the service tells it.

systemd promises to keep both interfaces (sd_listen_fds(3) and sd_notify(3)), and other service
managers have them too. Elsewhere, as in a shell, nothing is handed over and nobody is told.
"""

import logging
import os
import socket
from typing import Final

from tandem_shared.settings import SettingsError

_FIRST_DESCRIPTOR: Final = 3
_log = logging.getLogger(__name__)


def inherited_socket() -> socket.socket | None:
    """The listening socket of a socket unit, or None where none was handed over.

    A second call gives None: the socket and its variables are this process's alone, and no child's.
    Raises SettingsError when there is more than one, or another kind than a listening TCP socket.
    """
    meant_for, count = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS"))
    os.environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or count in ("", "0"):
        return None
    if count != "1":
        raise SettingsError(
            f"The service manager hands over {count} sockets, but a service listens on one. Keep "
            "one ListenStream= in the socket unit; [::]:5000 takes IPv4 too."
        )
    try:
        inherited = socket.socket(fileno=_FIRST_DESCRIPTOR)
        os.set_inheritable(_FIRST_DESCRIPTOR, False)
    except OSError as error:
        raise SettingsError(
            f"LISTEN_FDS promises a socket as descriptor {_FIRST_DESCRIPTOR}: {error.strerror}."
        ) from error
    if (
        inherited.family not in (socket.AF_INET, socket.AF_INET6)
        or inherited.type != socket.SOCK_STREAM
        or not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        raise SettingsError(
            "The socket that the service manager hands over is no listening TCP socket. Give the "
            "socket unit ListenStream= with a port, as 127.0.0.1:5000, and Accept=no."
        )
    return inherited


def notify_ready(status: str) -> None:
    """Say that requests are answered; `status` is what `systemctl status` shows."""
    _notify("READY=1", f"STATUS={status}")


def notify_stopping(seconds: float) -> None:
    """Say that the stop has begun, and how long it may take, whatever TimeoutStopSec= says."""
    microseconds = round(seconds * 1_000_000)
    _notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={microseconds}", "STATUS=finishing requests")


def _notify(*assignments: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto("\n".join(assignments).encode(), address)
    except OSError as error:
        _log.warning("The service manager at %s cannot be told %s: %s", path, assignments[0], error)
