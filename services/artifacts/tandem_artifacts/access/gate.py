"""Admits requests: asks the metadata service what their senders may do, and remembers it."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Final, Protocol

from tandem_artifacts.access.kept import Kept
from tandem_artifacts.access.proof import Proof
from tandem_shared.auth import credentials
from tandem_shared.auth.grants import SECONDS, Action, Grant
from tandem_shared.errors import ApiError, PermissionDenied, Unauthenticated, Unavailable

_OWNED: Final = re.compile(r"(?:^|.*?/)(?:m-)?[0-9a-f]{32}(?=/|$)")
"""A path up to the first id of a run or a logged model."""

_KEPT: Final = (Unauthenticated, PermissionDenied)


class Asks(Protocol):
    """The metadata service."""

    async def ask(self, proof: Proof, path: str, action: Action) -> Grant: ...

    async def verified(self, token: str) -> Grant: ...


class Gate:
    """Of one process; the event loop calls all methods."""

    def __init__(self, metadata: Asks, clock: Callable[[], float] = time.monotonic) -> None:
        self._metadata = metadata
        self._clock = clock
        self._kept = Kept(clock)
        self._flights: dict[tuple[bytes, str, Action | None], asyncio.Task[Grant]] = {}

    async def presented(self, token: str) -> Grant:
        """The grant that a request carries; raises ApiError unless it holds."""
        return await self._metadata.verified(token)

    async def permitted(self, proof: Proof, path: str, action: Action) -> Grant:
        """A grant for an action at a canonical path, by what proves who the sender is.

        The metadata service is asked once for all that belongs to one owner, also when requests for
        its files come at the same time. Raises Unauthenticated and PermissionDenied as it answers,
        and Unavailable if it does not.
        """
        sender = credentials.digest(f"{proof.header}: {proof.value}".encode())
        if known := self._known(sender, path, action):
            return known
        owned = sender, _owned(path), None
        if flight := self._flights.get(owned):
            with contextlib.suppress(PermissionDenied):  # of another path
                await asyncio.shield(flight)
            if known := self._known(sender, path, action):
                return known
            return await self._ask((sender, path, action), proof, path, action)
        return await self._ask(owned, proof, path, action)

    def _known(self, sender: bytes, path: str, action: Action) -> Grant | None:
        if grant := self._kept.grant(sender, path, action):
            return grant
        if error := self._kept.refusal(sender, path, action):
            raise _again(error)
        return None

    async def _ask(
        self,
        key: tuple[bytes, str, Action | None],
        proof: Proof,
        path: str,
        action: Action,
    ) -> Grant:
        flight = self._flights.get(key)
        if flight is None:
            # A task of its own: the client that it began for may leave.
            flight = asyncio.create_task(self._fly(key[0], proof, path, action))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    async def _fly(self, sender: bytes, proof: Proof, path: str, action: Action) -> Grant:
        asked_at = self._clock()
        try:
            grant = await self._metadata.ask(proof, path, action)
        except _KEPT as error:
            self._kept.refuse(sender, path, action, error)
            raise
        if not grant.covers(path, action):
            raise Unavailable("The metadata service answers for another path; try again later.")
        self._kept.add(sender, grant, asked_at + SECONDS)
        return grant

    def _landed(self, key: tuple[bytes, str, Action | None], flight: "asyncio.Task[Grant]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # Whoever waited has got it; nobody may have.


def _owned(path: str) -> str:
    """The path of what a file most likely belongs to: a run, a logged model, or its folder."""
    if found := _OWNED.match(path):
        return found[0]
    return path.rpartition("/")[0]


def _again(error: ApiError) -> ApiError:
    """The same error, without the traceback that it has collected."""
    return error.with_traceback(None)
