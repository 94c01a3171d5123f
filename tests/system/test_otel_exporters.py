"""Exporters of OpenTelemetry in JavaScript send their traces here, without MLflow's SDK."""

import os
import shutil
import subprocess

import mlflow
import pytest
from mlflow import MlflowClient

from tests import npm
from tests.harness.processes import environment
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
