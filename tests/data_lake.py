"""A hierarchical namespace, as Azure's accounts of Data Lake have it, before an emulator without.

It keeps to what Microsoft's documentation says of blobs' requests there: directories are made by
the files in them, stay when these go, are answered with their own type, and are deleted when empty.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.azurite import ACCOUNT, Azurite
from tests.harness import forwarding
from tests.harness.forwarding import Answer, Forwarding

_DELETED = re.compile(rb"DELETE /devstoreaccount1/([^ ?]+)[^ ]* HTTP")


def _batch(head: str) -> Answer:
    """An answer to a batch of one request."""
    lines = ["--batch", "Content-Type: application/http", "Content-ID: 0", "", head, "", ""]
    body = "\r\n".join([*lines, "--batch--", ""])
    return Answer(202, body.encode(), {"Content-Type": "multipart/mixed; boundary=batch"})


class _Lake(Forwarding):
    behind: ClassVar[Azurite]
    directories: ClassVar[set[str]]
    """As container/a/b."""

    @property
    def _name(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{ACCOUNT}/")

    @property
    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def answered(self, body: bytes) -> Answer | None:
        name = self._name
        if self.command == "PUT" and "restype" not in self._query:
            parents = name.split("/")[:-1]
            self.directories.update("/".join(parents[:end]) for end in range(2, len(parents) + 1))
        if self._query.get("comp") == "batch":
            asked = [unquote(each.decode()) for each in _DELETED.findall(body)]
            # A client that deletes one object asks for a batch of one.
            if len(asked) == 1 and asked[0] in self.directories:
                return _batch(self._delete(asked[0]))
        if self.command in ("GET", "HEAD") and name in self.directories:
            headers = {
                "x-ms-resource-type": "directory",
                "ETag": '"0x8D"',
                "Last-Modified": "Thu, 01 Jul 2021 10:44:59 GMT",
            }
            return Answer(200, b"", headers)
        return None

    def _delete(self, name: str) -> str:
        """The head of the answer."""
        container, _, path = name.partition("/")
        below = [each for each in self.directories if each.startswith(f"{name}/")]
        if below or self.behind.blobs(container, f"{path}/"):
            return "HTTP/1.1 409 It is not empty.\r\nx-ms-error-code: DirectoryIsNotEmpty"
        self.directories.discard(name)
        return "HTTP/1.1 202 Accepted"

    def changes(self) -> bool:
        return self.command == "GET" and "delimiter" in self._query

    def changed(self, body: bytes) -> bytes:
        above = f"{self._name}/{self._query.get('prefix', '')}"
        for each in self.directories:
            name = each.removeprefix(above)
            told = f"<BlobPrefix><Name>{each.partition('/')[2]}/</Name></BlobPrefix>".encode()
            if each.startswith(above) and "/" not in name and told not in body:
                body = body.replace(b"<Blobs/>", b"<Blobs></Blobs>")
                body = body.replace(b"</Blobs>", told + b"</Blobs>")
        return body


@contextmanager
def serve(server: Azurite) -> Iterator[tuple[str, set[str]]]:
    """The endpoint of the account's blobs, and the directories that there are."""
    directories: set[str] = set()
    members = {
        "behind": server,
        "directories": directories,
        "target": urlsplit(server.endpoint).netloc,
    }
    with forwarding.serve(type("Lake", (_Lake,), members)) as url:
        yield f"{url}/{ACCOUNT}", directories
