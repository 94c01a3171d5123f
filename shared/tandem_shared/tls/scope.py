"""What an application learns of TLS: `scope["extensions"]["tls"]`, as ASGI's extension has it.

https://asgi.readthedocs.io/en/latest/specs/tls.html
"""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY: Final = "tandem.tls"
_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def with_tls(state: Mapping[str, Any], connection: ssl.SSLObject) -> dict[str, Any]:
    """The state that an ASGI server gives to each request of a connection, with its TLS.

    Both servers copy a connection's state into each scope, and have no other way.
    """
    return {**state, _KEY: _described(connection)}


class TlsExtension:
    """ASGI middleware that moves what `with_tls` said to where applications look for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (described := scope["state"].pop(_KEY, None)):
            scope.setdefault("extensions", {})["tls"] = described
        await self._app(scope, receive, send)


def _described(connection: ssl.SSLObject) -> dict[str, Any]:
    """`client_cert_name` is of a certificate that leads to the authorities; else it is None."""
    certificate = connection.getpeercert(binary_form=True)
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)] if certificate else [],
        "client_cert_name": _name(certificate) if certificate else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": None,
    }


def _name(certificate: bytes) -> str | None:
    from cryptography import x509  # Late: a service without TLS need not import it.

    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    except ValueError:
        return None
