"""Public keys by which grants are checked that the workers of all pods have signed."""

from sqlalchemy import Connection, delete, insert, select

from tandem_metadata.database.tables.accounts import signing_keys
from tandem_shared.clock import now_ms


def publish(conn: Connection, key_id: str, public_key: str, expires_at: int) -> None:
    """Add a key, and drop those that have expired; times are milliseconds since 1970."""
    conn.execute(delete(signing_keys).where(signing_keys.c.expires_at <= now_ms()))
    conn.execute(
        insert(signing_keys).values(key_id=key_id, public_key=public_key, expires_at=expires_at)
    )


def published(conn: Connection) -> list[str]:
    """The public keys that have not expired."""
    held = select(signing_keys.c.public_key).where(signing_keys.c.expires_at > now_ms())
    return [*conn.execute(held.order_by(signing_keys.c.key_id)).scalars()]
