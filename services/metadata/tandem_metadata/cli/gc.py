"""The command `tandem-metadata gc`."""

import argparse
import asyncio
import contextlib
import os
import os.path
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.cleanup import artifacts, lock, report, retention
from tandem_metadata.cleanup.accounts import Accounts
from tandem_metadata.cleanup.artifacts import Folders
from tandem_metadata.cleanup.choice import Choice, Request
from tandem_metadata.cleanup.collect import Collector
from tandem_metadata.cleanup.items import Kind
from tandem_metadata.cleanup.protection import Protection
from tandem_metadata.cleanup.report import Report
from tandem_metadata.cleanup.retention import Ages
from tandem_metadata.cli.parsers import flags
from tandem_metadata.cli.parsers.gc import ARTIFACT_FLAGS
from tandem_metadata.database import revisions, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.rules import integers
from tandem_metadata.rules import retention as ages_of_text
from tandem_metadata.settings import Settings
from tandem_metadata.store.dialect import integer_columns
from tandem_shared.clock import now_ms
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError, load

_DEFAULT_AGE: Final = "30d"
_CONNECTIONS: Final = 4
"""One that holds the lock, one that deletes rows, and two that read."""
_STOPPED: Final = 130
_HINT: Final = (
    "SQLite keeps the room for later rows. To give it back to the disk: "
    'sqlite3 {path} "PRAGMA busy_timeout=10000; VACUUM;" while few write.'
)


def run(parsed: argparse.Namespace) -> int:
    """Print the plan, and with `--yes` carry it out; returns the exit status.

    That is 1 if anything failed. Raises SettingsError for flags that cannot be, for a database that
    does not answer or is not one that Tandem uses, and while another `gc` is at work.
    """
    names = ("backend_store_uri", "db_auth", *ARTIFACT_FLAGS, *flags.AUTH_FLAGS)
    given = {name: getattr(parsed, name) for name in names}
    given["pool_size"] = str(_CONNECTIONS)
    # What `serve` needs of accounts beside their database is not asked for here.
    settings = load(Settings, {**os.environ, "TANDEM_INSECURE_NO_AUTH": ""}, given)
    for path in (parsed.report, parsed.metrics_file):
        if path:
            report.check_place(path)
    now = now_ms()
    until = _until(parsed.older_than, now)
    with contextlib.ExitStack() as closing:
        database = Database(settings, quiet=True)
        closing.callback(database.close)
        _check_exists(database)
        closing.enter_context(as_settings_error(database.url, database.flag))
        with database.read() as conn:
            revisions.check(revisions.current(conn), conn)
        request = Request(_ids(parsed, database), parsed.even_registered, parsed.leave_artifacts)
        accounts = Accounts(settings, database)
        closing.callback(accounts.close)
        made = Report(dry_run=not parsed.yes, with_sizes=not parsed.no_sizes, started=time.time())

        def check() -> None:
            return None

        if parsed.yes:
            check = closing.enter_context(lock.alone(database))
        if request.is_explicit:
            is_aged = parsed.older_than is not None
            ages = Ages(until if is_aged else None, {}, (), frozenset())
        else:
            with database.read() as conn:
                ages = retention.read(conn, until, now)
        made.invalid = ages.invalid
        try:
            asyncio.run(_work(parsed, settings, database, accounts, request, ages, made, check))
        except Unavailable as error:
            made.stopped = f"{error.message} {error.reason}".strip()
            if made.stopped[-1] not in ".!?":
                made.stopped += "."
        except KeyboardInterrupt:
            print("Stopped. Run it again to go on.", file=sys.stderr)
            return _STOPPED
        made.seconds = time.time() - made.started
        return _tell(parsed, database, made)


async def _work(
    parsed: argparse.Namespace,
    settings: Settings,
    database: Database,
    accounts: Accounts,
    request: Request,
    ages: Ages,
    made: Report,
    check: Callable[[], None],
) -> None:
    roots = Roots(settings)
    by_variables = await artifacts.credentials()
    headers: artifacts.Grants = artifacts.credentials
    if not by_variables and settings.authenticates:
        headers = artifacts.grant_headers(accounts.sign, time.monotonic)
    folders = Folders(settings, roots, headers)
    try:
        collector = Collector(
            database,
            Choice(database, request, ages, Protection(roots), made),
            folders,
            request,
            made,
            drop_grants=accounts.drop,
            check=check,
        )
        await collector.plan()
        if not parsed.json:
            _print(made.plan())
        if parsed.yes:
            made.left.reasons.clear()
            await collector.carry_out()
    finally:
        await folders.aclose()


def _tell(parsed: argparse.Namespace, database: Database, made: Report) -> int:
    if parsed.json:
        sys.stdout.write(report.encode(made).decode())
    elif made.is_empty:
        print("There is nothing to delete.")
    elif parsed.yes:
        _print(made.outcome())
        if database.dialect == "sqlite" and any(each.rows for each in made.deleted.values()):
            print(_HINT.format(path=sqlite_file.path_of(database.url)))
    else:
        if made.stopped:
            print(f"Stopped: {made.stopped}", file=sys.stderr)
        hint = " To delete it, add --yes." if made.has_plan else ""
        print(f"Nothing was deleted.{hint}")
    if parsed.report:
        report.write(parsed.report, report.encode(made))
    if parsed.metrics_file:
        report.write(parsed.metrics_file, made.metrics())
    if parsed.pushgateway and (why := report.push(parsed.pushgateway, made.metrics())):
        print(f"error: {why}", file=sys.stderr)
        return 1
    return made.status


def _print(lines: Iterable[str]) -> None:
    for each in lines:
        print(each, flush=True)


def _until(older_than: str | None, now: int) -> int:
    try:
        given = _DEFAULT_AGE if older_than is None else older_than
        return now - ages_of_text.milliseconds(given)
    except ValueError as error:
        raise SettingsError(f"--older-than cannot be '{older_than}': {error}.") from None


def _ids(parsed: argparse.Namespace, database: Database) -> Mapping[Kind, Sequence[str]]:
    """The ids that are given, each once; raises SettingsError for one that cannot be."""
    with database.read() as conn:
        largest = integer_columns.largest(conn)
    found: dict[Kind, Sequence[str]] = {}
    for kind, given in (
        (Kind.RUN, parsed.run_ids),
        (Kind.EXPERIMENT, parsed.experiment_ids),
        (Kind.LOGGED_MODEL, parsed.logged_model_ids),
        (Kind.TRACE, parsed.trace_ids),
    ):
        if given is None:
            continue
        ids = [each.strip() for text in given for each in text.split(",") if each.strip()]
        if not ids:
            flag = f"--{kind.one.replace(' ', '-')}-ids"
            raise SettingsError(f"{flag} holds no id: leave it out to delete by age.")
        if kind is Kind.EXPERIMENT:
            ids = [_number(each, largest) for each in ids]
        found[kind] = [*dict.fromkeys(ids)]
    return found


def _number(text: str, largest: int) -> str:
    try:
        number = integers.parse(text, largest)
    except ValueError:
        number = None
    if number is None:
        raise SettingsError(f"--experiment-ids holds '{text[:100]}', which no experiment can have.")
    return str(number)


def _check_exists(database: Database) -> None:
    path = sqlite_file.path_of(database.url)
    if database.dialect == "sqlite" and not os.path.exists(path):
        raise SettingsError(f"{database.flag}: there is no SQLite database at {path}.")
