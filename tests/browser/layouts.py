"""The two ways to put both services behind a reverse proxy: one host name, or two."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow

from tandem_shared import MLFLOW_VERSION
from tests.harness import traefik
from tests.harness.processes import Process, answers, free_port
from tests.system import services

_ARTIFACT_PATHS = ("/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts")
_ROOT = Path(__file__).resolve().parents[2]
_METADATA_NAME = "tandem.localhost"
_ARTIFACTS_NAME = "artifacts.localhost"
LIBRARIES = "libraries.localhost"
"""A host, of any port, that HTML artifacts may load from on two hosts; on one host there is none.
"""


@dataclass(frozen=True)
class Layout:
    """Both services behind Traefik, as users reach them."""

    name: str
    url: str
    """Where the browser finds the UI; the clients' tracking URI too."""
    artifacts_url: str
    """Where clients find artifacts; on one host the same as `url`."""
    metadata: Process
    artifacts: Process
    client_environ: Mapping[str, str] = field(default_factory=dict)
    """What a client of this machine needs to find the hosts; a browser needs nothing."""

    @property
    def hosts(self) -> set[str]:
        """`host:port` of all that is the users' own."""
        return {urlsplit(each).netloc for each in (self.url, self.artifacts_url)}


@contextmanager
def one_host(directory: Path, prefix: str = "", *arguments: str) -> Iterator[Layout]:
    """Paths of the artifact proxy lead to the artifacts service, all others to metadata.

    Both services are below the prefix. Metadata reaches the other by the way that clients go; the
    arguments are for it.
    """
    below = ("--static-prefix", prefix) if prefix else ()
    host = f"127.0.0.1:{free_port()}"
    with ExitStack() as running:
        artifacts = running.enter_context(
            services.artifacts_service(
                directory, str(directory / "artifacts"), *below, started=f"{prefix}/ready"
            )
        )
        metadata = running.enter_context(
            _metadata(directory, host, *below, *arguments, started=f"{prefix}/ready")
        )
        paths = " || ".join(f"PathPrefix(`{prefix}{path}`)" for path in _ARTIFACT_PATHS)
        rules = {metadata.url: f"PathPrefix(`{prefix or '/'}`)", artifacts.url: paths}
        running.enter_context(_traefik(directory, host, f"{host}{prefix}", rules))
        url = f"http://{host}{prefix}"
        name = "below-a-prefix" if prefix else "one-host"
        yield Layout(name, url, url, metadata, artifacts)


@contextmanager
def two_hosts(directory: Path) -> Iterator[Layout]:
    """Each service has a host name of its own, and metadata sends browsers to the other for files.

    (One host shows the other way: there, metadata passes files on.)
    """
    address = f"127.0.0.1:{free_port()}"
    port = address.partition(":")[2]
    metadata_host, artifacts_host = f"{_METADATA_NAME}:{port}", f"{_ARTIFACTS_NAME}:{port}"
    allowed = ("--allowed-hosts", f"{_METADATA_NAME}:*,{_ARTIFACTS_NAME}:*,127.0.0.1:*")
    with ExitStack() as running:
        artifacts = running.enter_context(
            services.artifacts_service(
                directory,
                str(directory / "artifacts"),
                *allowed,
                "--cors-allowed-origins",
                f"http://{metadata_host}",
            )
        )
        metadata = running.enter_context(
            _metadata(
                directory,
                artifacts_host,
                *allowed,
                "--artifacts-url",
                artifacts.url,
                "--redirect-artifacts-to",
                f"http://{artifacts_host}",
                "--html-artifact-hosts",
                f"{LIBRARIES}:*",
            )
        )
        rules = {metadata.url: f"Host(`{_METADATA_NAME}`)"}
        rules[artifacts.url] = f"Host(`{_ARTIFACTS_NAME}`)"
        running.enter_context(_traefik(directory, address, metadata_host, rules))
        # Browsers know that names below localhost are this machine; resolvers often do not. A
        # client that takes the reverse proxy for its proxy asks nobody for the address.
        environ = {"http_proxy": f"http://{address}"}
        yield Layout(
            "two-hosts",
            f"http://{metadata_host}",
            f"http://{artifacts_host}",
            metadata,
            artifacts,
            environ,
        )


@contextmanager
def _metadata(
    directory: Path, artifacts_host: str, *arguments: str, started: str = "/ready"
) -> Iterator[Process]:
    with services.metadata_service(
        directory,
        f"sqlite:///{directory / 'mlflow.db'}",
        f"mlflow-artifacts://{artifacts_host}/",
        "--ui-dir",
        str(ui_folder()),
        *arguments,
        started=started,
    ) as process:
        yield process


def ui_folder() -> Path:
    """The folder of `UI_DIR`, which `make` sets, or the same build in the installed package."""
    given = os.environ.get("UI_DIR")
    fetched = Path(given) if given else _ROOT / ".cache" / "ui" / MLFLOW_VERSION
    fetched = _ROOT / fetched  # an absolute path stays as it is
    return fetched if fetched.exists() else Path(mlflow.__file__).parent / "server/js/build"


@contextmanager
def _traefik(directory: Path, address: str, at: str, rules: Mapping[str, str]) -> Iterator[None]:
    """Traefik at the address, leading to each URL what its rule matches; longer rules first.

    It is ready when metadata answers where it is `at`: a host, and a path if there is one.
    """
    traefik.write_routes(directory, _routes(rules))
    host, slash, path = at.partition("/")
    health = f"http://{address}{slash}{path}/health"
    options = [f"--entrypoints.web.address={address}"]
    with traefik.serve(directory, options, lambda: answers(health, headers={"Host": host})):
        yield


def _routes(rules: Mapping[str, str]) -> dict[str, Any]:
    routers, backends = {}, {}
    for number, (url, rule) in enumerate(rules.items()):
        name = f"service-{number}"
        routers[name] = {"rule": rule, "service": name, "entryPoints": ["web"]}
        backends[name] = {"loadBalancer": {"servers": [{"url": url}]}}
    return {"http": {"routers": routers, "services": backends}}


@contextmanager
def client_of(layout: Layout) -> Iterator[None]:
    """Point the stock client, fluent API included, at a layout."""
    before = {name: os.environ.get(name) for name in layout.client_environ}
    os.environ.update(layout.client_environ)
    mlflow.set_tracking_uri(layout.url)
    mlflow.set_registry_uri(layout.url)
    try:
        yield
    finally:
        mlflow.set_tracking_uri("")
        mlflow.set_registry_uri("")
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
