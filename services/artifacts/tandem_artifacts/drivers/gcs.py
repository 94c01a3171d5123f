"""`gs://bucket/prefix` by way of obstore: Google's Cloud Storage."""

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from obstore.store import GCSStore

from tandem_artifacts.drivers import cloud
from tandem_shared.settings import SettingsError

if TYPE_CHECKING:  # obstore has these for type checkers only.
    from obstore.store import ClientConfig, GCSConfig

_CREDENTIALS: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_EMULATOR: Final = "STORAGE_EMULATOR_HOST"
_BASE: Final = "GOOGLE_BASE_URL"
_ENDPOINT: Final = re.compile(r"https?://[^/?#\s@]+/?")
_KNOWN: Final = ("service_account", "authorized_user")
"""The types of credentials that obstore reads itself."""
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_TOKEN_SECONDS: Final = 10

Provider = Callable[[], Any]
"""What obstore asks for a token."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the buckets are."""

    url: str | None
    """None for Google's own."""
    anonymous: bool
    """Whether requests are sent without a token."""


class Gcs(cloud.CloudStore):
    """A driver for a bucket of Google's Cloud Storage."""

    def __init__(
        self,
        endpoint: Endpoint,
        bucket: str,
        prefix: str,
        *,
        provider: Provider | None = None,
        seconds: float | None = None,
        ca: bytes | None = None,
    ) -> None:
        """Without a provider of tokens obstore finds Google's application default credentials.

        `seconds` is the longest time for a part of an upload, `ca` the authorities to trust besides
        the usual ones, in PEM format. Raises obstore's errors for what can never work.
        """
        options = cloud.client_options(plain_http=(endpoint.url or "").startswith("http:"), ca=ca)
        # Without it Google sends an object that has a Content-Encoding of gzip unpacked.
        options["default_headers"] = {"accept-encoding": "gzip"}
        config: GCSConfig = {}
        if endpoint.url:
            config["base_url"] = endpoint.url
        # Not `skip_signature`, which obstore heeds for some requests only.
        given: Provider | None = _nothing if endpoint.anonymous else provider

        def store(more: "ClientConfig") -> GCSStore:
            return GCSStore(
                bucket,
                config=config,
                credential_provider=given,
                client_options=options | more,
                retry_config=cloud.retry_options(),
            )

        super().__init__(
            store(cloud.reading_options()),
            store(cloud.writing_options(seconds)),
            prefix,
            credentials="give it a service account that may use the bucket, by Workload "
            f"Identity or by {_CREDENTIALS}",
        )


def endpoint_of(environ: Mapping[str, str]) -> Endpoint:
    """Where the environment says that buckets are.

    An emulator is asked without a token, as by Google's own libraries. Raises SettingsError.
    """
    emulator, base = environ.get(_EMULATOR), environ.get(_BASE)
    url = emulator or base
    if url and "://" not in url:
        url = f"http://{url}"
    if url and not _ENDPOINT.fullmatch(url):
        name = _EMULATOR if emulator else _BASE
        raise SettingsError(f"{name} must be an address, as https://storage.googleapis.com.")
    return Endpoint(url.rstrip("/") if url else None, bool(emulator))


def provider_of(environ: Mapping[str, str]) -> Provider | None:
    """What gives tokens by the file of credentials; None where obstore does.

    Raises SettingsError for a file that is of no use.
    """
    path = environ.get(_CREDENTIALS)
    if not path:
        return None
    try:
        info = json.loads(Path(path).read_text())
        kind = info["type"]
    except OSError:
        raise SettingsError(
            f"{_CREDENTIALS} names {path}, which is not there or may not be read."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{_CREDENTIALS} names {path}, which is no file of Google's.") from None
    return None if kind in _KNOWN else _by_google_auth(path, kind, info)


def _nothing() -> Mapping[str, Any]:
    return {"token": "", "expires_at": None}


def _by_google_auth(path: str, kind: str, info: Mapping[str, Any]) -> Provider:
    """Tokens by Google's own library, which knows further ways, as from another cloud."""
    try:
        from google.auth import aws, identity_pool, impersonated_credentials
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
    except ImportError:
        raise SettingsError(
            f"{_CREDENTIALS} names {path}, credentials of the type '{kind}', which need "
            "google-auth: pip install 'google-auth[requests]'."
        ) from None
    ways: dict[str, Any] = {
        "external_account": (
            aws if "aws4_request" in info.get("subject_token_type", "") else identity_pool
        ).Credentials.from_info,
        "impersonated_service_account": (
            impersonated_credentials.Credentials.from_impersonated_service_account_info
        ),
    }
    if kind not in ways:
        raise SettingsError(
            f"{_CREDENTIALS} names {path}, credentials of the unknown type '{kind}'."
        )
    try:
        credentials: Any = ways[kind](info, scopes=[_SCOPE])
    except (GoogleAuthError, ValueError, KeyError) as error:
        why = " ".join(str(error.args[0]).split()).rstrip(".")
        raise SettingsError(f"{_CREDENTIALS} names {path}, which is of no use: {why}.") from error
    request: Any = partial(Request(), timeout=_TOKEN_SECONDS)

    def token() -> Mapping[str, Any]:
        # Called by a thread of obstore's, again shortly before the end.
        credentials.refresh(request)
        return {
            "token": credentials.token,
            "expires_at": credentials.expiry.replace(tzinfo=datetime.UTC),
        }

    return token
