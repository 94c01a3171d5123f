"""Sends one delivery: a POST without redirects and proxies, and with a time limit."""

import asyncio
import base64
import contextlib
import datetime
import email.utils
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import httpcore
import httpx

from tandem_metadata.webhooks.targets import Forbidden, GuardedBackend, Policy

_RETRY_AFTER_STATUSES: Final = frozenset({413, 429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """A receiver's answer."""

    status: int
    body: str
    """The start of the body, if it was asked for."""
    retry_after: float | None
    """Seconds of the `Retry-After` header."""

    @property
    def accepted(self) -> bool:
        """Whether the receiver accepted the delivery."""
        return 200 <= self.status < 300

    @property
    def retryable(self) -> bool:
        """Whether a retry may succeed."""
        return self.status == 429 or self.status >= 500


class Unreachable(Exception):
    """No answer came; the message says why, without the URL, which may hold a token."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether a retry may succeed."""


class Sender:
    """Sends requests to receivers, each over a new connection."""

    def __init__(self, policy: Policy, seconds: float) -> None:
        self._policy = policy
        self._seconds = seconds

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, read: int = 0
    ) -> Answer:
        """Send a body; returns the answer with at most `read` bytes of its body.

        Raises Unreachable if the URL is not allowed, or no answer comes within the time limit.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, body, read)
        except TimeoutError:
            raise Unreachable(f"The receiver did not answer within {self._seconds:g} s.") from None
        except Forbidden as error:
            raise Unreachable(str(error), retryable=False) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError) as error:
            raise Unreachable(f"The receiver cannot be connected to: {error}.") from None
        except (httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise Unreachable(f"The connection to the receiver broke: {error}.") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise Unreachable(f"The receiver does not speak HTTP as it should: {error}.") from None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, read: int) -> Answer:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise Unreachable("The webhook's URL is not valid.", retryable=False) from None
        if parsed.scheme not in self._policy.schemes:
            raise Unreachable(
                "The webhook's URL has a scheme that MLFLOW_WEBHOOK_ALLOWED_SCHEMES rules out.",
                retryable=False,
            )
        host = parsed.netloc.decode("ascii")
        sent = {"Host": host, "User-Agent": "tandem-metadata", "Accept": "*/*", **headers}
        if parsed.userinfo:  # only in webhooks that MLflow's server created
            sent["Authorization"] = _basic(parsed)
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._tls if parsed.scheme == "https" else None,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(self._policy),
        )
        target = httpcore.URL(
            scheme=parsed.raw_scheme,
            host=parsed.raw_host,
            port=parsed.port,
            target=parsed.raw_path,
        )
        async with pool, pool.stream("POST", target, headers=_raw(sent), content=body) as response:
            return Answer(
                response.status,
                await _beginning(response, read),
                _retry_after(response),
            )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Lazy: loading the CA certificates is slow.
        return httpx.create_ssl_context()


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _basic(url: httpx.URL) -> str:
    return f"Basic {base64.b64encode(f'{url.username}:{url.password}'.encode()).decode()}"


async def _beginning(response: httpcore.Response, limit: int) -> str:
    """At most `limit` bytes of the body as text; invalid UTF-8 is replaced."""
    body = bytearray()
    if limit:
        with contextlib.suppress(httpcore.ProtocolError, httpcore.NetworkError):
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) >= limit:
                    break
    return bytes(body[:limit]).decode(errors="replace").replace("\0", "\ufffd")


def _retry_after(response: httpcore.Response) -> float | None:
    """Seconds of `Retry-After`, or until its date; None without a valid header."""
    if response.status not in _RETRY_AFTER_STATUSES:
        return None
    values = [value for name, value in response.headers if name.lower() == b"retry-after"]
    if not values:
        return None
    text = values[0].decode("ascii", errors="replace").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())
