"""A small and a large database, served side by side and asked in turns."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tests.benchmark import wrk
from tests.benchmark.databases import Database, Maker
from tests.benchmark.servers import SERVERS, Destination, make_tables
from tests.growth import client, contents, rows, trace_rows
from tests.growth.contents import Size
from tests.growth.figures import LARGE, SMALL, Found, Series
from tests.growth.rows import Row, Wrong
from tests.system.services import database_command

ROWS = {**rows.ROWS, **trace_rows.ROWS}
AS_MADE, OPTIMIZED = "as made", "optimized"
STATES = (AS_MADE, OPTIMIZED)
SIZES = {
    SMALL: Size(1_000, 100_000, traces=1_000),
    LARGE: Size(100_000, 10_000_000, traces=100_000),
}
_PREPARED = 256
"""Requests that wrk repeats."""


@dataclass
class Growth:
    """A choice of rows, and how long to ask for each."""

    found: Found
    rows: list[Row]
    rounds: int
    seconds: int
    client_seconds: float
    say: Callable[[str], None]
    save: Callable[[], None]
    _phase: int = field(default=0, init=False)

    def run(self, directory: Path, maker: Maker, server: str) -> None:
        """Fill both databases, then measure them as they are and after `db optimize`."""
        with ExitStack() as stack:
            databases = {
                side: stack.enter_context(maker.make(self.found.database)) for side in SIZES
            }
            for side, database in databases.items():
                self.fill(side, database)
            for state in STATES:
                if state == OPTIMIZED:
                    if all(row.of_traces for row in self.rows):
                        break
                    self.optimize(databases[LARGE])
                with _serving(directory / state.replace(" ", "-"), server, databases) as urls:
                    for number in range(self.rounds):
                        self.round(state, number, urls)
                        self.save()

    def fill(self, side: str, database: Database) -> None:
        uri = database.uri("postgresql")
        make_tables({"MLFLOW_BACKEND_STORE_URI": uri})
        self.say(f"filling the {side} database")
        size = SIZES[side]
        if all(row.of_traces for row in self.rows):
            size = replace(size, runs=0)
        elif not any(row.of_traces for row in self.rows):
            size = replace(size, traces=0)
        contents.fill(uri, size, self.say)
        database.settle()

    def optimize(self, database: Database) -> None:
        with database_command("optimize", database.uri("postgresql")) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"db optimize failed: {output[-2000:]}")
        self.say(output.rstrip())
        database.settle()

    def round(self, state: str, number: int, urls: dict[str, str]) -> None:
        """Every row once, on both databases right after each other; the first in turns."""
        sides = list(urls) if number % 2 == 0 else list(reversed(urls))
        for row in self.rows:
            if row.of_traces and state == OPTIMIZED:
                continue
            for side in sides:
                self._measure(self._series(state, side, row), row, urls[side])

    def _measure(self, series: Series, row: Row, url: str) -> None:
        if series.fault:
            return
        size = SIZES[series.side]
        self._phase += 2  # one for the single client and one for wrk: steps only grow
        first = (self._phase - 1) * wrk.PHASE
        try:
            single = row.requests(size, first)
            waited = client.ask(
                url,
                single,
                self.client_seconds,
                lambda answer: row.check(answer, size),
                row.together,
            )
            rate = self._rate(row, size, url, first) if row.loaded else None
        except (Wrong, OSError, RuntimeError, LookupError) as error:
            series.fault = f"{type(error).__name__}: {error}"[:300]
            self.say(f"{series.side} {row.name} failed: {series.fault}")
            return
        series.milliseconds += waited
        shown = f"{statistics.median(waited):9.1f} ms"
        if rate is not None:
            series.rates.append(rate)
            shown += f"{rate:9.0f}/s"
        self.say(f"{series.state:<10}{series.side:<6}{row.name:<16}{shown}")

    def _rate(self, row: Row, size: Size, url: str, first: int) -> float:
        if row.load:
            kind, data = row.kind or row.name, row.load(size)
        else:
            kind, data = "prepared", _prepared(row.requests(size, first))
        load = wrk.once(url, kind, self.seconds, data, self._phase, row.clients)
        if load.fault or not load.good:
            raise Wrong(load.fault or "no answers in time")
        return load.rate

    def _series(self, state: str, side: str, row: Row) -> Series:
        for each in self.found.series:
            if (each.state, each.side, each.row) == (state, side, row.name):
                return each
        self.found.series.append(Series(state, side, row.name))
        return self.found.series[-1]


def _prepared(requests: Iterator[Any]) -> dict[str, Any]:
    chosen = islice(requests, _PREPARED)
    return {
        "requests": [
            {"method": each.method, "path": each.path, "body": each.body, "headers": each.headers}
            for each in chosen
        ]
    }


@contextmanager
def _serving(
    directory: Path, server: str, databases: dict[str, Database]
) -> Iterator[dict[str, str]]:
    """The address of each database's own server; both run at the same time."""
    with ExitStack() as stack:
        urls = {}
        for side, database in databases.items():
            folder = directory / side
            folder.mkdir(parents=True)
            destination = Destination(str(folder / "artifacts"))
            running = stack.enter_context(SERVERS[server].start(folder, database, destination))
            urls[side] = running.url
        yield urls
