"""The commands `tandem-metadata db upgrade` and `db current`."""

from tandem_metadata import revisions
from tandem_metadata.db import Database
from tandem_metadata.settings import Settings


def prepare(settings: Settings, artifact_root: str) -> None:
    """Make the database ready for service; see `Database.prepare` for what it raises."""
    database = Database(settings)
    try:
        database.prepare(artifact_root)
    finally:
        database.close()


def upgrade(settings: Settings) -> int:
    """Create the tables of an empty database, or say that there is nothing to do; returns 0.

    Raises SettingsError for a database that is neither empty nor of a supported revision.
    """
    database = Database(settings)
    try:
        with database.write() as conn:
            created = revisions.create_or_check(conn)
            revision = revisions.current(conn)
    finally:
        database.close()
    if created:
        print(f"Created the tables of revision {revision}.")
    else:
        print(f"The database is at revision {revision}, which is supported; nothing to do.")
    return 0


def current(settings: Settings) -> int:
    """Print the revision and whether it is supported; returns 0 if it is, else 1."""
    database = Database(settings)
    try:
        revision = database.revision()
    finally:
        database.close()
    if revision in revisions.SUPPORTED:
        print(f"{revision} (supported)")
        return 0
    print(f"{revision or 'no revision'} (not supported)")
    return 1
