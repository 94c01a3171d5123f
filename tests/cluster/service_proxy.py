"""A Service's address: each connection goes to one of its ready pods, and stays with it.

As in a cluster, a pod that is no endpoint any more gets no new connections and keeps the old ones.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

_CHUNK_BYTES = 256 * 1024


class ServiceProxy:
    """Listens on a Service's address and port, in a thread of its own."""

    def __init__(
        self, address: tuple[str, int], choose: Callable[[], tuple[str, int] | None]
    ) -> None:
        """`choose` names the pod for a new connection, or None when there is none."""
        self._choose = choose
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._connect, *address, limit=_CHUNK_BYTES)
        )
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the address and all its connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        # A connection that was just accepted has its task only now.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pod = self._choose()
        try:
            if pod is None:
                raise ConnectionRefusedError
            pod_reader, pod_writer = await asyncio.open_connection(*pod, limit=_CHUNK_BYTES)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pass_on(reader, pod_writer), _pass_on(pod_reader, writer))
        except OSError:
            writer.transport.abort()
            pod_writer.transport.abort()
        finally:
            for each in (writer, pod_writer):
                each.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """All bytes, and then the end of one direction."""
    while data := await source.read(_CHUNK_BYTES):
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()
