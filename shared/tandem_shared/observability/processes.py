"""What the processes of a service take together: `process_*` of a supervisor and its workers.

Prometheus's client exports these metrics of one process, and none of them with several workers.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_ATTEMPTS: Final = 5
_CPU: Final = "process_cpu_seconds"
_RESIDENT: Final = "process_resident_memory_bytes"
_STARTED: Final = "process_start_time_seconds"


class ProcessesCollector(Collector):
    """What Prometheus's client has of one process, summed over a parent and its children.

    The CPU time includes that of children that have ended, so that it never falls. Memory that
    several processes share counts once. The start is the parent's. Without Linux's `/proc`, or
    where it does not tell of children, there is nothing.
    """

    def __init__(self, parent: int, proc: Path = Path("/proc")) -> None:
        """`parent` is the supervisor's process id."""
        self._parent = parent
        self._proc = proc

    def collect(self) -> Iterable[Metric]:
        """Read them now."""
        for _ in range(_ATTEMPTS):
            # A child that ends in between would be counted on both sides, or on none.
            before = self._seconds_of_ended()
            families = self._sums()
            if self._seconds_of_ended() == before:
                break
        if seconds := families.get(_CPU):
            _set(seconds, _value(seconds) + before)
        return families.values()

    def _sums(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        try:
            pids = [self._parent, *self._children()]
        except OSError:
            return {}  # Half of them would look like all.
        for pid in pids:
            # Named so, it reads another process's files instead of its own.
            one = ProcessCollector(pid=lambda pid=pid: pid, proc=str(self._proc), registry=None)  # type: ignore[misc]
            for family in one.collect():
                if family.name == _RESIDENT and (share := self._share_of_memory(pid)):
                    _set(family, share)
                if family.name not in found:
                    found[family.name] = family
                elif family.name != _STARTED:
                    whole = found[family.name]
                    _set(whole, _value(whole) + _value(family))
        return found

    def _children(self) -> list[int]:
        # The supervisor starts its workers in its main thread.
        path = self._proc / str(self._parent) / "task" / str(self._parent) / "children"
        return [int(pid) for pid in path.read_text().split()]

    def _seconds_of_ended(self) -> float:
        """The CPU time of the parent's children that have ended, in seconds."""
        try:
            stat = (self._proc / str(self._parent) / "stat").read_text()
        except OSError:
            return 0.0
        # The name, in parentheses, may hold spaces and parentheses; see proc_pid_stat(5).
        user, system = stat.rpartition(")")[2].split()[13:15]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _share_of_memory(self, pid: int) -> int | None:
        """Bytes that are a process's own, and its part of shared ones; None if nobody tells."""
        try:
            rollup = (self._proc / str(pid) / "smaps_rollup").read_text()
        except OSError:
            return None
        for line in rollup.splitlines():
            name, _, amount = line.partition(":")
            if name == "Pss":
                return int(amount.removesuffix("kB")) * 1024
        return None


def _value(family: Metric) -> float:
    return family.samples[0].value


def _set(family: Metric, value: float) -> None:
    family.samples = [family.samples[0]._replace(value=value)]
