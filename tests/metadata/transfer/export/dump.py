"""All rows of a database, in a form in which SQLite's and PostgreSQL's are equal."""

import json
from typing import Any

from sqlalchemy import JSON, Boolean, create_engine, inspect, text

from tandem_metadata.database.address import parse_url

Dump = dict[str, list[dict[str, Any]]]

NOT_EXPORTED = {"alembic_version"}


def of(uri: str) -> Dump:
    """The rows by table, sorted, of tables that have any."""
    engine = create_engine(parse_url(uri))
    with engine.connect() as conn:
        found = {}
        for table in sorted(set(inspect(conn).get_table_names()) - NOT_EXPORTED):
            columns = {each["name"]: each["type"] for each in inspect(conn).get_columns(table)}
            rows = conn.execute(text(f'SELECT * FROM "{table}"')).mappings().all()
            made = [
                {name: _plain(value, columns[name]) for name, value in row.items()} for row in rows
            ]
            if made:
                found[table] = sorted(made, key=repr)
    engine.dispose()
    return found


def _plain(value: Any, kind: Any) -> Any:
    if isinstance(kind, Boolean) and value is not None:
        return bool(value)
    if isinstance(kind, JSON) and isinstance(value, str):
        return json.loads(value)
    return value
