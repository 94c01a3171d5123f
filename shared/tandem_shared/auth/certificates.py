"""Certificates of clients: where a request has one, and which user it names."""

import base64
import binascii
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID
from starlette.types import Scope

from tandem_shared.auth.settings import NamedBy
from tandem_shared.errors import Unauthenticated

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_KEPT: Final = 1024
_LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class _Certified:
    name: str
    begins: datetime.datetime
    ends: datetime.datetime


class Users:
    """The users that certificates name."""

    def __init__(self, by: NamedBy) -> None:
        self._by = by
        # Requests repeat the certificates of a few connections; the bound holds against strangers.
        self._of_connection = lru_cache(maxsize=_KEPT)(lambda pem: self._read(_of_pem(pem)))
        self._of_header = lru_cache(maxsize=_KEPT)(lambda value: self._read(_of_header(value)))

    def of_connection(self, certificate: str) -> str:
        """The name by a certificate of `of_connection`; raises Unauthenticated for none.

        A handshake has checked it, but the connection may be open for longer than it is good.
        """
        return _good(self._of_connection(certificate))

    def of_header(self, value: bytes) -> str:
        """The name by a certificate in a header, as proxies write it; raises Unauthenticated.

        That is PEM or DER in base64, percent-encoded or not, also with what leads to its root
        after a comma: RFC 9440, and what nginx, Traefik, HAProxy and Caddy give.
        """
        return _good(self._of_header(value))

    def _read(self, certificate: x509.Certificate) -> _Certified:
        try:  # of parts that are malformed, which are read only now
            names = _NAMES[self._by](certificate)
            begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        except ValueError:
            raise _malformed() from None
        if len(names) != 1 or not _is_name(names[0]):
            raise Unauthenticated(
                f"The client's certificate names no user: it must have one {_TOLD[self._by]} "
                f"(--auth-certificate-user {self._by})."
            )
        return _Certified(names[0], begins, ends)


def of_connection(scope: Scope) -> str | None:
    """The certificate, in PEM, that the request's connection presented; None without one."""
    tls = (scope.get("extensions") or {}).get("tls")
    chain = tls.get("client_cert_chain") if tls else None
    return chain[0] if chain else None


@lru_cache(maxsize=_KEPT)
def as_header(certificate: str) -> str:
    """A certificate of `of_connection` as a header holds it."""
    return "".join(certificate.replace(_BEGIN, "").replace(_END, "").split())


@lru_cache(maxsize=_KEPT)
def service_names(certificate: str) -> frozenset[str]:
    """All by which a certificate in PEM names a service: its common name, hosts and URIs."""
    try:
        found = _of_pem(certificate)
        return frozenset(
            [
                *_common_names(found),
                *_alternatives(found, x509.DNSName),
                *_alternatives(found, x509.UniformResourceIdentifier),
            ]
        )
    except (Unauthenticated, ValueError):
        return frozenset()


def _good(found: _Certified) -> str:
    if not found.begins <= datetime.datetime.now(datetime.UTC) <= found.ends:
        raise Unauthenticated("The client's certificate has expired, or is not good yet.")
    return found.name


def _of_pem(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise _malformed() from None


def _of_header(value: bytes) -> x509.Certificate:
    text = value.decode("latin-1")
    if "%" in text:
        text = unquote(text)
    first = text.partition(",")[0].replace(_BEGIN, "").replace(_END, "")
    try:
        der = base64.b64decode("".join(first.split()).strip(":"), validate=True)
        return x509.load_der_x509_certificate(der)
    except (binascii.Error, ValueError):
        raise _malformed() from None


def _malformed() -> Unauthenticated:
    return Unauthenticated("The client's certificate cannot be read: it is no X.509 certificate.")


def _common_names(of: x509.Certificate) -> list[str]:
    found = of.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [each.value for each in found if isinstance(each.value, str)]


_Kind = type[x509.DNSName] | type[x509.RFC822Name] | type[x509.UniformResourceIdentifier]


def _alternatives(of: x509.Certificate, kind: _Kind) -> list[str]:
    try:
        found = of.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(kind)


_NAMES: Final[dict[NamedBy, Callable[[x509.Certificate], list[str]]]] = {
    NamedBy.CN: _common_names,
    NamedBy.SAN_URI: lambda of: _alternatives(of, x509.UniformResourceIdentifier),
    NamedBy.SAN_EMAIL: lambda of: _alternatives(of, x509.RFC822Name),
}
_TOLD: Final = {
    NamedBy.CN: "common name",
    NamedBy.SAN_URI: "URI among its alternative names",
    NamedBy.SAN_EMAIL: "address of e-mail among its alternative names",
}


def _is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= _LONGEST_NAME and name.isprintable()
