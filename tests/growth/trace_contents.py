"""The statements that fill a database with traces, the same on SQLite and PostgreSQL.

All are in one experiment, and spread over a week. Ids are digests of their numbers.
"""

from collections.abc import Sequence
from typing import Final

SPANS: Final = 10
"""Of a trace."""
FIRST_MS: Final = 1_700_000_000_000
WEEK_MS: Final = 7 * 24 * 3600 * 1000
SESSIONS: Final = 10
"""Traces of a session."""

_ID: Final = "'tr-' || md5(CAST(n AS TEXT))"
_TIME: Final = f"{FIRST_MS} + n * {{apart}}"
_NUMBERED: Final = (
    "FROM (WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n < {last}) SELECT CAST(n AS BIGINT) AS n FROM numbers) AS traces"
)
_STATUS: Final = "CASE WHEN n % 20 = 0 THEN 'ERROR' ELSE 'OK' END"
_TAKEN: Final = "20 + n * 7919 % 480"
"""Milliseconds."""
_WORDS: Final = "The quick brown fox jumps over the lazy dog and asks what comes after it."

_INFO: Final = f"""
INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status,
    request_preview, response_preview, trace_name, session_id, input_tokens, output_tokens,
    total_tokens, input_cost, output_cost, total_cost)
SELECT {_ID}, {{experiment}}, {_TIME}, {_TAKEN}, {_STATUS}, '{{{{"question": "{_WORDS}"}}}}',
    '"{_WORDS}"', 'agent-' || (n % 5), 'session-' || (n / {SESSIONS}), 100 + n % 50, 20 + n % 30,
    120 + n % 50 + n % 30, 0.00025, 0.0002, 0.00045
{_NUMBERED}
"""
_TAGS: Final = f"""
INSERT INTO trace_tags (key, value, request_id)
SELECT key, CASE key WHEN 'env' THEN 'env-' || (n % 3) WHEN 'mlflow.trace.spansLocation'
    THEN 'TRACKING_STORE' ELSE 'mlflow-artifacts:/{{experiment}}/traces/' || {_ID} || '/artifacts'
    END, {_ID}
{_NUMBERED}, (SELECT 'env' AS key UNION ALL SELECT 'mlflow.trace.spansLocation' UNION ALL
    SELECT 'mlflow.artifactLocation') AS keys
"""
_METADATA: Final = f"""
INSERT INTO trace_request_metadata (key, value, request_id)
SELECT key, CASE key WHEN 'mlflow.trace_schema.version' THEN '3' WHEN 'mlflow.user'
    THEN 'user' || (n % 7) WHEN 'mlflow.source.name' THEN 'agent.py' ELSE 'true' END, {_ID}
{_NUMBERED}, (SELECT 'mlflow.trace_schema.version' AS key UNION ALL SELECT 'mlflow.user' UNION ALL
    SELECT 'mlflow.source.name' UNION ALL SELECT 'mlflow.trace.infoFinalized') AS keys
"""
_KIND: Final = (
    "CASE WHEN k = 0 THEN 'AGENT' WHEN k = 9 THEN 'LLM' WHEN k % 2 = 0 THEN 'CHAIN' ELSE 'TOOL' END"
)
_SPAN_ID: Final = "substr(md5(n || '-' || {number}), 1, 16)"
_OWN: Final = _SPAN_ID.format(number="k")
_PARENT: Final = f"CASE WHEN k > 0 THEN {_SPAN_ID.format(number='((k - 1) / 2)')} END"
_NAME: Final = "CASE WHEN k = 0 THEN 'answer' ELSE 'step_' || k END"
_BEGIN: Final = f"({_TIME}) * 1000000 + k * 1000000"
_END: Final = f"({_TIME} + {_TAKEN}) * 1000000"
_CONTENT: Final = f"""
'{{{{"trace_id": "' || {{base64}}(md5(CAST(n AS TEXT))) || '", "span_id": "' || {{base64}}({_OWN})
|| '", "parent_span_id": ' || CASE WHEN k = 0 THEN 'null'
    ELSE '"' || {{base64}}({_SPAN_ID.format(number="((k - 1) / 2)")}) || '"' END
|| ', "name": "' || {_NAME} || '", "start_time_unix_nano": ' || ({_BEGIN})
|| ', "end_time_unix_nano": ' || ({_END})
|| ', "events": [], "status": {{{{"code": "STATUS_CODE_OK", "message": ""}}}}, "attributes": {{{{'
|| '"mlflow.traceRequestId": "\\"' || {_ID} || '\\"", "mlflow.spanType": "\\"' || {_KIND}
|| '\\"", "mlflow.spanFunctionName": "\\"' || {_NAME} || '\\"", '
|| '"mlflow.spanInputs": "{{{{\\"question\\": \\"{_WORDS}\\", \\"number\\": ' || n || '}}}}", '
|| CASE WHEN k = 9 THEN '"mlflow.llm.model": "\\"gpt-4o\\"", "mlflow.chat.tokenUsage": '
    || '"{{{{\\"input_tokens\\": ' || (100 + n % 50) || ', \\"output_tokens\\": ' || (20 + n % 30)
    || ', \\"total_tokens\\": ' || (120 + n % 50 + n % 30) || '}}}}", ' ELSE '' END
|| '"mlflow.spanOutputs": "\\"{_WORDS} {_WORDS}\\""}}}}, "links": []}}}}'
"""
_SPANS: Final = f"""
INSERT INTO spans (trace_id, experiment_id, span_id, parent_span_id, name, type, status,
    start_time_unix_nano, end_time_unix_nano, content, input_cost, output_cost, total_cost,
    model_name, model_provider)
SELECT {_ID}, {{experiment}}, {_OWN}, {_PARENT}, {_NAME}, {_KIND},
    CASE WHEN k = 3 THEN {_STATUS} ELSE 'OK' END, {_BEGIN}, {_END}, {_CONTENT},
    CASE WHEN k = 9 THEN 0.00025 END, CASE WHEN k = 9 THEN 0.0002 END,
    CASE WHEN k = 9 THEN 0.00045 END, CASE WHEN k = 9 THEN 'gpt-4o' END,
    CASE WHEN k = 9 THEN 'openai' END
FROM (SELECT n, k {_NUMBERED}, (WITH RECURSIVE keys(k) AS (SELECT 0 UNION ALL
    SELECT k + 1 FROM keys WHERE k < {SPANS} - 1) SELECT CAST(k AS BIGINT) AS k FROM keys) AS keys
    ORDER BY n, k) AS numbered
"""


def apart_ms(traces: int) -> int:
    """Between the beginnings of two traces."""
    return WEEK_MS // traces


def statements(traces: int, experiment: int, base64: str) -> Sequence[tuple[str, str]]:
    """What to run, each with the table that it fills.

    `base64` is SQL's name of a function of a hexadecimal id.
    """
    given = {
        "last": traces - 1,
        "experiment": experiment,
        "apart": apart_ms(traces),
        "base64": base64,
    }
    return [
        ("trace_info", _INFO.format(**given)),
        ("trace_tags", _TAGS.format(**given)),
        ("trace_request_metadata", _METADATA.format(**given)),
        ("spans", _SPANS.format(**given)),
    ]
