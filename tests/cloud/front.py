"""What a cloud puts before its PostgreSQL: TLS, and a look at each token. PostgreSQL is real."""

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from tests.harness.certificates import Authority
from tests.postgresql import PostgreSQL

HOST = "tandem.cluster-cx1.eu-central-1.rds.amazonaws.com"
"""An endpoint's name, which its certificate has; connections go to this machine by `hostaddr`."""

USER = "tandem@project.iam"
"""A role of PostgreSQL, named as Cloud SQL names a service account's."""

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104
_CHUNK = 1 << 16


class Judge(Protocol):
    """Who knows which tokens hold."""

    refusal: str
    """How the cloud's PostgreSQL begins to say that one does not."""

    def takes(self, user: str, endpoint: str, token: str) -> bool:
        """Whether the token logs the user in at the endpoint (`host:port`) now."""
        ...


class Front:
    """Lets connections with a token through to PostgreSQL, and counts them."""

    def __init__(self, server: PostgreSQL, judge: Judge, authority: Authority) -> None:
        self._server = server
        self._judge = judge
        self._backend = urlsplit(server.uri()).port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue("database", [HOST]))
        self.port = 0
        self.certificate = authority.certificate
        """Of the authority that issued the database's."""
        self.tokens: list[str] = []
        """Of the connections that were let through, in order."""
        self.users: set[str] = set()
        """Of the same."""
        self.closed = False
        """Whether the user may not log in, whatever its token."""
        self.refused = 0
        """How many connections were not."""

    def uri(self, database: str, **parameters: str) -> str:
        """The address of a database, without a password, as a user of the cloud writes it."""
        query = {
            "sslmode": "verify-full",
            "sslrootcert": str(self.certificate),
            "hostaddr": "127.0.0.1",
            **parameters,
        }
        return f"postgresql://{quote(USER)}@{HOST}:{self.port}/{database}?{urlencode(query)}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            try:
                await self._answer(reader, writer)
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        code, message = await _read_startup(reader)
        encrypted = False
        while code in (_SSL, _GSS):
            writer.write(b"S" if code == _SSL else b"N")
            if code == _SSL:
                await writer.start_tls(self._context)
                encrypted = True
            code, message = await _read_startup(reader)
        if code == _CANCEL:
            await self._relay(reader, writer, message)
            return
        words = message[8:].split(b"\0")
        user = dict(zip(words[::2], words[1::2], strict=False))[b"user"].decode()
        if not encrypted:
            writer.write(_error(f'no pg_hba.conf entry for user "{user}", no encryption'))
            return
        writer.write(b"R" + struct.pack("!ii", 8, 3))  # for the password in clear, as over PAM
        _, length = struct.unpack("!ci", await reader.readexactly(5))
        token = (await reader.readexactly(length - 4)).rstrip(b"\0").decode()
        if self.closed or not self._judge.takes(user, f"{HOST}:{self.port}", token):
            self.refused += 1
            writer.write(_error(f'{self._judge.refusal} authentication failed for user "{user}"'))
            return
        self.tokens.append(token)
        self.users.add(user)
        await self._relay(reader, writer, message)

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes
    ) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", self._backend)
        try:
            to.write(first)
            ways = [asyncio.create_task(_copy(*way)) for way in ((reader, to), (there, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            to.close()


async def _read_startup(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The code of a message that begins a connection, and the whole message."""
    head = await reader.readexactly(8)
    length, code = struct.unpack("!ii", head)
    return code, head + await reader.readexactly(length - 8)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


def _error(message: str) -> bytes:
    fields = b"SFATAL\0VFATAL\0C28000\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!i", 4 + len(fields)) + fields


@contextlib.contextmanager
def serve(
    server: PostgreSQL, judge: Judge, folder: Path, users: Sequence[str] = (USER,)
) -> Iterator[Front]:
    """A front of the server; its authority's certificate is in the folder.

    The users may do everything, as the owner of a database may in its tables.
    """
    for user in users:
        server.execute(
            f'DO $$ BEGIN CREATE ROLE "{user}" SUPERUSER LOGIN; '
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    front = Front(server, judge, Authority.create(folder))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="front", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    listening = wait(asyncio.start_server(front.answer, "127.0.0.1", 0))
    front.port = listening.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        listening.close()
        wait(_cancel_others())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
