"""What accounts cost: the same load on Tandem with and without them, in turns.

The two servers run at once and the load goes from one to the other, round by round: a machine has
fast minutes and slow ones, and the difference that is looked for is smaller than theirs.
"""

import base64
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from tandem_metadata.access import passwords
from tandem_metadata.database.database import Database as Accounts
from tandem_metadata.rules.permissions import EXPERIMENT, Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, tokens, users
from tests.benchmark import files, rows, servers, wrk
from tests.benchmark.content import Api, Content
from tests.benchmark.databases import Database, Maker
from tests.benchmark.results import Figure
from tests.benchmark.servers import Destination, Running

NAME: Final = "tandem-accounts"
BY_TOKEN: Final = "tandem-token"
BY_PASSWORD: Final = "tandem-password"
SENDERS: Final = {BY_TOKEN: "by token", BY_PASSWORD: "by password (Basic)"}

ROUNDS: Final = 5
UNIT: Final = "of the rate without accounts"
GRANTED: Final = 1000
"""Experiments that a user may read, each by a grant of its own, and nothing else but his own."""

_USER: Final = "somebody"
_PASSWORD: Final = "the password of a benchmark"
_PLAIN: Final = "tandem"
_FILES: Final = 100
_OTHERS: Final = 1_000_000
"""The first of the experiments that are granted: not one that the benchmark makes."""


@dataclass(frozen=True)
class Sender:
    """Who sends a load, and what to."""

    url: str
    artifacts_url: str
    headers: dict[str, str]
    content: Content


@dataclass(frozen=True)
class Row:
    title: str
    kind: str
    """The function of load.lua."""
    data: Callable[[Sender], dict[str, Any]]
    sample: Callable[[Sender], None]
    """Ask once; raises for an answer that is not as it must be."""
    least: Mapping[str, float]
    """The share that is to be left, by sender."""
    of_artifacts: bool = False
    granted: bool = False
    """Whether the user may read what he is granted alone: see `GRANTED`."""


def _of_api(name: str, least: Mapping[str, float], **more: Any) -> Row:
    row = rows.ROWS[name]

    def data(sender: Sender) -> dict[str, Any]:
        return row.data(sender.content)

    def sample(sender: Sender) -> None:
        row.sample(sender.content)

    return Row(more.pop("title", row.title), row.kind, data, sample, least, **more)


def _folder(sender: Sender) -> str:
    """Where the files of one run are."""
    run = sender.content.api.get("runs/get", run_id=sender.content.logged[0])["run"]
    return f"{files.PROXY}{urlsplit(run['info']['artifact_uri']).path}"


def _to_put(sender: Sender) -> dict[str, Any]:
    return {"folder": f"{_folder(sender)}/put", "length": files.SMALL}


def _to_get(sender: Sender) -> dict[str, Any]:
    paths = [f"{_folder(sender)}/get/{number}" for number in range(_FILES)]
    for path in paths:
        _asked(sender, "PUT", path, os.urandom(files.SMALL))
    return {"paths": paths}


def _sample_file(sender: Sender) -> None:
    path, content = f"{_folder(sender)}/sample", os.urandom(files.SMALL)
    _asked(sender, "PUT", path, content)
    if _asked(sender, "GET", path) != content:
        raise RuntimeError("a file came back other than it went")


def _asked(sender: Sender, method: str, path: str, body: bytes | None = None) -> bytes:
    url = sender.artifacts_url + path
    answer = urllib3.request(method, url, body=body, headers=sender.headers, retries=False)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {url}: {answer.status} {answer.data[:200]!r}")
    return answer.data


_SMALL: Final = {BY_TOKEN: 0.9, BY_PASSWORD: 0.85}
_SEARCH: Final = {BY_TOKEN: 0.8, BY_PASSWORD: 0.8}

ROWS: Final = {
    "accounts-log-metric-16": _of_api("log-metric-16", _SMALL),
    "accounts-log-metric-1": _of_api("log-metric-1", _SMALL),
    "accounts-get-run": _of_api("get-run", _SMALL),
    "accounts-search": _of_api("search", _SEARCH),
    "accounts-search-filtered": _of_api("search-filtered", _SEARCH),
    "accounts-registry-search": _of_api("registry-search", _SEARCH),
    "accounts-artifact-put": Row(
        files.TITLES["artifact-put"], "put-file", _to_put, _sample_file, _SMALL, of_artifacts=True
    ),
    "accounts-artifact-get": Row(
        files.TITLES["artifact-get"], "get-file", _to_get, _sample_file, _SMALL, of_artifacts=True
    ),
    **{
        f"accounts-granted-{name}": _of_api(
            name,
            {BY_TOKEN: 0.8},
            title=f"{rows.ROWS[name].title}, READ on {GRANTED:,} experiments",
            granted=True,
        )
        for name in ("search", "search-filtered")
    },
}
TITLES: Final = {name: f"{row.title}, with accounts" for name, row in ROWS.items()}


def measure(
    directory: Path, maker: Maker, kind: str, chosen: list[str], seconds: int
) -> Iterator[Figure]:
    """The share of its rate that each row keeps, as the median of some rounds."""
    each = max(1, seconds // 2)
    for granted in (False, True):
        wanted = [name for name, row in ROWS.items() if name in chosen and row.granted == granted]
        if not wanted:
            continue
        folder = directory / ("granted" if granted else "all")
        folder.mkdir()
        with (
            maker.make(kind) as plain,
            maker.make(kind) as guarded,
            _senders(folder, plain, guarded, granted=granted) as senders,
        ):
            for name in wanted:
                plain.settle()
                guarded.settle()
                yield from _shares(kind, name, ROWS[name], senders, each)


@contextmanager
def _senders(
    directory: Path, plain: Database, guarded: Database, *, granted: bool
) -> Iterator[dict[str, Sender]]:
    """Who sends the load, by name; without accounts by the name of plain Tandem."""
    for name in ("plain", "guarded"):
        (directory / name).mkdir()
    start = servers.SERVERS["tandem"].start
    default = Level.NO_PERMISSIONS if granted else Level.READ
    with (
        start(directory / "plain", plain, Destination(str(directory / "a"))) as without,
        servers.tandem_with_accounts(
            directory / "guarded", guarded, Destination(str(directory / "b")), default.name
        ) as running,
    ):
        token = _token(guarded, GRANTED if granted else 0)
        given = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        headers = {
            BY_TOKEN: {"Authorization": f"Bearer {token}"},
            BY_PASSWORD: {"Authorization": f"Basic {given}"},
        }
        # What the one logs to and reads, the other does too.
        content = Content(Api(running.url, headers[BY_TOKEN]))
        yield {
            _PLAIN: _sender(without, {}, Content(Api(without.url))),
            **{name: _sender(running, own, content) for name, own in headers.items()},
        }


def _sender(running: Running, headers: dict[str, str], content: Content) -> Sender:
    assert running.artifacts_url is not None
    return Sender(running.url, running.artifacts_url, headers, content)


def _token(database: Database, granted: int) -> str:
    """A token of a new user, who is no administrator, and may read so many experiments."""
    opened = Accounts(Settings(backend_store_uri=database.uri("postgresql")))
    with opened.write() as conn:
        user_id = users.create(conn, _USER, passwords.hashed(_PASSWORD))
        for number in range(granted):
            grants.grant(conn, user_id, EXPERIMENT, str(_OTHERS + number), Level.READ)
        text = tokens.create(conn, _USER, "of the benchmark")[1]
    opened.close()
    return text


def _shares(
    kind: str, name: str, row: Row, senders: dict[str, Sender], seconds: int
) -> Iterator[Figure]:
    chosen = {each: sender for each, sender in senders.items() if each in (_PLAIN, *row.least)}
    data = {each: row.data(sender) for each, sender in chosen.items()}
    for sender in chosen.values():
        row.sample(sender)
    loads: dict[str, list[wrk.Load]] = {each: [] for each in chosen}
    for phase in range(1, ROUNDS + 2):  # the first is the warm-up
        for number, (each, sender) in enumerate(chosen.items()):
            given: dict[str, Any] = {**data[each], "headers": sender.headers}
            url = sender.artifacts_url if row.of_artifacts else sender.url
            load = wrk.once(url, row.kind, seconds, given, phase * len(chosen) + number)
            if phase > 1:
                loads[each].append(load)
    rates = {each: [load.rate for load in found] for each, found in loads.items()}
    for each in row.least:
        fault = next((load.fault for load in loads[each] if load.fault), None)
        shares = [own / plain for own, plain in zip(rates[each], rates[_PLAIN], strict=True)]
        detail = {"shares": shares, "rates": rates[each], "plain": rates[_PLAIN]}
        yield Figure(kind, each, name, statistics.median(shares), UNIT, fault, detail)
