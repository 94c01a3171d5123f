"""The routes that write traces, inside the test."""

import json
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tandem_metadata.database.database import Database
from tandem_metadata.routes import otlp, trace_writes
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load
from tandem_shared.wire import codec
from tests.metadata import in_process
from tests.metadata.traces.writing import START_MS

PROTOBUF = "application/x-protobuf"


class Writes:
    """Requests to the routes, with a database of their own."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.context = Context(settings, database)
        self.http = in_process.client(
            self.context,
            [
                *trace_writes.routes(self.context),
                *otlp.routes(self.context),
                *bind(self.context, trace_writes.ENDPOINTS),
            ],
        )

    def export(
        self,
        body: ExportTraceServiceRequest | bytes,
        content_type: str | None = PROTOBUF,
        experiment_id: str | None = "0",
        **headers: str,
    ) -> httpx.Response:
        """The answer to `/v1/traces`; names of headers have underscores."""
        content = body if isinstance(body, bytes) else body.SerializeToString()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        if experiment_id is not None:
            sent["x-mlflow-experiment-id"] = experiment_id
        return self.http.post("/v1/traces", content=content, headers=sent)

    def exported(self, *given: Any, **headers: Any) -> ExportTraceServiceResponse:
        """The answer to spans that are taken."""
        answer = self.export(*given, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == PROTOBUF
        return ExportTraceServiceResponse.FromString(answer.content)

    def start(self, version: str | None = None, **info: Any) -> httpx.Response:
        """The answer to a trace that starts."""
        headers = {"x-mlflow-client-version": version} if version else {}
        body = {"trace": {"trace_info": info}}
        return self.http.post("/api/3.0/mlflow/traces", json=body, headers=headers)

    def started(self, version: str | None = None, **info: Any) -> Any:
        answer = self.start(version, **info)
        assert answer.status_code == 200, answer.text
        return answer.json()["trace"]["trace_info"]

    def info(self, trace_id: str) -> Any:
        """A trace that exists."""
        with self.database.read() as conn:
            return json.loads(codec.encode_json(load.info(conn, trace_id)))

    def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """The status and the body of an answer of version 2."""
        answer = self.http.request(method, f"/api/2.0/mlflow/traces{path}", json=body)
        return answer.status_code, answer.json()

    def refused(self, method: str, path: str, **body: Any) -> tuple[int, str]:
        status, answer = self.ask(method, path, **body)
        return status, answer["error_code"]


def info(trace_id: str, **fields: Any) -> dict[str, Any]:
    """A trace as a client starts it."""
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    return {
        "trace_id": trace_id,
        "trace_location": location,
        "request_time": "2026-11-28T16:57:43.779Z",
        "execution_duration": "0.096s",
        "state": "OK",
    } | fields


assert START_MS == 1_795_885_063_779  # which is that time
