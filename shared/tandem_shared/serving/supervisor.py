"""Keeps a number of worker processes on one listening socket.

Workers are forks of a process that has imported everything: they start at once, one that dies is
replaced at once, and they share the memory of all code.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import multiprocess

from tandem_shared.serving import signals

_CRASHED_AT_START_SECONDS = 10.0
_RESTART_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Supervisor:
    """Forks workers, replaces those that die, and passes SIGTERM and SIGINT on as SIGTERM."""

    def __init__(self, work: Callable[[int], int], workers: int, listener: socket.socket) -> None:
        """`work` serves in a worker, and returns its exit status.

        It is called with the reading end of a pipe whose end of file says that the supervisor is
        gone.
        """
        self._work = work
        self._wanted = workers
        self._listener = listener
        self._workers: dict[int, float] = {}  # when each was started
        self._last_start = 0.0
        self._stopping = False
        # Nobody writes.
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Work until stopped or until a worker cannot start; returns the exit status.

        It returns in each worker as well, with that one's.
        """
        for number in signals.SIGNALS:
            signal.signal(number, self._stop)
        if signals.WANTED.is_set():
            return 0
        self._warn_of_threads()
        status = 0
        while True:
            while len(self._workers) < self._wanted and not self._stopping:
                if self._fork():
                    return self._work(self._lifeline)
            if not self._workers:
                return status
            # All that have ended count as dead before a new one can be asked.
            for pid, code in _reap():
                if pid in self._workers:
                    ended = self._ended(pid, code)
                    status = status or ended  # the first reason counts, not what followed from it
            if not self._stopping:  # one that crashes at its start would be started on and on
                time.sleep(max(0.0, self._last_start + _RESTART_SECONDS - time.monotonic()))

    def _ended(self, pid: int, code: int) -> int:
        """Have a worker replaced, or stop; returns the exit status that its end stands for."""
        age = time.monotonic() - self._workers.pop(pid)
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        if self._stopping:
            # SIGTERM ends a worker that has not come as far as to listen for it.
            return 0 if code in (0, -signal.SIGTERM) else 1
        if code >= 0 and age < _CRASHED_AT_START_SECONDS:
            # One that cannot start would only fail again: the reason is in its log.
            self._stop(signal.SIGTERM, None)
            return code or 1
        _log.error("worker %d ended with %d; starting another", pid, code)
        return 0

    def _warn_of_threads(self) -> None:
        """Such as those of instrumentation, which would send nothing of what workers do."""
        main = threading.main_thread()
        if others := ", ".join(each.name for each in threading.enumerate() if each is not main):
            _log.warning("workers are forks of this process, without its other threads: %s", others)

    def _fork(self) -> bool:
        """Start a worker; whether this process is it."""
        # Before the worker listens for signals itself, it must not take them as its supervisor.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
        try:
            if self._stopping:
                return False
            pid = os.fork()
            if pid:
                self._last_start = self._workers[pid] = time.monotonic()
                return False
            # A group of its own, so that Ctrl-C reaches the supervisor alone.
            os.setpgid(0, 0)
            os.close(self._held)
            signals.exit_on_signals()
            return True
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SIGNALS)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        # The workers' copies alone keep the socket open now, and close it when they have drained.
        self._listener.close()
        for pid in list(self._workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _reap() -> Iterator[tuple[int, int]]:
    """Wait until a child has ended; it and others that have, with their exit codes."""
    pid, status = os.wait()
    while pid:
        yield pid, os.waitstatus_to_exitcode(status)
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
