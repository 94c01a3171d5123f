"""TLS below both ASGI servers: handshakes that are bounded and counted before a server sees them.

asyncio's own TLS servers would do for requests. But they count no connection before its handshake,
so that silent clients could take all descriptors. They also wait for half a minute for the farewell
of a client that is closed, and cut one that still reads for longer.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from tandem_shared.serving.listener import Connections, Listener
from tandem_shared.tls.server_side import TRANSPORT, ServerContext

_CLOSING_SECONDS: Final = 24 * 3600.0
"""asyncio's bound of a connection's end, out of the way: `closing` has its own."""

MakeProtocol = Callable[[], asyncio.BaseProtocol]


class TlsLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers speak TLS on one of their sockets."""

    def __init__(
        self, listener: Listener, context: ServerContext, handshake_seconds: float
    ) -> None:
        super().__init__()
        self._listener = listener
        self._handshakes = Handshakes(self, context, listener.connections, handshake_seconds)

    def abort_handshakes(self) -> None:
        """Close connections that have not come to a request; a stop would wait for them."""
        self._handshakes.abort()

    def create_server(
        self, protocol_factory: MakeProtocol, *arguments: Any, **options: Any
    ) -> Coroutine[Any, Any, asyncio.Server]:
        """As asyncio's; connections of the socket `listener` begin with a handshake."""
        if options.get("sock") is self._listener:
            protocol_factory = partial(self._handshakes.begin, protocol_factory)
        return super().create_server(protocol_factory, *arguments, **options)


class Handshakes:
    """The handshakes under way. All methods are called by the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: ServerContext,
        connections: Connections,
        seconds: float,
    ) -> None:
        self.loop = loop
        self.context = context
        self.connections = connections
        self.seconds = seconds
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, make: MakeProtocol) -> asyncio.BaseProtocol:
        """The first protocol of a connection, which that of `make` follows."""
        return _Handshake(self, make)

    def abort(self) -> None:
        """Close their connections."""
        for task in self.tasks:
            task.cancel()


class _Handshake(asyncio.Protocol):
    """Leads a connection from its first byte to the server's own protocol."""

    def __init__(self, handshakes: Handshakes, make: MakeProtocol) -> None:
        self._all = handshakes
        self._make = make

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # until the task has begun
        self._transport = transport
        self._all.connections.opened(self)
        task = self._all.loop.create_task(self._shake_hands())
        self._all.tasks.add(task)
        task.add_done_callback(self._all.tasks.discard)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    async def _shake_hands(self) -> None:
        TRANSPORT.set(self._transport)
        early = _Early()
        try:
            encrypted = await self._all.loop.start_tls(
                self._transport,
                early,
                self._all.context,
                server_side=True,
                ssl_handshake_timeout=self._all.seconds,
                ssl_shutdown_timeout=_CLOSING_SECONDS,
            )
        except OSError:  # the client has left, or is too slow
            return
        except asyncio.CancelledError:
            self._transport.abort()
            return
        finally:
            self._all.connections.closed(self)
        if encrypted is None or encrypted.is_closing():
            return
        protocol = self._make()
        protocol.connection_made(encrypted)
        encrypted.set_protocol(protocol)
        if early.pieces and isinstance(protocol, asyncio.Protocol):
            protocol.data_received(b"".join(early.pieces))


class _Early(asyncio.Protocol):
    """Keeps what a client sends right behind its handshake."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
