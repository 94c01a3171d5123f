"""Server processes: started, timed until they answer, stopped."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.harness.processes import Process, environment, running

_STOP_SECONDS = 20


@contextmanager
def serve(
    directory: Path,
    command: Sequence[str],
    port: int,
    *,
    health: str = "/health",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a server that listens on the port, from its first answer of success on."""
    log = directory / f"{Path(command[0]).name}-{port}.log"
    # MLflow would report home what it is asked.
    chosen = environment(DO_NOT_TRACK="true", **(variables or {}))
    with running(command, log, health, url=f"http://127.0.0.1:{port}", env=chosen) as process:
        try:
            yield process
        finally:
            # Politely, before the whole group is killed: children of a server may outlive it.
            with suppress(subprocess.TimeoutExpired):
                process.send_signal()
                process.wait(_STOP_SECONDS)
