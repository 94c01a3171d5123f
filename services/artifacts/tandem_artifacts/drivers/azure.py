"""`wasbs://container@account…/prefix` and `abfss://…` by way of obstore: Azure's blob storage.

Both name the same blobs. obstore speaks the interface of blobs alone, which an account of Data Lake
has as well, at the host whose name says `blob` in place of `dfs`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote

from obstore.store import AzureStore

from tandem_artifacts.drivers import cloud
from tandem_shared.settings import SettingsError

if TYPE_CHECKING:  # obstore has it for type checkers only.
    from obstore.store import ClientConfig

_CONTAINER: Final = re.compile(r"\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62}")
_ENDPOINT: Final = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")
_UNUSABLE: Final = "--artifacts-destination cannot be used:"
_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_KEY: Final = "AZURE_STORAGE_ACCESS_KEY"
_SAS: Final = "AZURE_STORAGE_SAS_TOKEN"
_ENDPOINT_VARIABLE: Final = "AZURE_STORAGE_ENDPOINT"
_DEVELOPMENT: Final = {
    "AccountName": "devstoreaccount1",
    # Of every emulator, and no secret: Microsoft's documentation has it.
    "AccountKey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==",
    "BlobEndpoint": "http://127.0.0.1:10000/devstoreaccount1",
}

Provider = Callable[[], Any]
"""What obstore asks for a credential."""


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account, and what proves that the service may use it."""

    name: str
    endpoint: str
    """Of its blobs, as https://account.blob.core.windows.net."""
    credential: Mapping[str, Any] | None
    """A key or a shared access signature; None for what obstore finds by itself."""


class Azure(cloud.CloudStore):
    """A driver for a container of Azure's blob storage."""

    def __init__(
        self,
        account: Account,
        container: str,
        prefix: str,
        *,
        seconds: float | None = None,
        ca: bytes | None = None,
    ) -> None:
        """Without a credential obstore finds one: a service principal, a workload identity or a
        managed identity, by the variables of Azure's own libraries.

        `seconds` is the longest time for a part of an upload, `ca` the authorities to trust besides
        the usual ones, in PEM format. Raises obstore's errors for what can never work.
        """
        options = cloud.client_options(plain_http=account.endpoint.startswith("http:"), ca=ca)

        def store(more: "ClientConfig") -> AzureStore:
            return AzureStore(
                container,
                account_name=account.name,
                endpoint=account.endpoint,
                # Or variables of obstore's own could send it elsewhere.
                use_emulator=False,
                use_fabric_endpoint=False,
                credential_provider=_provider(account.credential),
                client_options=options | more,
                retry_config=cloud.retry_options(),
            )

        super().__init__(
            store(cloud.reading_options()),
            store(cloud.writing_options(seconds)),
            prefix,
            credentials="give it a managed or workload identity that may use the container, or set "
            f"{_KEY} or {_CONNECTION}",
        )

    async def _delete_one(self, key: str) -> None:
        try:
            await super()._delete_one(key)
        except cloud.Conflict:
            # A directory of Data Lake that is not empty: those in it stay when their files go.
            for below in await self._directories(key):
                await self._delete_one(below)
            await super()._delete_one(key)


def place(uri: SplitResult) -> tuple[str, str, str]:
    """Host, container and prefix of a URI as MLflow has them.

    Raises SettingsError.
    """
    form = f"it must be {uri.scheme}://container@account.blob.core.windows.net/prefix"
    if uri.scheme == "abfss":
        form = "it must be abfss://filesystem@account.dfs.core.windows.net/prefix"
    container, _, host = uri.netloc.rpartition("@")
    if not container or "." not in host or ":" in uri.netloc or uri.query or uri.fragment:
        raise SettingsError(
            f"{_UNUSABLE} {form}; credentials and other endpoints come from the environment."
        )
    if not _CONTAINER.fullmatch(container):
        raise SettingsError(
            f"{_UNUSABLE} no container has the name '{container}', which must be 3 to 63 "
            "lower-case letters, digits and single '-'."
        )
    # MLflow undoes the encoding of the one and not of the other.
    return host.lower(), container, unquote(uri.path) if uri.scheme == "abfss" else uri.path


def account_of(host: str, environ: Mapping[str, str]) -> Account:
    """The account of a URI's host, with endpoint and credential of the environment.

    A connection string decides all, as in MLflow. Raises SettingsError.
    """
    name = host.partition(".")[0]
    own = environ.get(_ENDPOINT_VARIABLE) or ""
    if own and not _ENDPOINT.fullmatch(own):
        raise SettingsError(
            f"{_ENDPOINT_VARIABLE} must be the address of the account's blobs, as "
            "https://account.blob.core.windows.net, without a query."
        )
    if connection := environ.get(_CONNECTION):
        return _connected(connection, own)
    # Of other clouds, and of private endpoints, the rest of the name is another.
    endpoint = own or "https://" + host.replace(".dfs.", ".blob.", 1)
    credential: Mapping[str, Any] | None = None
    if key := environ.get(_KEY):
        credential = _key(key, _KEY)
    elif signature := environ.get(_SAS):
        credential = _signature(signature, _SAS)
    return Account(name, endpoint.rstrip("/"), credential)


def _connected(text: str, own: str) -> Account:
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    if parts.get("UseDevelopmentStorage", "").lower() == "true":
        parts = _DEVELOPMENT | parts
    name, endpoint = parts.get("AccountName", ""), own or parts.get("BlobEndpoint", "")
    if not endpoint and name:
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        endpoint = f"{protocol}://{name}.blob.{parts.get('EndpointSuffix', 'core.windows.net')}"
    if not name and endpoint:
        name = endpoint.partition("://")[2].partition(".")[0]
    credential: Mapping[str, Any] | None = None
    if key := parts.get("AccountKey"):
        credential = _key(key, f"The AccountKey in {_CONNECTION}")
    elif signature := parts.get("SharedAccessSignature"):
        credential = _signature(signature, f"The SharedAccessSignature in {_CONNECTION}")
    if not name or credential is None or not _ENDPOINT.fullmatch(endpoint):
        raise SettingsError(
            f"{_CONNECTION} must have AccountName and AccountKey, or BlobEndpoint and "
            "SharedAccessSignature, as Azure's portal shows it."
        )
    return Account(name, endpoint.rstrip("/"), credential)


def _key(text: str, where: str) -> Mapping[str, Any]:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SettingsError(f"{where} is no key of a storage account: it must be Base64.") from None
    return {"access_key": text, "expires_at": None}


def _signature(text: str, where: str) -> Mapping[str, Any]:
    signature = text.removeprefix("?")
    if "sig=" not in signature:
        raise SettingsError(f"{where} is no shared access signature: it must hold sig=.")
    return {"sas_token": signature, "expires_at": None}


def _provider(credential: Mapping[str, Any] | None) -> Provider | None:
    # Not as configuration: obstore would prefer other variables to it, as of a workload identity
    # that is meant for something else.
    return None if credential is None else lambda: credential
