"""What production values make of Tandem, running here."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.browser.layouts import ui_folder
from tests.cluster import manifests, names, stock_client
from tests.cluster.cluster import Cluster, Image
from tests.cluster.edge import Edge
from tests.cluster.manifests import Manifests
from tests.harness.processes import environment
from tests.kubernetes import tools
from tests.postgresql import PostgreSQL

METADATA, ARTIFACTS, MIGRATE = "tandem-metadata", "tandem-artifacts", "tandem-migrate"
TEST = "tandem-test"
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""How long a client may take, beside all other tests."""

PREFIX = "/tools/mlflow"
PARTS = ("host", "port", "user", "password", "name")
"""Keys of a Secret that has the database's parts, and no URI."""
LAYOUTS = {
    "two-hosts": (),
    # As in Kubeflow, below a path of a host that others share.
    "single-host": (
        "hosts.artifacts=mlflow.example.com",
        f"staticPrefix={PREFIX}",
        *(f"database.secretKeys.{part}={part}" for part in PARTS),
    ),
}
ROUTED = (
    "insecureNoAuth=true",
    "ingress.enabled=true",
    "ingress.tls.enabled=true",
    "httpRoute.enabled=true",
    "httpRoute.parentRefs[0].name=public",
    "monitoring.prometheusRule.enabled=true",
    # Their receivers are here.
    "metadata.extraArgs={--webhook-allow-private-ips,--webhook-allowed-schemes,http}",
)
BRIEF = (
    "metadata.replicas=1",
    "metadata.preStopSeconds=1",
    "metadata.shutdownDelaySeconds=1",
)
"""For tests that look at other things than how many pods there are, and how they end."""
_FOREIGN = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables by which clients would trust other authorities."""

IMAGE = Image(
    paths={"/opt/tandem/ui": ui_folder()},
    environ={"PATH": str(Path(sys.executable).parent), "PYTHONDONTWRITEBYTECODE": "1"},
)


@dataclass(frozen=True)
class Installation:
    """Both services, the way into them, and what they were made of."""

    layout: str
    cluster: Cluster
    edges: Mapping[str, Edge]
    """By what their routes come from: ingress or httproute."""
    directory: Path

    @property
    def url(self) -> str:
        """What a client takes for its tracking URI."""
        return f"https://mlflow.example.com{self.prefix}"

    @property
    def prefix(self) -> str:
        """What all paths begin with."""
        return PREFIX if self.layout == "single-host" else ""

    @property
    def artifacts_url(self) -> str:
        """Where the artifact proxy is."""
        host = "mlflow" if self.layout == "single-host" else "artifacts"
        return f"https://{host}.example.com{self.prefix}/api/2.0/mlflow-artifacts/artifacts"

    def start(self, way: str, module: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a script of this directory as a client that comes by this edge."""
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.cluster.{module}", *arguments],
            cwd=ROOT,
            env=client_environment(self.edges[way]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_stock_client(
        self, way: str, experiment: str, scratch: Path
    ) -> "Future[dict[str, Any]]":
        """Start the stock client, which comes by this edge."""
        variables = client_environment(self.edges[way])
        return stock_client.start(self.url, experiment, scratch, variables)


def client_environment(through: Edge, **variables: str) -> dict[str, str]:
    """The environment of a client of an edge, with more variables; empty ones are left out."""
    settings = {
        **names.variable(through.hosts, through.address),
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(through.authority),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # nothing is to be hidden
        "DO_NOT_TRACK": "true",
        **variables,
    }
    given = environment(**{name: each for name, each in settings.items() if each})
    return {name: each for name, each in given.items() if name not in _FOREIGN}


def answer_of(process: "subprocess.Popen[str]", seconds: float = SECONDS) -> Any:
    """What a client script prints last, at an end that must be a good one."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors[-4000:]
    return json.loads(output.splitlines()[-1])


def render(*sets: str) -> Manifests:
    """The chart under its production values and a few more."""
    values = tools.CHART / "ci" / "production-values.yaml"
    return manifests.read(tools.render_chart(values, sets=sets), tools.NAMESPACE)


@contextmanager
def database(server: PostgreSQL) -> Iterator[dict[str, dict[str, str]]]:
    """An empty database, and the Secret in which production values look for its address."""
    name = server.create()
    uri = server.uri(name)
    split = urlsplit(uri)
    # The server trusts whoever comes, but what is said must be what is meant.
    parts = (split.hostname or "", str(split.port), split.username or "", "p@ss/w:rd%?#", name)
    yield {"tandem-database": {"uri": uri} | dict(zip(PARTS, parts, strict=True))}
    server.drop(name)
