"""Signals as a queue, and a supervisor that acts on them in its loop."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tandem_shared.serving.signals import SignalQueue
from tests.harness.processes import eventually
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_serve import children


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    queue = SignalQueue(numbers)
    yield queue
    queue.leave_to_parent()
    queue.post()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_signal_queue_has_signals_in_their_order(queue: SignalQueue) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert list(queue.wait(10)) == [signal.SIGUSR2, signal.SIGUSR1]
    assert queue.wait(0.01) == b""


def test_signal_queue_wakes_who_waits_when_another_thread_is_interrupted(
    queue: SignalQueue,
) -> None:
    def interrupt() -> None:
        time.sleep(0.05)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    other = threading.Thread(target=interrupt)
    other.start()
    assert list(queue.wait(20)) == [signal.SIGUSR1]
    other.join()


def test_signal_queue_tells_a_child_s_post_from_signals(queue: SignalQueue) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    if not (child := os.fork()):
        queue.leave_to_parent()
        queue.post()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(queue.wait(10)) == [signal.SIGUSR1, 0]


def test_supervisor_stops_while_a_replacement_is_not_yet_due(start: Starter) -> None:
    process = start("--workers=2", "--port=0")
    os.kill(min(children(process)), signal.SIGKILL)
    eventually(lambda: "starting another" in process.output(), "its end is noticed")
    process.send_signal()
    assert process.stop() == 0
    assert "Traceback" not in process.output()
