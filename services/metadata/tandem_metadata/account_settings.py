"""The metadata service's settings of accounts: who may send requests, and how he proves it."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tandem_metadata import mlflow_auth_config
from tandem_shared.settings import CommonSettings, SettingsError, setting

_AUTH = ("none", "basic", "proxy", "oidc")
_PROXY_HEADER = re.compile(r"(?!(?:authorization|cookie|host)$)[A-Za-z0-9-]+", re.IGNORECASE)
_DEFAULT_PERMISSIONS = ("READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS")
_DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, kw_only=True)
class AccountSettings(CommonSettings):
    """The settings of accounts, identity provider and proxy, with those of both services."""

    auth: str = setting(
        "none",
        "Who may send requests: none lets anybody do everything; basic asks for users of "
        "MLflow's accounts, by password or token; proxy takes the user's name from a header of a "
        "proxy that has authenticated him, and tokens; oidc adds an identity provider to "
        "passwords and tokens.",
        env="TANDEM_AUTH",
    )
    public_url: str | None = setting(
        None,
        "Address by which browsers reach this service, with --static-prefix, as "
        "https://mlflow.example.com; the identity provider leads them back to it.",
        env="TANDEM_PUBLIC_URL",
    )
    oidc_issuer: str | None = setting(
        None,
        "Issuer of the OpenID Connect provider, as its configuration below "
        "/.well-known/openid-configuration names it.",
        env="TANDEM_OIDC_ISSUER",
    )
    oidc_client_id: str | None = setting(
        None, "This service's client id at the provider.", env="TANDEM_OIDC_CLIENT_ID"
    )
    oidc_client_secret: str | None = setting(
        None,
        "The client's secret; none for a public client. Give it by the variable: flags show in "
        "process lists.",
        env="TANDEM_OIDC_CLIENT_SECRET",
        secret=True,
    )
    oidc_scopes: str = setting(
        "openid profile email",
        "What is asked of the provider, separated by spaces; offline_access asks most for a "
        "refresh token.",
        env="TANDEM_OIDC_SCOPES",
    )
    oidc_audiences: tuple[str, ...] | None = setting(
        None,
        "Audiences of the tokens that programs may send, beside the client id, comma-separated.",
        env="TANDEM_OIDC_AUDIENCES",
    )
    oidc_username_claim: str = setting(
        "preferred_username",
        "Claim that names the user, as preferred_username, email or sub. Nobody else may be able "
        "to choose its value at the provider.",
        env="TANDEM_OIDC_USERNAME_CLAIM",
    )
    oidc_groups_claim: str | None = setting(
        None, "Claim that lists the user's groups, as groups.", env="TANDEM_OIDC_GROUPS_CLAIM"
    )
    oidc_group_roles: tuple[str, ...] | None = setting(
        None,
        "Roles that groups stand for: pairs as research=researchers, comma-separated.",
        env="TANDEM_OIDC_GROUP_ROLES",
    )
    oidc_admin_groups: tuple[str, ...] | None = setting(
        None,
        "Groups whose members are administrators, and nobody else; comma-separated. Without it: "
        "the provider makes no administrators.",
        env="TANDEM_OIDC_ADMIN_GROUPS",
    )
    oidc_link_users: bool = setting(
        False,
        "Let users of the provider be the users of the same name who have a password here. Without "
        "it they are refused: nobody becomes a local administrator by his name at the provider.",
        env="TANDEM_OIDC_LINK_USERS",
    )
    oidc_session_seconds: float = setting(
        28800.0,
        "Seconds after which a browser must log in again.",
        env="TANDEM_OIDC_SESSION_SECONDS",
    )
    oidc_refresh_seconds: float = setting(
        300.0,
        "Seconds after which the provider is asked whether a session's user is still one, if it "
        "gives refresh tokens.",
        env="TANDEM_OIDC_REFRESH_SECONDS",
    )
    auth_proxy_header: str | None = setting(
        None,
        "Header in which the proxy names the user, as X-Forwarded-User, for --auth proxy. The "
        "proxy must remove it from what clients send.",
        env="TANDEM_AUTH_PROXY_HEADER",
    )
    auth_trusted_proxies: tuple[str, ...] | None = setting(
        None,
        "Addresses and networks of the proxies whose header is believed, comma-separated, as "
        "10.244.0.0/16, for --auth proxy.",
        env="TANDEM_AUTH_TRUSTED_PROXIES",
    )
    app_name: str | None = setting(
        None,
        "basic-auth: as MLflow's server has it, that is --auth basic with accounts in "
        "sqlite:///basic_auth.db unless another database is named.",
        env="TANDEM_APP_NAME",
    )
    auth_config_path: str | None = setting(
        None,
        "MLflow's basic_auth.ini, read where there are accounts; flags and variables win over it, "
        "empty ones too.",
        env="MLFLOW_AUTH_CONFIG_PATH",
    )
    auth_database_uri: str | None = setting(
        None,
        "Database of accounts, as --backend-store-uri. Without it: that database itself.",
        env="TANDEM_AUTH_DATABASE_URI",
        secret=True,
    )
    auth_default_permission: str = setting(
        "READ",
        "What users may do with what nobody has granted or denied them: READ, USE, EDIT, MANAGE "
        "or NO_PERMISSIONS.",
        env="TANDEM_AUTH_DEFAULT_PERMISSION",
    )
    auth_admin_username: str = setting(
        "admin",
        "The first administrator, who is created if there is no such user.",
        env="MLFLOW_AUTH_ADMIN_USERNAME",
    )
    auth_admin_password: str | None = setting(
        None,
        "His first password, of at least 12 characters; later ones are set by the API. Give it by "
        "the variable: flags show in process lists.",
        env="MLFLOW_AUTH_ADMIN_PASSWORD",
        secret=True,
    )

    @property
    def authenticates(self) -> bool:
        """Whether requests need credentials."""
        return self.auth != "none"

    @classmethod
    def implied(cls, given: Mapping[str, str], /) -> Mapping[str, str]:
        """What `--app-name` and MLflow's file of accounts say."""
        implied = {}
        if given.get("app_name"):
            implied = {"auth": "basic", "auth_database_uri": mlflow_auth_config.DATABASE}
        path = given.get("auth_config_path")
        if path and (given.get("auth") or implied.get("auth", "none")) != "none":
            implied |= mlflow_auth_config.read(path)
        return implied

    def check(self) -> None:
        """Raise SettingsError for values that accounts cannot start with."""
        super().check()
        if self.auth_database_uri:
            check_database("--auth-database-uri", self.auth_database_uri)
        if self.auth not in _AUTH:
            raise SettingsError(f"--auth must be one of {', '.join(_AUTH)}, not '{self.auth}'.")
        if self.auth == "proxy":
            self._check_proxies()
        if self.auth == "oidc":
            self._check_provider()
        if self.app_name and (self.app_name, self.auth) != ("basic-auth", "basic"):
            raise SettingsError(
                "--app-name can only be basic-auth, which is --auth basic; leave one of them out."
            )
        if self.auth_default_permission not in _DEFAULT_PERMISSIONS:
            raise SettingsError(
                f"--auth-default-permission must be one of {', '.join(_DEFAULT_PERMISSIONS)}."
            )

    def _check_provider(self) -> None:
        if not (self.oidc_issuer and self.oidc_client_id and self.public_url):
            raise SettingsError(
                "--auth oidc needs --oidc-issuer, --oidc-client-id and --public-url."
            )
        for name, url in (("--oidc-issuer", self.oidc_issuer), ("--public-url", self.public_url)):
            parts = urlsplit(url)
            if not parts.hostname or parts.query or parts.fragment:
                raise SettingsError(f"{name} must be an address, as https://example.com.")
            local = parts.hostname in ("localhost", "127.0.0.1", "::1")
            if parts.scheme != "https" and not (parts.scheme == "http" and local):
                raise SettingsError(f"{name} must begin with https://; http:// is for localhost.")
        path = urlsplit(self.public_url).path.rstrip("/")
        if path != self.static_prefix:
            raise SettingsError(
                "--public-url must end with --static-prefix: the provider leads browsers to a path "
                "below it."
            )
        for each in self.oidc_group_roles or ():
            group, equals, role = each.rpartition("=")
            if not (group and equals and role):
                raise SettingsError(
                    f"--oidc-group-roles must hold pairs as group=role, but '{each}' is none."
                )
        if (self.oidc_group_roles or self.oidc_admin_groups) and not self.oidc_groups_claim:
            raise SettingsError(
                "--oidc-group-roles and --oidc-admin-groups need --oidc-groups-claim, the claim "
                "that lists the groups."
            )
        if self.oidc_session_seconds <= 0 or self.oidc_refresh_seconds <= 0:
            raise SettingsError(
                "--oidc-session-seconds and --oidc-refresh-seconds must be more than 0."
            )

    def _check_proxies(self) -> None:
        if not self.auth_proxy_header or not self.auth_trusted_proxies:
            raise SettingsError(
                "--auth proxy needs --auth-proxy-header, the header that names the user, and "
                "--auth-trusted-proxies, the addresses that it is believed of."
            )
        if not _PROXY_HEADER.fullmatch(self.auth_proxy_header):
            raise SettingsError(
                "--auth-proxy-header must be the name of a header, as X-Forwarded-User, not "
                f"'{self.auth_proxy_header}'."
            )
        for each in self.auth_trusted_proxies:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise SettingsError(
                    "--auth-trusted-proxies must hold addresses and networks, as 127.0.0.1 or "
                    f"10.0.0.0/8: {error}."
                ) from None


def check_database(flag: str, uri: str) -> None:
    """Raise SettingsError for an address of no database that Tandem knows."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in _DATABASES and scheme != "postgres":
        raise SettingsError(
            f"{flag} must begin with sqlite:/// or postgresql://; '{scheme}' is not supported."
        )
