"""What a supervisor and its workers take, told as one process's would be.

Real workers are in tests/shared/serving/test_workers.py; here `/proc` is a folder.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.core import CollectorRegistry

from tandem_shared.observability.processes import ProcessesCollector

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PARENT = 7
_BOOTED = 1_000


def process(proc: Path, pid: int, *, cpu: int, ended: int = 0, pss: int | None, rss: int) -> None:
    """A process with these seconds of its own and of children that ended, KiB and pages."""
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    for number in range(3):
        (folder / "fd" / str(number)).touch()
    (folder / "limits").write_text("Max open files            1024  4096  files\n")
    fields = ["0"] * 50
    fields[13], fields[15] = str(cpu * TICKS), str(ended * TICKS)
    fields[21], fields[22], fields[23] = str(pid * TICKS), str(pid * 1000), str(rss)
    (folder / "stat").write_text(f"{pid} (a) b) S {' '.join(fields[3:])}\n")
    if pss is not None:
        (folder / "smaps_rollup").write_text(f"Rss:  {rss * 4} kB\nPss:  {pss} kB\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A supervisor and two workers, of which one's memory nobody tells in detail."""
    (tmp_path / "stat").write_text(f"cpu 1 2 3\nbtime {_BOOTED}\n")
    process(tmp_path, PARENT, cpu=1, ended=20, pss=100, rss=1000)
    process(tmp_path, 8, cpu=2, pss=30, rss=1000)
    process(tmp_path, 9, cpu=4, pss=None, rss=10)
    children(tmp_path, "8 9 ")
    return tmp_path


def children(proc: Path, text: str) -> None:
    path = proc / str(PARENT) / "task" / str(PARENT) / "children"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def told(proc: Path) -> Mapping[str, float]:
    registry = CollectorRegistry()
    registry.register(ProcessesCollector(PARENT, proc))
    return {sample.name: sample.value for family in registry.collect() for sample in family.samples}


def test_it_is_the_sum_and_the_start_is_the_supervisors(proc: Path) -> None:
    assert told(proc) == {
        "process_cpu_seconds_total": 1 + 2 + 4 + 20,
        "process_resident_memory_bytes": 130 * 1024 + 10 * PAGE,
        "process_virtual_memory_bytes": 7000 + 8000 + 9000,
        "process_start_time_seconds": _BOOTED + PARENT,
        "process_open_fds": 9,
        "process_max_fds": 3 * 1024,
    }


def test_a_worker_that_has_just_ended_is_left_out(proc: Path) -> None:
    shutil.rmtree(proc / "9")
    found = told(proc)
    assert found["process_cpu_seconds_total"] == 1 + 2 + 20
    assert found["process_open_fds"] == 6


def test_a_worker_that_ends_meanwhile_counts_once(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is its supervisor's from the moment when the supervisor notices."""
    ending = [True]
    read = ProcessesCollector._children

    def end_one(self: ProcessesCollector) -> list[int]:
        found = read(self)
        if ending:
            ending.clear()
            shutil.rmtree(proc / "9")
            shutil.rmtree(proc / str(PARENT))
            process(proc, PARENT, cpu=1, ended=24, pss=100, rss=1000)
            children(proc, "8")
        return found

    monkeypatch.setattr(ProcessesCollector, "_children", end_one)
    assert told(proc)["process_cpu_seconds_total"] == 1 + 2 + 24


def test_without_proc_or_children_in_it_there_is_nothing(proc: Path, tmp_path: Path) -> None:
    shutil.rmtree(proc / str(PARENT) / "task")
    assert told(proc) == {}
    assert told(tmp_path / "none") == {}
