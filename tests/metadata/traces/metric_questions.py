"""Traces to count, sent as clients send them, and questions about them as the web UI asks."""

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tests.metadata.spans.exports import attribute, export, span

DAY: Final = 86_400
FIRST_MS: Final = 1_795_305_600_000 + 7
"""Shortly after a midnight."""
LAST_MS: Final = FIRST_MS + 3 * DAY * 1000

Post = Callable[[str, bytes, dict[str, str]], None]
"""Posts a body with headers to a path, and checks that it is taken."""

_MODELS: Final = [("gpt-4o", "openai"), ("claude", "anthropic"), ("gpt-4o", "azure")]
_VALUES: Final[list[Any]] = [True, False, "yes", " No ", 5, 0.25, "poor", None, {"a": 1}, "é"]


def fill(post: Post, experiments: tuple[str, str]) -> None:
    """Send the traces: of the second experiment, only one."""
    for number in range(12):
        experiment = experiments[number == 11]
        _spans(post, number, experiment)
        if number != 5:  # which is of a library that knows no MLflow
            _info(post, number, experiment)


def fill_large(post: Post, experiment: str, values: Sequence[float]) -> None:
    """Send a trace for each value, which is what it costs and what somebody gives it."""
    for value in values:
        trace = os.urandom(16)
        cost = {"input_cost": value, "output_cost": 0.0, "total_cost": value}
        sent = span(b"12345678", attributes={"mlflow.llm.cost": cost}, trace_id=trace)
        headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
        post("/v1/traces", export(sent).SerializeToString(), headers)
        body = {
            **_where(trace.hex(), experiment),
            "request_time": "2026-11-28T16:59:12.764Z",
            "state": "OK",
            "assessments": [_feedback(trace.hex(), f"a-{trace.hex()}", "large", value)],
        }
        given = json.dumps({"trace": {"trace_info": body}}).encode()
        post("/api/3.0/mlflow/traces", given, {"content-type": "application/json"})


def _id(number: int) -> str:
    return f"{0xABC0 + number:032x}"


def _start(number: int) -> int:
    """Four a day, hours apart."""
    return FIRST_MS + (number // 4) * DAY * 1000 + (number % 4) * 5_000_123


def _spans(post: Post, number: int, experiment: str) -> None:
    begin = _start(number) * 1_000_000
    trace = bytes.fromhex(_id(number))
    root = (1).to_bytes(8)
    made = [
        span(
            root,
            trace_id=trace,
            name="root",
            attributes={"mlflow.spanType": "AGENT"},
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + (number + 1) * 7_300_000,
            status={"code": "STATUS_CODE_ERROR" if number % 5 == 4 else "STATUS_CODE_OK"},
        )
    ]
    for child in range(number % 4):
        attributes: dict[str, Any] = {"mlflow.spanType": ("TOOL", "LLM")[child % 2]}
        if child % 2:
            model = _MODELS[number % 3]
            tokens = {"input_tokens": 10 * number, "output_tokens": 3, "total_tokens": 0}
            tokens["total_tokens"] = 10 * number + 3
            if number == 6:
                tokens["cache_read_input_tokens"] = 4
            cost = {"input_cost": number / 8, "output_cost": 0.5, "total_cost": number / 8 + 0.5}
            attributes |= {
                "mlflow.llm.model": model[0],
                "mlflow.llm.provider": model[1],
                "mlflow.chat.tokenUsage": tokens,
                "mlflow.llm.cost": cost,
                "mlflow.spanOutputs": {"about": "mlflow.llm.cost", "é": '"'},
            }
        at = begin + (child + 1) * 1_000_001
        made.append(
            span(
                (child + 2).to_bytes(8),
                root,
                attributes,
                trace_id=trace,
                name=f"step {child}",
                start_time_unix_nano=at,
                end_time_unix_nano=at + (child + number) * 1_999_999,
                status={"code": "STATUS_CODE_ERROR" if number == 7 else "STATUS_CODE_OK"},
            )
        )
        # Its document is no JSON then, and is read all the same.
        attribute(made[-1].events.add(name="loss"), "values", [math.nan, -math.inf])
    headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
    post("/v1/traces", export(*made).SerializeToString(), headers)


def _info(post: Post, number: int, experiment: str) -> None:
    start = _start(number)
    second, rest = divmod(start, 1000)
    metadata = {"k": f"v{number % 2}"}
    if number % 3:
        metadata["mlflow.trace.session"] = f"s{number % 3}"
    if number == 2:
        metadata["mlflow.sourceRun"] = "r" * 32
    tags = {"env": "prod" if number % 2 else "test"}
    if number != 9:
        tags["mlflow.traceName"] = ("agent", "chat", "été")[number % 3]
    body = {
        **_where(_id(number), experiment),
        "request_time": _time(second, rest),
        "execution_duration": f"0.{(number + 1) * 7:03}s",
        "state": "ERROR" if number % 5 == 4 else "OK",
        "trace_metadata": metadata,
        "tags": tags,
        "assessments": list(_assessments(number)),
    }
    given = json.dumps({"trace": {"trace_info": body}}).encode()
    post("/api/3.0/mlflow/traces", given, {"content-type": "application/json"})


def _where(trace: str, experiment: str) -> dict[str, Any]:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    return {"trace_id": f"tr-{trace}", "trace_location": location}


def _time(second: int, milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def _assessments(number: int) -> Iterator[dict[str, Any]]:
    for place in range(number % 4):
        value = _VALUES[(number + place) % len(_VALUES)]
        name = ("correct", "score")[place % 2]
        made = _feedback(_id(number), f"a-{number}-{place}", name, value)
        if place == 2:
            made["expectation"] = {"value": "x"}
            del made["feedback"]
        yield {**made, "valid": number != 6}


def _feedback(trace: str, assessment_id: str, name: str, value: Any) -> dict[str, Any]:
    return {
        "assessment_id": assessment_id,
        "assessment_name": name,
        "trace_id": f"tr-{trace}",
        "source": {"source_type": "HUMAN", "source_id": "bob"},
        "create_time": "2026-11-28T16:59:12.764Z",
        "last_update_time": "2026-11-28T16:59:12.764Z",
        "feedback": {"value": value},
    }


_WINDOW: Final = {"start_time_ms": FIRST_MS, "end_time_ms": LAST_MS}
_DAILY: Final = {**_WINDOW, "time_interval_seconds": DAY}


def _of(*kinds: str | float) -> list[dict[str, Any]]:
    return [
        {"aggregation_type": each}
        if isinstance(each, str)
        else {"aggregation_type": "PERCENTILE", "percentile_value": each}
        for each in kinds
    ]


def _ask(view: str, metric: str, *kinds: str | float, **more: Any) -> dict[str, Any]:
    return {"view_type": view, "metric_name": metric, "aggregations": _of(*kinds), **more}


_PERCENTILES: Final = (50, 90, 99)
_TOOLS: Final = {"filters": ['span.type = "TOOL"']}
_FEEDBACK: Final = {"filters": ['assessment.type = "feedback"']}
_BY_VALUE: Final = {"dimensions": ["assessment_name", "assessment_value"]}
_RUN: Final = {"filters": [f'trace.metadata.`mlflow.sourceRun` = "{"r" * 32}"']}
_TOKENS: Final = ("input", "output", "cache_read_input", "cache_creation_input")

OF_THE_UI: Final[list[dict[str, Any]]] = [
    _ask("TRACES", "trace_count", "COUNT", dimensions=["trace_status"], **_DAILY),
    _ask("TRACES", "trace_count", "COUNT", **_WINDOW),
    _ask("TRACES", "latency", "AVG", **_WINDOW),
    _ask("TRACES", "latency", *_PERCENTILES, **_DAILY),
    _ask("TRACES", "total_tokens", "SUM", "AVG", **_WINDOW),
    _ask("TRACES", "total_tokens", *_PERCENTILES, **_DAILY),
    *(_ask("TRACES", f"{each}_tokens", "SUM", **_DAILY) for each in _TOKENS),
    _ask("SPANS", "total_cost", "SUM", dimensions=["span_model_name"], **_WINDOW),
    _ask("SPANS", "total_cost", "SUM", dimensions=["span_model_name"], **_DAILY),
    _ask("ASSESSMENTS", "assessment_count", "COUNT", **_BY_VALUE, **_FEEDBACK, **_WINDOW),
    _ask(
        "ASSESSMENTS",
        "assessment_value",
        "AVG",
        dimensions=["assessment_name"],
        **_FEEDBACK,
        **_DAILY,
    ),
    _ask(
        "SPANS",
        "span_count",
        "COUNT",
        dimensions=["span_name", "span_status"],
        **_TOOLS,
        **_WINDOW,
    ),
    _ask("SPANS", "latency", "AVG", **_TOOLS, **_WINDOW),
    _ask("SPANS", "latency", "AVG", dimensions=["span_name"], **_TOOLS, **_WINDOW),
    _ask("SPANS", "latency", "AVG", dimensions=["span_name"], **_TOOLS, **_DAILY),
    _ask("SPANS", "span_count", "COUNT", **_TOOLS, **_DAILY),
    _ask("TRACES", "trace_count", "COUNT", **_RUN),
    _ask("ASSESSMENTS", "assessment_count", "COUNT", **_BY_VALUE, **_RUN),
]
"""What the pages of an experiment's overview, the list of traces and an evaluation's run ask."""

_ALL: Final = ("AVG", "MIN", "MAX", 0, 12.5, 100)
_MODEL: Final = ["span_model_name", "span_model_provider"]
_LATER: Final = {"start_time_ms": FIRST_MS + DAY * 1000, "end_time_ms": LAST_MS - DAY * 1000}

OTHERS: Final[list[dict[str, Any]]] = [
    _ask("TRACES", "session_count", "COUNT"),
    _ask("TRACES", "session_count", "COUNT", **_DAILY),
    _ask("TRACES", "trace_count", "COUNT", dimensions=["trace_name", "trace_status"]),
    _ask("TRACES", "latency", *_ALL, dimensions=["trace_name"], **_DAILY),
    _ask("TRACES", "output_tokens", "SUM", *_ALL, dimensions=["trace_name"]),
    _ask("TRACES", "latency", "AVG", filters=['trace.status = "ERROR"']),
    _ask("TRACES", "latency", "AVG", filters=["trace.status = 'nothing'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.status = 'nothing'"]),
    _ask(
        "TRACES",
        "trace_count",
        "COUNT",
        filters=["trace.tag.`env` = 'prod'", 'trace.metadata.k = "v1"'],
    ),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.tag.`mlflow.traceName` = 'été'"]),
    _ask(
        "TRACES", "trace_count", "COUNT", filters=["trace.metadata.`mlflow.trace.session` = 's1'"]
    ),
    _ask("TRACES", "trace_count", "COUNT", **_LATER, max_results=1),
    _ask("TRACES", "trace_count", "COUNT", **{**_DAILY, "time_interval_seconds": 3600}),
    _ask(
        "TRACES", "trace_count", "COUNT", **{**_DAILY, "time_interval_seconds": 3600}, max_results=3
    ),
    *(
        _ask("SPANS", each, "SUM", *_ALL, dimensions=_MODEL)
        for each in ("input_cost", "output_cost")
    ),
    _ask("SPANS", "total_cost", "SUM", **_LATER, filters=['trace.status = "OK"']),
    _ask("SPANS", "total_cost", "MAX", 50, **_LATER),
    _ask("SPANS", "span_count", "COUNT", dimensions=_MODEL),
    _ask("SPANS", "span_count", "COUNT", dimensions=["span_type", "span_name"], **_LATER),
    _ask("SPANS", "span_count", "COUNT", filters=["span.name = 'root'", "span.status = 'ERROR'"]),
    _ask("SPANS", "latency", *_ALL, dimensions=["span_status"], **_DAILY),
    _ask("SPANS", "latency", *_ALL, filters=["trace.tag.env = 'prod'"]),
    _ask("ASSESSMENTS", "assessment_count", "COUNT", **_BY_VALUE),
    _ask("ASSESSMENTS", "assessment_count", "COUNT", **_DAILY),
    _ask("ASSESSMENTS", "assessment_value", *_ALL, dimensions=["assessment_name"], **_LATER),
    _ask(
        "ASSESSMENTS",
        "assessment_value",
        *_ALL,
        filters=["assessment.name = 'score'", "trace.status = 'OK'"],
    ),
]

REFUSED: Final[list[dict[str, Any]]] = [
    _ask("TRACES", "latency", "SUM"),
    _ask("TRACES", "trace_count", "COUNT", dimensions=["span_name"]),
    _ask("TRACES", "span_count", "COUNT"),
    _ask("TRACES", "trace_count", "COUNT", time_interval_seconds=60),
    _ask("TRACES", "trace_count", "COUNT", time_interval_seconds=60, start_time_ms=1),
    _ask("TRACES", "trace_count", "COUNT", filters=["span.name = 'x'"]),
    _ask("SPANS", "span_count", "COUNT", filters=["assessment.name = 'x'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.status != 'OK'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK' AND trace.status = 'OK'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.status = 1"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.nothing = 'x'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["trace.tag = 'x'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=["nobody.name = 'x'"]),
    _ask("TRACES", "trace_count", "COUNT", filters=[""]),
    _ask("TRACES", "trace_count", "COUNT", experiment_ids=["abc"]),
    _ask("TRACES", "trace_count", "COUNT", max_results="x"),
    {"view_type": "TRACES", "aggregations": _of("COUNT")},
    {"metric_name": "trace_count", "aggregations": _of("COUNT")},
]
"""What MLflow's server refuses too."""
