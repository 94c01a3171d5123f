"""Certificates: whether clients will trust one, for the name that they call, and for how long."""

import datetime
import ssl
from collections.abc import Iterator, Sequence
from typing import Final

from cryptography import x509

from tandem_shared.doctor.findings import Failed, Finding, failure, ok, warning
from tandem_shared.doctor.web import Site

SOON: Final = datetime.timedelta(days=14)
"""A certificate that ends within this time is warned of."""

_EXPIRED: Final = 10  # codes of OpenSSL's verification
_NOT_YET: Final = 9
_SELF_SIGNED: Final = (18, 19)
_NO_ISSUER: Final = (20, 21)
_OTHER_NAME: Final = (62, 64)


def look(site: Site, context: ssl.SSLContext, authorities: str) -> Iterator[Finding]:
    """Whether clients of `context` trust the certificate that an address of HTTPS presents.

    `authorities` says how they come to trust others than browsers know. Raises Failed when nobody
    answers.
    """
    try:
        with site.handshake(context) as connection:
            yield _lasting(site, _peer(connection))
        return
    except ssl.SSLCertVerificationError as error:
        refused = error
    except (OSError, ssl.SSLError) as error:
        raise site.failed(error) from error
    yield _refusal(site, refused, _unverified(site), authorities)


def _lasting(site: Site, certificate: x509.Certificate | None) -> Finding:
    at = f"the certificate of {site.authority}"
    if certificate is None:
        return ok(f"{at} is trusted.")
    until = certificate.not_valid_after_utc
    left = until - datetime.datetime.now(datetime.UTC)
    if left < SOON:
        return warning(f"{at} ends on {until:%Y-%m-%d}, in {left.days} days.", "Renew it.")
    return ok(f"{at} is trusted, and good until {until:%Y-%m-%d}.")


def _refusal(
    site: Site,
    error: ssl.SSLCertVerificationError,
    certificate: x509.Certificate | None,
    authorities: str,
) -> Finding:
    at = f"The certificate of {site.authority}"
    code = error.verify_code
    if code == _EXPIRED:
        until = (
            f" on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC" if certificate else ""
        )
        return failure(
            f"{at}, or of an authority that it leads to, has expired{until}.",
            "Renew it; if the date lies ahead, set this machine's clock.",
        )
    if code == _NOT_YET:
        return failure(f"{at} is not good yet.", "Set this machine's clock, or the issuer's.")
    if code in _OTHER_NAME:
        names = ", ".join(_names(certificate)) if certificate else "others"
        return failure(
            f"{at} is for {names or 'no name'}, and not for {site.host}.",
            f"Have one issued for {site.host}, or call the service by a name of the certificate "
            f"({site.flag}).",
        )
    if code in _NO_ISSUER:
        return failure(
            f"{at} does not lead to an authority that is trusted: the chain is incomplete, or the "
            "authority is one of your own.",
            "Serve the certificate with those that lead to its root, in one file; or, for an "
            f"authority of your own, {authorities}.",
        )
    if code in _SELF_SIGNED:
        return failure(
            f"{at} is signed by itself, or by an authority of your own that is not trusted.",
            f"Have it issued by an authority, or {authorities}.",
        )
    return failure(f"{at} is refused: {error.verify_message}.", "Have a new one issued.")


def of_file(path: str, flag: str) -> Iterator[Finding]:
    """The first certificate of a file that a service presents, which has been loaded before."""
    try:
        with open(path, "rb") as file:
            certificate = x509.load_pem_x509_certificates(file.read())[0]
    except (OSError, ValueError) as error:
        raise Failed(f"{flag} {path} cannot be read: {error}.", "Correct the file.") from None
    until = certificate.not_valid_after_utc
    begins = certificate.not_valid_before_utc
    now = datetime.datetime.now(datetime.UTC)
    names = ", ".join(_names(certificate)) or "no name"
    if until <= now:
        yield failure(f"{flag} {path} expired on {until:%Y-%m-%d at %H:%M} UTC.", "Renew it.")
    elif begins > now:
        yield failure(
            f"{flag} {path} is good only from {begins:%Y-%m-%d at %H:%M} UTC on.",
            "Set this machine's clock, or the issuer's.",
        )
    elif until - now < SOON:
        yield warning(f"{flag} {path} ends on {until:%Y-%m-%d}.", "Renew it.")
    else:
        yield ok(f"{flag} {path} is for {names}, and good until {until:%Y-%m-%d}.")


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    ]


def _peer(connection: ssl.SSLSocket) -> x509.Certificate | None:
    found = connection.getpeercert(binary_form=True)
    try:
        return x509.load_der_x509_certificate(found) if found else None
    except ValueError:
        return None


def _unverified(site: Site) -> x509.Certificate | None:
    """What is presented, trusted or not: only looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with site.handshake(context) as connection:
            return _peer(connection)
    except OSError:
        return None
