"""What processes hold in memory, and whether they are at work, as the kernel counts it."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_IDLE_SECONDS = 3
_IDLE_SHARE = 0.1
"""Of one core, in each of the seconds."""
_IDLE_PATIENCE = 180


@dataclass(frozen=True)
class Memory:
    """One process; all in MiB."""

    command: str
    rss: float
    """All its pages that are in memory."""
    pss: float
    """Its share of them: a page of two processes counts half for each."""
    peak: float
    """The most that `rss` has been."""


def of(roots: Iterable[int]) -> list[Memory]:
    """The processes, and all that they have started."""
    return list(by_process(roots).values())


def by_process(roots: Iterable[int]) -> dict[int, Memory]:
    """As `of`, by the process's number."""
    found = {}
    for pid in _tree(roots):
        try:
            found[pid] = _memory(pid)
        except (OSError, LookupError):  # ended meanwhile, or has ended and not been waited for
            continue
    return found


def wait_until_idle(roots: Iterable[int]) -> None:
    """Wait until the processes, with all that they have started, have nothing to do for a while.

    Raises RuntimeError when they never do.
    """
    deadline = time.monotonic() + _IDLE_PATIENCE
    quiet, before = 0, cpu_seconds(roots)
    while quiet < _IDLE_SECONDS:
        time.sleep(1)
        now = cpu_seconds(roots)
        quiet = quiet + 1 if now - before < _IDLE_SHARE else 0
        before = now
        if time.monotonic() > deadline:
            raise RuntimeError(f"still busy {_IDLE_PATIENCE} seconds after the start")


def cpu_seconds(roots: Iterable[int]) -> float:
    """What the processes, and all that they have started, have used of the processor."""
    ticks = 0
    for pid in _tree(roots):
        fields = _stat(pid)
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _tree(roots: Iterable[int]) -> Iterator[int]:
    children = defaultdict(list)
    for pid in (int(entry) for entry in os.listdir(_PROC) if entry.isdigit()):
        if fields := _stat(pid):
            children[int(fields[1])].append(pid)
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        waiting += children[pid]
        yield pid


def forget_peaks(processes: Iterable[int]) -> None:
    """Let the peak of each process be what it has now."""
    for pid in processes:
        (_PROC / str(pid) / "clear_refs").write_text("5")


def _memory(pid: int) -> Memory:
    home = _PROC / str(pid)
    status = _kilobytes((home / "status").read_text())
    shares = _kilobytes((home / "smaps_rollup").read_text())
    command = (home / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    mib = 1024
    return Memory(
        command[:120].strip(), status["VmRSS"] / mib, shares["Pss"] / mib, status["VmHWM"] / mib
    )


def _kilobytes(text: str) -> dict[str, int]:
    return {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) from the state on, or none of a process that has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
