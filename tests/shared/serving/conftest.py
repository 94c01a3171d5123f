import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import processes
from tests.harness.processes import Process, environment, wait_ready

ROOT = Path(__file__).parents[3]


@dataclass
class Starter:
    """Starts services, and has them killed at the end."""

    directory: Path
    end: contextlib.ExitStack
    asgi_server: str = "hypercorn"

    def __call__(
        self,
        *flags: str,
        environ: dict[str, str] | None = None,
        command: tuple[str, ...] = ("-m", "tests.shared.serving.tiny"),
        ready: bool = True,
        pass_fds: Sequence[int] = (),
        options: dict[str, Any] | None = None,
    ) -> Process:
        """Start the tiny service, or another command, and wait until it answers."""
        log = self.directory / f"{len(list(self.directory.iterdir()))}.log"
        chosen = {"PYTHONPATH": str(ROOT), "TANDEM_ASGI_SERVER": self.asgi_server}
        variables = environment(**{**chosen, **(environ or {})})
        process = processes.start(
            [sys.executable, *command, *flags], log, cwd=ROOT, env=variables, pass_fds=pass_fds
        )
        process.options = options or {}
        self.end.callback(process.kill)
        if ready:
            wait_ready(process, variables.get("MLFLOW_STATIC_PREFIX", "") + "/ready")
        return process


@pytest.fixture
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    with contextlib.ExitStack() as end:
        yield Starter(tmp_path_factory.mktemp("services"), end)


@pytest.fixture(params=["hypercorn", "uvicorn"])
def start(request: pytest.FixtureRequest, starter: Starter) -> Starter:
    """Starts services under either ASGI server."""
    starter.asgi_server = request.param
    return starter
