"""A TCP relay that can stand still, or be gone, as a network or a server behind it can."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator


class Gate:
    """Relays connections to an address, as long as it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._gone = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within, nothing passes; connections are accepted and kept."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Within, there are no connections: those that were are reset, and new ones too."""
        with self._lock:
            self._gone = True
            for each in self._sockets:
                _reset(each)
            self._sockets.clear()
        try:
            yield
        finally:
            self._gone = False

    def close(self) -> None:
        """Relay nothing any more."""
        self._flowing.set()
        with self.gone():
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._gone:
                _reset(client)
                continue
            server = socket.create_connection(self._target)
            with self._lock:
                self._sockets |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flowing.wait()
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    """Close with a reset: the other end learns at once that nothing more comes."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # A thread that reads it holds the connection open otherwise.
        connection.shutdown(socket.SHUT_RD)
    connection.close()
