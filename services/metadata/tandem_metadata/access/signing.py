"""Signs grants on artifacts, and publishes the keys by which they are checked.

Each process signs with keys of its own, which it makes itself. The database has the public halves
alone, for all processes to publish: nobody can sign anything with a copy of it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from tandem_metadata.access.reads import Reads
from tandem_metadata.store.accounts import signing_keys
from tandem_shared.auth.grants import SECONDS, Grant, PublicKey, SigningKey
from tandem_shared.clock import now_ms

SIGNS_MS: Final = 3_600_000
"""How long a key signs before the next one takes its place."""

PUBLISHED_MS: Final = SIGNS_MS + 10 * SECONDS * 1000
"""How long a key is published: longer than any grant holds that it has signed."""


class Signer:
    """Of one process; the event loop calls all methods."""

    def __init__(self, read: Reads, write: Reads, clock: Callable[[], int] = now_ms) -> None:
        """`read` and `write` run functions of the store of accounts."""
        self._read = read
        self._write = write
        self._clock = clock
        self._key: SigningKey | None = None
        self._until = 0
        self._making: asyncio.Task[SigningKey] | None = None
        self._reading: asyncio.Task[list[dict[str, Any]]] | None = None

    async def sign(self, grant: Grant) -> str:
        """The grant as a token; its key is published before."""
        key = self._key
        if key is None or self._clock() >= self._until:
            if self._making is None:
                self._making = asyncio.create_task(self._next_key())
                self._making.add_done_callback(self._made)
            key = await asyncio.shield(self._making)
        return key.sign(grant)

    async def public_keys(self) -> list[dict[str, Any]]:
        """The keys of all processes, as JSON Web Keys. Calls at the same time share one read."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._published())
            self._reading.add_done_callback(self._has_read)
        return await asyncio.shield(self._reading)

    async def _next_key(self) -> SigningKey:
        key, now = SigningKey(), self._clock()
        await self._write(
            signing_keys.publish, key.public.id, key.public.jwk["x"], now + PUBLISHED_MS
        )
        self._key, self._until = key, now + SIGNS_MS
        return key

    def _made(self, _: object) -> None:
        self._making = None

    async def _published(self) -> list[dict[str, Any]]:
        found: list[str] = await self._read(signing_keys.published)
        return [PublicKey({"kty": "OKP", "crv": "Ed25519", "x": each}).jwk for each in found]

    def _has_read(self, _: object) -> None:
        self._reading = None
