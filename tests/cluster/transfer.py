"""One large transfer over HTTPS, as a script: `python -m tests.cluster.transfer`.

`upload URL PACE MIB SEED` sends a file that exists nowhere, `download URL PACE` reads one and keeps
none of it, both at PACE MiB a second at the most; they print its SHA-256 and their seconds as JSON.
Nothing is tried again.
"""

import hashlib
import http.client
import json
import os
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.cluster import names

MIB = 1024 * 1024
_SECONDS = 300
"""How long a transfer may stand still."""


def blocks(mebibytes: int, seed: str) -> Iterator[bytes]:
    """The content of a file by its seed; no two blocks of it are alike."""
    filling = hashlib.shake_256(seed.encode()).digest(MIB - 8)
    for number in range(mebibytes):
        yield number.to_bytes(8, "big") + filling


class Pace:
    """Holds a transfer back, so that it is still there when a fast machine has rolled all pods."""

    def __init__(self, mebibytes_a_second: float) -> None:
        self._bytes_a_second = mebibytes_a_second * MIB
        self._begun = time.monotonic()
        self._moved = 0

    def wait(self, moved: int) -> None:
        """Wait until so many more bytes are due."""
        self._moved += moved
        due = self._begun + self._moved / self._bytes_a_second
        time.sleep(max(0.0, due - time.monotonic()))


def upload(url: str, pace: Pace, mebibytes: int, seed: str) -> str:
    """PUT the file; returns its digest."""
    digest = hashlib.sha256()

    def body() -> Iterator[bytes]:
        for block in blocks(mebibytes, seed):
            digest.update(block)
            yield block
            pace.wait(len(block))

    connection, target = _connect(url)
    connection.request("PUT", target, body(), {"Content-Length": str(mebibytes * MIB)})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"upload answered {answer.status}: {text[:500]!r}")
    return digest.hexdigest()


def download(url: str, pace: Pace) -> str:
    """GET the file; returns its digest. One that is cut off is an error."""
    digest = hashlib.sha256()
    connection, target = _connect(url)
    connection.request("GET", target)
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"download answered {answer.status}: {answer.read(500)!r}")
    left = answer.length
    while block := answer.read(MIB):
        digest.update(block)
        left = None if left is None else left - len(block)
        pace.wait(len(block))
    if left:
        raise RuntimeError(f"download is short of {left} bytes")
    return digest.hexdigest()


def _connect(url: str) -> tuple[http.client.HTTPSConnection, str]:
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])
    assert parts.hostname
    return (
        http.client.HTTPSConnection(
            parts.hostname, timeout=_SECONDS, context=context, blocksize=256 * 1024
        ),
        parts.path,
    )


def main(action: str, url: str, pace: str, *rest: str) -> dict[str, Any]:
    """Run one transfer."""
    begun = time.monotonic()
    held = Pace(float(pace))
    sha256 = upload(url, held, int(rest[0]), rest[1]) if action == "upload" else download(url, held)
    return {"sha256": sha256, "seconds": round(time.monotonic() - begun, 1)}


if __name__ == "__main__":
    names.install()
    print(json.dumps(main(*sys.argv[1:])))
