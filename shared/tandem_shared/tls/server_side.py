"""The server's side of a connection by TLS: its buffers, and handshakes that fail."""

import asyncio
import logging
import ssl
from contextvars import ContextVar
from typing import Any

from prometheus_client import Counter

from tandem_shared.observability.logs import RARELY
from tandem_shared.tls.renewal import RenewedContext

TRANSPORT: ContextVar[asyncio.Transport] = ContextVar("transport")
"""The transport of the socket whose handshake begins: asyncio does not say it to contexts."""

FAILURES = Counter("tandem_tls_handshake_failures", "Handshakes of TLS that failed.")

_FAREWELL_SECONDS = 2.0
"""What a client gets to read why its handshake failed."""

_log = logging.getLogger("tandem.tls")


class ServerSide(ssl.SSLObject):
    """A connection that knows the transport below it."""

    transport: asyncio.Transport
    """Of the socket; it gets what is encrypted."""
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    """What is encrypted, and the transport has not taken yet."""
    _failed = False

    def do_handshake(self) -> None:
        """Shake hands. A failure is logged, and told to the client, which asyncio would not do.

        Then it only looks unfinished. A client of TLS 1.3 has sent its request already; if we
        closed at once, that would meet a closed socket, and the client would not see the reason.
        """
        if self._failed:
            self.incoming.read()
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failed = True
            FAILURES.inc()
            _log.warning("a TLS handshake failed: %s", _reason(error), extra=RARELY)
            asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self.transport.abort)
            raise ssl.SSLWantReadError from error  # asyncio now sends the alert


class ServerContext(RenewedContext):
    """A context whose connections are `ServerSide`."""

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **options: Any
    ) -> ssl.SSLObject:
        """As that of the newest context; called where `TRANSPORT` is set."""
        context = self._current.context
        context.sslobject_class = ServerSide
        made = context.wrap_bio(incoming, outgoing, *arguments, **options)
        assert isinstance(made, ServerSide)
        made.transport, made.incoming, made.outgoing = TRANSPORT.get(), incoming, outgoing
        return made


def server_side(transport: asyncio.BaseTransport) -> ServerSide | None:
    """That of a transport that has just been made; None for one without TLS."""
    found = transport.get_extra_info("ssl_object")
    return found if isinstance(found, ServerSide) else None


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is refused: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return "the client speaks HTTP without TLS" if reason == "http request" else reason
