"""deploy/compose.yaml runs: its commands, variables, health checks and routes, as they are.

Each service has a loopback address of its own, so that it keeps its ports; these addresses stand
for the services' names and for all that a container calls its own. The database's is that of the
suite's PostgreSQL, the port that users see is a free one, and what lies in the images lies here.
"""

import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests

from tests import debian
from tests.browser.layouts import ui_folder
from tests.harness.processes import environment, eventually, free_port
from tests.kubernetes import compose
from tests.kubernetes.tools import ROOT
from tests.postgresql import PostgreSQL

BIN = Path(sys.executable).parent
HEALTHY_SECONDS = 90
NAME = "sub/a b+%;☃.txt"
LAYOUTS = {"single-host": ("localhost", "localhost"), "two-hosts": ("mlflow.test", "files.test")}


@dataclass
class Project:
    """What `docker compose up` would start, as processes."""

    directory: Path
    database: str
    """`host:port/name`, for what the file calls `postgres:5432/tandem`."""
    host: str
    artifacts_host: str
    services: Mapping[str, Any]
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}"
        self.addresses = {name: f"{network}.{n}" for n, name in enumerate(self.services, 1)}

    def start(self, name: str) -> None:
        """Start a service without waiting for it."""
        command, environment = self._container(name)
        with self.log(name).open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command, env=environment, cwd=self.directory, stdout=output, stderr=output
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

    def _container(self, name: str) -> tuple[list[str], dict[str, str]]:
        service = self.services[name]
        environment: dict[str, str] = {"TMPDIR": str(self.directory), "HOME": str(self.directory)}
        if "build" in service:
            entrypoint, own = compose.image(service)
            environment |= own
        else:
            entrypoint = {"traefik": ["traefik"], "seaweedfs": ["weed"]}[name]
        environment |= service["environment"]
        command = self._localised(name, [*entrypoint, *service["command"]])
        if name == "seaweedfs":  # sockets that it puts into /tmp of its container
            command += [f"-{each}.localSocket={self.directory / each}" for each in ("filer", "s3")]
        environment = dict(
            zip(environment, self._localised(name, environment.values()), strict=True)
        )
        return [str(BIN / command[0]), *command[1:]], {**environment, "PATH": str(BIN)}

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
        text = text.replace("address=:8000", f"address=127.0.0.1:{self.host.partition(':')[2]}")
        for inside, here in {
            "/opt/tandem/ui": ui_folder(),
            "/etc/traefik/routes": self.directory,
            "-dir=/data": f"-dir={self.directory / 'data'}",
        }.items():
            text = text.replace(inside, str(here))
        return text


@contextmanager
def running(project: Project) -> Iterator[Project]:
    """Start all in the order that `depends_on` asks for; at the end ours must stop with 0."""
    (project.directory / "data").mkdir()
    for routes in (ROOT / "deploy" / "compose" / "routes").iterdir():
        (project.directory / routes.name).write_text(project.localised(routes.read_text()))
    waiting = [name for name in project.services if name != "postgres"]
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
        # It answers its health check some milliseconds before it knows its routes.
        eventually(lambda: requests.get(f"http://{project.host}/health", timeout=5).ok)
        yield project
        ours = [name for name, each in project.services.items() if "build" in each]
        for name in ours:
            project.processes[name].terminate()
        assert {name: project.processes[name].wait(40) for name in ours} == dict.fromkeys(ours, 0)
    finally:
        for process in project.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module", params=LAYOUTS)
def project(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """All of it, under one host name or two; both lead to the same port of this machine."""
    port = free_port()
    host, artifacts_host = (f"{name}:{port}" for name in LAYOUTS[request.param])
    variables = {"TANDEM_LAYOUT": request.param, "TANDEM_HOST": host}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        if host != artifacts_host:
            variables["TANDEM_ARTIFACTS_HOST"] = artifacts_host
            # Names that no resolver knows: who takes Traefik for its proxy need not ask one.
            patch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            patch.setenv("no_proxy", "")
        address = stack.enter_context(owned_database(postgresql))
        read = compose.read({**compose.SECRETS, **variables})["services"]
        directory = tmp_path_factory.mktemp(request.param)
        project = Project(directory, address, host, artifacts_host, read)
        yield stack.enter_context(running(project))


@contextmanager
def owned_database(server: PostgreSQL) -> Iterator[str]:
    """An empty database of the role that the file names, as `host:port/name`."""
    server.execute("CREATE ROLE tandem LOGIN")
    name = server.create()
    try:
        server.execute(f"ALTER DATABASE {name} OWNER TO tandem")
        yield server.uri(name).partition("@")[2]
    finally:
        server.drop(name)
        server.execute("DROP ROLE tandem")


def test_a_stock_client_and_a_browser_come_through(project: Project, tmp_path: Path) -> None:
    url = f"http://{project.host}"
    client = mlflow.MlflowClient(url)
    source = tmp_path / "source" / NAME
    source.parent.mkdir(parents=True)
    source.write_text("snow")
    run_id = client.create_run(client.create_experiment("composed")).info.run_id
    assert client.get_run(run_id).info.artifact_uri.startswith(
        f"mlflow-artifacts://{project.artifacts_host}/"
    )
    client.log_param(run_id, "lr", "0.1")
    log_and_fetch(client, run_id, source, tmp_path / "first")
    # What a browser asks for.
    assert "text/html" in requests.get(url, timeout=10).headers["Content-Type"]
    query = {"run_id": run_id, "path": f"files/{NAME}"}
    assert requests.get(f"{url}/get-artifact", params=query, timeout=10).text == "snow"
    # One of two may go.
    project.processes["artifacts-2"].terminate()
    for attempt in range(5):
        log_and_fetch(client, run_id, source, tmp_path / f"during-{attempt}")
    assert project.processes["artifacts-2"].wait(40) == 0
    log_and_fetch(client, run_id, source, tmp_path / "after")


def log_and_fetch(client: mlflow.MlflowClient, run_id: str, source: Path, target: Path) -> None:
    target.mkdir()
    client.log_artifacts(run_id, str(source.parents[1]), "files")
    assert [each.path for each in client.list_artifacts(run_id, "files/sub")] == [f"files/{NAME}"]
    fetched = client.download_artifacts(run_id, f"files/{NAME}", str(target))
    assert Path(fetched).read_text() == "snow"


def test_other_names_and_foreign_keys_are_refused(project: Project) -> None:
    directly = {"http": ""}
    address = f"http://127.0.0.1:{project.host.partition(':')[2]}"
    for path in ("/api/2.0/mlflow/experiments/search", "/api/2.0/mlflow-artifacts/artifacts"):
        answer = requests.get(
            f"{address}{path}",
            headers={"Host": "elsewhere.test"},
            proxies=directly,
            timeout=10,
        )
        assert answer.status_code in (403, 404), answer.text
    store = f"http://{project.addresses['seaweedfs']}:8333/tandem"
    assert requests.get(store, proxies=directly, timeout=10).status_code == 403
