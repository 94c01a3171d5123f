import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tandem_shared import __version__
from tests.harness.processes import Process, eventually
from tests.shared.serving.conftest import Starter

WORKERS = pytest.mark.parametrize("workers", ["--workers=1", "--workers=2"])
HANG = "60"


def refuses(process: Process) -> bool:
    try:
        process.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def children(process: Process) -> set[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return {int(pid) for pid in listed.stdout.split()}


def in_flight(process: Process) -> float:
    samples = metrics(process)
    return sum(value for name, value in samples.items() if "in_flight{" in name)


def metrics(process: Process, path: str = "/metrics") -> dict[str, float]:
    """The samples of /metrics, by name and labels as text."""
    text = process.get(path).text
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}"
            assert key not in samples, f"{key} is given twice"
            samples[key] = sample.value
    return samples


def counts(process: Process, sample: str, expected: float) -> bool:
    return metrics(process).get(sample) == expected


@contextlib.contextmanager
def request_in_flight(process: Process, path: str):  # type: ignore[no-untyped-def]
    """A request that a worker is handling, as a future of its answer."""
    with ThreadPoolExecutor(1) as pool:
        answer: Future[httpx.Response] = pool.submit(process.get, path)
        # The scrape itself is in flight too.
        eventually(lambda: in_flight(process) == 2, "the request is in flight")
        yield answer


@WORKERS
def test_it_says_where_it_listens_and_answers_there(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0", "--greeting=100% grüß, dich")
    assert process.get("/greet").json()["greeting"] == "100% grüß, dich"
    assert process.get("/health").text == "OK"
    greeting, *lines = process.output().splitlines()
    assert greeting == f"tiny listens on {process.url}"
    for line in lines:
        assert json.loads(line)["service"] == "tiny"


@WORKERS
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_nodelay_is_set_on_accepted_connections(start: Starter, workers: str, host: str) -> None:
    process = start(f"--host={host}", workers, "--port=0")
    assert [process.get("/undelayed").json() for _ in range(4)] == [True] * 4


def test_it_listens_on_ipv6(start: Starter) -> None:
    process = start("--host=::1", "--port=0")
    assert process.url.startswith("http://[::1]:")


@WORKERS
def test_a_port_in_use_ends_it_with_a_sentence(start: Starter, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(workers, f"--port={port}", ready=False)
        assert process.wait() == 2
    assert process.output() == (
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another --host or --port.\n"
    )


@WORKERS
def test_a_service_that_cannot_start_ends_with_the_reason(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0", "--broken=true", ready=False)
    assert process.wait() == 2
    assert "cannot start" in process.output()
    assert "Traceback" not in process.output()
    assert children(process) == set()


def test_a_stop_whose_exception_is_lost_while_starting_still_stops(start: Starter) -> None:
    process = start("--port=0", "--lost_stop=true", ready=False)
    assert process.wait() == 0
    assert "ignored in" in process.output()


def test_a_stop_that_ends_in_an_error_while_starting_still_stops(start: Starter) -> None:
    process = start("--port=0", "--spoilt_stop=true", ready=False)
    assert process.wait() == 0
    assert "Traceback" not in process.output()


@WORKERS
def test_a_stop_after_the_end_changes_nothing(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0", "--broken=true", "--late_stop=true", ready=False)
    assert process.wait() == 2
    assert "Traceback" not in process.output()


@WORKERS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_fails_readiness_first_and_lets_requests_finish(
    start: Starter, workers: str, number: signal.Signals, tmp_path: Path
) -> None:
    process = start(workers, "--port=0", "--shutdown_delay=2")
    go = tmp_path / "go"
    with request_in_flight(process, f"/held?until={go}") as held:
        process.send_signal(number)
        eventually(lambda: process.get("/ready").status_code == 503, "it is not ready")
        assert process.get("/ready").text == "draining"
        assert process.get("/greet").status_code == 200
        eventually(lambda: refuses(process), "new connections are refused")
        assert process.popen.poll() is None
        assert not held.done()
        go.touch()
        assert held.result().status_code == 200
    assert process.wait() == 0
    assert "Traceback" not in process.output()


@WORKERS
def test_a_kept_connection_ends_with_its_next_answer_after_the_stop(
    start: Starter, workers: str, tmp_path: Path
) -> None:
    process = start(workers, "--port=0", "--shutdown_delay=2")
    go = tmp_path / "go"
    with httpx.Client() as kept, httpx.Client() as held, ThreadPoolExecutor(1) as pool:
        for client in (kept, held):
            assert "connection" not in client.get(process.url + "/greet").headers
        late = pool.submit(held.get, f"{process.url}/held?until={go}", timeout=20)
        eventually(lambda: in_flight(process) == 2, "the request is in flight")
        process.send_signal()
        # A connection stays with its worker, and the workers learn of the stop one by one.
        answer = kept.get(process.url + "/ready")
        while answer.status_code == 200 and "connection" not in answer.headers:
            answer = kept.get(process.url + "/ready")
        if "connection" not in answer.headers:
            answer = kept.get(process.url + "/greet")
        assert answer.headers["connection"] == "close"
        eventually(lambda: refuses(process), "new connections are refused")
        go.touch()
        answer = late.result()
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert process.wait() == 0


@WORKERS
@pytest.mark.parametrize("path", ["/slow", "/block"])
def test_a_request_that_hangs_is_cut_after_the_graceful_timeout(
    start: Starter, workers: str, path: str
) -> None:
    # A thread that sleeps ends with the process only, after the time for cleaning up.
    environ = {"TINY_CLEAN_UP_SECONDS": "1"}
    process = start(workers, "--port=0", "--graceful_timeout=0.2", environ=environ)
    with request_in_flight(process, f"{path}?seconds={HANG}") as hanging:
        assert process.stop() == 0
        # Which of the two depends on how far the server came in cancelling it.
        assert isinstance(hanging.exception(), httpx.TransportError) or (
            hanging.result().status_code == 503
        )
    assert "Traceback" not in process.output()
    assert children(process) == set()


def test_a_client_that_does_not_read_its_answer_does_not_delay_the_stop(start: Starter) -> None:
    process = start("--port=0", "--graceful_timeout=0.2")
    with process.connect() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100)
        assert process.stop() == 0
    assert "Traceback" not in process.output()


@WORKERS
def test_idle_connections_do_not_delay_the_stop(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0", "--graceful_timeout=60")  # it would outlast stop()
    with httpx.Client() as client, process.connect() as silent:
        assert client.get(process.url + "/greet").status_code == 200
        silent.sendall(b"GET /greet HTTP/1.1\r\nHost: localh")
        assert process.stop() == 0


@WORKERS
def test_a_stop_while_starting_ends_it_cleanly(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0", ready=False)
    eventually(lambda: bool(process.output()), "it listens")
    assert process.stop() == 0
    assert "Traceback" not in process.output()


def test_a_stop_while_the_event_loop_is_made_ends_it_cleanly(start: Starter) -> None:
    process = start("--port=0", environ={"TINY_LOOP_STOP": "true"}, ready=False)
    assert process.wait() == 0
    assert process.output().count("\n") == 1, process.output()


@WORKERS
def test_a_second_signal_does_not_spoil_the_stop(start: Starter, workers: str) -> None:
    process = start(workers, "--port=0")
    for _ in range(50):
        if process.popen.poll() is None:
            process.send_signal()
            process.send_signal(signal.SIGINT)
    assert process.wait() == 0


def test_a_worker_that_is_killed_is_replaced(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    before = children(process)
    assert len(before) == 2
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(children(process) - before) == 1, "another worker is there")
    new = (children(process) - before).pop()
    eventually(lambda: process.get("/greet").json()["pid"] == new, "the new worker answers")
    assert victim not in children(process)
    assert process.stop() == 0


def test_workers_end_with_a_supervisor_that_was_killed(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    process.popen.kill()
    eventually(lambda: refuses(process), "nobody listens any more")


def test_the_metrics_of_workers_add_up(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    by_worker: dict[int, int] = {}

    def ask() -> bool:
        pid = process.get("/greet/someone").json()["pid"]
        by_worker[pid] = by_worker.get(pid, 0) + 1
        return len(by_worker) == 2

    eventually(ask, "both workers have answered")
    total = float(sum(by_worker.values()))
    count = "method=GET,route=/greet/{name},service=tiny"
    requests = f"tandem_http_requests_total{{{count},status=200}}"
    # A request is counted after its answer is sent, and the other worker may be asked.
    eventually(partial(counts, process, requests, total), "all requests are counted")
    samples = metrics(process)
    assert samples[f"tandem_http_request_duration_seconds_count{{{count}}}"] == total
    last = "tandem_http_request_duration_seconds_bucket{le=+Inf,method=GET,route=/greet/{name}"
    assert samples[last + ",service=tiny}"] == total
    assert samples[f"tandem_build_info{{service=tiny,version={__version__}}}"] == 1
    assert in_flight(process) == 1


def test_a_dead_worker_s_requests_are_in_flight_no_more_but_stay_counted(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    with request_in_flight(process, f"/slow?seconds={HANG}"):
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: process.answers("/ready"), "new workers answer")
        eventually(lambda: in_flight(process) == 1, "the dead worker's request is forgotten")
    ready = "tandem_http_requests_total{method=GET,route=/ready,service=tiny,status=200}"
    assert metrics(process)[ready] == 2


def test_a_directory_for_metrics_is_made_and_emptied_of_old_ones(
    start: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("metrics") / "of" / "tiny"
    greeted = "tandem_http_requests_total{method=GET,route=/greet,service=tiny,status=200}"
    for _ in range(2):
        process = start("--workers=2", "--port=0", f"--expose_prometheus={directory}")
        process.get("/greet")
        # A request is counted after its answer is sent, and the other worker may be asked.
        eventually(partial(counts, process, greeted, 1), "the request is counted once")
        assert process.stop() == 0
    assert list(directory.glob("*.db"))


def test_a_scrape_while_a_worker_begins_its_files_waits_for_them(
    start: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("metrics")
    process = start("--workers=2", "--port=0", f"--expose_prometheus={directory}")
    empty = directory / "counter_1.db"
    empty.touch()
    timer = threading.Timer(0.2, empty.unlink)
    timer.start()
    assert "tandem_http_requests_in_flight{service=tiny}" in metrics(process)
    timer.join()
