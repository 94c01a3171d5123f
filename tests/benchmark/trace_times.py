"""Times of traces: what one costs, how long one client waits, and for how long others do."""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

from tests.benchmark import memory, rows, trace_bodies, trace_rows, wrk
from tests.benchmark.content import Content
from tests.benchmark.databases import Database
from tests.benchmark.results import Figure
from tests.benchmark.rows import Wrong, expect
from tests.benchmark.servers import Running

TITLES: Final = {
    "trace-cpu": "time of the processor for a trace of ten spans, OTLP, one trace a request",
    "trace-miss-name": "search for a name that no span of 1,000 traces has",
    "trace-miss-text": "search for a text that no span of 1,000 traces has",
    "trace-miss-umlaut": "the same, with a letter that is not ASCII",
    "trace-large": f"{trace_bodies.LARGE:,} spans in one request",
    "log-metric-flood": "log-metric's 99th percentile beside a flood of spans, to that without",
}
ONLY_TANDEM: Final = ("trace-miss-umlaut",)
"""What others answer no differently from ASCII."""
Measured = tuple[float, str, dict[str, Any]]
"""A value, its unit, and what it was made of."""

ROUNDS: Final = 5
"""Of waiting, at least."""

_SECONDS: Final = 2
TURNS: Final = 7
"""Windows without a flood, and as many beside one: of either, 99th percentiles differ threefold.

Of a slow server there are fewer, and longer ones.
"""
_ENOUGH: Final = 1_000
"""Answers of a window: of fewer, a 99th percentile is that of one or two."""
_PATIENCE: Final = 60
"""After so many seconds of waiting fewer rounds are enough."""
_FEW: Final = 3
_LOGGING: Final = "log-metric-16"
_FLOOD: Final = "trace-otlp"
FILTERS: Final = {
    "trace-miss-name": "span.name = 'nothing {}'",
    "trace-miss-text": "trace.text ILIKE '%nothing {}%'",
    "trace-miss-umlaut": "trace.text ILIKE '%für nichts {}%'",
}
"""What is looked for, and not there."""


def of_server(name: str) -> list[str]:
    """What is measured of a server."""
    if name == "fasttrackml":
        return []
    return [row for row in TITLES if row not in ONLY_TANDEM or name.startswith("tandem")]


def measure(
    row: str, name: str, server: Running, database: Database, of: Content, seconds: int
) -> Figure:
    """One time; what shows that it means nothing is its fault."""
    database.settle()
    try:
        if where := FILTERS.get(row):
            value, unit, detail = _missed(of, where)
        else:
            value, unit, detail = WRITING[row](server, of, seconds)
    except (Wrong, RuntimeError) as error:
        return Figure(database.kind, name, row, 0, "ms", str(error)[:300])
    return Figure(database.kind, name, row, value, unit, None, detail)


def _missed(of: Content, where: str) -> Measured:
    """Milliseconds until a single client has been told that nothing is there."""
    experiment = of.traced[0]
    expect(bool(of.api.search_traces(experiment, "span.name = 'step_3'", 1)), "nothing is there")

    def search(number: int) -> None:
        expect(of.api.search_traces(experiment, where.format(number)) == [], "something was found")

    return _waited(search, 1000, "ms")


def _large(server: Running, of: Content, seconds: int) -> Measured:
    """Seconds until one client's very many spans are stored, each time those of another trace."""
    ids = [os.urandom(16) for _ in range(ROUNDS + 1)]
    bodies = [trace_bodies.large(each) for each in ids]
    headers = trace_bodies.headers(of.exported)

    def send(number: int) -> None:
        of.api.send("POST", trace_bodies.EXPORT, bodies[number], headers)

    found = _waited(send, 1, "s", most=ROUNDS)
    stored = of.api.trace(f"tr-{ids[0].hex()}")["spans"]
    expect(len(stored) == trace_bodies.LARGE, len(stored))
    return found


def _waited(ask: Callable[[int], None], units: int, unit: str, most: int = 1000) -> Measured:
    """The median of some answers, one after the other; the first is not counted."""
    ask(0)
    found: list[float] = []
    begun = time.monotonic()
    while len(found) < most:
        taken = time.monotonic() - begun
        enough = ROUNDS if taken < _PATIENCE else _FEW
        if taken > _SECONDS and len(found) >= enough:
            break
        start = time.perf_counter()
        ask(len(found) + 1)
        found.append(units * (time.perf_counter() - start))
    return statistics.median(found), unit, {"waited": found}


def _cpu(server: Running, of: Content, seconds: int) -> Measured:
    """Milliseconds that the server's processes take for a trace; the database's are not counted."""
    row = trace_rows.ROWS[_FLOOD]
    data = row.data(of)
    wrk.once(server.url, row.kind, wrk.WARM_UP_SECONDS, data, 1, row.clients)
    pids = [process.pid for process in server.processes]
    before = memory.cpu_seconds(pids)
    load = wrk.once(server.url, row.kind, wrk.longer(seconds) // 2, data, 2, row.clients)
    used = memory.cpu_seconds(pids) - before
    if load.fault or not load.good:
        raise Wrong(load.fault or "no answers in time")
    return 1000 * used / load.good, "ms", asdict(load)


def _flooded(server: Running, of: Content, seconds: int) -> Measured:
    """How many times as long the slowest of a hundred metrics takes while others send spans."""
    row, flood = rows.ROWS[_LOGGING], trace_rows.ROWS[_FLOOD]
    data, spans = row.data(of), flood.data(of)
    alone: list[float] = []
    beside: list[float] = []
    usual = wrk.once(server.url, row.kind, wrk.WARM_UP_SECONDS, data)
    turns = TURNS
    if usual.good * seconds < _ENOUGH * usual.seconds:
        turns, seconds = wrk.WINDOWS, wrk.longer(seconds)
    with ThreadPoolExecutor(1) as threads:
        for phase in range(2, 2 + 2 * turns, 2):
            alone.append(_p99(wrk.once(server.url, row.kind, seconds, data, phase)))
            # Longer than what it is to disturb, at both ends.
            flooding = threads.submit(
                wrk.once, server.url, flood.kind, seconds + 2, spans, phase, flood.clients
            )
            time.sleep(1)
            beside.append(_p99(wrk.once(server.url, row.kind, seconds, data, phase + 1)))
            _p99(flooding.result())
    times = statistics.median(beside) / statistics.median(alone)
    return times, "×", {"alone_ms": alone, "beside_ms": beside}


WRITING: Final[dict[str, Callable[[Running, Content, int], Measured]]] = {
    "trace-large": _large,
    "trace-cpu": _cpu,
    "log-metric-flood": _flooded,
}
"""Those that write to the database."""


def _p99(load: wrk.Load) -> float:
    if load.fault or not load.good:
        raise Wrong(load.fault or "no answers in time")
    return load.p99_ms
