"""Load from `wrk`: the same script, connections and time for every server."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import debian

CONNECTIONS = 16
WARM_UP_SECONDS = 1
WINDOWS = 3
"""Loads of a row. A shared machine disturbs one of them, rarely all."""
_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = "RESULT "
_FEW = 6
"""Of fewer answers a connection, those on their way when the time is up would be too many."""
_LONGER = 4
_LONG_SECONDS = 20
PHASE = 100_000_000
"""Requests of one phase count from here on, so that those of two never repeat each other."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk met."""

    requests: int
    """Answers, be they good or bad."""
    refused: int
    """Answers of status 400 or more."""
    broken: int
    """Connections that failed and requests that were never answered."""
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def good(self) -> int:
        return self.requests - self.refused

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return self.good / self.seconds

    @property
    def fault(self) -> str | None:
        """Why the figure means nothing, if so."""
        if self.refused or self.broken:
            return f"{self.refused} of {self.requests} answers refused, {self.broken} broken"
        return None


@dataclass(frozen=True)
class Clients:
    """Who sends a load."""

    connections: int = CONNECTIONS
    apart: bool = False
    """Whether each connection counts its own requests, and sends them in their order."""


_SHARED = Clients()


def drive(
    url: str, kind: str, seconds: int, data: Mapping[str, Any], clients: Clients = _SHARED
) -> list[Load]:
    """The loads, warm-up first and the one that counts last; `kind` is a function of load.lua.

    Of some windows of so many seconds the best one counts, or the first that met a fault.
    A server that is too slow to be measured in a window is given one longer one.
    """
    few = _FEW * clients.connections
    loads = [once(url, kind, WARM_UP_SECONDS, data, clients=clients)]
    windows: list[Load] = []
    for phase in range(2, 2 + WINDOWS):
        windows.append(once(url, kind, seconds, data, phase, clients))
        if windows[-1].fault or windows[-1].requests < few:
            break
    best = by_worth(windows, few)[-1]
    if not best.requests or (not best.fault and best.requests < few):
        windows.append(once(url, kind, longer(seconds), data, 2 + WINDOWS, clients))
    return loads + by_worth(windows, few)


def longer(seconds: int) -> int:
    """How many seconds a server gets that is too slow for windows of so many."""
    return max(seconds * _LONGER, _LONG_SECONDS)


def by_worth(windows: list[Load], few: int = _FEW * CONNECTIONS) -> list[Load]:
    """The load that counts last: one that met a fault before all, else the best of the rates.

    One with too few answers to be a rate comes first.
    """
    return sorted(
        windows,
        key=lambda load: (
            load.requests > 0 and load.fault is not None,
            load.requests >= few,
            load.rate,
        ),
    )


def once(
    url: str,
    kind: str,
    seconds: int,
    data: Mapping[str, Any],
    phase: int = 1,
    clients: Clients = _SHARED,
) -> Load:
    """One load without any before or after; requests of no two phases are the same."""
    return _run(url, {**data, "kind": kind, "first": phase * PHASE}, seconds, clients)


def parse(output: str) -> Load:
    """What the script's last line says."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            return Load(**json.loads(line.removeprefix(_MARK)))
    raise RuntimeError(f"wrk gave no result:\n{output[-2000:]}")


def lua(value: Any) -> str:
    """A value as a Lua expression."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{lua(key)}]={lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "{" + ",".join(map(lua, value)) + "}"
    if isinstance(value, bytes):
        return '"' + "".join(f"\\{byte:03}" for byte in value) + '"'
    return json.dumps(value)


def _run(url: str, data: Mapping[str, Any], seconds: int, clients: Clients) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(f"return {lua(data)}\n")
        file.flush()
        command = [
            debian.find("wrk", "wrk"),
            f"--threads={clients.connections if clients.apart else 1}",
            f"--connections={clients.connections}",
            f"--duration={seconds}s",
            "--timeout=30s",
            f"--script={_SCRIPT}",
            url,
            "--",
            file.name,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return parse(done.stdout)
