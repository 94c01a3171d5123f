"""`make isolate`: each distribution works alone, and holds nothing of the other's.

Builds the three wheels, installs each service into a clean environment, looks for packages that
must not be there, and asks for `--help` and one request.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0


@dataclass(frozen=True)
class Case:
    """A distribution, what must not come with it, and how it is asked for one request."""

    distribution: str
    source: str
    foreign: frozenset[str]
    flags: tuple[str, ...]
    path: str
    expected: str
    """A key of the JSON that `path` answers."""
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Commands that need an extra, which is not installed; they must name it."""


CASES = (
    Case(
        "tandem-metadata",
        "services/metadata",
        frozenset(
            {"alembic", "boto3", "botocore", "google-auth", "minio", "obstore", "tandem-artifacts"}
        ),
        ("--default-artifact-root", "mlflow-artifacts://127.0.0.1:5500/"),
        "/api/2.0/mlflow/experiments/get?experiment_id=0",
        "experiment",
        {
            name: (
                *("db", "current", "--db-auth", auth),
                *(
                    "--backend-store-uri",
                    "postgresql://u@db.eu-west-1.rds.amazonaws.com/n?sslmode=require",
                ),
            )
            for name, auth in (("aws", "aws-iam"), ("gcp", "gcp-iam"))
        }
        | {"parquet": ("export", "--to", "exported", "--format", "parquet")},
    ),
    Case(
        "tandem-artifacts",
        "services/artifacts",
        frozenset(
            {"sqlalchemy", "psycopg", "psycopg-binary", "alembic", "obstore", "tandem-metadata"}
        ),
        (),
        "/api/3.0/mlflow/server-info",
        "multipart_uploads_enabled",
        {"cloud": ("serve", "--artifacts-destination", "gs://bucket/prefix")},
    ),
)


def main() -> int:
    """Exit status 0 when every distribution stands alone."""
    with tempfile.TemporaryDirectory(prefix="tandem-isolate-") as name:
        scratch = Path(name)
        wheels = scratch / "wheels"
        for source in ("shared", *(case.source for case in CASES)):
            # Building leaves files beside the sources, where checks would find modules twice.
            copy = shutil.copytree(ROOT / source, scratch / "sources" / source)
            _run(
                sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
                "--wheel-dir", wheels, copy,
            )  # fmt: skip
        _shared_alone(scratch, wheels)
        for case in CASES:
            _alone(case, scratch / case.distribution, wheels)
    return 0


def _shared_alone(scratch: Path, wheels: Path) -> None:
    python = _environment(scratch / "tandem-shared", wheels, "tandem-shared")
    foreign = CASES[0].foreign | CASES[1].foreign
    _refuse(python, "tandem-shared", foreign)
    _run(
        python,
        "-c",
        "import tandem_shared.serving.run, tandem_shared.security.hosts_and_origins, "
        "tandem_shared.observability.instrumentation",
    )
    print("tandem-shared: imports alone")


def _alone(case: Case, directory: Path, wheels: Path) -> None:
    python = _environment(directory, wheels, case.distribution)
    _refuse(python, case.distribution, case.foreign)
    command = python.parent / case.distribution
    _run(command, "serve", "--help", quiet=True)
    for name, arguments in case.extras.items():
        said = subprocess.run([command, *arguments], capture_output=True, text=True).stderr
        if f"pip install '{case.distribution}[{name}]'" not in said:
            sys.exit(f"{case.distribution} without the extra {name} says: {said}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    process = subprocess.Popen(
        [command, "serve", "--port", str(port), *case.flags], cwd=directory, env=environment
    )
    try:
        answer = _ask(process, f"http://127.0.0.1:{port}{case.path}")
    finally:
        process.terminate()
        status = process.wait(30)
    if case.expected not in answer or status != 0:
        sys.exit(f"{case.distribution}: answered {answer}, ended with {status}")
    print(f"{case.distribution}: --help, one request and a clean stop, alone")


def _environment(directory: Path, wheels: Path, distribution: str) -> Path:
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    _run(
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--find-links", wheels, "-c", ROOT / "constraints.txt", distribution,
    )  # fmt: skip
    return python


def _refuse(python: Path, distribution: str, foreign: frozenset[str]) -> None:
    listing = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
    )
    installed = {package["name"].lower() for package in json.loads(listing.stdout)}
    if found := installed & foreign:
        sys.exit(f"{distribution} brings what it must not: {', '.join(sorted(found))}")


def _ask(process: "subprocess.Popen[bytes]", url: str) -> dict[str, object]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                decoded: dict[str, object] = json.load(answer)
                return decoded
        except urllib.error.HTTPError as error:
            sys.exit(f"{url} answered {error.code}")
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"{url} did not answer")


def _run(*command: str | Path, quiet: bool = False) -> None:
    subprocess.run(
        [str(part) for part in command], check=True, stdout=subprocess.DEVNULL if quiet else None
    )


if __name__ == "__main__":
    sys.exit(main())
