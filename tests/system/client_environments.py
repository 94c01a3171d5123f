"""Environments with the clients of other MLflow releases, or with libraries beside today's client.

They are made at their first use and kept.
"""

import fcntl
import subprocess
import sys
import sysconfig
import threading
import venv
from pathlib import Path

from tandem_shared import MLFLOW_VERSION

TRACING = ("2.14.3", "3.1.4", "3.4.0", "3.10.0")
"""Clients that make traces, each in a way of its own, and do nothing else here."""

AUTOLOGGING = "autologging"
"""The followed release's client beside libraries whose calls it traces."""

OVER = frozenset({*TRACING, "3.18.0", AUTOLOGGING})
"""Clients that share what the environment of the tests has installed, but for `mlflow` itself.

Their wheel stands over the followed release's dependencies: that takes seconds. Of 3.18.0 no index
has all parts.
"""

OTHERS = ("2.8.1", "2.22.4", "3.6.0", "3.18.0")
VERSIONS = (*OTHERS, MLFLOW_VERSION)
"""Clients that do their whole work here."""
PINS = Path(__file__).parent / "clients"

_CACHE = Path(__file__).parents[2] / ".cache" / "clients"


def begin() -> None:
    """Have the environments made while other tests run: mostly that waits for downloads."""
    for version in (*OTHERS, *TRACING, AUTOLOGGING):
        threading.Thread(target=interpreter, args=(version,), daemon=True).start()


def interpreter(version: str) -> Path:
    """The interpreter of an environment with that client; whoever comes meanwhile waits for it."""
    if version == MLFLOW_VERSION:
        return Path(sys.executable)
    pins = PINS / f"{version}.txt"
    home = _CACHE / f"{version}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    done = home / "installed.txt"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == pins.read_text():
            return python
        # The pip of this environment installs there; compiling what is never imported takes longer
        # than installing it.
        venv.create(home, clear=True, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-compile", "-r", pins], check=True)
        if version in OVER:
            _share(home)
        done.write_text(pins.read_text())
    return python


def _share(home: Path) -> None:
    """Let an environment import what is installed for the tests, after what it has itself."""
    (own,) = home.glob("lib/python*/site-packages")
    (own / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
