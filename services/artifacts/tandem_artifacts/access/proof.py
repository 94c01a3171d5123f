"""What a request proves its sender by, as it is passed on to the metadata service."""

from typing import NamedTuple

from starlette.types import Scope

from tandem_artifacts.settings import Settings
from tandem_shared.auth import certificates, credentials
from tandem_shared.auth.proxies import Proxies
from tandem_shared.auth.settings import CERTIFICATE_HEADER
from tandem_shared.http.exchange import request_header

AUTHORIZATION = "Authorization"


class Proof(NamedTuple):
    """A header of the question that is asked for the sender."""

    header: str
    value: str

    @property
    def by_itself(self) -> bool:
        """Whether browsers bring it along with requests that any page causes.

        They do so with passwords too, but no program sends those without knowing.
        """
        return self.header != AUTHORIZATION


class Proofs:
    """By what requests prove their sender, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        """`settings` have been checked."""
        self._proxies = Proxies.of(settings)
        self._certificates = settings.auth_certificates

    def of(self, scope: Scope) -> Proof | None:
        """That of a request; None for nothing.

        What a trusted proxy tells goes first, and the certificate of the connection last, as in the
        metadata service. Raises Unauthenticated for a header of a proxy that is not trusted, and
        for an Authorization header that holds no credentials.
        """
        if self._proxies and (told := self._proxies.told(scope)) is not None:
            return Proof(self._proxies.header, told.decode("latin-1"))
        header = request_header(scope, b"authorization")
        if credentials.parse(header):
            return Proof(AUTHORIZATION, header)
        if self._certificates and (certificate := certificates.of_connection(scope)):
            return Proof(CERTIFICATE_HEADER, certificates.as_header(certificate))
        return None
