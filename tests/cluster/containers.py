"""Containers that run beside a pod's own, as processes."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Sidecar:
    """A native sidecar: it runs from before the pod's container until after it."""

    def __init__(self, name: str, directory: Path, fault: Callable[[str], None]) -> None:
        """`fault` is told what goes wrong."""
        self.name = name
        self.log = directory / f"{name}.log"
        self._root = directory / f"{name}-root"
        self._fault = fault
        self._stopping = False
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it; without a probe it counts as started at once."""
        self._root.mkdir()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self._root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, name=self.name, daemon=True).start()

    def stop(self, seconds: float) -> None:
        """SIGTERM; it must have ended within the seconds, with whatever status."""
        self._stopping = True
        if self._process is not None and not self._ended.is_set():
            self._process.send_signal(signal.SIGTERM)
            if not self._ended.wait(seconds):
                self._fault(f"the sidecar {self.name} was killed after {seconds} s")
                self.kill()

    def kill(self) -> None:
        """End all its processes at once."""
        self._stopping = True
        if self._process is not None:
            kill_session(self._process.pid)
            self._ended.wait(10)

    def _watch(self) -> None:
        """Note if it ends on its own, when a kubelet would have to start it again."""
        assert self._process is not None
        status = self._process.wait()
        if not self._stopping:
            end = self.log.read_text(errors="replace")[-1000:]
            self._fault(f"the sidecar {self.name} ended with {status}: {end}")
        if written := [each.name for each in self._root.iterdir()]:
            self._fault(f"the sidecar {self.name} wrote to its root: {', '.join(written)}")
        self._ended.set()


def kill_session(leader: int) -> None:
    """SIGKILL to every process of a session: a service's workers have groups of their own."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getsid(int(entry)) == leader:
                    os.kill(int(entry), signal.SIGKILL)
            except ProcessLookupError:
                continue
