"""How much memory a running service has."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.harness.processes import Process

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def resident(process: Process) -> int:
    """Bytes of memory that the service and its workers have now."""
    return sum(_bytes(pid, _RESIDENT) for pid in _with_workers(process.pid))


def peak(process: Process) -> int:
    """The most bytes of memory that each had at any time, added up."""
    return sum(_bytes(pid, _PEAK) for pid in _with_workers(process.pid))


def _with_workers(pid: int) -> Iterator[int]:
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    yield from map(int, children.split())


def _bytes(pid: int, what: "re.Pattern[str]") -> int:
    found = what.search(Path(f"/proc/{pid}/status").read_text())
    assert found, f"/proc/{pid}/status names no such figure"
    return int(found[1]) * 1024
