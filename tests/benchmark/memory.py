"""What processes hold in memory, as the kernel counts it."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


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
    children = defaultdict(list)
    for pid in (int(entry) for entry in os.listdir(_PROC) if entry.isdigit()):
        children[_parent(pid)].append(pid)
    found, waiting = {}, list(roots)
    while waiting:
        pid = waiting.pop()
        waiting += children[pid]
        try:
            found[pid] = _memory(pid)
        except (OSError, LookupError):  # ended meanwhile, or has ended and not been waited for
            continue
    return found


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


def _parent(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])
