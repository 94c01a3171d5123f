"""Settings of both services that say by what, beside credentials, a request names its sender."""

import enum
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from tandem_shared.settings import CommonSettings, SettingsError, setting

CERTIFICATE_HEADER: Final = "x-tandem-client-cert"
"""Header in which the artifacts service tells the metadata service the certificate of a client."""

_HEADER: Final = re.compile(
    r"(?!(?:authorization|cookie|host|content-.*|x-request-id|x-tandem-.*)$)[A-Za-z0-9-]+",
    re.IGNORECASE,
)


class NamedBy(enum.StrEnum):
    """What of a client's certificate names the user."""

    CN = "cn"
    """The common name of the subject."""
    SAN_URI = "san-uri"
    """The URI of the subject's alternative names, as a SPIFFE ID."""
    SAN_EMAIL = "san-email"
    """The address of e-mail of the subject's alternative names."""


@dataclass(frozen=True, kw_only=True)
class SenderSettings(CommonSettings):
    """What both services are told of proxies that authenticate."""

    auth_proxy_header: str | None = setting(
        None,
        "Header in which a proxy that has authenticated the user names him, as X-Forwarded-User. "
        "The proxy must remove it from what clients send.",
        env="TANDEM_AUTH_PROXY_HEADER",
    )
    auth_certificate_header: str | None = setting(
        None,
        "Instead of that: header in which a proxy passes on the client's certificate, which it has "
        "verified, as X-Forwarded-Tls-Client-Cert. The proxy must remove it from what clients "
        "send.",
        env="TANDEM_AUTH_CERTIFICATE_HEADER",
    )
    auth_trusted_proxies: tuple[str, ...] | None = setting(
        None,
        "Addresses and networks of the proxies whose header is believed, comma-separated, as "
        "10.244.0.0/16.",
        env="TANDEM_AUTH_TRUSTED_PROXIES",
    )

    @property
    def sender_header(self) -> str | None:
        """The header by which a proxy tells the user, whichever of both."""
        return self.auth_proxy_header or self.auth_certificate_header

    @property
    def names_proxies(self) -> bool:
        """Whether anything is said of proxies."""
        return bool(self.sender_header or self.auth_trusted_proxies)

    def check_proxies(self, mode: str) -> None:
        """Raise SettingsError for what would believe nobody, or anybody; `mode` is `--auth`."""
        if not self.sender_header or not self.auth_trusted_proxies:
            raise SettingsError(
                f"--auth {mode} needs --auth-proxy-header, the header that names the user, or "
                "--auth-certificate-header, that of his certificate; and --auth-trusted-proxies, "
                "the addresses that it is believed of."
            )
        if self.auth_proxy_header and self.auth_certificate_header:
            raise SettingsError(
                "--auth-proxy-header and --auth-certificate-header both name the user: give one "
                "of them."
            )
        if not _HEADER.fullmatch(self.sender_header):
            flag = "--auth-proxy-header" if self.auth_proxy_header else "--auth-certificate-header"
            raise SettingsError(
                f"{flag} must be the name of a header, as X-Forwarded-User, not "
                f"'{self.sender_header}'."
            )
        for each in self.auth_trusted_proxies:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise SettingsError(
                    "--auth-trusted-proxies must hold addresses and networks, as 127.0.0.1 or "
                    f"10.0.0.0/8: {error}."
                ) from None
