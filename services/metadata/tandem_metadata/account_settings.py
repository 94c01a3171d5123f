"""The metadata service's settings of accounts: who may send requests, and how he proves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tandem_metadata import mlflow_auth_config
from tandem_shared.auth.settings import NamedBy, SenderSettings
from tandem_shared.settings import SettingsError, setting

_AUTH = ("none", "basic", "proxy", "oidc")
_DEFAULT_PERMISSIONS = ("READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS")
_DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, kw_only=True)
class AccountSettings(SenderSettings):
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
    auth_certificate_user: str | None = setting(
        None,
        "What of a client's certificate names the user, beside the other ways of --auth: cn, the "
        "common name; san-uri or san-email, the one URI or address of e-mail among the "
        "alternative names. The certificate is that of the connection (--tls-client-ca), or with "
        "--auth proxy that of --auth-certificate-header.",
        env="TANDEM_AUTH_CERTIFICATE_USER",
    )
    auth_artifacts_certificates: tuple[str, ...] | None = setting(
        None,
        "Names of the certificates that artifacts services present here, comma-separated: a common "
        "name, a host or a URI. Theirs alone are believed when they ask what a user may do who "
        "has authenticated there by a certificate or through a proxy.",
        env="TANDEM_AUTH_ARTIFACTS_CERTIFICATES",
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
        self._check_senders()
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

    def _check_senders(self) -> None:
        if self.auth == "proxy":
            self.check_proxies("proxy")
        elif self.auth_certificate_header:
            raise SettingsError("--auth-certificate-header is for --auth proxy.")
        by = self.auth_certificate_user
        if by is None:
            if self.auth_certificate_header:
                raise SettingsError(
                    "--auth-certificate-header needs --auth-certificate-user, which says what of "
                    "the certificate names the user."
                )
        elif by not in [*NamedBy]:
            raise SettingsError(
                f"--auth-certificate-user must be one of {', '.join(NamedBy)}, not '{by}'."
            )
        elif self.auth == "none":
            raise SettingsError("--auth-certificate-user needs --auth basic, oidc or proxy.")
        elif not (self.tls_client_ca or self.auth_certificate_header):
            raise SettingsError(
                "--auth-certificate-user needs --tls-client-ca, the authorities of the clients; or "
                "with --auth proxy --auth-certificate-header, in which the proxy passes "
                "certificates on."
            )
        if self.auth_artifacts_certificates and not (self.tls_client_ca and self.authenticates):
            raise SettingsError(
                "--auth-artifacts-certificates needs --auth and --tls-client-ca: artifacts "
                "services prove themselves by a certificate."
            )


def check_database(flag: str, uri: str) -> None:
    """Raise SettingsError for an address of no database that Tandem knows."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in _DATABASES and scheme != "postgres":
        raise SettingsError(
            f"{flag} must begin with sqlite:/// or postgresql://; '{scheme}' is not supported."
        )
