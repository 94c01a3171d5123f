"""The directory through which the workers of a service count together.

prometheus_client decides how it counts when it is imported, so this module does not import it.
"""

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

from tandem_shared.settings import SettingsError

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that makes workers count together; prometheus_client reads it when imported."""


def forget_directory() -> None:
    """Count alone: the directory in the environment is that of another service's workers."""
    os.environ.pop(MULTIPROCESS_DIRECTORY, None)


@contextlib.contextmanager
def shared_directory(wanted: str | None) -> Iterator[None]:
    """Name the directory in which workers count, emptied of files of earlier workers.

    `wanted` is the directory, or None for a temporary one. Raises SettingsError when it cannot be
    written to.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before it could know of the workers")
    temporary = "" if wanted else tempfile.mkdtemp(prefix="tandem-metrics-")
    directory = wanted or temporary
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
