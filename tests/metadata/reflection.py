"""Tables of a database as they are, which takes a second to read and is the same for many tests."""

from sqlalchemy import Connection, MetaData, inspect, text

_known: dict[tuple[object, ...], MetaData] = {}


def reflected(conn: Connection) -> MetaData:
    """The tables of a database; read once for each revision and set of tables."""
    names = sorted(inspect(conn).get_table_names())
    version = "alembic_version" in names and conn.scalar(text("SELECT * FROM alembic_version"))
    key = (conn.dialect.name, version, *names)
    if key not in _known:
        _known[key] = MetaData()
        _known[key].reflect(conn)
    return _known[key]
