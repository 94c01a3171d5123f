"""The limits of artifacts: nginx, a plain ASGI application and the S3 server, without Tandem."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.benchmark import files, limits, nginx, transfer
from tests.benchmark.limits import NAME, Limit
from tests.benchmark.results import Figure
from tests.seaweedfs import S3Server

BUCKET = "benchmark"
_APP = "tests.benchmark.disk_app:app"
_KEY = "direct"

FILES = {
    limit.name: limit
    for limit in (
        Limit("nginx-put", "PUT of 10 kB to nginx", ("artifact-put",)),
        Limit("nginx-get", "GET of 10 kB from nginx", ("artifact-get",)),
        Limit("nginx-upload", "upload of 1 GiB to nginx", ("upload",)),
        Limit("nginx-upload-synced", "the same, and fsync of the file", ("upload",)),
        Limit("nginx-download", "download of 1 GiB from nginx", ("download",)),
        Limit("hypercorn-upload", "upload of 1 GiB to Hypercorn", ("upload",)),
        Limit("hypercorn-download", "download of 1 GiB from Hypercorn", ("download",)),
        Limit("s3-upload", "upload of 1 GiB to the S3 server", ("upload-s3",)),
        Limit("s3-download", "download of 1 GiB from the S3 server", ("download-s3",)),
    )
}
Chosen = Callable[[Limit], bool]


def of_disk(directory: Path, source: Path, chosen: Chosen, seconds: int) -> Iterator[Figure]:
    """nginx, and Hypercorn with an application that does nothing else."""
    wanted = [limit.name for limit in FILES.values() if chosen(limit)]
    if any(name.startswith("nginx") for name in wanted):
        with nginx.serve_files(directory) as (process, home):
            base = process.url
            yield from files.small(NAME, base, home, wanted, ("nginx-put", "nginx-get"), seconds)
            stored = home / "large"
            names = "nginx-upload", "nginx-download"
            url = f"{base}/large"
            yield from files.large(NAME, url, source, wanted, names, stored.unlink)
            if "nginx-upload-synced" in wanted:
                yield _synced(url, source, stored)
    if any(name.startswith("hypercorn") for name in wanted):
        home = directory / "plain"
        home.mkdir()
        variables = {"BENCHMARK_FILES": str(home)}
        with limits.asgi(directory, "hypercorn", _APP, variables) as process:
            names = "hypercorn-upload", "hypercorn-download"
            remove = (home / "large").unlink
            url = f"{process.url}/large"
            yield from files.large(NAME, url, source, wanted, names, remove)


def of_s3(server: S3Server, source: Path, chosen: Chosen) -> Iterator[Figure]:
    """The S3 server, by its usual client: parts up by several threads, one stream down."""
    wanted = [limit.name for limit in FILES.values() if chosen(limit)]
    if "s3-upload" not in wanted and "s3-download" not in wanted:
        return
    ups: list[float] = []
    downs: list[float] = []
    with closing(server.client()) as client:
        while not files.enough(ups):
            client.delete_object(Bucket=BUCKET, Key=_KEY)
            os.sync()
            begun = time.monotonic()
            client.upload_file(str(source), BUCKET, _KEY)
            ups.append(time.monotonic() - begun)
        while not files.enough(downs):
            begun = time.monotonic()
            body = client.get_object(Bucket=BUCKET, Key=_KEY)["Body"]
            while body.read(1 << 20):
                pass
            downs.append(time.monotonic() - begun)
        client.delete_object(Bucket=BUCKET, Key=_KEY)
    for row, taken in (("s3-upload", ups), ("s3-download", downs)):
        if row in wanted:
            yield files.speed(NAME, row, taken)


def _synced(url: str, source: Path, stored: Path) -> Figure:
    """As Tandem's answer promises it: the file is on the disk, not in the page cache alone."""
    seconds: list[float] = []
    while not files.enough(seconds):
        os.sync()
        taken = transfer.upload(url, source)
        begun = time.monotonic()
        with stored.open("rb") as file:
            os.fsync(file.fileno())
        seconds.append(taken + time.monotonic() - begun)
        stored.unlink()
    return files.speed(NAME, "nginx-upload-synced", seconds)
