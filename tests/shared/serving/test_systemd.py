"""Sockets that systemd hands over, and what it is told of start and stop."""

import contextlib
import os
import signal
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.processes import Process, eventually, free_port, get
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_serve import WORKERS, children

_CREDENTIALS = struct.Struct("3i")  # process, user and group


def activate(
    start: Starter,
    *flags: str,
    inherited: list[socket.socket],
    environ: dict[str, str] | None = None,
    ready: bool = True,
) -> Process:
    numbers = [each.fileno() for each in inherited]
    command = ("-m", "tests.shared.serving.activated", ",".join(map(str, numbers)))
    return start(
        "tests.shared.serving.tiny",
        *flags,
        command=command,
        environ=environ,
        ready=ready,
        pass_fds=numbers,
    )


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@WORKERS
def test_inherited_socket_is_served_instead_of_host_and_port(
    start: Starter, workers: str, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    process = activate(start, workers, "--host=::1", "--port=1", inherited=[listening])
    assert process.url == f"http://127.0.0.1:{port}"
    assert process.get("/greet").status_code == 200
    assert process.get("/undelayed").json() is True
    assert process.stop() == 0
    assert "Traceback" not in process.output()


@WORKERS
def test_inherited_socket_keeps_connections_from_one_process_to_the_next(
    start: Starter, workers: str, listening: socket.socket
) -> None:
    first = activate(start, workers, inherited=[listening])
    assert first.stop() == 0
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(get, f"{first.url}/greet")  # nobody accepts it yet
        second = activate(start, workers, inherited=[listening])
        assert asked.result().status_code == 200
        assert second.stop() == 0


def test_inherited_ipv6_socket_takes_both_families(start: Starter) -> None:
    open_ = {"TANDEM_INSECURE_NO_AUTH": "true"}
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        process = activate(start, inherited=[listener], environ=open_)
        assert process.url == f"http://[::]:{listener.getsockname()[1]}"
        for address in ("127.0.0.1", "[::1]"):
            assert get(f"http://{address}:{process.port}/greet").status_code == 200


def test_inherited_socket_that_others_reach_needs_a_word_on_authentication(
    starter: Starter,
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        process = activate(starter, "--host=127.0.0.1", inherited=[listener], ready=False)
        assert process.popen.wait(30) == 2
    assert "0.0.0.0 can be reached by others" in process.output()


def test_socket_that_is_meant_for_another_process_is_left_alone(
    starter: Starter, listening: socket.socket
) -> None:
    process = activate(starter, "--port=0", inherited=[listening], environ={"LISTEN_PID": "1"})
    assert process.port != listening.getsockname()[1]


def test_no_inherited_socket_means_host_and_port(starter: Starter) -> None:
    port = free_port()
    process = activate(starter, f"--port={port}", inherited=[])
    assert process.port == port


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("two", "hands over 2 sockets, but a service listens on one"),
        ("unix", "is no listening TCP socket"),
        ("datagrams", "is no listening TCP socket"),
        ("connected", "is no listening TCP socket"),
        ("missing", "promises a socket as descriptor 3: Bad file descriptor"),
    ],
)
def test_inherited_socket_of_another_kind_ends_it_with_a_sentence(
    starter: Starter, kind: str, reason: str, listening: socket.socket
) -> None:
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(f"\0tandem-tests-{os.getpid()}")
    unix.listen()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with unix, datagrams, socket.create_connection(listening.getsockname()) as connected:
        inherited = {
            "two": [listening, listening],
            "unix": [unix],
            "datagrams": [datagrams],
            "connected": [connected],
            "missing": [],
        }[kind]
        environ = {"LISTEN_FDS": "1"} if kind == "missing" else {}
        process = activate(starter, inherited=inherited, environ=environ, ready=False)
        assert process.wait() == 2
    assert process.output().startswith("error: ")
    assert reason in process.output()
    assert "Traceback" not in process.output()


class Manager:
    """The end that systemd has of a notification socket."""

    def __init__(self, address: str) -> None:
        self.variable = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(30)
        self.socket.bind(address)

    def hear(self) -> tuple[int, list[str]]:
        """Who says something, by process id, and the lines of it."""
        data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        return _CREDENTIALS.unpack(control[0][2])[0], data.decode().split("\n")

    def heard(self) -> list[str]:
        """All lines that have come and were not heard yet."""
        self.socket.setblocking(False)
        lines: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines += self.socket.recv(4096).decode().split("\n")
        return lines


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager(f"\0tandem-tests-notify-{os.getpid()}")
    with manager.socket:
        yield manager


@WORKERS
def test_manager_is_told_when_it_answers_and_when_it_stops(
    start: Starter, workers: str, manager: Manager
) -> None:
    process = start(
        workers,
        "--port=0",
        "--shutdown_delay=1",
        "--graceful_timeout=7",
        environ=manager.variable,
        ready=False,
    )
    # The main process says it: systemd does not listen to others.
    said_by, said = manager.hear()
    assert process.answers("/ready")
    assert (said_by, said) == (process.pid, ["READY=1", f"STATUS=listens on {process.url}"])
    process.send_signal()
    said_by, said = manager.hear()
    assert said_by == process.pid
    # The delay, the requests' time, and twice what cancelled requests get.
    assert said == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=18000000", "STATUS=finishing requests"]
    assert process.wait() == 0
    assert manager.heard() == []


def test_manager_is_told_once_whatever_becomes_of_workers(start: Starter, manager: Manager) -> None:
    process = start("--workers=2", "--port=0", environ=manager.variable)
    assert manager.hear()[1][0] == "READY=1"
    before = children(process)
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(children(process) - before) == 1, "another worker is there")
    new = (children(process) - before).pop()
    eventually(lambda: process.get("/greet").json()["pid"] == new, "the new worker answers")
    for _ in range(2):
        process.send_signal()
    assert manager.hear()[1][0] == "STOPPING=1"
    assert process.wait() == 0
    assert manager.heard() == []


@WORKERS
def test_manager_is_not_told_of_a_start_that_fails(
    starter: Starter, workers: str, manager: Manager
) -> None:
    environ = manager.variable
    process = starter(workers, "--port=0", "--broken=true", environ=environ, ready=False)
    assert process.wait() == 2
    assert "READY=1" not in manager.heard()


def test_manager_may_have_a_path(
    starter: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Not the test's own folder: paths of sockets have 108 characters.
    manager = Manager(str(tmp_path_factory.getbasetemp() / f"n{os.getpid()}"))
    with manager.socket:
        starter("--port=0", environ=manager.variable)
        assert manager.hear()[1][0] == "READY=1"


def test_manager_that_is_gone_is_logged_and_does_no_harm(starter: Starter) -> None:
    process = starter("--port=0", environ={"NOTIFY_SOCKET": "/nonexistent/notify"})
    assert process.get("/greet").status_code == 200
    assert process.stop() == 0
    messages = [line["message"] for line in process.log_lines() if line["level"] == "WARNING"]
    assert messages == [
        "The service manager at /nonexistent/notify cannot be told READY=1: "
        "[Errno 2] No such file or directory",
        "The service manager at /nonexistent/notify cannot be told STOPPING=1: "
        "[Errno 2] No such file or directory",
    ]
