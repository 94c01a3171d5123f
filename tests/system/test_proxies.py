"""Both services behind nginx and Caddy, configured as docs/web-ui.md says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from tests import debian
from tests.harness import nginx
from tests.harness.processes import Process, answers, environment, free_port, running
from tests.system import services

PAGE = Path(__file__).resolve().parents[2] / "docs" / "web-ui.md"
NAME = "mlflow.example.com"
SEARCHES = (
    "/ajax-api/2.0/mlflow/experiments/search",
    "/ajax-api/2.0/mlflow/runs/search",
    "/ajax-api/2.0/mlflow/logged-models/search",
    "/ajax-api/3.0/mlflow/traces/search",
)


def _documented(language: str) -> str:
    """The one block of this language on the page."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def documented_nginx(home: Path, port: int, metadata: Process, artifacts: Process) -> list[str]:
    servers = _documented("nginx").replace("listen 80;", f"listen 127.0.0.1:{port};")
    servers = servers.replace("http://127.0.0.1:5000", metadata.url)
    return nginx.command(home, servers.replace("http://127.0.0.1:5500", artifacts.url))


def plain_nginx(home: Path, port: int, metadata: Process, artifacts: Process) -> list[str]:
    """What most people write first; artifacts go by the metadata service's own way."""
    server = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {metadata.url}; }} }}"
    return nginx.command(home, server)


def documented_caddy(home: Path, port: int, metadata: Process, artifacts: Process) -> list[str]:
    site = _documented("caddy").replace(NAME, f"http://{NAME}:{port}, http://127.0.0.1:{port}")
    site = site.replace("127.0.0.1:5000", metadata.url.removeprefix("http://"))
    site = site.replace("127.0.0.1:5500", artifacts.url.removeprefix("http://"))
    configuration = home / "Caddyfile"
    configuration.write_text(f"{{\n    admin off\n}}\n{site}")
    program = debian.find("caddy", "caddy")
    return [program, "run", "--adapter", "caddyfile", "--config", str(configuration)]


Proxy = Callable[[Path, int, Process, Process], list[str]]


@contextmanager
def behind(proxy: Proxy, home: Path) -> Iterator[str]:
    """The URL of a proxy in front of both services."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    hosts = ("--allowed-hosts", f"{NAME},127.0.0.1")
    database = f"sqlite:///{home / 'mlflow.db'}"
    root = f"mlflow-artifacts://127.0.0.1:{port}/"
    with (
        services.artifacts_service(home, str(home / "files"), *hosts) as artifacts,
        services.metadata_service(
            home, database, root, *hosts, "--artifacts-url", artifacts.url
        ) as metadata,
    ):
        command = proxy(home, port, metadata, artifacts)
        variables = environment(XDG_DATA_HOME=str(home), HOME=str(home))
        with running(command, home / "proxy.log", lambda: _answers(url), env=variables):
            yield url


def _answers(url: str) -> bool:
    return answers(f"{url}/health", headers={"Host": NAME})


def _as_a_page(url: str, path: str, **body: object) -> requests.Response:
    """What a page of the web UI sends, which the browser has from the proxy."""
    headers = {"Host": NAME, "Origin": f"http://{NAME}"}
    return requests.post(f"{url}{path}", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize("proxy", [documented_nginx, documented_caddy])
def test_the_documented_proxies_pass_all_on(proxy: Proxy, tmp_path: Path) -> None:
    with behind(proxy, tmp_path) as url:
        for path in SEARCHES:
            assert (
                _as_a_page(url, path, experiment_ids=["0"], locations=[], max_results=5).status_code
                == 200
            )
        created = _as_a_page(url, "/ajax-api/2.0/mlflow/experiments/create", name="by a page")
        assert created.status_code == 200
        mlflow.set_tracking_uri(url)
        try:
            client = MlflowClient(url)
            run_id = client.create_run("0").info.run_id
            client.log_text(run_id, "x" * 3_000_000, "more than/nginx takes, 100%.txt")
            (folder,) = client.list_artifacts(run_id)
            (file,) = client.list_artifacts(run_id, folder.path)
            fetched = client.download_artifacts(run_id, file.path, str(tmp_path))
        finally:
            mlflow.set_tracking_uri("")
        assert Path(fetched).stat().st_size == 3_000_000
        shown = requests.get(
            f"{url}/get-artifact",
            params={"run_id": run_id, "path": file.path},
            headers={"Host": NAME},
            timeout=30,
        )
        assert len(shown.content) == 3_000_000


def test_behind_a_plain_nginx_pages_read_and_are_told_why_they_change_nothing(
    tmp_path: Path,
) -> None:
    with behind(plain_nginx, tmp_path) as url:
        for path in SEARCHES:
            assert (
                _as_a_page(url, path, experiment_ids=["0"], locations=[], max_results=5).status_code
                == 200
            )
        query = 'query { mlflowGetExperiment(input: {experimentId: "0"}) { experiment { name } } }'
        found = _as_a_page(url, "/graphql", query=query).json()
        assert found["data"]["mlflowGetExperiment"]["experiment"]["name"] == "Default"
        refused = _as_a_page(url, "/ajax-api/2.0/mlflow/experiments/create", name="by a page")
        assert refused.status_code == 403
        message = refused.json()["message"]
        assert f"Origin is 'http://{NAME}', Host is '127.0.0.1:" in message
        assert "does the proxy pass the browser's Host on?" in message
