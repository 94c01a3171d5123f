"""Programs that come as npm packages; each is installed once, under `.cache`."""

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
    if not (home / "node_modules").exists():
        _CACHE.mkdir(exist_ok=True)
        # Beside, and then moved: several processes of tests may want it at once.
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".installing-") as scratch:
            command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run([*command, "--prefix", scratch, *packages], check=True, timeout=600)
            home.mkdir(exist_ok=True)
            try:
                Path(scratch, "node_modules").rename(home / "node_modules")
            except OSError:
                if not (home / "node_modules").exists():
                    raise
    return home
