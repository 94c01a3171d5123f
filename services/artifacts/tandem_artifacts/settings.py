"""The artifacts service's settings."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tandem_shared.auth.settings import SenderSettings
from tandem_shared.settings import SettingsError, setting

NAME = "tandem-artifacts"

_METADATA = "this is the artifacts service and keeps no metadata; give it to tandem-metadata."
_SERVER = "choose by --asgi-server; see serve --help for what can be set."
_GATEWAY = "Tandem is no gateway, and keeps no secrets of one."

REFUSED_FLAGS = {
    "--no-serve-artifacts": "this is the artifacts service; run tandem-metadata instead.",
    "--backend-store-uri": _METADATA,
    "--registry-store-uri": _METADATA,
    "--read-replica-backend-store-uri": _METADATA,
    "--default-artifact-root": "this is the artifacts service; give tandem-metadata its address by "
    "that flag, as mlflow-artifacts://artifacts.example.com/.",
    "--trace-archival-config": _METADATA,
    "--app-name": "this service has no accounts; --auth metadata asks the metadata service.",
    "--gunicorn-opts": _SERVER,
    "--waitress-opts": _SERVER,
    "--uvicorn-opts": _SERVER,
    "--artifacts-presigned-only": "uploads always may come through this service; "
    "--redirect-downloads sends downloads to the object store.",
    "--secrets-cache-ttl": _GATEWAY,
    "--secrets-cache-max-size": _GATEWAY,
    "--workspace-store-uri": "Tandem has no workspaces.",
    "--enable-workspaces": "Tandem has no workspaces.",
    "--dev": "set --log-level DEBUG instead.",
}
"""Flags of MLflow's server that contradict this service, each with what to do instead."""

ACCEPTED_SWITCHES = ("--artifacts-only", "--serve-artifacts", "--disable-workspaces")
"""Switches of MLflow's server that change nothing: this service always behaves so."""

_AUTH = ("none", "metadata")

_OF_METADATA = (
    "metadata_url",
    "metadata_ca",
    "metadata_cert",
    "metadata_key",
    "auth_certificates",
    "auth_proxy_header",
    "auth_certificate_header",
    "auth_trusted_proxies",
)
"""Settings that say nothing without --auth metadata."""

LEAST_MEMORY = 32 * 1024 * 1024
"""The least memory of a worker for transfers: one upload by parts and a few others."""

_LONGEST_TTL = 7 * 24 * 3600
"""S3's limit, in seconds. S3 refuses a URL of a longer life only when it is used."""


@dataclass(frozen=True, kw_only=True)
class Settings(SenderSettings):
    """The artifacts service's settings: the store, and limits of uploads and downloads."""

    port: int = setting(5500, "Port to listen on.", env="MLFLOW_PORT", short="-p")
    artifacts_destination: str = setting(
        "./mlartifacts",
        "Where artifacts are kept: a directory, file:///directory, s3://bucket/prefix, "
        "minio://host:port/bucket/prefix, gs://bucket/prefix, "
        "wasbs://container@account.blob.core.windows.net/prefix or "
        "abfss://filesystem@account.dfs.core.windows.net/prefix.",
        env="MLFLOW_ARTIFACTS_DESTINATION",
    )
    auth: str = setting(
        "none",
        "Who may do what with artifacts: none lets anybody do everything; metadata asks the "
        "metadata service of --metadata-url, which has the accounts.",
        env="TANDEM_AUTH",
    )
    metadata_url: str | None = setting(
        None,
        "Base URL by which this service reaches the metadata service, as "
        "http://tandem-metadata:5000, with that service's --static-prefix. For --auth metadata.",
        env="TANDEM_METADATA_URL",
    )
    metadata_ca: str | None = setting(
        None,
        "File in PEM format with the authorities that the metadata service's certificate must "
        "lead to. Without it: those that browsers know.",
        env="TANDEM_METADATA_CA",
    )
    metadata_cert: str | None = setting(
        None,
        "File in PEM format with the certificate that this service presents to the metadata "
        "service.",
        env="TANDEM_METADATA_CERT",
    )
    metadata_key: str | None = setting(
        None,
        "File with that certificate's key, not encrypted. Without it: --metadata-cert holds it "
        "too.",
        env="TANDEM_METADATA_KEY",
    )
    auth_certificates: bool = setting(
        False,
        "Let users prove themselves by the certificate of their connection (--tls-client-ca), "
        "which is passed on to the metadata service: its --auth-certificate-user says whom it "
        "names, and its --auth-artifacts-certificates must name that of --metadata-cert.",
        env="TANDEM_AUTH_CERTIFICATES",
    )
    max_artifact_bytes: int | None = setting(
        None,
        "Largest artifact in bytes; a larger upload is answered 413. With it, clients upload "
        "through this service only, which counts, and not by parts to the object store.",
        env="TANDEM_MAX_ARTIFACT_BYTES",
    )
    upload_idle_timeout: float = setting(
        60.0,
        "Seconds after which an upload that sends nothing is given up, and nothing of it stored.",
        env="TANDEM_UPLOAD_IDLE_TIMEOUT",
    )
    download_idle_timeout: float = setting(
        60.0,
        "Seconds after which a download whose client takes nothing in is cut off, if that is "
        "longer than a piece of 256 KiB may take by --min-transfer-rate.",
        env="TANDEM_DOWNLOAD_IDLE_TIMEOUT",
    )
    min_transfer_rate: int = setting(
        4096,
        "Bytes a second that uploads and downloads must at least reach on average over the time "
        "that they may be idle for.",
        env="TANDEM_MIN_TRANSFER_RATE",
    )
    transfer_memory: int | None = setting(
        None,
        "Bytes of memory for uploads and downloads, of all workers. Those that find none left wait "
        "for 10 seconds, and are then answered 503. Without it: half of the memory limit of the "
        "cgroup, or of the machine, less 80 MiB a worker.",
        env="TANDEM_TRANSFER_MEMORY",
    )
    max_transfers: int | None = setting(
        None,
        "Uploads and downloads at a time, of all workers; more wait likewise. Without it: one for "
        "each MiB of --transfer-memory, and at most 500 a worker.",
        env="TANDEM_MAX_TRANSFERS",
    )
    redirect_downloads: bool = setting(
        False,
        "Redirect downloads to presigned URLs of the object store, which clients must then reach, "
        "instead of passing the bytes on.",
        env="TANDEM_REDIRECT_DOWNLOADS",
    )
    presigned_ttl: int = setting(
        300,
        "Seconds for which presigned download URLs are good.",
        env="MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS",
    )
    enable_proxy_multipart_upload: bool = setting(
        True,
        "Let clients upload large files by parts directly to an object store that they can reach; "
        "--disable-proxy-multipart-upload turns it off.",
        env="MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD",
        switch="--disable-proxy-multipart-upload",
    )
    enable_proxy_multipart_download: bool = setting(
        True,
        "Let clients download by ranges directly from an object store that they can reach; "
        "--disable-proxy-multipart-download turns it off.",
        env="MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD",
        switch="--disable-proxy-multipart-download",
    )

    @property
    def authenticates(self) -> bool:
        """Whether requests need credentials."""
        return self.auth != "none"

    def check(self) -> None:
        """Raise SettingsError for values that this service cannot start with."""
        super().check()
        self._check_auth()
        if self.max_artifact_bytes is not None and self.max_artifact_bytes < 1:
            raise SettingsError("--max-artifact-bytes must be at least 1.")
        if self.upload_idle_timeout <= 0:
            raise SettingsError("--upload-idle-timeout must be more than 0.")
        if self.download_idle_timeout <= 0:
            raise SettingsError("--download-idle-timeout must be more than 0.")
        if self.min_transfer_rate < 1:
            raise SettingsError("--min-transfer-rate must be at least 1.")
        if self.transfer_memory is not None and self.transfer_memory < self.workers * LEAST_MEMORY:
            raise SettingsError(f"--transfer-memory must be at least {LEAST_MEMORY} a worker.")
        if self.max_transfers is not None and self.max_transfers < self.workers:
            raise SettingsError("--max-transfers must be at least 1 a worker.")
        if not 1 <= self.presigned_ttl <= _LONGEST_TTL:
            raise SettingsError(f"--presigned-ttl must be between 1 and {_LONGEST_TTL}.")

    def _check_auth(self) -> None:
        if self.auth not in _AUTH:
            raise SettingsError(
                f"--auth must be one of {', '.join(_AUTH)}, not '{self.auth}': this service has "
                "no accounts, and asks the metadata service about them."
            )
        if self.auth == "none":
            for name in _OF_METADATA:
                if getattr(self, name):
                    named = "--" + name.replace("_", "-")
                    raise SettingsError(f"{named} is for --auth metadata, which is missing.")
            return
        if self.names_proxies:
            self.check_proxies("metadata, where it believes proxies,")
        if self.auth_certificates and not (self.tls_client_ca and self.metadata_cert):
            raise SettingsError(
                "--auth-certificates needs --tls-client-ca, the authorities of the clients, and "
                "--metadata-cert: the metadata service believes nobody but artifacts services who "
                "the client is, and tells them by their certificate."
            )
        if self.metadata_key and not self.metadata_cert:
            raise SettingsError("--metadata-key needs --metadata-cert: it is its key.")
        try:
            parts = urlsplit(self.metadata_url or "")
            has_host = bool(parts.hostname) and parts.port != 0
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise SettingsError(
                "--auth metadata needs --metadata-url (TANDEM_METADATA_URL): how this service "
                "reaches the metadata service, as http://tandem-metadata:5000."
            )
        if self.auth_certificates and parts.scheme != "https":
            raise SettingsError(
                "--auth-certificates needs a --metadata-url of https: this service proves itself "
                "there by a certificate."
            )
