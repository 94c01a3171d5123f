"""Applications send their traces to a Collector of OpenTelemetry, and that sends them here."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Trace
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests import rotel
from tests.harness.processes import eventually
from tests.rotel import Collector
from tests.system import services, stock_clients
from tests.system.services import Stack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "traces.md"
ADDRESS = "http://tandem-metadata:5000"


@contextmanager
def collecting(directory: Path, url: str, experiment: str) -> Iterator[Collector]:
    """A Collector with what the page says of one, for another address and experiment."""
    (block,) = re.findall(r"```yaml\n(# A Collector.*?)```", PAGE.read_text(), re.DOTALL)
    exporter: dict[str, Any] = yaml.safe_load(block)["exporters"]["otlp_http"]
    assert set(exporter) == {"traces_endpoint", "headers"}
    assert exporter["traces_endpoint"].startswith(ADDRESS)
    assert exporter["headers"] == {"x-mlflow-experiment-id": "1"}
    endpoint = exporter["traces_endpoint"].replace(ADDRESS, url)
    headers = dict.fromkeys(exporter["headers"], experiment)
    with rotel.serve(directory, endpoint, headers) as collector:
        yield collector


@contextmanager
def application(name: str, collector: Collector) -> Iterator[TracerProvider]:
    """What an application with OpenTelemetry has; each span goes out as it ends."""
    provider = TracerProvider(resource=Resource({"service.name": name, f"of-{name}": "yes"}))
    exporter = OTLPSpanExporter(endpoint=collector.traces)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def ask(collector: Collector, question: str) -> None:
    """A shop asks a second application, which asks a model: one trace of both."""
    with application("shop", collector) as shop, application("prices", collector) as prices:
        with shop.get_tracer("web").start_as_current_span("request") as root:
            root.set_attribute("input.value", json.dumps({"q": question}))
            root.set_attribute("session.id", "s-collected")
            sent: dict[str, str] = {}
            propagate.inject(sent)
        context = propagate.extract(sent)
        with (
            prices.get_tracer("rpc").start_as_current_span("price", context),
            prices.get_tracer("models").start_as_current_span("chat m-1") as chat,
        ):
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.set_attribute("gen_ai.request.model", "m-1")
            chat.set_attribute("gen_ai.usage.input_tokens", 7)
            chat.set_attribute("gen_ai.usage.output_tokens", 4)
            chat.set_status(trace.StatusCode.ERROR, "no")


def collected(experiment: str, count: int) -> list[Trace]:
    """The traces, once all have their three spans."""
    found: list[Trace] = []

    def there() -> bool:
        found[:] = mlflow.search_traces(locations=[experiment], return_type="list")
        return [len(each.data.spans) for each in found] == [3] * count

    eventually(there, f"{count} traces of three spans")
    return found


def check(found: Trace, question: str) -> None:
    request, price, chat = found.data.spans
    assert [request.name, price.name, chat.name] == ["request", "price", "chat m-1"]
    assert [request.parent_id, price.parent_id] == [None, request.span_id]
    assert chat.parent_id == price.span_id
    assert (chat.span_type, chat.status.description) == ("CHAT_MODEL", "no")
    assert str(found.info.state) == "OK"
    assert request.inputs == {"q": question}
    assert found.info.trace_metadata["mlflow.trace.session"] == "s-collected"
    assert found.info.token_usage["total_tokens"] == 11
    assert [found.info.tags[f"of-{name}"] for name in ("shop", "prices")] == ["yes", "yes"]


def test_a_collector_logs_here(
    stack: Stack, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    questions = [f"what is {number}?" for number in range(3)]
    with collecting(tmp_path, stack.metadata.url, experiment) as collector:
        for question in questions:
            ask(collector, question)
        found = collected(experiment, len(questions))
    asked = {json.dumps({"q": question}): question for question in questions}
    assert {each.info.request_preview for each in found} == set(asked)
    for each in found:
        check(each, asked[str(each.info.request_preview)])


def test_a_collector_sends_again_what_was_answered_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mlflow.db"
    root = "mlflow-artifacts://127.0.0.1:5500/"
    options = ("--pool-timeout", "0.2")
    with (
        services.metadata_service(tmp_path, f"sqlite:///{file}", root, *options) as service,
        stock_clients.pointed_at(service.url, monkeypatch) as client,
        collecting(tmp_path, service.url, "0") as collector,
    ):
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ask(collector, "again?")
            eventually(lambda: "Http(503" in collector.process.output(), "a 503")
            assert client.search_traces(locations=["0"]) == []
            other.execute("ROLLBACK")
        (found,) = collected("0", 1)
        check(found, "again?")
