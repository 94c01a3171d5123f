"""SIGTERM and SIGINT in each phase of a process, and signals as a queue for a loop to act on."""

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

STOP_REQUESTED: Final = threading.Event()
"""Set by a signal after `exit_on_signals()` or `remember_signals()`; one process, one stop."""


def exit_on_signals() -> None:
    """End the process at once, with status 0: nothing serves yet."""
    for number in SIGNALS:
        signal.signal(number, _exit)


def remember_signals() -> None:
    """Only set `STOP_REQUESTED`: the event loop, half-made, could not end cleanly."""
    for number in SIGNALS:
        signal.signal(number, _remember)


def ignore_signals() -> None:
    """Have further signals change nothing, such as the exit status of a stop."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class SignalQueue:
    """Signals in the order in which they came, for a loop in the main thread that waits for them.

    Handlers of Python run between any two instructions; here they do nothing, so the loop's state
    is the loop's alone. Python writes each number to a socket (`signal.set_wakeup_fd`), whichever
    thread the signal interrupts.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _do_nothing)

    def wait(self, seconds: float | None) -> bytes:
        """Wait for signals, at most `seconds` if that is given; their numbers, or none.

        A zero among them is a child's `post`.
        """
        self._reader.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            return self._reader.recv(4096)
        return b""

    def leave_to_parent(self) -> None:
        """Stop queueing, as a forked child must: it shares the sockets with its parent."""
        signal.set_wakeup_fd(-1)
        self._reader.close()

    def post(self) -> None:
        """Have the parent's `wait` return a zero, which no signal has; once, in a forked child."""
        with self._writer, contextlib.suppress(OSError):  # the parent may have ended
            self._writer.send(b"\0")


def _do_nothing(_number: int, _frame: object) -> None:
    return


def _remember(_number: int, _frame: object) -> None:
    STOP_REQUESTED.set()


def _exit(_number: int, _frame: object) -> None:
    # Remembered too: Python drops an exception that is raised within a finalizer.
    STOP_REQUESTED.set()
    sys.exit(0)
