"""What `docker compose up` would start of deploy/compose.yaml, as processes of this machine.

Each service has a loopback address of its own, so that it keeps its ports; these addresses stand
for the services' names and for all that a container calls its own. The database's is that of the
suite's PostgreSQL, the ports that users see are free ones, and what lies in the images lies here.
"""

import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import debian
from tests.browser.layouts import ui_folder
from tests.harness.processes import environment, eventually
from tests.kubernetes import compose
from tests.kubernetes.tools import ROOT
from tests.postgresql import binaries

BIN = Path(sys.executable).parent
HEALTHY_SECONDS = 90
USER = ("ada", "s3cret")
"""Whom Traefik lets in, where it asks."""


@dataclass
class Project:
    """What `docker compose up` would start, as processes."""

    directory: Path
    database: str
    """`host:port/name`, for what the file calls `postgres:5432/tandem`."""
    variables: Mapping[str, str]
    """What deploy/.env says."""
    ports: tuple[int, int]
    """Traefik's on this machine: for HTTP and for HTTPS."""
    services: Mapping[str, Any]
    """Those of the file, also those of profiles."""
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}"
        self.addresses = {name: f"{network}.{n}" for n, name in enumerate(self.services, 1)}

    @property
    def url(self) -> str:
        scheme = "https" if self.variables.get("TANDEM_TLS") else "http"
        return f"{scheme}://{self.variables['TANDEM_HOST']}"

    @property
    def artifacts_host(self) -> str:
        return self.variables.get("TANDEM_ARTIFACTS_HOST", self.variables["TANDEM_HOST"])

    @property
    def user(self) -> tuple[str, str] | None:
        """Who asks, if anybody is asked who he is."""
        return USER if self.variables.get("TANDEM_EDGE_AUTH") else None

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", **{"auth": self.user, "timeout": 10, **options})

    def run(
        self, name: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """What `docker compose run` does with a service, its own arguments and variables."""
        command, environment = self._container(name, list(arguments))
        return subprocess.run(
            command,
            env={**environment, **variables},
            cwd=self.directory,
            capture_output=True,
            text=True,
        )

    def start(self, name: str, **variables: str) -> None:
        """Start a service without waiting for it; `variables` come beside its own."""
        command, environment = self._container(name)
        with self.log(name).open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command,
                env={**environment, **variables},
                cwd=self.directory,
                stdout=output,
                stderr=output,
            )

    def wait_healthy(self, name: str) -> None:
        """Ask as Compose would, by the service's own health check, but more often."""
        check = self._localised(name, self.services[name]["healthcheck"]["test"])
        assert check[0] == "CMD"
        ours = BIN / check[1]
        program = ours if ours.exists() else debian.find(check[1], package=check[1])
        deadline = time.monotonic() + HEALTHY_SECONDS
        while True:
            done = subprocess.run(
                [program, *check[2:]],
                env=environment(),
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                return
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                pytest.fail(f"{name}: {done.stdout}{done.stderr}\n{self.log(name).read_text()}")
            time.sleep(0.2)

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _container(
        self, name: str, arguments: list[str] | None = None
    ) -> tuple[list[str], dict[str, str]]:
        service = self.services[name]
        environment: dict[str, str] = {"TMPDIR": str(self.directory), "HOME": str(self.directory)}
        entrypoint = {"traefik": ["traefik"], "seaweedfs": ["weed"]}.get(name, [])
        if "build" in service:
            entrypoint, own = compose.image(service)
            environment |= own
        environment |= service["environment"]
        words = [*service.get("entrypoint", entrypoint), *(arguments or service["command"])]
        command = self._localised(name, words)
        if name == "seaweedfs":  # sockets that it puts into /tmp of its container
            command += [f"-{each}.localSocket={self.directory / each}" for each in ("filer", "s3")]
        environment = dict(
            zip(environment, self._localised(name, environment.values()), strict=True)
        )
        # Their images have a shell and its usual companions; ours have none of them.
        system = {"prepare": "/usr/bin:/bin", "backup": f"{client_tools()}:/usr/bin:/bin"}
        path = ":".join(filter(None, [str(BIN), system.get(name)]))
        return [str(program(command[0])), *command[1:]], {**environment, "PATH": path}

    def _localised(self, service: str, texts: Any) -> list[str]:
        return [self.localised(text, service) for text in texts]

    def localised(self, text: str, service: str = "traefik") -> str:
        """A text of the file with this machine's addresses and paths."""
        text = text.replace("postgres:5432/tandem", self.database)
        names = {**self.addresses, "artifacts": self.addresses["artifacts-1"]}
        for name in sorted(names, key=len, reverse=True):
            # In s3://name it is a bucket's, and as a word of a command it is none.
            host = rf"(^|[,=]|http://){name}(?=[,:]|$)"
            text = re.sub(host, rf"\g<1>{names[name]}", text) if re.search(r"[:=]", text) else text
        own = self.addresses[service]
        text = re.sub(r"\b(127\.0\.0\.1|0\.0\.0\.0)(?=:(5\d00|80\d\d|8333)\b|$)", own, text)
        for port, here in zip((8000, 8443), self.ports, strict=True):
            text = text.replace(f"address=:{port}", f"address=127.0.0.1:{here}")
        for inside, here in {
            "/opt/tandem/ui": ui_folder(),
            "/etc/traefik/": f"{self.directory}/",
            "/etc/tandem/": f"{self.directory}/",
            "/certificates": self.directory / "certificates",
            "/backups": self.directory / "backups",
            "-dir=/data": f"-dir={self.directory / 'data'}",
        }.items():
            text = text.replace(inside, str(here))
        return text


def program(name: str) -> Path:
    """Where a program of an image is here."""
    if name == "tandem-backup":
        return ROOT / "deploy" / "backup" / name
    return Path(name) if name.startswith("/") else BIN / name


def client_tools() -> Path:
    """The folder of PostgreSQL's clients; what else the backup needs has to be there too."""
    for name in ("rclone", "sqlite3"):
        debian.find(name, package=name)
    return binaries()


def prepare_files(project: Project) -> None:
    """What the file mounts from beside it, and what Compose makes."""
    for name in ("data", "certificates", "backups", "private", "routes"):
        (project.directory / name).mkdir()
    beside = ROOT / "deploy" / "compose"
    for mounted in ("routes/routes.yaml", "prepare"):
        copy = project.directory / mounted
        copy.write_text(project.localised((beside / mounted).read_text()))
        shutil.copymode(beside / mounted, copy)


@contextmanager
def running(project: Project) -> Iterator[Project]:
    """Start all in the order that `depends_on` asks for; at the end ours must stop with 0."""
    waiting = [name for name in compose.started(project.services) if name != "postgres"]
    try:
        while waiting:
            for name in waiting:
                needed = project.services[name].get("depends_on", {})
                if not needed.keys() & set(waiting):
                    break
            else:
                pytest.fail(f"depends_on of {waiting} is a circle")
            waiting.remove(name)
            for each, how in needed.items():
                if how["condition"] == "service_completed_successfully":
                    assert project.processes[each].wait(60) == 0, project.log(each).read_text()
                elif each != "postgres":
                    project.wait_healthy(each)
            project.start(name)
        project.wait_healthy("traefik")
        # It answers its health check some milliseconds before it knows its routes and certificates.
        eventually(lambda: _answers(project))
        yield project
        ours = [name for name in project.processes if "build" in project.services[name]]
        for name in ours:
            project.processes[name].terminate()
        assert {name: project.processes[name].wait(40) for name in ours} == dict.fromkeys(ours, 0)
    finally:
        for process in project.processes.values():
            process.kill()
            process.wait()


def _answers(project: Project) -> bool:
    try:
        return project.get("/health").ok
    except requests.ConnectionError:
        return False
