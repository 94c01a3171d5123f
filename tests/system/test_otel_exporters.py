"""Exporters of OpenTelemetry in JavaScript and Go send their traces here, without MLflow's SDK."""

import os
import shutil
import subprocess
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Trace

from tests import npm
from tests.harness import traefik
from tests.harness.processes import answers, environment, eventually, free_ports
from tests.system.client_environments import PINS
from tests.system.services import Stack

_PROTOBUF = "@opentelemetry/exporter-trace-otlp-proto"
_JSON = "@opentelemetry/exporter-trace-otlp-http"
_PACKAGES = (
    "@opentelemetry/api@1.9.0",
    "@opentelemetry/resources@2.12.1",
    "@opentelemetry/sdk-trace-node@2.12.1",
    f"{_PROTOBUF}@0.223.1",
    f"{_JSON}@0.223.1",
)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("exporter", [_PROTOBUF, _JSON])
def test_an_exporter_of_javascript_logs_here(
    stack: Stack, client: MlflowClient, experiment: str, exporter: str, compression: str
) -> None:
    node = npm.node()
    # Node looks for packages beside a script, of which each process of tests has its own.
    script = npm.installed(*_PACKAGES) / f"otel-{os.getpid()}.mjs"
    shutil.copyfile(PINS / "otel.mjs", script)
    chosen = environment(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{stack.metadata.url}/v1/traces",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS=f"x-mlflow-experiment-id={experiment}",
        OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=compression,
    )
    done = subprocess.run(
        [node, script, exporter], env=chosen, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (found,) = mlflow.search_traces(locations=[experiment], return_type="list")
    assert str(found.info.state) == "OK"
    assert found.info.trace_metadata["mlflow.trace.session"] == "s-js"
    assert found.info.token_usage["total_tokens"] == 11
    assert found.info.tags["team"] == "blue"
    root, chat = found.data.spans
    assert (root.name, root.inputs, root.parent_id) == ("request", {"q": "é"}, None)
    assert [root.attributes[each] for each in ("tries", "exact", "list")] == [3, 0.5, ["a", "b"]]
    assert (chat.span_type, chat.parent_id) == ("CHAT_MODEL", root.span_id)
    assert (chat.status.status_code.value, chat.status.description) == ("ERROR", "no")
    assert [each.attributes["exception.message"] for each in chat.events] == ["no such page"]


def test_an_exporter_of_go_logs_here(
    stack: Stack,
    client: MlflowClient,
    experiment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Traefik's, which tells of each request that it passes on."""
    port, pinged = free_ports(2)
    router = {"rule": "PathPrefix(`/`)", "service": "tandem", "entryPoints": ["web"]}
    served = {"loadBalancer": {"servers": [{"url": stack.metadata.url}]}}
    described = {"http": {"routers": {"all": router}, "services": {"tandem": served}}}
    traefik.write_routes(tmp_path, described)
    options = [
        f"--entrypoints.web.address=127.0.0.1:{port}",
        f"--entrypoints.traefik.address=127.0.0.1:{pinged}",
        "--ping=true",
        "--tracing=true",
        "--tracing.servicename=edge",
        "--tracing.resourceattributes.team=blue",
        f"--tracing.otlp.http.endpoint={stack.metadata.url}/v1/traces",
        f"--tracing.otlp.http.headers.x-mlflow-experiment-id={experiment}",
    ]
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # milliseconds, instead of 5,000
    url = f"http://127.0.0.1:{port}/version"
    passed_on = "span.attributes.`http.response.status_code` = '200'"

    def told() -> list[Trace]:
        return client.search_traces(locations=[experiment], filter_string=passed_on)

    with traefik.serve(tmp_path, options, lambda: answers(f"http://127.0.0.1:{pinged}/ping")):
        eventually(lambda: answers(url))
        eventually(lambda: [len(each.data.spans) for each in told()] == [2], "both spans")
    (found,) = told()
    assert str(found.info.state) == "OK"
    assert found.info.tags["team"] == "blue"
    assert found.info.tags["process.runtime.name"] == "go"
    entry, proxy = found.data.spans
    assert [entry.name, entry.parent_id, proxy.name] == ["GET", None, "ReverseProxy"]
    assert proxy.parent_id == entry.span_id
    assert entry.attributes["url.path"] == "/version"
    assert proxy.attributes["http.response.status_code"] == 200
