"""The client of the metadata service: asks it for grants, and for the keys that check them."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec
from msgspec import Struct

from tandem_artifacts.access.proof import AUTHORIZATION, Proof
from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action, Grant, PublicKey, UnknownKey
from tandem_shared.auth.proxies import UNTRUSTED
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from tandem_shared.observability.logs import RARELY, REQUEST_ID
from tandem_shared.tls import client_side
from tandem_shared.tls.renewal import RenewedContext

GRANTS: Final = "/api/3.0/tandem/artifact-grants"
KEYS: Final = "/api/3.0/tandem/jwks"

RETRY_AFTER: Final = 5
"""Seconds after which a client may ask again while the metadata service is away."""

KEYS_SECONDS: Final = 300.0
"""How long keys count before they are fetched again: one may have been withdrawn."""

PAUSE_SECONDS: Final = 0.25
"""How often keys are fetched at most: strangers bring it about with grants of their own making."""

RETRY_SECONDS: Final = 5.0
"""How often keys that are known are fetched again while nobody answers."""

_TIMEOUT: Final = 10.0
_CONNECTIONS: Final = 32
_log = logging.getLogger(__name__)


class _Granted(Struct):
    grant: str


class _Keys(Struct):
    keys: list[dict[str, Any]]


class _Error(Struct):
    error_code: str = ""
    message: str = ""
    user: str = ""
    """Whom a 403 refuses."""


class Metadata:
    """Of one process; the event loop calls all methods."""

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.monotonic,
        tls: RenewedContext | None = None,
    ) -> None:
        """`url`: where the metadata service is, with its static prefix."""
        self._url = url.rstrip("/")
        self._clock = clock
        self._tls = tls
        self._following: asyncio.Task[None] | None = None
        self._client = httpx.AsyncClient(
            verify=tls or client_side.usual(),
            timeout=httpx.Timeout(_TIMEOUT),
            limits=httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS
            ),
            follow_redirects=False,
            trust_env=False,
        )
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at = self._tried_at = -KEYS_SECONDS
        self._begun = self._finished = 0  # numbers of fetches: the last one begun, and finished
        self._fetching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow renewed certificates, until `close`."""
        if self._tls:
            self._following = asyncio.get_running_loop().create_task(self._tls.follow())

    async def close(self) -> None:
        """Close all connections."""
        if self._following:
            self._following.cancel()
        await self._client.aclose()

    async def ask(self, proof: Proof, path: str, action: Action) -> Grant:
        """What the user may do at a canonical path who proves himself so.

        Raises Unauthenticated or PermissionDenied (of a user) with the metadata service's own
        words, and Unavailable, with Retry-After, if it gives no answer that says either.
        """
        given = {
            proof.header: proof.value,
            "Content-Type": "application/json",
            "X-Request-Id": REQUEST_ID.get(),
        }
        headers = httpx.Headers(given, encoding="latin-1")  # as Starlette: bytes pass unchanged
        body = msgspec.json.encode({"path": path, "action": action})
        answer = await self._send("POST", GRANTS, headers=headers, content=body)
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer, proof)
        try:
            token = msgspec.json.decode(answer.content, type=_Granted).grant
            return await self._checked(token, fresh=True)
        except (msgspec.DecodeError, UnknownKey, Unauthenticated) as error:
            raise _away(f"answers with what is no grant of its own: {error!r}") from None

    async def verified(self, token: str) -> Grant:
        """The grant that a request carries; raises Unauthenticated for one that does not hold."""
        try:
            return await self._checked(token, fresh=False)
        except UnknownKey:
            raise Unauthenticated("This is no grant of this server's metadata service.") from None

    async def _checked(self, token: str, *, fresh: bool) -> Grant:
        """The grant of a token; keys that are not known are fetched.

        `fresh`: the metadata service has just sent it, which strangers cannot bring about.
        """
        now = self._clock()
        if grants.key_id(token) not in self._keys:
            await self._fetch_after_now()
        elif now - self._fetched_at >= KEYS_SECONDS and now - self._tried_at >= RETRY_SECONDS:
            self._fetch_once()
        return grants.verify(token, self._keys.get, fresh=fresh)

    async def _fetch_after_now(self) -> None:
        """Have a fetch that begins after now: an earlier one may have missed the newest key."""
        begun = self._begun
        while self._finished <= begun:
            await asyncio.shield(self._fetch_once())

    def _fetch_once(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._has_fetched)
        return self._fetching

    def _has_fetched(self, task: "asyncio.Task[None]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # Whoever waited has got it; nobody may have.

    async def _fetch(self) -> None:
        # Whoever comes during the pause has this fetch too.
        await asyncio.sleep(self._tried_at + PAUSE_SECONDS - self._clock())
        self._tried_at = self._clock()
        self._begun += 1
        answer = await self._send("GET", KEYS, headers={"X-Request-Id": REQUEST_ID.get()})
        if answer.status_code != httpx.codes.OK:
            raise _away(_told(answer))
        try:
            found = msgspec.json.decode(answer.content, type=_Keys).keys
            keys = [PublicKey(each) for each in found]
        except (msgspec.DecodeError, ValueError) as error:
            raise _away(f"answers with what are no keys: {error!r}") from None
        self._keys = {key.id: key for key in keys}
        self._fetched_at = self._clock()
        self._finished = self._begun

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._client.request(method, self._url + path, **options)
        # httpx lets errors of TLS through, such as the other side's refusal of our certificate.
        except (httpx.HTTPError, ssl.SSLError, TimeoutError) as error:
            raise _away(f"does not answer: {error!r}") from error
        return answer


def _away(reason: str) -> Unavailable:
    """The error while nobody can be asked; the reason is for the log alone."""
    _log.warning("the metadata service %s", reason, extra=RARELY)
    return Unavailable(
        "The metadata service does not say now who may use this artifact; try again later.",
        retry_after=RETRY_AFTER,
    )


def _refusal(answer: httpx.Response, proof: Proof) -> ApiError:
    """The error that an answer stands for: the metadata service's own refusals, or Unavailable."""
    error = _error(answer)
    if proof.header != AUTHORIZATION and UNTRUSTED in error.message:
        return _away(_told(answer))  # it is this service that is not trusted
    if answer.status_code == httpx.codes.UNAUTHORIZED and error.error_code == Unauthenticated.code:
        challenge = answer.headers.get("www-authenticate")
        return Unauthenticated(error.message, *([challenge] if challenge else []))
    if answer.status_code == httpx.codes.FORBIDDEN and error.message.startswith(_DENIED):
        return PermissionDenied(error.message, user=error.user)
    if answer.status_code == httpx.codes.BAD_REQUEST and error.error_code == InvalidParameter.code:
        return InvalidParameter(error.message)
    return _away(_told(answer))


def _error(answer: httpx.Response) -> _Error:
    try:
        return msgspec.json.decode(answer.content, type=_Error)
    except msgspec.DecodeError:
        return _Error()


def _told(answer: httpx.Response) -> str:
    error = _error(answer)
    return f"answers {answer.status_code} {error.error_code}: {error.message[:_SHOWN]}"


_DENIED: Final = "Permission denied"
"""What refusals of an account begin with. Others, as of a Host header, are faults of the set-up."""
_SHOWN: Final = 300
