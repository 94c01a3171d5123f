"""All that runs logged, read by one statement; each database's own, as what a row costs counts."""

import json
from collections.abc import Collection, Iterable
from typing import Any, Final, Literal

from sqlalchemy import Connection

METRIC: Final = 0
PARAM: Final = 1
TAG: Final = 2
DATASET: Final = 3
MODEL: Final = 4
INFO: Final = 5

Kind = Literal[0, 1, 2, 3, 4, 5]
LoggedRow = tuple[Kind, str, str, str | None, float | None, int | None, int | None, bool | None]
"""Kind, run, key, text, number, timestamp, step, whether the number stands for NaN.

The text is a param's or tag's value, or for INFO an array in JSON of the columns `INFO_COLUMNS`.
Rows DATASET and MODEL only say that the run has some.
"""

INFO_COLUMNS: Final = (
    "experiment_id",
    "status",
    "lifecycle_stage",
    "name",
    "user_id",
    "start_time",
    "end_time",
    "artifact_uri",
)


def logged(conn: Connection, run_ids: Collection[str]) -> Iterable[LoggedRow]:
    """What runs logged, without their own rows; in no order."""
    return _rows(conn, run_ids, _LOGGED)


def whole(conn: Connection, run_ids: Collection[str]) -> Iterable[LoggedRow]:
    """What runs are and what they logged; in no order."""
    return _rows(conn, run_ids, _WHOLE)


def _rows(
    conn: Connection, run_ids: Collection[str], statements: dict[str, str]
) -> Iterable[LoggedRow]:
    # A list of parameters has a limit on both databases, and each length would be a statement.
    given: Any = [*run_ids] if conn.dialect.name == "postgresql" else json.dumps([*run_ids])
    found = conn.exec_driver_sql(statements[conn.dialect.name], {"ids": given})
    rows: Iterable[LoggedRow] = found.cursor.fetchall()  # as tuples, without a Row around each
    return rows


_PARTS: Final = (
    f"SELECT {METRIC}, run_uuid, key, NULL, value, timestamp, step, is_nan "
    "FROM latest_metrics WHERE run_uuid {among}",
    f"SELECT {PARAM}, run_uuid, key, value, NULL, NULL, NULL, NULL "
    "FROM params WHERE run_uuid {among}",
    f"SELECT {TAG}, run_uuid, key, value, NULL, NULL, NULL, NULL "
    "FROM tags WHERE run_uuid {among}",
    f"SELECT {DATASET}, destination_id, NULL, NULL, NULL, NULL, NULL, NULL FROM inputs "
    "WHERE destination_type = 'RUN' AND source_type = 'DATASET' AND destination_id {among}",
    f"SELECT {MODEL}, source_id, NULL, NULL, NULL, NULL, NULL, NULL FROM inputs "
    "WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id {among}",
)
_INFO: Final = (
    f"SELECT {INFO}, run_uuid, NULL, {{array}}({', '.join(INFO_COLUMNS)}){{cast}}, "
    "NULL, NULL, NULL, NULL FROM runs WHERE run_uuid {among}"
)
_WORDS: Final = {
    "postgresql": {
        "among": "= ANY(%(ids)s::text[])",
        "array": "json_build_array",
        "cast": "::text",
    },
    "sqlite": {
        "among": "IN (SELECT value FROM json_each(:ids))",
        "array": "json_array",
        "cast": "",
    },
}


def _statements(*parts: str) -> dict[str, str]:
    return {dialect: " UNION ALL ".join(parts).format(**words) for dialect, words in _WORDS.items()}


_LOGGED: Final = _statements(*_PARTS)
_WHOLE: Final = _statements(*_PARTS, _INFO)
