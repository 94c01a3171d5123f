"""A folder of runs in place of a database's address, as MLflow's default was for years."""

import os.path
import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tandem_shared.settings import SettingsError

LOOK_SECONDS: Final = 10.0
"""How often the folder is looked at while it is served."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class RunFolder(NamedTuple):
    """A folder that `mlflow` logs to, and the database in which it is served."""

    path: str
    """Absolute."""
    database: str
    """The address of `mlflow.db` beside the folder."""

    def note(self) -> str:
        """One sentence for people: where new runs go, and what becomes of those in the folder."""
        return (
            f"Runs of {self.path} are served from {self.database}, where new ones go; the folder "
            f"stays as it is, and what is logged there appears within {LOOK_SECONDS:g} seconds."
        )


def run_folder(address: str, flag: str) -> RunFolder | None:
    """What `./mlruns` or `file:///srv/mlruns` stands for; None for the address of a database.

    Raises SettingsError for a folder that is not there, or on another host. It never repeats the
    address, which may hold a password.
    """
    path = address
    if address.startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            raise SettingsError(f"{flag} names a folder on another host: write file:///path.")
        path = unquote(parts.path)
    elif not address or _SCHEME.match(address) or "://" in address:
        return None
    if not os.path.isdir(path):
        raise SettingsError(
            f"{flag} is neither a database URL nor a folder that is there: write sqlite:///path, "
            "postgresql://user:password@host/name with special characters percent-encoded, or the "
            "folder that mlflow has logged to, as ./mlruns."
        )
    path = os.path.abspath(path)
    beside = os.path.join(os.path.dirname(path), "mlflow.db")
    # A question mark or a percent sign would end or change the path in an address.
    return RunFolder(path, f"sqlite:///{beside.replace('%', '%25').replace('?', '%3F')}")
