"""The limits: what the parts that a server is made of can do with the same load."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmark import raw, rows, wrk
from tests.benchmark.databases import Maker
from tests.benchmark.processes import Process, serve
from tests.benchmark.results import Figure
from tests.benchmark.servers import WORKERS
from tests.harness.processes import free_port

NAME = "limits"
_ROOT = Path(__file__).resolve().parents[2]
_APP = "tests.benchmark.trivial:app"


@dataclass(frozen=True)
class Limit:
    name: str
    title: str
    of: tuple[str, ...]
    """The rows that it bounds."""
    units: int = 1
    """Of the limit, in one request of the row."""


DATABASE = {
    limit.name: limit
    for limit in (
        Limit(
            "raw-commit",
            "insert and upsert of one metric, committed, one connection",
            ("log-metric-16", "log-metric-1"),
        ),
        Limit(
            "raw-commit-metrics-only",
            "insert of one metric, committed, one connection",
            ("log-metric-16", "log-metric-1"),
        ),
        *(
            Limit(name, title, ("log-batch",), rows.BATCH)
            for name, title in (
                ("raw-unnest", "insert and upsert by unnest, one connection"),
                ("raw-unnest-2", "insert and upsert by unnest, two connections"),
                ("raw-unnest-metrics-only", "insert by unnest, one connection"),
                ("raw-unnest-metrics-only-2", "insert by unnest, two connections"),
                ("raw-copy-metrics-only", "insert by COPY, one connection"),
            )
        ),
    )
}
ASGI = {
    limit.name: limit
    for limit in (
        Limit("hypercorn-get", "trivial GET under Hypercorn", ("get-run",)),
        Limit("hypercorn-post", "trivial POST under Hypercorn", ("log-metric-16",)),
        Limit("uvicorn-get", "trivial GET under Uvicorn", ("get-run",)),
        Limit("uvicorn-post", "trivial POST under Uvicorn", ("log-metric-16",)),
    )
}


def database_limits(
    maker: Maker, chosen: Callable[[Limit], bool], seconds: int, before: Mapping[str, list[float]]
) -> Iterator[Figure]:
    """Rows a second, committed to PostgreSQL without any server.

    `before` holds what was measured earlier, to which this adds: the best counts.
    """
    wanted = [limit for limit in DATABASE.values() if chosen(limit)]
    if not wanted:
        return
    with maker.make("postgresql") as database:
        runs = raw.prepare(database)
        for limit in wanted:
            rates = before[limit.name]
            rates.append(raw.rate(limit.name, database, runs, seconds))
            value, detail = max(rates), {"rates": list(rates)}
            yield Figure(database.kind, NAME, limit.name, value, "rows/s", None, detail)


def asgi_limits(directory: Path, chosen: Callable[[Limit], bool], seconds: int) -> Iterator[Figure]:
    """Answers a second of an application that does nothing."""
    for server in ("hypercorn", "uvicorn"):
        wanted = [each for each in ASGI.values() if each.name.startswith(server) and chosen(each)]
        if not wanted:
            continue
        with asgi(directory, server, _APP) as process:
            for limit in wanted:
                kind = "root-post" if limit.name.endswith("post") else "root"
                load = wrk.drive(process.url, kind, seconds, {})[-1]
                yield Figure("", NAME, limit.name, load.rate, "1/s", load.fault, asdict(load))


@contextmanager
def asgi(
    directory: Path, server: str, app: str, variables: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """An ASGI application of this package under `hypercorn` or `uvicorn`."""
    port = free_port()
    if server == "hypercorn":
        program = str(Path(sys.executable).parent / "hypercorn")
        command = [program, f"--bind=127.0.0.1:{port}", f"--workers={WORKERS}", app]
    else:
        module = "tests.benchmark.plain_uvicorn"
        command = [sys.executable, "-m", module, app, str(port), str(WORKERS)]
    variables = {"PYTHONPATH": str(_ROOT), **(variables or {})}
    with serve(directory, command, port, health="/", variables=variables) as process:
        yield process
