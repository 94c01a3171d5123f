"""What a benchmark ran on, and with."""

import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tests import debian, seaweedfs
from tests.benchmark.servers import FASTTRACKML, MLFLOW

_ROOT = Path(__file__).resolve().parents[2]


def describe() -> dict[str, str]:
    """The machine, in the reader's words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "Processor": f"{_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "Memory": f"{memory:.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "System": platform.freedesktop_os_release()["PRETTY_NAME"],
    }
    found["Load before"] = load()
    return found


def load() -> str:
    """How busy the machine is: what else runs spoils the figures."""
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def versions(postgresql: str) -> dict[str, str]:
    """Of all that takes part."""
    packages = ("hypercorn", "uvicorn", "httptools", "psycopg", "sqlalchemy", "boto3")
    return {
        "Tandem": f"{metadata.version('tandem-metadata')}, commit {_commit()}",
        "MLflow": MLFLOW.partition("==")[2],
        "FastTrackML": FASTTRACKML.partition("==")[2],
        "Python": " ".join(sys.version.split()),
        **{_NAMES.get(name, name): metadata.version(name) for name in packages},
        "PostgreSQL": postgresql,
        "SQLite": sqlite3.sqlite_version,
        "nginx": _said([debian.find("nginx", "nginx-light"), "-v"], r"nginx/(\S+)"),
        "SeaweedFS": _said([seaweedfs._weed(), "version"], r"version \S+ ([\d.]+)"),
        "wrk": _said([debian.find("wrk", "wrk"), "-v"], r"wrk (\S+)"),
    }


_NAMES = {
    "hypercorn": "Hypercorn",
    "uvicorn": "Uvicorn",
    "sqlalchemy": "SQLAlchemy",
}


def _commit() -> str:
    """With a word when the tree is not what was committed."""
    command = ["git", "describe", "--always", "--dirty=, with changes"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _said(command: Sequence[str], pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def _line(path: str, name: str) -> str:
    found = re.search(rf"^{name}\s*: (.*)$", Path(path).read_text(), re.M)
    return found[1].strip() if found else platform.machine()
