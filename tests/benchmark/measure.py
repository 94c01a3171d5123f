"""What is measured on which server, in which order."""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests import seaweedfs
from tests.benchmark import (
    accounts,
    clients,
    file_limits,
    files,
    limits,
    memory,
    rows,
    trace_rows,
    trace_times,
)
from tests.benchmark.content import Api, Content
from tests.benchmark.databases import Database, Maker
from tests.benchmark.limits import Limit
from tests.benchmark.results import Figure
from tests.benchmark.servers import SERVERS, Destination, Running

DATABASES = ("postgresql", "sqlite")
SERVER_NAMES = (*SERVERS, accounts.NAME, limits.NAME)
PROCESS_TITLES = {
    "start-up": "start-up",
    "memory-idle": "idle memory, all processes",
    "memory-idle-process": "idle memory, largest process",
    "memory-peak": "peak memory, all processes",
    "memory-peak-process": "peak memory, largest process",
    "memory-peak-files": "peak memory with files, all processes",
}
LIMITS = {**limits.DATABASE, **limits.ASGI, **file_limits.FILES}
ROWS = {**rows.ROWS, **trace_rows.ROWS}
TITLES = {
    **{name: row.title for name, row in ROWS.items()},
    **trace_times.TITLES,
    **accounts.TITLES,
    **clients.TITLES,
    **files.TITLES,
    **PROCESS_TITLES,
    **{name: limit.title for name, limit in LIMITS.items()},
}
_STARTS = 3


@dataclass(frozen=True)
class Benchmark:
    """A choice of servers, databases and rows, and where to work."""

    directory: Path
    maker: Maker
    servers: list[str]
    databases: list[str]
    rows: list[str]
    seconds: int

    def figures(self) -> Iterator[Figure]:
        """All that was chosen, each figure as soon as it is known."""
        if limits.NAME in self.servers:
            yield from limits.asgi_limits(self.directory, self._bounds, self.seconds)
        rates: dict[str, list[float]] = defaultdict(list)
        for kind in self.databases:
            # Once before each server: a machine that is shared has fast minutes and slow ones.
            for name in self._peers() or [limits.NAME]:
                if kind == "postgresql" and limits.NAME in self.servers:
                    yield from limits.database_limits(self.maker, self._bounds, self.seconds, rates)
                if name != limits.NAME:
                    yield from self._guarded(self._api(kind, name), kind, name)
            if accounts.NAME in self.servers:
                folder = self._folder(f"{accounts.NAME}-{kind}")
                found = accounts.measure(folder, self.maker, kind, self.rows, self.seconds)
                yield from self._guarded(found, kind, accounts.NAME)
        if any(row in files.TITLES for row in self.rows):
            yield from self._files()

    def _peers(self) -> list[str]:
        return [name for name in self.servers if name in SERVERS]

    def _bounds(self, limit: Limit) -> bool:
        return limit.name in self.rows or any(row in self.rows for row in limit.of)

    def _guarded(self, figures: Iterator[Figure], kind: str, name: str) -> Iterator[Figure]:
        """A server that does not start costs its own figures only."""
        try:
            yield from figures
        except (OSError, RuntimeError) as error:
            yield Figure(kind, name, "run", 0, "", str(error))

    def _api(self, kind: str, name: str) -> Iterator[Figure]:
        # What is only read first: the faster a server writes, the more the others would find there.
        chosen = [row for row in ROWS.values() if row.name in self.rows and name not in row.absent]
        times = [row for row in trace_times.of_server(name) if row in self.rows]
        logged = [row for row in clients.TITLES if row in self.rows and kind == clients.DATABASE]
        processes = [row for row in PROCESS_TITLES if row in self.rows]
        if not chosen and not times and not logged and not processes:
            return
        folder = self._folder(f"{name}-{kind}")
        destination = Destination(str(folder / "artifacts"))
        with self.maker.make(kind) as database:
            with self._warm(folder, name, database, destination) as server:
                yield from self._memory(kind, name, server, "memory-idle")
                of = Content(Api(server.url))
                for writes in (False, True):
                    for row in chosen:
                        if bool(row.table) == writes:
                            yield rows.measure(row, name, server.url, database, of, self.seconds)
                    for each in times:
                        if (each in trace_times.WRITING) == writes:
                            yield trace_times.measure(
                                each, name, server, database, of, self.seconds
                            )
                yield from clients.measure(name, server.url, database, logged)
                yield from self._memory(kind, name, server, "memory-peak")
            if "start-up" in processes:
                yield self._start_up(folder, name, database, destination)

    def _memory(self, kind: str, name: str, server: Running, row: str) -> Iterator[Figure]:
        if not any(each.startswith(row) for each in self.rows):
            return
        found = memory.of(process.pid for process in server.processes)
        detail: dict[str, Any] = {"processes": [asdict(each) for each in found]}
        if row == "memory-idle":
            total, largest = sum(each.pss for each in found), max(each.rss for each in found)
        else:
            total, largest = sum(each.peak for each in found), max(each.peak for each in found)
        for each, value in ((row, total), (f"{row}-process", largest)):
            if each in self.rows:
                yield Figure(kind, name, each, value, "MiB", None, detail)

    @contextmanager
    def _warm(
        self, folder: Path, name: str, database: Database, destination: Destination
    ) -> Iterator[Running]:
        """A server whose start is over, with all that it goes on with after its first answer."""
        with SERVERS[name].start(folder, database, destination) as server:
            memory.wait_until_idle([process.pid for process in server.processes])
            yield server

    def _start_up(
        self, folder: Path, name: str, database: Database, destination: Destination
    ) -> Figure:
        """The median of some starts on a database that has its tables."""
        seconds = []
        for _ in range(_STARTS):
            with SERVERS[name].start(folder, database, destination) as server:
                seconds.append(max(process.seconds for process in server.processes))
        detail = {"seconds": seconds}
        return Figure(
            database.kind, name, "start-up", statistics.median(seconds), "s", None, detail
        )

    def _files(self) -> Iterator[Figure]:
        with ExitStack() as stack:
            source = stack.enter_context(files.large_file(self.directory))
            if limits.NAME in self.servers:
                yield from file_limits.of_disk(self.directory, source, self._bounds, self.seconds)
            for name in self._peers():
                yield from self._guarded(self._disk(name, source), "", name)
            if not any(row in self.rows for row in ("upload-s3", "download-s3")):
                return
            s3 = stack.enter_context(seaweedfs.run(self._folder("seaweedfs")))
            s3.create_bucket(file_limits.BUCKET)
            if limits.NAME in self.servers:
                yield from file_limits.of_s3(s3, source, self._bounds)
            for name in self._peers():
                yield from self._guarded(self._s3(name, source, s3), "", name)

    def _disk(self, name: str, source: Path) -> Iterator[Figure]:
        folder = self._folder(f"{name}-files")
        destination = Destination(str(folder / "artifacts"))
        with (
            self.maker.make(self.databases[0]) as database,
            self._warm(folder, name, database, destination) as server,
        ):
            if server.artifacts_url is None:
                return
            base = f"{server.artifacts_url}{files.PROXY}/benchmark"
            home = folder / "artifacts" / "benchmark"
            small = "artifact-put", "artifact-get"
            yield from files.small(name, base, home, self.rows, small, self.seconds)
            yield from files.directory(name, server, self.rows)
            large = "upload", "download"
            remove = (home / "large").unlink
            yield from files.large(name, f"{base}/large", source, self.rows, large, remove)
            if "memory-peak-files" in self.rows:
                found = memory.of(process.pid for process in server.processes)
                detail: dict[str, Any] = {"processes": [asdict(each) for each in found]}
                total = sum(each.peak for each in found)
                yield Figure("", name, "memory-peak-files", total, "MiB", None, detail)

    def _s3(self, name: str, source: Path, s3: seaweedfs.S3Server) -> Iterator[Figure]:
        folder = self._folder(f"{name}-s3")
        destination = Destination(f"s3://{file_limits.BUCKET}/{name}", s3.environ)
        with (
            self.maker.make(self.databases[0]) as database,
            self._warm(folder, name, database, destination) as server,
            closing(s3.client()) as client,
        ):
            if server.artifacts_url is None:
                return

            def remove() -> None:
                client.delete_object(Bucket=file_limits.BUCKET, Key=f"{name}/large")

            url = f"{server.artifacts_url}{files.PROXY}/large"
            names = "upload-s3", "download-s3"
            yield from files.large(name, url, source, self.rows, names, remove)

    def _folder(self, name: str) -> Path:
        folder = self.directory / name
        folder.mkdir()
        return folder
