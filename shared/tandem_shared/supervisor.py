"""Keeps a number of worker processes on one listening socket: a process that imports little.

`python -m tandem_shared.supervisor` is what `serve` becomes when there are several workers.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from tandem_shared import logs

_CRASHED_AT_START_SECONDS = 10.0
_RESTART_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Supervisor:
    """Starts workers, replaces those that die, and passes SIGTERM and SIGINT on as SIGTERM."""

    def __init__(self, service: list[str], workers: int, listener: socket.socket) -> None:
        """`service` is what `tandem_shared.worker` takes as its first arguments."""
        self._service = service
        self._wanted = workers
        self._listener = listener
        self._workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._stopping = False
        # Nobody writes: the end of file tells the workers that the supervisor is gone.
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Work until stopped or until a worker cannot start; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # What came while there was nobody to hear it is heard now; workers inherit the mask.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        for _ in range(self._wanted):
            self._spawn()
        status = 0
        while self._workers:
            pid, wait_status = os.wait()
            if pid in self._workers:
                ended = self._ended(pid, os.waitstatus_to_exitcode(wait_status))
                status = status or ended  # the first reason counts, not what followed from it
        return status

    def _ended(self, pid: int, code: int) -> int:
        """Replace a worker, or stop; returns the exit status that its end stands for."""
        process, started = self._workers.pop(pid)
        process.returncode = code
        _forget_metrics(pid)
        age = time.monotonic() - started
        if self._stopping:
            # SIGTERM ends a worker that has not come as far as to listen for it.
            return 0 if code in (0, -signal.SIGTERM) else 1
        if code >= 0 and age < _CRASHED_AT_START_SECONDS:
            # One that cannot start would only fail again: the reason is in its log.
            self._stop(signal.SIGTERM, None)
            return code or 1
        _log.error("worker %d ended with %d; starting another", pid, code)
        time.sleep(max(0.0, _RESTART_SECONDS - age))
        self._spawn()
        return 0

    def _spawn(self) -> None:
        if self._stopping:
            return
        passed = (self._listener.fileno(), self._lifeline)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tandem_shared.worker", *self._service, *map(str, passed)],
            pass_fds=passed,
            # A group of its own, so that Ctrl-C reaches the supervisor alone.
            process_group=0,
        )
        self._workers[process.pid] = (process, time.monotonic())
        if self._stopping:
            self._stop(signal.SIGTERM, None)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        # The workers' copies alone keep the socket open now, and close it when they have drained.
        self._listener.close()
        for pid in list(self._workers):
            # Not Popen.terminate(), which may reap a worker that run() waits for.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _forget_metrics(pid: int) -> None:
    """Drop what a dead worker was doing from the metrics; what it has done stays counted."""
    from prometheus_client import multiprocess  # Rarely needed, and large.

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def main() -> int:
    """Supervise the workers of the service that the arguments name; returns the exit status."""
    *service, workers, descriptor, temporary = sys.argv[1:]
    logs.configure(service[0], os.environ["TANDEM_LOG_LEVEL"])
    listener = socket.socket(fileno=int(descriptor))
    listener.set_inheritable(False)
    try:
        return Supervisor(service, int(workers), listener).run()
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
