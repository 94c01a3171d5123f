"""An address as a client meets it: a connection a request, and errors as sentences."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from tandem_shared.doctor.findings import Failed
from tandem_shared.settings import without_credentials

_MOST_BYTES: Final = 64 * 1024 * 1024
"""The longest body that is read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    ahead: float | None
    """Seconds by which the other's clock is ahead of ours, by its Date; None without one."""

    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def message(self) -> str:
        """The message of an error, or the beginning of another body."""
        found = self.json()
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return str(found["message"])
        return without_credentials(" ".join(self.body[:200].decode(errors="replace").split()))


class Site:
    """An address by HTTP or HTTPS. Any thread may ask it."""

    def __init__(
        self,
        url: str,
        flag: str,
        *,
        seconds: float,
        context: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`flag` gives the address, for sentences; `headers` go with each request.

        `context` is for HTTPS: whom it trusts, and what is presented. Raises Failed for what is no
        such address.
        """
        self.flag = flag
        self.shown = without_credentials(url).rstrip("/")
        self._context = context
        self._seconds = seconds
        self._headers = dict(headers or {})
        no_address = Failed(
            f"{flag}: {self.shown} is no address.",
            "Give one that begins with http:// or https:// and a host.",
        )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise no_address from None
        self.scheme, self.host = parts.scheme, parts.hostname or ""
        self.port = port or (443 if self.scheme == "https" else 80)
        if self.scheme not in ("http", "https") or not self.host:
            raise no_address
        self._path = parts.path.rstrip("/")
        self.authority = parts.netloc.rpartition("@")[2]
        """The host, with the port where the address has one: the Host header."""

    @property
    def origin(self) -> str:
        """What browsers send as the Origin of its pages."""
        return f"{self.scheme}://{self.authority}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request for a path below the address; raises Failed if there is none."""
        given = {"Host": self.authority, **self._headers, **(headers or {})}
        connection = self._connection()
        with closing(connection):
            try:
                began = time.time()
                connection.request(method, self._path + path, body=body, headers=given)
                response = connection.getresponse()
                ended = time.time()
                content = response.read(_MOST_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise self.failed(error) from error
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, content, _ahead(found, began, ended))

    def handshake(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection after its handshake; raises as sockets do."""
        opened = socket.create_connection((self.host, self.port), timeout=self._seconds)
        try:
            return context.wrap_socket(opened, server_hostname=self.host)
        except BaseException:
            opened.close()
            raise

    def _connection(self) -> http.client.HTTPConnection:
        if self.scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=self._seconds)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=self._seconds, context=self._context
        )

    def failed(self, error: Exception) -> Failed:
        """What an error of a connection means, and what to do."""
        at = f"{self.shown} ({self.flag})"
        if isinstance(error, socket.gaierror):
            return Failed(
                f"{at}: no address is known for the name {self.host}.",
                "Correct the name, or the name service of this machine.",
            )
        if isinstance(error, ConnectionRefusedError):
            return Failed(
                f"{at}: nobody listens on port {self.port} there.",
                "Start the service, or correct the address.",
            )
        if isinstance(error, TimeoutError):
            return Failed(
                f"{at}: no answer came within {self._seconds:g} seconds.",
                "Let firewalls and network policies pass this connection, or correct the address.",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failed(
                f"{at}: its certificate is refused: {error.verify_message}.",
                "See what is said of the certificate.",
            )
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or str(error)).replace("_", " ").lower()
            if "wrong version" in reason or "record layer" in reason:
                return Failed(f"{at}: it does not speak TLS.", "Write http:// in the address.")
            if "certificate required" in reason or "handshake failure" in reason:
                return Failed(
                    f"{at}: it wants a certificate that it trusts from its clients ({reason}).",
                    "Give one by the flag that ends in -cert.",
                )
            return Failed(f"{at}: TLS fails: {reason}.", "Compare the TLS settings of both sides.")
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, (http.client.HTTPException, ConnectionResetError)):
            return Failed(
                f"{at}: what answers does not speak HTTP ({said}).",
                "Correct the address: for HTTPS it begins with https://.",
            )
        return Failed(f"{at}: the connection fails: {said}.", "Correct the address.")


def _ahead(headers: Mapping[str, str], began: float, ended: float) -> float | None:
    """By how much the other clock is ahead; a Date header has whole seconds, cut off."""
    try:
        there = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    if there > ended:
        return there - ended
    return min(there + 1 - began, 0.0)
