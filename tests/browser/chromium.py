"""Debian's Chromium, driven by Playwright, in a network where only this machine answers."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests import debian

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first found is used. Without a window's parts, the shell takes a fifth less of the processor.
"""

REQUIRED = "TANDEM_REQUIRE_BROWSER"
"""With this variable set, a missing Chromium fails the tests instead of skipping them."""

_HANDSHAKE = 0x16
_NAME = re.compile(rb"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


_MAKER = (".google.com", ".googleapis.com", ".gstatic.com", ".gvt1.com", ".gvt2.com")
"""Whom Chromium calls on its own, whatever flags it is started with."""


class Outside:
    """Stands for every host but this machine, and keeps which hosts a browser calls.

    It answers nothing: to be called at all is the failure.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self._calls: list[bytes] = []

    def called(self) -> set[str]:
        """The hosts that pages called, as far as a connection's first bytes tell."""
        hosts = {_host(call) for call in self._calls if call}  # empty: opened ahead, and not used
        return {host for host in hosts if not f".{host}".endswith(_MAKER)}

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                self._calls.append(_first_bytes(connection))


def _first_bytes(connection: socket.socket) -> bytes:
    """A whole TLS record, which may come in pieces, or what came of anything else."""
    received = b""
    try:
        while piece := connection.recv(4096):
            received += piece
            if received[0] != _HANDSHAKE or len(received) >= 5 + int.from_bytes(received[3:5]):
                break
    except OSError:
        pass
    return received


def _host(call: bytes) -> str:
    """The host that a request or a TLS ClientHello is for; the bytes themselves without one."""
    if found := re.search(rb"\r\nHost: ([^\r]+)", call):
        return found[1].decode("latin-1")
    # The server_name extension: type 0, its length, its list's, the kind of name 0, its length.
    for found in re.finditer(rb"(?=\x00\x00..(..)\x00(..))", call, re.DOTALL):
        size = int.from_bytes(found[2], "big")
        start = found.start() + 9
        name = call[start : start + size]
        if int.from_bytes(found[1], "big") == size + 3 and _NAME.fullmatch(name):
            return name.decode("ascii")
    return repr(call)


@contextmanager
def outside() -> Iterator[Outside]:
    """An `Outside` that listens on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Outside(listener)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        # Closing alone would leave the thread in accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def launch(world: Outside) -> Iterator[Browser]:
    """One Chromium process.

    Names below `localhost` and 127.0.0.1 lead to this machine, all other names to `world`.
    """
    path = find()
    rules = (
        f"MAP * 127.0.0.1:{world.port}, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*_FLAGS, f"--host-resolver-rules={rules}"]
        )
        yield browser
        browser.close()


def find() -> str:
    """The path of Chromium; without one the test is skipped, or fails when it must not be."""
    return debian.find_any(NAMES, package=NAMES[0], required=REQUIRED)
