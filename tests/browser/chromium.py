"""Debian's Chromium, driven by Playwright, in a network where only this machine answers."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "TANDEM_REQUIRE_BROWSER"
"""With this variable set, a missing Chromium fails the tests instead of skipping them."""

_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


class Outside:
    """Stands for every host but this machine, and keeps what a browser sends there.

    It answers nothing: to be called at all is the failure.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.calls: list[bytes] = []
        """The first bytes of each connection: a request, or the ClientHello with its host name."""

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.calls.append(connection.recv(4096))
                except OSError:
                    self.calls.append(b"")


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
    for name in NAMES:
        if path := shutil.which(name):
            return path
    sentence = f"no Chromium on the path (looked for {', '.join(NAMES)}): apt-get install chromium"
    if os.environ.get(REQUIRED):
        pytest.fail(sentence)
    pytest.skip(sentence)
