"""The client's side of connections: whom one service trusts by HTTPS, and what it presents."""

import functools
import ssl

import certifi

from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tandem_shared.tls.renewal import RenewedContext


def context(
    other: str, *, authorities: str | None, certificate: str | None, key: str | None
) -> RenewedContext | None:
    """The context of these files, which are taken up when they are renewed.

    `other` is the service that is called: the flags are `--<other>-ca`, `-cert` and `-key`. None
    without files: the authorities that browsers know are trusted then. Raises SettingsError, naming
    the flag, for files of no use.
    """
    files = _files(other, authorities, certificate, key)
    if not files.all():
        return None
    make = functools.partial(contexts.of_client, files, certifi.where())
    return RenewedContext(files, make, "client")


def fixed(
    other: str, *, authorities: str | None, certificate: str | None, key: str | None
) -> ssl.SSLContext:
    """As `context`, of the files as they are now, and in any case one: for a single look."""
    files = _files(other, authorities, certificate, key)
    return contexts.of_client(files, certifi.where()).context


@functools.cache
def usual() -> ssl.SSLContext:
    """The one that trusts the authorities that browsers know, for all clients of a process.

    To read them takes longer than to make all else of a service.
    """
    return contexts.of_client(Files(), certifi.where()).context


def _files(other: str, authorities: str | None, certificate: str | None, key: str | None) -> Files:
    return Files(
        certificate=PemFile(f"--{other}-cert", certificate) if certificate else None,
        key=PemFile(f"--{other}-key", key) if key else None,
        authorities=PemFile(f"--{other}-ca", authorities) if authorities else None,
    )
