"""Run by the interpreter of a client: makes traces, and prints what it reads back as JSON.

Arguments: the tracking URI, and a name to make an experiment with.
"""

import contextlib
import json
import sys
import time

import mlflow
from mlflow.tracking import MlflowClient

WAIT_SECONDS = 30


@mlflow.trace(name="agent", span_type="AGENT", attributes={"model": "m-1"})
def agent(question):
    with mlflow.start_span(name="tool", span_type="TOOL") as span:
        span.set_inputs({"q": question})
        span.set_outputs([1, "naïve"])
    if question == "fail":
        raise ValueError("no")
    return question.upper()


def main(uri, name):
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment(name)
    client = MlflowClient(uri)
    agent("hello")
    with contextlib.suppress(ValueError):
        agent("fail")
    flush = getattr(mlflow, "flush_trace_async_logging", None)
    if flush:
        flush()
    found = search(client, experiment.experiment_id, 2)
    seen = {"client": mlflow.__version__, "traces": [told(each) for each in found]}
    first = id_of(found[-1])
    client.set_trace_tag(first, "color", "blue")
    client.set_trace_tag(first, "gone", "x")
    client.delete_trace_tag(first, "gone")
    tags = client.get_trace(first).info.tags
    seen["tags"] = [tags.get("color"), tags.get("gone")]
    for text in ("status = 'ERROR'", "tags.color = 'blue'", "name = 'agent'", "name = 'x'"):
        seen[text] = len(search(client, experiment.experiment_id, filter_string=text))
    seen["pages"] = pages(client, experiment.experiment_id)
    seen["deleted"] = client.delete_traces(experiment.experiment_id, **one(first))
    seen["left"] = len(search(client, experiment.experiment_id))
    print(json.dumps(seen))


def search(client, experiment, expected=0, **wanted):
    """The traces, the latest first, once there are enough of them."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = client.search_traces(experiment_ids=[experiment], **wanted)
        if len(found) >= expected or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def pages(client, experiment):
    page = client.search_traces(experiment_ids=[experiment], max_results=1)
    rest = client.search_traces(experiment_ids=[experiment], max_results=1, page_token=page.token)
    return sorted({id_of(each) for each in [*page, *rest]}) == sorted(
        id_of(each) for each in search(client, experiment)
    )


def id_of(trace):
    return getattr(trace.info, "trace_id", None) or trace.info.request_id


def one(trace_id):
    """How this client names the traces to delete."""
    if int(mlflow.__version__.split(".")[0]) < 3:
        return {"request_ids": [trace_id]}
    return {"trace_ids": [trace_id]}


def told(trace):
    spans = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
    root, tool = spans
    return {
        "status": str(getattr(trace.info, "status", None) or trace.info.state).split(".")[-1],
        "name": trace.info.tags.get("mlflow.traceName"),
        "spans": [[span.name, kind(span), span.inputs, span.outputs] for span in spans],
        "parent": tool.parent_id == root.span_id,
        "model": root.attributes.get("model"),
        "events": [event.name for event in root.events],
    }


def kind(span):
    """The type of a span, which clients before 2.16 have among its attributes alone."""
    return getattr(span, "span_type", None) or span.attributes["mlflow.spanType"]


if __name__ == "__main__":
    main(*sys.argv[1:])
