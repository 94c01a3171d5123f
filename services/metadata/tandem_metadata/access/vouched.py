"""Users for whom somebody else vouches: a proxy, a certificate's authority, the artifacts service.

Browsers bring these along with requests that other pages cause, as they do with passwords.
"""

from typing import Final

from starlette.types import Scope

from tandem_metadata.settings import Settings
from tandem_shared.auth import certificates
from tandem_shared.auth.certificates import Users
from tandem_shared.auth.credentials import Vouched
from tandem_shared.auth.proxies import UNTRUSTED, Proxies
from tandem_shared.auth.settings import CERTIFICATE_HEADER, NamedBy
from tandem_shared.errors import Unauthenticated
from tandem_shared.http.router import ROUTE

GRANTS: Final = "/api/3.0/tandem/artifact-grants"
"""Where artifacts services ask, for users who have authenticated there."""

_LONGEST: Final = 255
_PROXY: Final = "The proxy"
_CERTIFICATE: Final = "The client's certificate"
_HEADER: Final = CERTIFICATE_HEADER.encode("ascii")


class Vouching:
    """Of one process."""

    def __init__(self, settings: Settings) -> None:
        """`settings` have been checked."""
        by = settings.auth_certificate_user
        self._users = Users(NamedBy(by)) if by else None
        self._proxies = Proxies.of(settings) if settings.auth == "proxy" else None
        self._of_certificates = settings.auth_certificate_header is not None
        self._artifacts = frozenset(settings.auth_artifacts_certificates or ())

    def by_header(self, scope: Scope) -> Vouched | None:
        """The user whom a trusted proxy names, or the artifacts service; None for none.

        Raises Unauthenticated for headers of anybody else, and for those that name no user.
        """
        asking = scope.get(ROUTE) == GRANTS
        if asking and (vouched := self._by_artifacts(scope)):
            return vouched
        if self._proxies is None:
            return None
        value = self._proxies.told(scope, trusted=asking and self._is_artifacts(scope))
        if value is None:
            return None
        if self._of_certificates and self._users:
            return Vouched(self._users.of_header(value), _CERTIFICATE)
        return Vouched(_name(value), _PROXY)

    def by_connection(self, scope: Scope) -> Vouched | None:
        """The user whom the certificate of the request's connection names; None without one.

        Raises Unauthenticated for a certificate that names none. Behind a proxy that passes on
        certificates that of the connection is the proxy's own, and where grants are asked for it
        is that of the artifacts service.
        """
        if self._users is None or self._of_certificates or scope.get(ROUTE) == GRANTS:
            return None
        certificate = certificates.of_connection(scope)
        if certificate is None:
            return None
        return Vouched(self._users.of_connection(certificate), _CERTIFICATE)

    def _by_artifacts(self, scope: Scope) -> Vouched | None:
        given = [value for name, value in scope["headers"] if name == _HEADER]
        if not given:
            return None
        if not self._is_artifacts(scope):
            raise Unauthenticated(
                f"The header {CERTIFICATE_HEADER} {UNTRUSTED} artifacts services alone, and the "
                "certificate of this connection names none (--auth-artifacts-certificates)."
            )
        if self._users is None or len(given) > 1:
            raise Unauthenticated(
                f"The header {CERTIFICATE_HEADER} must hold one certificate, and certificates name "
                "users by --auth-certificate-user alone."
            )
        return Vouched(self._users.of_header(given[0]), _CERTIFICATE)

    def _is_artifacts(self, scope: Scope) -> bool:
        if not self._artifacts:
            return False
        certificate = certificates.of_connection(scope)
        return certificate is not None and not self._artifacts.isdisjoint(
            certificates.service_names(certificate)
        )


def _name(value: bytes) -> str:
    try:
        name = value.decode().strip()
    except UnicodeDecodeError:
        name = ""
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise Unauthenticated("The proxy's header holds no name of a user.")
    return name
