"""Programs that come as npm packages; each is installed once, under `.cache`."""

import fcntl
import subprocess
import tempfile
from pathlib import Path

from tests import debian

_CACHE = Path(__file__).resolve().parents[1] / ".cache"


def node() -> str:
    """Node; without it, or npm, the test is skipped, or fails where tools are required."""
    debian.find("npm", package="npm")
    return debian.find("node", package="nodejs")


def installed(*packages: str) -> Path:
    """The folder above `node_modules` with the packages, as `name@version`; else as `node`."""
    home = _CACHE / "+".join(packages).replace("@", "-").replace("/", "-")
    npm = debian.find("npm", package="npm")
    _CACHE.mkdir(exist_ok=True)
    # Several processes of tests may want it at once: one installs it, and the others wait.
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "node_modules").exists():
            # Beside, and then moved: what is cut off leaves nothing that looks whole.
            with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".installing-") as scratch:
                command = [npm, "install", "--silent", "--no-audit", "--no-fund"]
                command += ["--ignore-scripts", "--prefix", scratch, *packages]
                subprocess.run(command, check=True, timeout=600)
                home.mkdir(exist_ok=True)
                Path(scratch, "node_modules").rename(home / "node_modules")
    return home
