"""What the client of the metadata service trusts by HTTPS, and which certificate it presents."""

import functools

import certifi

from tandem_artifacts.settings import Settings
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tandem_shared.tls.renewal import RenewedContext


def context(settings: Settings) -> RenewedContext | None:
    """The context of the settings' files, which are taken up when they are renewed.

    None without such settings: the authorities that browsers know are trusted then. Raises
    SettingsError, naming the flag, for files of no use.
    """
    ca, cert, key = settings.metadata_ca, settings.metadata_cert, settings.metadata_key
    files = Files(
        certificate=PemFile("--metadata-cert", cert) if cert else None,
        key=PemFile("--metadata-key", key) if key else None,
        authorities=PemFile("--metadata-ca", ca) if ca else None,
    )
    if not files.all():
        return None
    make = functools.partial(contexts.of_client, files, certifi.where())
    return RenewedContext(files, make, "client")
