"""What operators see of spans."""

import gzip
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update

from tandem_metadata.database.tables.traces import trace_tags
from tests.metadata.conftest import only_sqlite
from tests.metadata.spans.exports import CHILD, export, span
from tests.metadata.traces.writes_api import Writes


def count(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, "it is there from the start"
    return found


@only_sqlite
def test_spans_and_bytes_that_are_stored_are_counted(writes: Writes) -> None:
    spans, size = count("tandem_spans_stored_total"), count("tandem_span_bytes_total")
    body = export(span(), span(CHILD)).SerializeToString()
    writes.exported(gzip.compress(body), content_encoding="gzip")
    assert count("tandem_spans_stored_total") == spans + 2
    assert count("tandem_span_bytes_total") == size + len(body)
    assert count("tandem_span_bytes_in_flight") == 0
    assert count("tandem_trace_writes_in_flight") == 0


@only_sqlite
def test_spans_are_counted_by_why_they_were_rejected(writes: Writes) -> None:
    name = "tandem_spans_rejected_total"
    invalid, archived = (count(name, reason=reason) for reason in ("invalid", "archived"))
    writes.exported(export(span(), span(b"")))
    assert count(name, reason="invalid") == invalid + 1
    with writes.database.write() as conn:
        location = trace_tags.c.key == "mlflow.trace.spansLocation"
        conn.execute(update(trace_tags).where(location).values(value="ARCHIVE_REPO"))
    writes.exported(export(span(CHILD)))
    assert count(name, reason="archived") == archived + 1
    assert count(name, reason="invalid") == invalid + 1


def _overload(writes: Writes) -> int:
    with writes.context.trace_writer.holding(writes.context.settings.max_body_bytes * 2 - 10):
        return writes.export(export(span())).status_code


@only_sqlite
@pytest.mark.parametrize(
    ("reason", "send", "status"),
    [
        ("malformed", lambda writes: writes.export(b"no export").status_code, 400),
        ("malformed", lambda writes: writes.export(export(span(b""))).status_code, 422),
        ("too_large", lambda writes: writes.export(b"0" * (1 << 27)).status_code, 413),
        ("other", lambda writes: writes.export(export(span()), experiment_id="9").status_code, 404),
        ("overload", _overload, 503),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_requests_are_counted_by_why_they_were_refused(
    writes: Writes, reason: str, send: Callable[[Writes], int], status: int
) -> None:
    before = count("tandem_span_requests_refused_total", reason=reason)
    stored = count("tandem_spans_stored_total")
    assert send(writes) == status
    assert count("tandem_span_requests_refused_total", reason=reason) == before + 1
    assert count("tandem_spans_stored_total") == stored
