"""Keeps a number of worker processes on the same listening sockets.

Workers are forks of a process that has imported everything: they start at once, and share the
memory of all code.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import multiprocess

from tandem_shared.serving import signals

_START_SECONDS = 10.0
"""A worker that exits by itself when younger than this could not start."""
_RESTART_SECONDS = 1.0
"""The shortest time between the start of a worker and of its replacement."""
_log = logging.getLogger(__name__)


class Supervisor:
    """Forks workers, replaces those that die, and passes SIGTERM and SIGINT on as SIGTERM.

    Everything happens in the loop of `run`, in the main thread. Signal handlers do nothing.
    """

    def __init__(
        self,
        work: Callable[[int, Callable[[], None]], int],
        workers: int,
        listeners: Sequence[socket.socket],
        *,
        on_ready: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        """`work` serves in a worker, and returns its exit status.

        Its arguments are the reading end of a pipe, which reaches its end when the supervisor dies,
        and what it has to call once it answers requests. `on_ready` is called in the supervisor
        when the first worker does, and `on_stop` when the stop begins.
        """
        self._work = work
        self._on_ready: Callable[[], None] | None = on_ready
        self._on_stop = on_stop
        self._wanted = workers
        self._listeners = listeners
        self._workers: dict[int, float] = {}
        """The start of each worker, by process id, as `time.monotonic()` has it."""
        self._next_start = 0.0
        self._stopping = False
        # Nothing is ever written: the supervisor's end closes when it dies.
        self._lifeline, self._lifeline_writer = os.pipe()

    def run(self) -> int:
        """Work until stopped or until a worker cannot start; returns the exit status.

        It returns in each worker as well, with that worker's status.
        """
        self._signals = signals.SignalQueue((*signals.SIGNALS, signal.SIGCHLD))
        if signals.STOP_REQUESTED.is_set():
            return 0
        self._warn_of_threads()
        status = 0
        while True:
            # Every dead worker is marked dead before a new one can answer a scrape.
            for pid, code in _reap():
                if pid in self._workers:
                    ended = self._ended(pid, code)
                    status = status or ended  # the first failure is the cause of later ones
            if self._stopping and not self._workers:
                return status
            pause = None
            if len(self._workers) < self._wanted and not self._stopping:
                pause = self._next_start - time.monotonic()
                if pause <= 0:
                    if self._fork():
                        return self._work(self._lifeline, self._signals.post)
                    continue
            received = self._signals.wait(pause)
            if 0 in received and self._on_ready and not self._stopping:
                self._on_ready()
                self._on_ready = None
            if any(number in signals.SIGNALS for number in received):
                self._stop()

    def _ended(self, pid: int, code: int) -> int:
        """Have a worker replaced, or stop; returns the exit status that its end stands for."""
        started = self._workers.pop(pid)
        self._next_start = max(self._next_start, started + _RESTART_SECONDS)
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        if self._stopping:
            # SIGTERM kills a worker that has no handler for it yet.
            return 0 if code in (0, -signal.SIGTERM) else 1
        if code >= 0 and time.monotonic() - started < _START_SECONDS:
            # A replacement would fail likewise: the reason is in the log.
            self._stop()
            return code or 1
        _log.error("worker %d ended with %d; starting another", pid, code)
        return 0

    def _warn_of_threads(self) -> None:
        """Warn of threads that workers lack, such as those by which instrumentation sends."""
        main = threading.main_thread()
        if others := ", ".join(each.name for each in threading.enumerate() if each is not main):
            _log.warning("workers are forks of this process, without its other threads: %s", others)

    def _fork(self) -> bool:
        """Start a worker; whether this process is it."""
        # Held back in the worker until its queue is no longer the supervisor's.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
        try:
            pid = os.fork()
            if pid:
                self._workers[pid] = time.monotonic()
                return False
            # A process group of its own: Ctrl-C reaches the supervisor alone.
            os.setpgid(0, 0)
            os.close(self._lifeline_writer)
            signals.exit_on_signals()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._signals.leave_to_parent()
            return True
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SIGNALS)

    def _stop(self) -> None:
        if not self._stopping:
            self._on_stop()
        self._stopping = True
        # From now on only the workers hold the sockets, and close them when they have drained.
        for listener in self._listeners:
            listener.close()
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)  # a process until it is reaped, even if it has ended


def _reap() -> Iterator[tuple[int, int]]:
    """The children that have ended, with their exit codes."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)
