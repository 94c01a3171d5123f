"""Google's Cloud Storage for tests: its XML interface is S3's, but for the signatures.

A proxy before the S3 server takes the tokens of Google's clients for itself, and hands requests on
unsigned; the server lets anybody use one bucket.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from tests.harness import forwarding
from tests.harness.forwarding import Answer, Forwarding
from tests.seaweedfs import OPEN_BUCKET, S3Server

BUCKET = OPEN_BUCKET


@dataclass
class Counted:
    """Requests of one kind."""

    word: str
    """What their addresses hold."""
    now: int = 0
    most: int = 0
    """At a time."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str, more: int) -> None:
        if self.word in path:
            with self._lock:
                self.now += more
                self.most = max(self.most, self.now)


@dataclass
class GoogleStorage:
    """A running proxy."""

    server: S3Server
    url: str = ""
    takes: Callable[[str], bool] | None = None
    """Whether a token is one; without it any token will do, and none."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and Accept-Encoding of each request."""
    counted: Counted | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to use it."""
        return {"STORAGE_EMULATOR_HOST": self.url}

    @contextmanager
    def counting(self, word: str) -> Iterator[Counted]:
        """Counts the requests under way whose address holds the word."""
        self.counted = Counted(word)
        yield self.counted
        self.counted = None


class _Front(Forwarding):
    storage: ClassVar[GoogleStorage]
    dropped = ("authorization",)

    def answer(self) -> None:
        counted = self.storage.counted
        if counted:
            counted.count(self.path, 1)
        super().answer()
        if counted:
            counted.count(self.path, -1)

    def answered(self, body: bytes) -> Answer | None:
        self.storage.asked.append((self.command, self.headers.get("Accept-Encoding", "")))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.storage.takes is None or self.storage.takes(token):
            return None
        text = b"<Error><Code>AuthenticationRequired</Code><Message>no token</Message></Error>"
        return Answer(401, text, {"Content-Type": "application/xml"})


@contextmanager
def serve(server: S3Server) -> Iterator[GoogleStorage]:
    """A proxy before the S3 server."""
    storage = GoogleStorage(server)
    target = urlsplit(server.endpoint).netloc
    with forwarding.serve(type("Front", (_Front,), {"storage": storage, "target": target})) as url:
        storage.url = url
        yield storage
