"""Environments with the clients of earlier MLflow releases, made at their first use and kept."""

import fcntl
import subprocess
import sys
import threading
import venv
from pathlib import Path

VERSIONS = ("2.8.1", "2.22.4")
PINS = Path(__file__).parent / "clients"

_CACHE = Path(__file__).parents[2] / ".cache" / "clients"


def begin() -> None:
    """Have the environments made while other tests run: mostly that waits for downloads."""
    for version in VERSIONS:
        threading.Thread(target=interpreter, args=(version,), daemon=True).start()


def interpreter(version: str) -> Path:
    """The interpreter of an environment with that client; whoever comes meanwhile waits for it."""
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
        done.write_text(pins.read_text())
    return python
