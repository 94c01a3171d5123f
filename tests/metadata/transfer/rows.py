"""Rows of a database, for tests that compare all of them."""

from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings

_CONTENT: Final = (
    "experiments",
    "experiment_tags",
    "runs",
    "params",
    "tags",
    "metrics",
    "latest_metrics",
    "datasets",
    "inputs",
    "input_tags",
    "logged_models",
    "logged_model_params",
    "logged_model_tags",
    "logged_model_metrics",
    "trace_info",
    "trace_tags",
    "trace_request_metadata",
    "assessments",
    "spans",
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
)


def everything(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that an import writes, sorted."""
    with closing(Database(settings)) as database, database.read() as conn:
        return {name: _sorted(conn, f"SELECT * FROM {name}") for name in _CONTENT}


def rows(settings: Settings, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, sorted."""
    with closing(Database(settings)) as database, database.read() as conn:
        return _sorted(conn, statement, **values)


def _sorted(conn: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in conn.execute(text(statement), values)), key=repr)


def execute(settings: Settings, statement: str, **values: Any) -> None:
    """Run a statement that changes rows."""
    with closing(Database(settings)) as database, database.write() as conn:
        conn.execute(text(statement), values)


def tables(settings: Settings) -> set[str]:
    """The names of all tables."""
    with closing(Database(settings)) as database, database.read() as conn:
        return set(inspect(conn).get_table_names())
