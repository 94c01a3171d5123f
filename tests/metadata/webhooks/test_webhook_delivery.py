"""The background task that sends deliveries, with a receiver on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from prometheus_client import REGISTRY
from sqlalchemy import update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import webhooks as tables
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.settings import Settings
from tandem_metadata.store.webhooks import deliveries as webhook_deliveries
from tandem_metadata.webhooks.backoff import Backoff
from tandem_metadata.webhooks.delivery import Delivery
from tandem_metadata.webhooks.sender import Sender
from tandem_metadata.webhooks.targets import Policy
from tandem_shared.concurrency.threads import Threads
from tandem_shared.settings import replace
from tests.harness.processes import eventually
from tests.metadata.deliveries import KEY, record, subscribe, waiting
from tests.receiver import Receiver, receiving

QUICK = Backoff(first=0.01, longest=0.02, longest_asked=0.5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings,
        webhook_secret_encryption_key=KEY,
        webhook_allow_private_ips=True,
        webhook_allowed_schemes=("http",),
        webhook_request_max_retries=3,
        webhook_request_timeout=20.0,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings, extra_connections=1)
    yield opened
    opened.close()


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("tandem_webhook_deliveries_total", labels) or 0.0


@contextlib.asynccontextmanager
async def delivering(
    database: Database, settings: Settings, **options: Any
) -> AsyncIterator[Delivery]:
    sender = Sender(Policy.of(settings), settings.webhook_request_timeout)
    threads = Threads("background", 1)
    options = {"backoff": QUICK, "poll": 0.05, **options}
    delivery = Delivery(database, settings, sender, threads, **options)
    await delivery.start()
    try:
        yield delivery
    finally:
        await delivery.stop()
        threads.close()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    await asyncio.to_thread(eventually, condition, seconds=seconds)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_delivery_is_sent_signed_and_deleted(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a?x=1")
    subscribe(database, receiver.url + "/b", secret=None)
    record(database, "é")
    before = counted("delivered")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    (a,) = receiver.at("/a?x=1")
    (b,) = receiver.at("/b")
    assert a.is_signed_with("s3cret")
    assert "x-mlflow-signature" not in b.headers
    assert a.event["data"] == {"name": "é"}
    assert a.delivery_id != b.delivery_id
    assert counted("delivered") == before + 2


def test_delivery_starts_when_a_commit_is_announced(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")

    async def test() -> None:
        async with delivering(database, settings, poll=3600.0):
            await until(lambda: not waiting(database))
            await asyncio.sleep(0.2)  # the task now sleeps for an hour
            await asyncio.to_thread(record, database, "x")
            await until(lambda: len(receiver.at("/a")) == 1)

    run(test)


def test_delivery_recorded_by_another_process_is_found(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")
    other = Database(settings)

    async def test() -> None:
        async with delivering(database, settings):
            await asyncio.to_thread(record, other, "x")
            await until(lambda: len(receiver.at("/a")) == 1)

    run(test)
    other.close()


def test_delivery_that_failed_is_retried_with_the_same_id_and_a_new_signature(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.answer("/a", 503, 429, 500, 200))
    record(database, "x")
    before = counted("retried"), counted("delivered")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    got = receiver.at("/a")
    assert len(got) == 4
    assert len({each.delivery_id for each in got}) == 1
    assert len({each.body for each in got}) == 1
    assert all(each.is_signed_with("s3cret") for each in got)
    assert (counted("retried"), counted("delivered")) == (before[0] + 3, before[1] + 1)


def test_delivery_is_given_up_after_its_retries_and_logged_without_secrets(
    database: Database,
    settings: Settings,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    webhook_id = subscribe(database, receiver.answer("/token-in-path", 500))
    record(database, "x")
    before = counted("given_up")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    with caplog.at_level("INFO"):
        run(test)
    assert len(receiver.at("/token-in-path")) == 4
    assert counted("given_up") == before + 1
    (line,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert line.__dict__["webhook_id"] == webhook_id
    assert "500" in line.__dict__["reason"]
    shown = " ".join(str(each.__dict__) for each in caplog.records if "tandem" in each.name)
    assert "s3cret" not in shown
    assert "token-in-path" not in shown


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_delivery_is_not_retried_after_a_final_answer(
    database: Database, settings: Settings, receiver: Receiver, status: int
) -> None:
    subscribe(database, receiver.answer("/a", status, Location="/elsewhere"))
    record(database, "x")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    assert [each.path for each in receiver.received] == ["/a"]


def test_delivery_to_an_unreachable_receiver_is_retried(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    with receiving() as gone:
        pass
    webhook_id = subscribe(database, gone.url + "/a")
    record(database, "x")

    async def test() -> None:
        async with delivering(database, replace(settings, webhook_request_max_retries=10**6)):
            await until(lambda: waiting(database)[0].attempts > 2)
            with database.write() as conn:
                conn.execute(
                    update(tables.webhooks)
                    .where(tables.webhooks.c.webhook_id == webhook_id)
                    .values(url=receiver.url + "/now")
                )
            await until(lambda: not waiting(database))

    run(test)
    assert len(receiver.at("/now")) == 1


def test_delivery_waits_for_retry_after(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    receiver.answers["/a"] = [(429, {"Retry-After": "100"}, b""), (200, {}, b"")]
    subscribe(database, receiver.url + "/a")
    record(database, "x")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    first, second = receiver.at("/a")
    assert second.at - first.at >= 0.49  # the longest Retry-After that is honoured here


@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_delivery_is_not_blocked_by_receivers_that_hang_or_fail(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    for number in range(3):
        subscribe(database, f"{receiver.url}/hang/{number}")
    subscribe(database, receiver.answer("/failing", 500))
    subscribe(database, receiver.url + "/good")
    record(database, *map(str, range(40)))
    limited = replace(
        settings,
        webhook_delivery_max_workers=8,
        webhook_request_timeout=60.0,
        webhook_request_max_retries=10**6,
    )

    async def test() -> None:
        async with delivering(database, limited):
            await until(lambda: len(receiver.at("/good")) == 40)
            assert not receiver.released.is_set()

    run(test)
    # Two attempts of each are running, and no more are started.
    hanging = [each.path for each in receiver.received if each.path.startswith("/hang")]
    assert sorted(hanging) == sorted(f"/hang/{number}" for number in range(3) for _ in "ab")


@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_delivery_leaves_half_of_the_attempts_to_receivers_that_work(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    for number in range(12):
        subscribe(database, f"{receiver.url}/hang/{number}")
    record(database, *map(str, range(5)))
    limited = replace(
        settings,
        webhook_delivery_max_workers=4,
        # Long enough for a receiver that works on a busy machine.
        webhook_request_timeout=1.0,
        webhook_request_max_retries=10**6,
    )

    async def test() -> None:
        async with delivering(database, limited):
            await until(lambda: len({each.path for each in receiver.received}) == 12, 60)
            await asyncio.to_thread(subscribe, database, receiver.url + "/good")
            await asyncio.to_thread(record, database, *map(str, range(20)))
            await until(lambda: len(receiver.at("/good")) == 20, 60)

    run(test)


def test_delivery_by_two_workers_happens_once(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    for path in "abc":
        subscribe(database, f"{receiver.url}/{path}")
    record(database, *map(str, range(20)))
    other = Database(settings, extra_connections=1)

    async def test() -> None:
        async with delivering(database, settings), delivering(other, settings):
            await until(lambda: not waiting(database))

    run(test)
    other.close()
    ids = [each.delivery_id for each in receiver.received]
    assert len(ids) == len(set(ids)) == 60


def test_delivery_that_a_stop_cuts_is_made_after_the_next_start(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/hang")
    record(database, "x", "y", "z")

    async def cut() -> None:
        async with delivering(database, settings):
            await until(lambda: len(receiver.at("/hang")) >= 2)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 10

    run(cut)
    assert [row.attempts for row in waiting(database)] == [0, 0, 0]
    receiver.released.set()

    async def go_on() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(go_on)
    got = receiver.at("/hang")
    assert len({each.delivery_id for each in got}) == 3
    assert {each.event["data"]["name"] for each in got} == {"x", "y", "z"}


def test_delivery_of_a_dead_worker_is_made_after_its_lease(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")
    record(database, "x")
    (row,) = waiting(database)
    with database.write() as conn:
        claimed = webhook_deliveries.claim(
            conn, [row.delivery_id], now=row.due_at, until=row.due_at + 1500
        )
    assert [each.attempt for each in claimed] == [1]

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    (got,) = receiver.at("/a")
    assert got.delivery_id == row.delivery_id


def test_delivery_does_not_wait_for_a_clock_that_was_ahead(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")
    record(database, "x")
    with database.write() as conn:
        day = 24 * 60 * 60 * 1000
        conn.execute(update(deliveries).values(due_at=deliveries.c.due_at + day))

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: len(receiver.at("/a")) == 1)

    run(test)


def test_delivery_to_a_webhook_that_mlflow_deleted_or_disabled_is_dropped(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    gone, off, kept = (subscribe(database, f"{receiver.url}/{name}") for name in "abc")
    record(database, "x")
    column = tables.webhooks.c.webhook_id
    with database.write() as conn:
        conn.execute(update(tables.webhooks).where(column == gone).values(deleted_timestamp=1))
        conn.execute(update(tables.webhooks).where(column == off).values(status="DISABLED"))
    before = counted("dropped")

    async def test() -> None:
        async with delivering(database, settings):
            await until(lambda: not waiting(database))

    run(test)
    assert [each.path for each in receiver.received] == ["/c"]
    assert counted("dropped") == before + 2
    assert kept


def test_delivery_with_an_unreadable_secret_is_never_sent_unsigned(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")
    record(database, "x")

    patient = replace(settings, webhook_request_max_retries=10**6)

    async def test(key: str | None, end: Callable[[], bool]) -> None:
        async with delivering(database, replace(patient, webhook_secret_encryption_key=key)):
            await until(end)

    for key in (None, Fernet.generate_key().decode()):
        more = waiting(database)[0].attempts + 2
        run(lambda key=key, more=more: test(key, lambda: waiting(database)[0].attempts >= more))
    assert receiver.received == []
    run(lambda: test(KEY, lambda: not waiting(database)))
    assert [each.is_signed_with("s3cret") for each in receiver.received] == [True]


@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_delivery_to_a_private_address_in_the_table_is_refused(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    guarded = replace(settings, webhook_allow_private_ips=False)
    port = receiver.url.rpartition(":")[2]
    for host in ("localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"):
        subscribe(database, f"http://{host}:{port}/a")
    record(database, "x")

    async def test() -> None:
        async with delivering(database, guarded):
            await until(lambda: not waiting(database))

    run(test)
    assert receiver.received == []


@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_delivery_survives_a_failing_database(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    subscribe(database, receiver.url + "/a")

    async def test() -> None:
        async with delivering(database, settings):
            with database.write() as conn:
                conn.exec_driver_sql("ALTER TABLE tandem_webhook_deliveries RENAME TO away")
            await asyncio.sleep(0.3)
            with database.write() as conn:
                conn.exec_driver_sql("ALTER TABLE away RENAME TO tandem_webhook_deliveries")
            await asyncio.to_thread(record, database, "x")
            await until(lambda: len(receiver.at("/a")) == 1)

    run(test)
