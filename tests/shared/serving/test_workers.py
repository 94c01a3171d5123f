"""What worker processes have in common, and what they do not."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import eventually
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_serve import children, metrics, request_in_flight


@pytest.mark.parametrize(
    "module", ["tandem_shared.cli", "tandem_artifacts.__main__", "tandem_metadata.__main__"]
)
def test_a_command_imports_no_metrics_before_it_knows_of_workers(module: str) -> None:
    """Metrics that are made before the workers' directory is named count for one process alone."""
    code = f"import {module}, sys; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_metrics_that_came_too_early_for_workers_are_refused() -> None:
    code = (
        "import sys, prometheus_client\n"
        "from tests.shared.serving import tiny\n"
        "sys.argv[1:] = ['--workers=2', '--port=0']\n"
        "tiny.main()"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "prometheus_client was imported before" in ended.stderr


def test_workers_have_the_settings_of_flags_and_the_environment_of_their_supervisor(
    start: Starter,
) -> None:
    variables = {"TINY_GREETING": "of the environment", "MLFLOW_WORKERS": "1"}
    process = start("--workers=2", "--port=0", "--greeting=of a flag, as it is", environ=variables)
    assert process.get("/greet").json()["greeting"] == "of a flag, as it is"
    assert len(children(process)) == 2
    for pid in children(process):
        environ = Path(f"/proc/{pid}/environ").read_text().split("\0")
        assert {f"{name}={value}" for name, value in variables.items()} <= set(environ)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux alone tells")
def test_workers_share_what_their_supervisor_imported(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    for pid in children(process):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kib = {name: int(size) for name, size in re.findall(r"(\w+): +(\d+) kB", rollup)}
        assert kib["Private_Dirty"] < kib["Shared_Dirty"]


def own(samples: dict[str, float]) -> dict[str, float]:
    return {name[:-2]: value for name, value in samples.items() if name.startswith("process_")}


def test_several_workers_tell_of_their_processes_as_one_does(start: Starter) -> None:
    one, several = (own(metrics(start(f"--workers={count}", "--port=0"))) for count in (1, 3))
    assert set(one) == set(several)
    # They share what they imported: three and a supervisor take less than twice as much as one.
    name = "process_resident_memory_bytes"
    assert one[name] < several[name] < 2 * one[name]
    assert several["process_open_fds"] > 2 * one["process_open_fds"]


def test_cpu_time_is_the_sum_and_never_falls(start: Starter) -> None:
    name = "process_cpu_seconds_total"
    process = start("--workers=2", "--port=0")
    for _ in range(100):
        process.get("/greet")
    before = own(metrics(process))
    pids = {process.pid, *children(process)}
    summed = sum(_cpu_seconds(pid) for pid in pids)
    assert before[name] == pytest.approx(summed, abs=0.5)
    assert _cpu_seconds(process.pid) < before[name]
    ended = max(children(process), key=_cpu_seconds)
    os.kill(ended, signal.SIGKILL)
    eventually(lambda: len(children(process) - pids) == 1, "another worker has started")
    after = own(metrics(process))
    assert after[name] >= before[name]
    assert after["process_start_time_seconds"] == before["process_start_time_seconds"]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_workers_directory_for_metrics_goes_with_the_supervisor(
    start: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("tmp")
    process = start("--workers=2", "--port=0", environ={"TMPDIR": str(temporary)})
    directory = next(temporary.iterdir())
    with request_in_flight(process, "/slow?seconds=3") as slow:
        process.send_signal()
        eventually(lambda: len(children(process)) == 1, "the idle worker has ended")
        assert list(directory.glob("*.db"))
        assert slow.result().status_code == 200
    assert process.wait() == 0
    assert list(temporary.iterdir()) == []


def test_threads_that_workers_will_not_have_are_named(start: Starter) -> None:
    code = (
        "import sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), name='exporter', daemon=True).start()\n"
        "from tests.shared.serving import tiny\n"
        "sys.exit(tiny.main())"
    )
    process = start("--workers=2", "--port=0", command=("-c", code))
    assert process.get("/greet").status_code == 200
    warned = [line for line in process.output().splitlines() if "exporter" in line]
    assert len(warned) == 1
    assert '"WARNING"' in warned[0]
    assert process.stop() == 0
