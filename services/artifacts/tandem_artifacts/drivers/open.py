"""Which driver serves an artifacts destination."""

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.instrumented import InstrumentedDriver
from tandem_shared.errors import PermissionDenied
from tandem_shared.serving.options import require_version
from tandem_shared.settings import SettingsError, without_credentials

_STARTS: Final = {
    "file": "file:///",
    **{scheme: f"{scheme}://" for scheme in ("s3", "minio", "wasbs", "abfss", "gs")},
}
_MISTYPED: Final = re.compile(rf"([a-z][a-z0-9+.-]+):|({'|'.join(_STARTS)})//", re.IGNORECASE)
_ENDPOINT: Final = re.compile(r"https?://[^/?#\s]")
_UPLOAD_SECONDS: Final = 600
"""As MLflow has it for a request to Azure."""
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")


def open_driver(
    destination: str, *, download_url_seconds: int = 300, part_url_seconds: int = 3600
) -> Driver:
    """The driver of a destination, instrumented.

    - a path (`./mlartifacts`, `/srv/artifacts`) or `file:///srv/artifacts`: a directory, made if
      need be;
    - `s3://bucket/prefix`: S3 through boto3;
    - `minio://host:port/bucket/prefix`: MinIO through its SDK, by HTTPS; `?secure=false` means
      plain HTTP, `?region=` names a region;
    - `wasbs://container@account.blob.core.windows.net/prefix`, and
      `abfss://filesystem@account.dfs.core.windows.net/prefix`: Azure through obstore;
    - `gs://bucket/prefix`: Google's Cloud Storage through obstore.

    `download_url_seconds` and `part_url_seconds` are the lifetimes of signed URLs. Raises
    SettingsError when the scheme is unknown or the destination cannot be used. An object store
    gets no request before `check`.
    """
    for seconds in (download_url_seconds, part_url_seconds):
        if not 1 <= seconds <= 7 * 24 * 3600:
            raise SettingsError(f"Signed URLs live from 1 second to 7 days, not {seconds} seconds.")
    expiry = {"download_url_seconds": download_url_seconds, "part_url_seconds": part_url_seconds}
    try:
        uri = urlsplit(destination)
        _refuse_mistyped(destination)
        if "://" not in destination and not destination.startswith("file:"):
            return InstrumentedDriver(_local(destination))
        match uri.scheme:
            case "file":
                return InstrumentedDriver(_local(_path_of(uri)))
            case "s3":
                return InstrumentedDriver(_s3(uri, expiry))
            case "minio":
                return InstrumentedDriver(_minio(uri, expiry))
            case "wasbs" | "abfss":
                return InstrumentedDriver(_azure(uri))
            case "gs":
                return InstrumentedDriver(_gcs(uri))
    except ValueError as failure:
        if isinstance(failure, SettingsError):
            raise
        raise _unusable(destination, "it is not a well-formed URI") from failure
    raise SettingsError(
        f"--artifacts-destination cannot have the scheme '{uri.scheme}': give a directory, "
        "s3://bucket/prefix, minio://host:port/bucket/prefix, gs://bucket/prefix, "
        "wasbs://container@account.blob.core.windows.net/prefix or "
        "abfss://filesystem@account.dfs.core.windows.net/prefix."
    )


def folder_of(destination: str) -> Path | None:
    """The folder of a destination on this machine's disks; None for an object store.

    Makes nothing. Raises SettingsError for a `file:` URI that is none.
    """
    if destination.startswith("file:"):
        return Path(_path_of(urlsplit(destination)))
    return None if "://" in destination else Path(destination)


def _refuse_mistyped(destination: str) -> None:
    """Raise SettingsError for a path that was meant as a URI, or to begin at a home directory."""
    if destination.startswith("~"):
        reason = "nothing turns '~' into a home directory here; write the whole path"
        raise _unusable(destination, reason)
    if "://" in destination or destination.startswith("file:"):
        return
    if found := _MISTYPED.match(destination):
        start = _STARTS.get((found[1] or found[2]).lower())
        rest = destination[found.end() :].lstrip("/")
        meant = f"{start}{rest}" if start else f"the directory ./{destination}"
        raise _unusable(destination, f"it is neither URI nor path. Did you mean {meant}", end="?")


def _path_of(uri: SplitResult) -> str:
    if uri.netloc not in ("", "localhost") or not uri.path.startswith("/"):
        raise _unusable(uri.geturl(), "file: takes an absolute path, as in file:///srv/artifacts")
    return unquote(uri.path)


def _local(directory: str) -> Driver:
    from tandem_artifacts.drivers.local import Local

    if not directory:
        raise SettingsError("--artifacts-destination must not be empty.")
    try:
        return Local(Path(directory))
    except OSError as failure:
        raise _unusable(directory, failure.strerror or "it cannot be made") from failure
    except PermissionDenied as failure:
        raise _unusable(directory, failure.message) from failure


def _s3(uri: SplitResult, expiry: dict[str, int]) -> Driver:
    from botocore.exceptions import BotoCoreError

    from tandem_artifacts.drivers.s3 import S3

    if not uri.netloc or "@" in uri.netloc or ":" in uri.netloc or uri.query:
        raise _unusable(
            f"s3://{uri.hostname or ''}/…", "it must be s3://bucket or s3://bucket/prefix"
        )
    _check_bucket(uri.netloc)
    _check_certificates("AWS_CA_BUNDLE")
    # boto3 reads the last two itself, but the addressing style depends on them too.
    endpoint = (
        os.environ.get("MLFLOW_S3_ENDPOINT_URL")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
    )
    if endpoint and not _ENDPOINT.match(endpoint):
        raise SettingsError(
            "MLFLOW_S3_ENDPOINT_URL, or AWS_ENDPOINT_URL, must begin with http:// or https:// and "
            f"a host, not {without_credentials(endpoint)!r}."
        )
    try:
        return S3(
            uri.netloc,
            uri.path,
            endpoint_url=endpoint or None,
            addressing_style=_addressing_style(),
            verify_tls=_verify_tls(),
            bucket_owner=os.environ.get("MLFLOW_S3_EXPECTED_BUCKET_OWNER") or None,
            upload_arguments=_upload_arguments(),
            **expiry,
        )
    except (BotoCoreError, ValueError) as failure:
        raise _unusable(f"s3://{uri.netloc}/…", _in_one_line(failure)) from failure


def _minio(uri: SplitResult, expiry: dict[str, int]) -> Driver:
    from tandem_artifacts.drivers.minio import SUPPORTED, Minio

    require_version(*SUPPORTED)
    bucket, _, prefix = uri.path.lstrip("/").partition("/")
    options = parse_qs(uri.query, strict_parsing=True) if uri.query else {}
    if "@" in uri.netloc:
        raise _unusable("minio://…", "put credentials into the environment, not into the URI")
    if not uri.hostname or not bucket or not set(options) <= {"secure", "region"}:
        raise _unusable(
            f"minio://{uri.netloc}/…",
            "it must be minio://host:port/bucket/prefix, at most with ?secure=false and ?region=",
        )
    _check_bucket(bucket)
    _check_certificates("SSL_CERT_FILE")
    secure = options.get("secure", ["true"])[-1].lower()
    if secure not in ("true", "false"):
        raise _unusable(f"minio://{uri.netloc}/…", "secure must be true or false")
    access_key, secret_key, token = _minio_credentials()
    try:
        return Minio(
            uri.netloc,
            bucket,
            prefix,
            access_key=access_key,
            secret_key=secret_key,
            session_token=token,
            secure=secure == "true",
            region=options.get("region", [None])[-1] or os.environ.get("MINIO_REGION") or None,
            verify_tls=_verify_tls(),
            ca_file=os.environ.get("SSL_CERT_FILE") or None,
            **expiry,
        )
    except ValueError as failure:
        raise _unusable(f"minio://{uri.netloc}/…", _in_one_line(failure)) from failure


def _azure(uri: SplitResult) -> Driver:
    _require_obstore(uri.scheme)
    from obstore.exceptions import BaseError

    from tandem_artifacts.drivers.azure import Azure, account_of, place

    host, container, prefix = place(uri)
    account = account_of(host, os.environ)
    seconds, ca = _upload_seconds(), _authorities()
    try:
        return Azure(account, container, prefix, seconds=seconds, ca=ca)
    except (BaseError, ValueError) as failure:
        raise _unusable(f"{uri.scheme}://…", _in_one_line(failure)) from failure


def _gcs(uri: SplitResult) -> Driver:
    _require_obstore("gs")
    from obstore.exceptions import BaseError

    from tandem_artifacts.drivers.gcs import Gcs, endpoint_of, provider_of

    if not uri.netloc or "@" in uri.netloc or ":" in uri.netloc or uri.query:
        raise _unusable("gs://…", "it must be gs://bucket or gs://bucket/prefix")
    _check_bucket(uri.netloc)
    endpoint = endpoint_of(os.environ)
    provider = None if endpoint.anonymous else provider_of(os.environ)
    seconds, ca = _upload_seconds(), _authorities()
    try:
        return Gcs(endpoint, uri.netloc, uri.path, provider=provider, seconds=seconds, ca=ca)
    except (BaseError, ValueError) as failure:
        raise _unusable(f"gs://{uri.netloc}/…", _in_one_line(failure)) from failure


def _require_obstore(scheme: str) -> None:
    if importlib.util.find_spec("obstore") is None:
        raise SettingsError(
            f"A {scheme}:// destination needs obstore: pip install 'tandem-artifacts[cloud]'. The "
            "images have it."
        )


def _upload_seconds() -> float | None:
    """How long a part of an upload may take; None for any time."""
    text = os.environ.get("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT") or str(_UPLOAD_SECONDS)
    if not re.fullmatch(r"-1|[1-9]\d{0,6}", text):
        raise SettingsError(
            "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT must be a number of seconds, or -1 for any "
            "time."
        )
    return None if text == "-1" else float(text)


def _authorities() -> bytes | None:
    """The certificates in PEM format to trust besides the usual ones."""
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        _check_certificates(variable)
        if path := os.environ.get(variable):
            try:
                return Path(path).read_bytes()
            except OSError as failure:
                raise SettingsError(f"{variable} names {path}, which is no file.") from failure
    return None


def _check_bucket(name: str) -> None:
    if not _BUCKET.fullmatch(name):
        raise SettingsError(
            f"--artifacts-destination cannot be used: no bucket has the name '{name}', which must "
            "be letters, digits, '.', '_' and '-'."
        )


def _check_certificates(variable: str) -> None:
    """Raise SettingsError for a missing file, which would fail the first request to the store."""
    path = os.environ.get(variable)
    if path and not os.access(path, os.R_OK):
        raise SettingsError(f"{variable} names {path}, which is not there or may not be read.")


def _minio_credentials() -> tuple[str, str, str | None]:
    for access, secret, token in (
        ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SESSION_TOKEN"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ):
        if os.environ.get(access) and os.environ.get(secret):
            return os.environ[access], os.environ[secret], os.environ.get(token) or None
    raise SettingsError(
        "A minio:// destination needs MINIO_ACCESS_KEY and MINIO_SECRET_KEY "
        "(or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) in the environment."
    )


def _addressing_style() -> str | None:
    style = os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "").lower() or None
    if style not in (None, "auto", "path", "virtual"):
        raise SettingsError("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE must be auto, path or virtual.")
    return style


def _verify_tls() -> bool:
    ignore = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() or "false"
    if ignore not in ("true", "1", "false", "0"):
        raise SettingsError("MLFLOW_S3_IGNORE_TLS must be true or false.")
    return ignore in ("false", "0")


def _upload_arguments() -> dict[str, Any]:
    text = os.environ.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS") or "{}"
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise SettingsError("MLFLOW_S3_UPLOAD_EXTRA_ARGS must be a JSON object.")
    return arguments


def _in_one_line(failure: Exception) -> str:
    return " ".join(str(failure).split()).rstrip(".")


def _unusable(destination: str, reason: str, end: str = ".") -> SettingsError:
    shown = without_credentials(destination)
    return SettingsError(
        f"--artifacts-destination {shown} cannot be used: {without_credentials(reason)}{end}"
    )
