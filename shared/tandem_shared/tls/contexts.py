"""Contexts of TLS made of files, and sentences on files of which none can be made."""

import datetime
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tandem_shared.settings import SettingsError
from tandem_shared.tls.files import Files, PemFile

if TYPE_CHECKING:
    from cryptography import x509

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A context, and until when its certificate is good."""

    context: ssl.SSLContext
    begins: datetime.datetime | None = None
    expires: datetime.datetime | None = None

    def warning(self) -> str | None:
        """What is wrong with a certificate that can be used nevertheless."""
        now = datetime.datetime.now(datetime.UTC)
        if self.expires and self.expires <= now:
            return f"expired on {self.expires:%Y-%m-%d at %H:%M} UTC"
        if self.begins and self.begins > now:
            return f"is good only from {self.begins:%Y-%m-%d at %H:%M} UTC on"
        return None


Make = Callable[[], Loaded]
"""Makes a context of the files as they are now; raises SettingsError."""


def of_server(files: Files, *, ask_client: ssl.VerifyMode, http2: bool) -> Loaded:
    """A context for a server; raises SettingsError, naming the flag, for files of no use.

    `ask_client` says whether clients present a certificate; it needs `files.authorities`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION  # TLS 1.2's cost a client nothing, and us a lot
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    if files.authorities:
        _trust(context, files.authorities)
        context.verify_mode = ask_client
        # A resumed session would not be asked for its certificate again.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return _with_certificate(context, files)


def of_client(files: Files, roots: str) -> Loaded:
    """A context for a client; raises SettingsError as `of_server` does.

    `roots`: the file with the roots to trust where `files` names none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if files.authorities:
        _trust(context, files.authorities)
    else:
        context.load_verify_locations(roots)
    return _with_certificate(context, files)


def _with_certificate(context: ssl.SSLContext, files: Files) -> Loaded:
    certificate, key = files.certificate, files.key
    if certificate is None:
        return Loaded(context)
    found = _first_certificate(certificate)
    holder = key or certificate
    if b"PRIVATE KEY-----" not in _read(holder):
        raise SettingsError(
            f"{holder} holds no private key: name the file that does beside the certificate."
        )
    try:
        context.load_cert_chain(certificate.path, holder.path, password=_refuse_password)
    except _Encrypted:
        raise SettingsError(
            f"The key of {holder} is encrypted, and nobody is there to give its password: "
            "decrypt it (openssl pkey), and protect the file by its mode."
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            sentence = f"The key of {holder} is not that of the first certificate of {certificate}."
        else:
            sentence = f"{certificate} and its key, of {holder}, cannot be used: {_reason(error)}."
        raise SettingsError(sentence) from None
    except OSError as error:
        raise _unreadable(holder, error) from None
    if found is None:
        return Loaded(context)
    return Loaded(context, found.not_valid_before_utc, found.not_valid_after_utc)


def _trust(context: ssl.SSLContext, authorities: PemFile) -> None:
    _require_certificate(authorities, _read(authorities))
    try:
        context.load_verify_locations(authorities.path)
    except ssl.SSLError as error:
        raise SettingsError(f"{authorities} cannot be used: {_reason(error)}.") from None
    except OSError as error:
        raise _unreadable(authorities, error) from None


def _first_certificate(file: PemFile) -> "x509.Certificate | None":
    """None for one that only OpenSSL can read."""
    from cryptography import x509  # Late: a service without TLS need not import it.

    text = _read(file)
    _require_certificate(file, text)
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        return None


def _require_certificate(file: PemFile, text: bytes) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in text and b"-----BEGIN TRUSTED CERT" not in text:
        raise SettingsError(
            f"{file} holds no certificate in PEM format (-----BEGIN CERTIFICATE-----)."
        )


def _read(file: PemFile) -> bytes:
    try:
        with open(file.path, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: PemFile, error: OSError) -> SettingsError:
    return SettingsError(f"{file} cannot be read: {error.strerror}.")


class _Encrypted(Exception):
    """The key needs a password."""


def _refuse_password() -> str:
    # Without it OpenSSL would ask for a password at the terminal.
    raise _Encrypted


def _reason(error: ssl.SSLError) -> str:
    return error.reason.replace("_", " ").lower() if error.reason else str(error)
