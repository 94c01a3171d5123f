"""Azure's blob storage for tests: Azurite, Microsoft's emulator, an npm package."""

import base64
import datetime
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import httpx

from tests import npm
from tests.harness.processes import free_port, running

PACKAGE = "azurite@3.37.0"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every emulator; Microsoft's documentation has it."""

_VERSION = "2021-12-02"


@dataclass(frozen=True)
class Azurite:
    """A running server with one account."""

    endpoint: str
    """Of the account's blobs, as http://127.0.0.1:10000/devstoreaccount1."""

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to use the account."""
        return {
            "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;"
            f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint};"
        }

    def create_container(self, name: str) -> None:
        """Create a container; it goes when the server goes."""
        self.request("PUT", name, {"restype": "container"}).raise_for_status()

    def blobs(self, container: str, prefix: str) -> list[str]:
        """The names of all blobs that begin so, and that anybody sees."""
        names: list[str] = []
        marker = ""
        while True:
            query = {"comp": "list", "prefix": prefix, "restype": "container"}
            answer = self.request("GET", container, query | ({"marker": marker} if marker else {}))
            found = ElementTree.fromstring(answer.raise_for_status().content)
            names += [each.findtext("Name") or "" for each in found.iter("Blob")]
            marker = found.findtext("NextMarker") or ""
            if not marker:
                return names

    def signature(self, container: str, permissions: str) -> str:
        """A shared access signature for the container's blobs, of an hour."""
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        place = f"/blob/{ACCOUNT}/{container}"
        unset = [""] * 7
        text = "\n".join([permissions, "", ends, place, "", "", "", _VERSION, "c", *unset])
        parts = {"sp": permissions, "se": ends, "sv": _VERSION, "sr": "c", "sig": _signed(text)}
        return urlencode(parts)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a request that is signed by the account's key."""
        now = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        named = {"x-ms-date": now, "x-ms-version": _VERSION} | dict(headers or {})
        url = f"{self.endpoint}/{path}"
        text = "\n".join(
            [
                *(method, "", "", str(len(content) or ""), "", "", "", "", "", "", "", ""),
                *(f"{name}:{named[name]}" for name in sorted(named)),
                f"/{ACCOUNT}{urlsplit(url).path}",
                *(f"{name}:{query[name]}" for name in sorted(query)),
            ]
        )
        named["Authorization"] = f"SharedKey {ACCOUNT}:{_signed(text)}"
        if query:
            url += f"?{urlencode(query)}"
        return httpx.request(
            method, url, content=content, headers=named, trust_env=False, verify=False
        )


def _signed(text: str) -> str:
    digest = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


@contextmanager
def run(directory: Path, *flags: str, scheme: str = "http") -> Iterator[Azurite]:
    """Start a server that keeps its data in memory, and stop it at the end.

    `flags` are Azurite's; with a certificate the scheme is https. Without npm the test is skipped,
    or fails where tools are required.
    """
    port = free_port()
    program = npm.installed(PACKAGE) / "node_modules/azurite/dist/src/blob/main.js"
    command = [npm.node(), program, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence", "--silent"]
    server = Azurite(f"{scheme}://127.0.0.1:{port}/{ACCOUNT}")

    def is_ready() -> bool:
        # Any answer will do: to whom nobody has signed it is 400 or 403.
        try:
            httpx.get(server.endpoint, trust_env=False, verify=False, timeout=5)
        except httpx.TransportError:
            return False
        return True

    with running([*command, *flags], directory / "azurite.log", is_ready):
        yield server
