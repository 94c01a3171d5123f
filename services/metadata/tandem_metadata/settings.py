"""The metadata service's settings."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from tandem_metadata.account_settings import AccountSettings, check_database
from tandem_metadata.rules.default_artifact_root import check as check_default_artifact_root
from tandem_metadata.rules.run_folders import RunFolder, run_folder
from tandem_shared.http import artifact_headers
from tandem_shared.settings import SettingsError, setting, without_credentials

NAME = "tandem-metadata"

_SERVER = "choose the ASGI server by --asgi-server; see serve --help for what can be set."
_GATEWAY = "Tandem is no gateway, and keeps no secrets of one."

REFUSED_FLAGS = {
    "--serve-artifacts": "this is the metadata service and carries no artifacts; "
    "run tandem-artifacts for them.",
    "--artifacts-only": "this is the metadata service; run tandem-artifacts instead.",
    "--artifacts-destination": "this is the metadata service; "
    "give the destination to tandem-artifacts, and its address here by --default-artifact-root.",
    "--registry-store-uri": "the registry lives in the database of --backend-store-uri.",
    "--read-replica-backend-store-uri": "reads go to the database of --backend-store-uri.",
    "--gunicorn-opts": _SERVER,
    "--waitress-opts": _SERVER,
    "--uvicorn-opts": _SERVER,
    "--artifacts-presigned-only": "this is the metadata service and carries no artifacts; give "
    "tandem-artifacts --redirect-downloads.",
    "--trace-archival-config": "spans stay in the database of --backend-store-uri.",
    "--secrets-cache-ttl": _GATEWAY,
    "--secrets-cache-max-size": _GATEWAY,
    "--workspace-store-uri": "Tandem has no workspaces.",
    "--enable-workspaces": "Tandem has no workspaces.",
    "--dev": "set --log-level DEBUG instead.",
}
"""Flags of MLflow's server that contradict this service, each with what to do instead."""

ACCEPTED_SWITCHES = ("--no-serve-artifacts", "--disable-workspaces")
"""Switches of MLflow's server that change nothing: this service always behaves so."""

_DATABASE_LOGINS = ("password", "aws-iam", "gcp-iam")
_KEY_BYTES = 32
_CSP_HOST = re.compile(r"\*|(https?://)?(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:(\d+|\*))?")


@dataclass(frozen=True, kw_only=True)
class Settings(AccountSettings):
    """The metadata service's settings: database, artifact hosts, web UI, webhooks and limits.

    Those of accounts are inherited, so that one object holds all.
    """

    served_folder: ClassVar[RunFolder | None] = None
    """Of each object: the folder of runs that `backend_store_uri` named when it was made."""

    backend_store_uri: str = setting(
        "sqlite:///mlflow.db",
        "Database: sqlite:///path or postgresql://user:password@host/name. Or a folder that mlflow "
        "has logged to, as ./mlruns: its runs are taken into mlflow.db beside it, which is served.",
        env="MLFLOW_BACKEND_STORE_URI",
    )
    db_auth: str = setting(
        "password",
        "How connections to PostgreSQL log in: password, by the one in --backend-store-uri; or "
        "aws-iam or gcp-iam, by tokens of the cloud that are fetched when connections are opened. "
        "Each has to be installed: they are the extras aws and gcp.",
        env="TANDEM_DB_AUTH",
    )
    default_artifact_root: str | None = setting(
        None,
        "Where new experiments keep artifacts; the artifacts service's address, as "
        "mlflow-artifacts://artifacts.example.com/. Must be given.",
        env="MLFLOW_DEFAULT_ARTIFACT_ROOT",
    )
    artifact_hosts: tuple[str, ...] | None = setting(
        None,
        "Artifact hosts (host or host:port) that this service follows to list and fetch artifacts "
        "for the web UI, comma-separated. Without it: the host of --default-artifact-root.",
        env="TANDEM_ARTIFACT_HOSTS",
    )
    artifact_root_map: tuple[str, ...] | None = setting(
        None,
        "Where the artifacts service has what clients wrote elsewhere directly: pairs as "
        "s3://bucket/prefix=mlflow-artifacts://artifacts.example.com/prefix, comma-separated; the "
        "longest root counts. Without it: the web UI shows no such artifacts.",
        env="TANDEM_ARTIFACT_ROOT_MAP",
    )
    artifacts_url: str | None = setting(
        None,
        "Base URL by which this service reaches the artifacts service, as "
        "http://tandem-artifacts:5500. "
        "Without it: the host of the artifact location, by --artifacts-scheme.",
        env="TANDEM_ARTIFACTS_URL",
    )
    artifacts_scheme: str | None = setting(
        None,
        "http or https: how mlflow-artifacts:// locations are reached. Without it: https with "
        "--tls-cert, else http, as clients take the scheme of their tracking URI.",
        env="TANDEM_ARTIFACTS_SCHEME",
    )
    artifacts_ca: str | None = setting(
        None,
        "File in PEM format with the authorities that the artifacts service's certificate must "
        "lead to. Without it: those that browsers know.",
        env="TANDEM_ARTIFACTS_CA",
    )
    artifacts_cert: str | None = setting(
        None,
        "File in PEM format with the certificate that this service presents to the artifacts "
        "service.",
        env="TANDEM_ARTIFACTS_CERT",
    )
    artifacts_key: str | None = setting(
        None,
        "File with that certificate's key, not encrypted. Without it: --artifacts-cert holds it "
        "too.",
        env="TANDEM_ARTIFACTS_KEY",
    )
    artifacts_timeout: float = setting(
        30.0,
        "Seconds that the artifacts service gets to begin to send a file, and to send a whole "
        "listing.",
        env="TANDEM_ARTIFACTS_TIMEOUT",
    )
    max_transfers: int | None = setting(
        None,
        "Artifacts that are passed on to browsers at a time, by all workers; more wait for 10 "
        "seconds, and are then answered 503. Without it: one for each 4 MiB of the memory limit of "
        "the cgroup, or of the machine, and at most 256 a worker.",
        env="TANDEM_MAX_TRANSFERS",
    )
    redirect_artifacts_to: str | None = setting(
        None,
        "Address of the artifacts service for browsers, as https://artifacts.example.com, or / "
        "where one host serves both: browsers are redirected there for files. Without it: files "
        "are passed on through this service.",
        env="TANDEM_REDIRECT_ARTIFACTS_TO",
    )
    ui_dir: str | None = setting(
        None,
        "Folder with MLflow's web UI, as deploy/fetch_ui.py makes it. "
        "Without it: no web UI, only the API.",
        env="TANDEM_UI_DIR",
    )
    html_artifact_hosts: tuple[str, ...] | None = setting(
        None,
        "Hosts that the web UI's previews of HTML artifacts may load from and call, "
        "comma-separated, as cdn.plot.ly or https://*.example.com; * is any. "
        "Without it: none, and a preview says what it was kept from.",
        env="TANDEM_HTML_ARTIFACT_HOSTS",
    )
    migrate: bool = setting(
        True,
        "Create the tables of an empty database, and Tandem's own where they are missing, at the "
        "start. --no-migrate never does: the service listens, and waits until the database is of a "
        "revision that it can use.",
        env="TANDEM_MIGRATE",
    )
    pool_size: int = setting(
        10,
        "Database connections a worker keeps; as many requests use the database at once. Seven "
        "more are for what is done for several requests together, for deliveries to webhooks, and "
        "for exports.",
        env="MLFLOW_SQLALCHEMYSTORE_POOL_SIZE",
    )
    pool_timeout: float = setting(
        30.0,
        "Seconds a request waits for a database connection before it is answered 503.",
        env="TANDEM_POOL_TIMEOUT",
    )
    pool_recycle: int = setting(
        3600,
        "Seconds after which a database connection is replaced.",
        env="MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE",
    )
    read_timeout: float = setting(
        30.0,
        "Seconds that a search or another read may take before it is stopped and answered 400. 0: "
        "as long as it takes.",
        env="TANDEM_READ_TIMEOUT",
    )
    db_prepared_statements: bool = setting(
        True,
        "Prepare the statements that are used often, on each PostgreSQL connection. Off for "
        "PgBouncer in transaction mode, where the next transaction has another connection.",
        env="TANDEM_DB_PREPARED_STATEMENTS",
    )
    truncate_long_values: bool = setting(
        True,
        "Cut param and tag values that are too long, instead of refusing them.",
        env="MLFLOW_TRUNCATE_LONG_VALUES",
    )
    webhook_secret_encryption_key: str | None = setting(
        None,
        "Key that the secrets of webhooks are encrypted with in the database: 32 bytes in "
        "URL-safe base64, the same for MLflow's servers of this database. Without it webhooks with "
        "a secret are refused. Give it by the variable: flags show in process lists.",
        env="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
        secret=True,
    )
    webhook_allowed_schemes: tuple[str, ...] | None = setting(
        None,
        "Schemes that URLs of webhooks may have, comma-separated: https, http. "
        "Without it: https only.",
        env="MLFLOW_WEBHOOK_ALLOWED_SCHEMES",
    )
    webhook_allow_private_ips: bool = setting(
        False,
        "Let webhooks lead to private, loopback, link-local and other addresses that are not "
        "public.",
        env="MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS",
    )
    webhook_request_timeout: float = setting(
        30.0,
        "Seconds that a webhook's receiver gets to answer, from the look-up of its name on.",
        env="MLFLOW_WEBHOOK_REQUEST_TIMEOUT",
    )
    webhook_request_max_retries: int = setting(
        10,
        "How often a delivery to a webhook is tried again, after 1 second, then 2, 4 and so on.",
        env="MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES",
    )
    webhook_delivery_max_workers: int = setting(
        10,
        "Deliveries to webhooks that a worker makes at once.",
        env="MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS",
    )
    create_model_version_source_validation_regex: str | None = setting(
        None,
        "Regular expression that the source of every new model version, or prompt version, must "
        "match somewhere. Without it: any.",
        env="MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX",
    )
    allowed_host_addressed_artifact_schemes: tuple[str, ...] | None = setting(
        None,
        "Schemes of URIs that name a host to connect to (hdfs, abfss, https and the like), "
        "comma-separated, that sources of model versions may have whatever the host. Without it: "
        "hosts of --default-artifact-root and --artifact-hosts only.",
        env="MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES",
    )
    graphql_introspection: bool = setting(
        False,
        "Let GraphQL queries ask for the schema.",
        env="TANDEM_GRAPHQL_INTROSPECTION",
    )
    graphql_max_root_fields: int = setting(
        10,
        "Root fields that a GraphQL query may have, each a search or a look-up.",
        env="MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS",
    )
    graphql_max_aliases: int = setting(
        10,
        "Aliases that a GraphQL query may have on one level.",
        env="MLFLOW_SERVER_GRAPHQL_MAX_ALIASES",
    )
    max_body_bytes: int = setting(
        24 * 1024 * 1024,
        "Largest request body in bytes; a larger one is answered 413. Only log-inputs takes so "
        "much: batches and what creates have 8 MiB at most, other requests 2 MiB.",
        env="TANDEM_MAX_BODY_BYTES",
    )

    export_disk_bytes: int = setting(
        256 * 1024 * 1024,
        "Bytes below TMPDIR for Parquet files that programs read by ranges, by all workers; longer "
        "files are sent as a whole only. 0: none are kept.",
        env="TANDEM_EXPORT_DISK_BYTES",
    )

    def __post_init__(self) -> None:
        """Put the database of a folder of runs in its place; raises SettingsError."""
        folder = run_folder(self.backend_store_uri, "--backend-store-uri")
        if folder:
            object.__setattr__(self, "served_folder", folder)
            object.__setattr__(self, "backend_store_uri", folder.database)

    def artifact_root(self) -> str:
        """The default artifact root; raises SettingsError when there is none to serve with."""
        if not self.default_artifact_root:
            raise SettingsError(
                "--default-artifact-root (MLFLOW_DEFAULT_ARTIFACT_ROOT) is missing: give the "
                "artifacts service's address, as mlflow-artifacts://artifacts.example.com/."
            )
        check_default_artifact_root(self.default_artifact_root)
        return self.default_artifact_root

    def scheme_of_artifacts(self) -> str:
        """`http` or `https`: how the artifacts service is reached where a location has neither."""
        return self.artifacts_scheme or ("https" if self.tls_cert else "http")

    def check(self) -> None:
        """Raise SettingsError for values that this service cannot start with."""
        super().check()
        check_database("--backend-store-uri", self.backend_store_uri)
        if self.served_folder and not self.migrate:
            raise SettingsError(
                "--backend-store-uri names a folder, whose database the start makes and fills: "
                "leave out --no-migrate."
            )
        if self.db_auth not in _DATABASE_LOGINS:
            raise SettingsError("--db-auth must be password, aws-iam or gcp-iam.")
        if self.artifacts_scheme not in (None, "http", "https"):
            raise SettingsError("--artifacts-scheme must be http or https.")
        if self.artifacts_url:
            _check_artifacts_url(self.artifacts_url)
        if self.artifacts_key and not self.artifacts_cert:
            raise SettingsError("--artifacts-key needs --artifacts-cert: it is its key.")
        for host in self.html_artifact_hosts or ():
            if not _CSP_HOST.fullmatch(host):
                raise SettingsError(
                    "--html-artifact-hosts must hold hosts, as cdn.plot.ly, https://*.example.com "
                    f"or *, but '{host}' is none."
                )
        if self.pool_size < 1:
            raise SettingsError("--pool-size must be at least 1.")
        if self.pool_recycle < -1:
            raise SettingsError("--pool-recycle must be seconds, or -1 for never.")
        if self.pool_timeout < 0:
            raise SettingsError("--pool-timeout must not be negative.")
        if self.read_timeout < 0:
            raise SettingsError("--read-timeout must not be negative.")
        if self.artifacts_timeout <= 0:
            raise SettingsError("--artifacts-timeout must be more than 0.")
        if self.max_transfers is not None and self.max_transfers < self.workers:
            raise SettingsError("--max-transfers must be at least 1 a worker.")
        self._check_webhooks()
        try:
            re.compile(self.create_model_version_source_validation_regex or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise SettingsError(
                "--create-model-version-source-validation-regex is not a regular expression: "
                f"{error}."
            ) from None
        if self.graphql_max_root_fields < 1:
            raise SettingsError("--graphql-max-root-fields must be at least 1.")
        if self.graphql_max_aliases < 0:
            raise SettingsError("--graphql-max-aliases must not be negative.")
        if self.export_disk_bytes < 0:
            raise SettingsError("--export-disk-bytes must not be negative.")
        if self.max_body_bytes < 1:
            raise SettingsError("--max-body-bytes must be at least 1.")

    def _check_webhooks(self) -> None:
        if self.webhook_secret_encryption_key and not _is_key(self.webhook_secret_encryption_key):
            raise SettingsError(
                "--webhook-secret-encryption-key (MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY) must be 32 "
                "bytes in URL-safe base64; make one with: "
                "head -c 32 /dev/urandom | base64 | tr +/ -_"
            )
        if not set(self.webhook_allowed_schemes or ()) <= {"http", "https"}:
            raise SettingsError("--webhook-allowed-schemes must hold http and https only.")
        if self.webhook_request_timeout <= 0:
            raise SettingsError("--webhook-request-timeout must be more than 0.")
        if self.webhook_request_max_retries < 0:
            raise SettingsError("--webhook-request-max-retries must not be negative.")
        if self.webhook_delivery_max_workers < 1:
            raise SettingsError("--webhook-delivery-max-workers must be at least 1.")


def _check_artifacts_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SettingsError("--artifacts-url is no URL: its host or port is none.") from None
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise SettingsError(
            "--artifacts-url must begin with http:// or https:// and a host, without query and "
            "fragment."
        )
    if (base := parts.path.partition(artifact_headers.ARTIFACTS)[0]) != parts.path:
        meant = without_credentials(f"{parts.scheme}://{parts.netloc}{base}")
        raise SettingsError(
            f"--artifacts-url is a base, without {artifact_headers.ARTIFACTS}. "
            f"Did you mean {meant}?"
        )


def _is_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
