"""Stops under load: a request is answered, or else nothing of it was done."""

import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.scale import scaled
from tests.harness.processes import eventually
from tests.system import services

FILES = "/api/2.0/mlflow-artifacts/artifacts"
CLIENTS = 16


class _Client:
    """Puts one small file after the other on kept connections, until nobody listens."""

    def __init__(self, number: int, url: str) -> None:
        self.answered: set[str] = set()
        self.unanswered: set[str] = set()
        self._number = number
        self._address = (urlsplit(url).hostname, urlsplit(url).port)
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        connection: socket.socket | None = None
        count = 0
        while True:
            name = f"{self._number}-{count}"
            count += 1
            try:
                connection = connection or socket.create_connection(self._address, 30)
                target = f"{FILES}/{name} HTTP/1.1\r\nHost: localhost"
                connection.sendall(f"PUT {target}\r\nContent-Length: 1\r\n\r\nx".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n") and (piece := connection.recv(65536)):
                    head += piece
            except ConnectionRefusedError:
                return
            except OSError:
                head = b""
            (self.answered if head.startswith(b"HTTP/1.1 200") else self.unanswered).add(name)
            if connection and (not head or b"connection: close" in head.lower()):
                connection.close()
                connection = None


def test_stop_under_load_leaves_no_request_done_and_unanswered(
    asgi_server: str, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    options = ("--asgi-server", asgi_server)
    for _ in range(scaled(4, 40)):
        with services.artifacts_service(tmp_path, str(files), *options) as service:
            clients = [_Client(number, service.url) for number in range(CLIENTS)]
            eventually(lambda clients=clients: sum(len(c.answered) for c in clients) > 300)
            assert service.stop() == 0
            for client in clients:
                client.thread.join(60)
        stored = {file.name for file in files.iterdir()}
        for client in clients:
            assert client.answered <= stored
            assert not client.unanswered & stored
        for file in files.iterdir():
            if file.is_file():
                file.unlink()
