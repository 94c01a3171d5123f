"""What a service is, and how one begins: it imports little until its settings are known."""

import contextlib
import errno
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tandem_shared import stopping
from tandem_shared.settings import CommonSettings, SettingsError

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that makes workers count together; prometheus_client reads it when imported."""

_GARBAGE_THRESHOLD: Final = 20_000
"""Objects, made and not gone, that Python's garbage collector waits for.

Imports make many that stay, and a large answer thousands that go by themselves: with Python's own
threshold it would look through all of them again and again.
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and where its application is found once the settings are known."""

    name: str
    factory: str
    """`module:function` that makes the ASGI application from the environment."""


def launch(
    service: Service, settings: CommonSettings, prepare: Callable[[Any], None] | None = None
) -> int:
    """Serve until told to stop; returns the exit status.

    `prepare` is called with the settings before the socket opens. Whoever calls this has not yet
    imported prometheus_client, which decides then how it counts. Raises SettingsError when it
    does, when the address cannot be listened on, or when the ASGI server is missing.
    """
    stopping.exit_on_signals()
    os.environ.pop(MULTIPROCESS_DIRECTORY, None)  # others' workers share metrics there
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        with _metrics_of_workers(settings) if settings.workers > 1 else contextlib.nullcontext():
            if prepare:
                prepare(settings)
            from tandem_shared import serve  # It imports prometheus_client.

            return serve.run(service, settings)
    except Exception:
        # A stop while classes are made: Python raises an error of its own in place of the exit.
        if stopping.WANTED.is_set():
            return 0
        raise


@contextlib.contextmanager
def _metrics_of_workers(settings: CommonSettings) -> Iterator[None]:
    """Name the directory in which workers count, emptied of what others left there."""
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before it could know of the workers")
    temporary = "" if settings.expose_prometheus else tempfile.mkdtemp(prefix="tandem-metrics-")
    directory = settings.expose_prometheus or temporary
    try:
        os.makedirs(directory, exist_ok=True)
        for stale in os.scandir(directory):
            if stale.name.endswith(".db"):
                os.unlink(stale)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            f"--expose-prometheus: workers cannot share metrics in {directory}: {error.strerror}."
        ) from error
    os.environ[MULTIPROCESS_DIRECTORY] = directory
    owner = os.getpid()
    try:
        yield
    finally:
        if temporary and os.getpid() == owner:  # a worker comes by here too
            shutil.rmtree(temporary, ignore_errors=True)


def command(main: Callable[[], int]) -> int:
    """Run a command's main; a SettingsError becomes one sentence and exit status 2."""
    try:
        return main()
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
