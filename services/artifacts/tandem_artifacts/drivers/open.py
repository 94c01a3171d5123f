"""Which driver serves an artifacts destination."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.guard import Guard
from tandem_shared.errors import PermissionDenied
from tandem_shared.settings import SettingsError


def open_driver(
    destination: str, *, download_url_seconds: int = 300, part_url_seconds: int = 3600
) -> Driver:
    """The guarded driver of a destination.

    - a path (`./mlartifacts`, `/srv/artifacts`) or `file:///srv/artifacts`: a directory, made if
      need be;
    - `s3://bucket/prefix`: S3 through boto3;
    - `minio://host:port/bucket/prefix`: MinIO through its SDK, by HTTPS; `?secure=false` means
      plain HTTP, `?region=` names a region.

    Signed URLs are valid for as many seconds as said. Raises SettingsError with a sentence when
    the scheme is unknown or the destination cannot be used; object stores are not asked yet, that
    is what `check` is for.
    """
    for seconds in (download_url_seconds, part_url_seconds):
        if not 1 <= seconds <= 7 * 24 * 3600:
            raise SettingsError(f"Signed URLs live from 1 second to 7 days, not {seconds} seconds.")
    expiry = {"download_url_seconds": download_url_seconds, "part_url_seconds": part_url_seconds}
    try:
        uri = urlsplit(destination)
        if "://" not in destination and not destination.startswith("file:"):
            return Guard(_local(destination))
        match uri.scheme:
            case "file":
                return Guard(_local(_path_of(uri)))
            case "s3":
                return Guard(_s3(uri, expiry))
            case "minio":
                return Guard(_minio(uri, expiry))
    except ValueError as failure:
        if isinstance(failure, SettingsError):
            raise
        raise _unusable(destination, "it is not a well-formed URI") from failure
    raise SettingsError(
        f"--artifacts-destination cannot have the scheme '{uri.scheme}': give a directory, "
        "s3://bucket/prefix or minio://host:port/bucket/prefix."
    )


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
    # boto3 knows the last two by itself, but the way of addressing depends on them too.
    endpoint = (
        os.environ.get("MLFLOW_S3_ENDPOINT_URL")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
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
    except BotoCoreError as failure:
        raise _unusable(f"s3://{uri.netloc}/…", str(failure).rstrip(".")) from failure


def _minio(uri: SplitResult, expiry: dict[str, int]) -> Driver:
    from tandem_artifacts.drivers.minio import Minio

    bucket, _, prefix = uri.path.lstrip("/").partition("/")
    options = parse_qs(uri.query, strict_parsing=True) if uri.query else {}
    if "@" in uri.netloc:
        raise _unusable("minio://…", "put credentials into the environment, not into the URI")
    if not uri.hostname or not bucket or not set(options) <= {"secure", "region"}:
        raise _unusable(
            f"minio://{uri.netloc}/…",
            "it must be minio://host:port/bucket/prefix, at most with ?secure=false and ?region=",
        )
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
        raise _unusable(f"minio://{uri.netloc}/…", str(failure)) from failure


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


def _unusable(destination: str, reason: str) -> SettingsError:
    return SettingsError(f"--artifacts-destination {destination} cannot be used: {reason}.")
