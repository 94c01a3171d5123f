"""What the commands `token` and `user` share: the databases that they open, and their flags."""

import argparse
import contextlib
import os
import os.path
from collections.abc import Iterator
from typing import Final

from tandem_metadata.access import opening
from tandem_metadata.database import account_tables, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.settings import Settings
from tandem_shared.errors import ApiError, Unavailable
from tandem_shared.settings import SettingsError, load

_FLAGS: Final = (
    "backend_store_uri",
    "db_auth",
    "app_name",
    "auth_config_path",
    "auth_database_uri",
)


def settings(parsed: argparse.Namespace) -> Settings:
    """The settings that flags and environment give, with accounts in any case."""
    flags = {name: getattr(parsed, name) for name in _FLAGS}
    return load(Settings, {**os.environ, "TANDEM_INSECURE_NO_AUTH": ""}, {**flags, "auth": "basic"})


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[tuple[Database, Database]]:
    """The database of accounts, whose tables are there, and that of experiments.

    Raises SettingsError, with a sentence, for what keeps accounts from being used, and for errors
    of requests.
    """
    with contextlib.ExitStack() as closing:
        tracking = Database(settings, quiet=True)
        closing.callback(tracking.close)
        accounts = opening.open_database(settings, tracking, 1, quiet=True)
        closing.callback(accounts.close)
        with as_settings_error(accounts.url, accounts.flag):
            _check(accounts)
        try:
            yield accounts, tracking
        except Unavailable as error:
            raise SettingsError(f"{error.message} {error.reason}".strip()) from None
        except ApiError as error:
            raise SettingsError(error.message) from None


def _check(accounts: Database) -> None:
    path = sqlite_file.path_of(accounts.url)
    if accounts.dialect == "sqlite" and not os.path.exists(path):
        raise SettingsError(f"{accounts.flag}: there is no SQLite database at {path}.")
    with accounts.read() as conn:
        if why := account_tables.why_unusable(conn):
            raise SettingsError(f"The database of {accounts.flag} has no accounts to use. {why}")
