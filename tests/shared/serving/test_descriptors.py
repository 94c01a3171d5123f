"""More connections than a process has descriptors for: those that do nothing make room."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.processes import Process, eventually
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_asgi_servers import HOST, statuses
from tests.shared.serving.test_serve import children

LIMIT = 128
LIMITED = (
    "-c",
    "import resource, sys; from tests.shared.serving import tiny;"
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT} // 2, {LIMIT}));"
    "sys.exit(tiny.main())",
)
SAID = "three quarters of the file descriptors"
GREET = b"GET /greet HTTP/1.1\r\n" + HOST + b"\r\n"
SLOW = b"GET /slow?seconds=1.5 HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"


@contextlib.contextmanager
def connected(process: Process, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, each with some bytes sent; those of a request are answered."""
    with contextlib.ExitStack() as opened:
        made = []
        for _ in range(count):
            connection = opened.enter_context(process.connect())
            made.append(connection)
            if sent:
                connection.sendall(sent)
            if sent == GREET:
                assert statuses(connection.recv(65536)) == [200]
        yield made


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def processes(process: Process) -> list[int]:
    return [process.pid, *children(process)]


def seconds_of_work(process: Process) -> float:
    ticks = 0
    for pid in processes(process):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("sent", [b"", GREET], ids=["nothing", "asked-once"])
def test_connections_that_do_nothing_make_room_for_others(start: Starter, sent: bytes) -> None:
    process = start("--port=0", command=LIMITED)
    with connected(process, 1, GREET) as (used,), connected(process, 2 * LIMIT, sent) as idle:
        for _ in range(3):
            assert process.get("/greet").status_code == 200
        eventually(lambda: sum(map(is_closed, idle)) > LIMIT, "the oldest are closed")
        if sent != GREET:  # those that never sent a request go first
            used.sendall(GREET)
            assert statuses(used.recv(65536)) == [200]
        assert 1 <= process.output().count(SAID) <= 2
    assert "Traceback" not in process.output()


def test_each_worker_has_all_descriptors_that_it_is_allowed_and_makes_room(start: Starter) -> None:
    process = start("--workers=2", "--port=0", command=LIMITED)
    for pid in processes(process):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (LIMIT, LIMIT)
    with connected(process, 4 * LIMIT) as idle:
        for _ in range(3):
            assert process.get("/greet").status_code == 200
        eventually(lambda: sum(map(is_closed, idle)) >= 2 * LIMIT, "the oldest are closed")
    assert 2 <= process.output().count(SAID) <= 4
    assert "Traceback" not in process.output()


def test_more_requests_than_descriptors_wait_for_their_turn(start: Starter) -> None:
    """Each is under way, so none of them may be cut."""
    process = start("--port=0", command=LIMITED)
    with connected(process, LIMIT, SLOW) as asking:
        eventually(lambda: "No more connections" in process.output(), "it has too many")
        before = seconds_of_work(process)
        for connection in asking:
            assert statuses(connection.recv(65536)) == [200]
        assert seconds_of_work(process) - before < 1
    assert process.get("/greet").status_code == 200
    assert 1 <= process.output().count(SAID) <= 2
    assert "Traceback" not in process.output()


def test_a_stop_while_there_is_no_descriptor_is_clean(starter: Starter) -> None:
    process = starter("--port=0", command=LIMITED)
    with connected(process, LIMIT, SLOW):
        eventually(lambda: "No more connections" in process.output(), "it has too many")
        assert process.stop() == 0
    assert '"ERROR"' not in process.output()
