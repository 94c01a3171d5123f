"""What accounts cost: the same load on Tandem with and without them, in turns.

The two servers run at once and the load goes from one to the other, round by round: a machine has
fast minutes and slow ones, and the difference that is looked for is smaller than theirs.
"""

import base64
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tandem_metadata.access import passwords
from tandem_metadata.database.database import Database as Accounts
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import tokens, users
from tests.benchmark import rows, servers, wrk
from tests.benchmark.content import Api, Content
from tests.benchmark.databases import Database, Maker
from tests.benchmark.results import Figure
from tests.benchmark.rows import Row
from tests.benchmark.servers import Destination

NAME: Final = "tandem-accounts"
BY_TOKEN: Final = "tandem-token"
BY_PASSWORD: Final = "tandem-password"
SENDERS: Final = {BY_TOKEN: "by token", BY_PASSWORD: "by password (Basic)"}

ROUNDS: Final = 5
UNIT: Final = "of the rate without accounts"

_ROWS: Final = (
    "log-metric-16", "log-metric-1", "get-run", "search", "search-filtered", "registry-search",
)  # fmt: skip
_PREFIX: Final = "accounts-"
TITLES: Final = {f"{_PREFIX}{name}": f"{rows.ROWS[name].title}, with accounts" for name in _ROWS}

_USER: Final = "somebody"
_PASSWORD: Final = "the password of a benchmark"


@dataclass(frozen=True)
class _Sender:
    url: str
    headers: dict[str, str]
    content: Content


def measure(
    directory: Path, maker: Maker, kind: str, chosen: list[str], seconds: int
) -> Iterator[Figure]:
    """The share of its rate that each row keeps, as the median of some rounds."""
    wanted = [name for name in TITLES if name in chosen]
    if not wanted:
        return
    each = max(1, seconds // 2)
    with (
        maker.make(kind) as plain,
        maker.make(kind) as guarded,
        _senders(directory, plain, guarded) as senders,
    ):
        for name in wanted:
            plain.settle()
            guarded.settle()
            row = rows.ROWS[name.removeprefix(_PREFIX)]
            yield from _shares(kind, name, row, senders, each)


@contextmanager
def _senders(directory: Path, plain: Database, guarded: Database) -> Iterator[dict[str, _Sender]]:
    """Who sends the load, by name; without accounts by the name of plain Tandem."""
    for name in ("plain", "guarded"):
        (directory / name).mkdir()
    start = servers.SERVERS["tandem"].start
    with (
        start(directory / "plain", plain, Destination(str(directory / "a"))) as without,
        servers.tandem_with_accounts(
            directory / "guarded", guarded, Destination(str(directory / "b"))
        ) as running,
    ):
        token = _token(guarded)
        given = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        headers = {
            BY_TOKEN: {"Authorization": f"Bearer {token}"},
            BY_PASSWORD: {"Authorization": f"Basic {given}"},
        }
        # What the one logs to and reads, the other does too.
        content = Content(Api(running.url, headers[BY_TOKEN]))
        yield {
            "tandem": _Sender(without.url, {}, Content(Api(without.url))),
            **{name: _Sender(running.url, own, content) for name, own in headers.items()},
        }


def _token(database: Database) -> str:
    """A token of a new user, who is no administrator."""
    opened = Accounts(Settings(backend_store_uri=database.uri("postgresql")))
    with opened.write() as conn:
        users.create(conn, _USER, passwords.hashed(_PASSWORD))
        text = tokens.create(conn, _USER, "of the benchmark")[1]
    opened.close()
    return text


def _shares(
    kind: str, name: str, row: Row, senders: dict[str, _Sender], seconds: int
) -> Iterator[Figure]:
    data = {each: row.data(sender.content) for each, sender in senders.items()}
    for sender in senders.values():
        row.sample(sender.content)
    loads: dict[str, list[wrk.Load]] = {each: [] for each in senders}
    for phase in range(1, ROUNDS + 2):  # the first is the warm-up
        for number, (each, sender) in enumerate(senders.items()):
            given: dict[str, Any] = {**data[each], "headers": sender.headers}
            load = wrk.once(sender.url, row.kind, seconds, given, phase * len(senders) + number)
            if phase > 1:
                loads[each].append(load)
    rates = {each: [load.rate for load in found] for each, found in loads.items()}
    for each in SENDERS:
        fault = next((load.fault for load in loads[each] if load.fault), None)
        shares = [own / plain for own, plain in zip(rates[each], rates["tandem"], strict=True)]
        detail = {"shares": shares, "rates": rates[each], "plain": rates["tandem"]}
        yield Figure(kind, each, name, statistics.median(shares), UNIT, fault, detail)
