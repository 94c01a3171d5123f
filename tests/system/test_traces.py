"""Traces of stock clients: MLflow's of several releases, and OpenTelemetry's exporter."""

import json
import subprocess
import threading
import time
import uuid
from typing import Any

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import SpanType
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tandem_shared import MLFLOW_VERSION
from tests.harness.processes import environment
from tests.system.client_environments import PINS, interpreter
from tests.system.services import Stack


@mlflow.trace(name="agent", span_type=SpanType.AGENT)
def agent(question: str, session: str | None = None) -> str:
    if session:
        mlflow.update_current_trace(metadata={"mlflow.trace.session": session}, tags={"k": "v"})
    with mlflow.start_span(name="model", span_type=SpanType.LLM) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_outputs("naïve")
        span.set_attribute(
            "mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        )
    if question == "fail":
        raise ValueError("no")
    return question.upper()


def test_traces_of_the_current_client_are_there_when_it_has_sent_them(
    client: MlflowClient, experiment: str
) -> None:
    mlflow.set_experiment(experiment_id=experiment)
    assert agent("hello", "s-1") == "HELLO"
    time.sleep(0.002)  # Traces of one millisecond have no order.
    with pytest.raises(ValueError, match="no"):
        agent("fail", "s-1")
    time.sleep(0.002)
    agent("other")
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(locations=[experiment], return_type="list")
    assert [trace.info.request_preview for trace in found] == [
        '{"question": "other", "session": null}',
        '{"question": "fail", "session": "s-1"}',
        '{"question": "hello", "session": "s-1"}',
    ]
    other, failed, hello = found
    assert [str(each.info.state) for each in found] == [
        "OK",
        "ERROR",
        "OK",
    ]
    root, model = hello.data.spans
    assert (root.name, root.span_type, root.outputs) == ("agent", "AGENT", "HELLO")
    assert (model.parent_id, model.outputs) == (root.span_id, "naïve")
    assert [event.name for event in failed.data.spans[0].events] == ["exception"]
    assert hello.info.token_usage == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert hello.info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert hello.info.tags["k"] == "v"
    alone = mlflow.get_trace(hello.info.trace_id)
    assert [each.to_dict() for each in alone.data.spans] == [
        each.to_dict() for each in hello.data.spans
    ]
    _found(experiment, "metadata.`mlflow.trace.session` = 's-1'", [failed, hello])
    _found(experiment, "span.type = 'LLM' AND span.name = 'model'", found)
    _found(experiment, "trace.text ILIKE '%NAÏVE%' AND trace.status = 'ERROR'", [failed])
    _found(experiment, "trace.name = 'agent' OR tags.k = 'v'", found)
    _found(experiment, "tags.k IS NULL", [other])
    assert mlflow.get_trace("tr-00000000000000000000000000000000") is None


def _found(experiment: str, filter: str, expected: list[Any]) -> None:
    found = mlflow.search_traces(
        locations=[experiment], filter_string=filter, return_type="list", max_results=2
    )
    found = [each.info.trace_id for each in found]
    assert found == [each.info.trace_id for each in expected][:2], filter


def test_tags_and_deletion_of_traces(client: MlflowClient, experiment: str) -> None:
    mlflow.set_experiment(experiment_id=experiment)
    for number in range(5):
        agent(f"q{number}")
    mlflow.flush_trace_async_logging()
    found = [each.info.trace_id for each in client.search_traces(locations=[experiment])]
    assert len(found) == 5
    mlflow.set_trace_tag(found[0], "color/of it", "blue")
    mlflow.set_trace_tag(found[1], "gone", "x")
    mlflow.delete_trace_tag(found[1], "gone")
    tagged = client.search_traces(
        locations=[experiment], filter_string="tags.`color/of it` = 'blue'"
    )
    assert [each.info.trace_id for each in tagged] == found[:1]
    assert "gone" not in client.get_trace(found[1]).info.tags
    assert client.delete_traces(experiment, trace_ids=found[:2]) == 2
    now = max(each.info.timestamp_ms for each in client.search_traces(locations=[experiment]))
    assert client.delete_traces(experiment, max_timestamp_millis=now, max_traces=1) == 1
    assert len(client.search_traces(locations=[experiment])) == 2


def test_a_run_has_the_traces_that_it_made_and_that_were_linked_to_it(
    client: MlflowClient, experiment: str
) -> None:
    mlflow.set_experiment(experiment_id=experiment)
    agent("before")
    with mlflow.start_run() as run:
        agent("within")
    mlflow.flush_trace_async_logging()
    within, before = client.search_traces(locations=[experiment])
    found = client.search_traces(locations=[experiment], run_id=run.info.run_id)
    assert [each.info.trace_id for each in found] == [within.info.trace_id]
    client.link_traces_to_run([before.info.trace_id], run.info.run_id)
    found = client.search_traces(locations=[experiment], run_id=run.info.run_id)
    assert len(found) == 2


def test_traced_training_is_a_run_with_its_traces(client: MlflowClient, experiment: str) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.set_experiment(experiment_id=experiment)
    mlflow.sklearn.autolog(log_models=False)
    try:
        with mlflow.start_run() as run:
            LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
            for step in range(3):
                mlflow.log_metric("x", len(agent(f"step {step}")), step=step)
    finally:
        mlflow.sklearn.autolog(disable=True)
    mlflow.flush_trace_async_logging()
    assert mlflow.get_run(run.info.run_id).data.metrics["x"] == len("step 2")
    assert len(client.search_traces(locations=[experiment], run_id=run.info.run_id)) == 3


def test_clients_at_once_lose_nothing(client: MlflowClient, experiment: str) -> None:
    mlflow.set_experiment(experiment_id=experiment)
    threads = [threading.Thread(target=agent, args=(f"q{each}",)) for each in range(40)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(locations=[experiment], return_type="list")
    assert sorted(each.info.request_preview for each in found) == sorted(
        f'{{"question": "q{each}", "session": null}}' for each in range(40)
    )
    assert {len(each.data.spans) for each in found} == {2}


@pytest.mark.parametrize(
    "compression", [Compression.Gzip, Compression.Deflate, Compression.NoCompression]
)
def test_the_exporter_of_opentelemetry_logs_here(
    stack: Stack,
    client: MlflowClient,
    experiment: str,
    compression: Compression,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{stack.metadata.url}/v1/traces")
    headers = f"x-mlflow-experiment-id={experiment}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers)
    exporter = OTLPSpanExporter(compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "shop", "team": "blue"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("request") as root:
        root.set_attribute("input.value", '{"q": "é"}')
        root.set_attribute("session.id", "s-otel")
        with tracer.start_as_current_span("chat m-1") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.request.model", "m-1")
            span.set_attribute("gen_ai.usage.input_tokens", 7)
            span.set_attribute("gen_ai.usage.output_tokens", 4)
    assert provider.force_flush()
    provider.shutdown()
    (found,) = mlflow.search_traces(locations=[experiment], return_type="list")
    assert str(found.info.state) == "OK"
    assert found.info.trace_metadata["mlflow.trace.session"] == "s-otel"
    assert found.info.token_usage["total_tokens"] == 11
    assert found.info.tags["team"] == "blue"
    first, second = found.data.spans
    assert (first.name, first.inputs, first.parent_id) == ("request", {"q": "é"}, None)
    assert (second.span_type, second.parent_id) == ("CHAT_MODEL", first.span_id)
    wanted = "span.attributes.`gen_ai.request.model` LIKE 'm-%' AND span.name LIKE 'chat%'"
    _found(experiment, wanted, [found])


@pytest.mark.parametrize(
    ("version", "stack"),
    [
        ("2.14.3", "sqlite-disk"),
        ("2.22.4", "sqlite-disk"),
        ("2.22.4", "postgresql-s3"),
        ("3.1.4", "postgresql-s3"),
        ("3.4.0", "sqlite-disk"),
        ("3.6.0", "sqlite-disk"),
        ("3.6.0", "postgresql-s3"),
        ("3.10.0", "postgresql-s3"),
        (MLFLOW_VERSION, "sqlite-disk"),
        ("3.18.0", "postgresql-s3"),
    ],
    indirect=["stack"],
)
def test_a_client_makes_and_reads_traces(version: str, stack: Stack) -> None:
    name = f"traces of {version} {uuid.uuid4().hex}"
    command = [interpreter(version), PINS / "traces.py", stack.metadata.url, name]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])

    def trace(status: str, question: str, outputs: str | None) -> dict[str, Any]:
        return {
            "status": status,
            "name": "agent",
            "spans": [
                ["agent", "AGENT", {"question": question}, outputs],
                ["tool", "TOOL", {"q": question}, [1, "naïve"]],
            ],
            "parent": True,
            "model": "m-1",
            "events": [] if outputs else ["exception"],
        }

    assert seen == {
        "client": version,
        "traces": [trace("ERROR", "fail", None), trace("OK", "hello", "HELLO")],
        "tags": ["blue", None],
        "status = 'ERROR'": 1,
        "tags.color = 'blue'": 1,
        "name = 'agent'": 2,
        "name = 'x'": 0,
        "pages": True,
        "deleted": 1,
        "left": 1,
    }


def test_what_clients_sent_is_there_in_the_form_of_each_version(
    stack: Stack, client: MlflowClient, experiment: str
) -> None:
    mlflow.set_experiment(experiment_id=experiment)
    agent("hello", "s-1")
    mlflow.flush_trace_async_logging()
    url = f"{stack.metadata.url}/api/2.0/mlflow/traces"
    (old,) = requests.get(url, params={"experiment_ids": experiment}, timeout=60).json()["traces"]
    assert old["status"] == "OK"
    pairs = {each["key"]: each["value"] for each in old["request_metadata"]}
    assert pairs["mlflow.trace.session"] == "s-1"
    assert {each["key"]: each["value"] for each in old["tags"]}["mlflow.traceName"] == "agent"
