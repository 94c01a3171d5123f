"""Claims of deliveries by workers, and due times of their attempts."""

import threading

from tandem_metadata.database.database import Database
from tandem_metadata.store.webhooks import deliveries
from tandem_metadata.webhooks.backoff import Backoff
from tests.metadata.deliveries import record, subscribe, waiting


def test_claim_belongs_to_one_worker_and_late_results_change_nothing(database: Database) -> None:
    subscribe(database, "http://127.0.0.1/")
    record(database, "x")
    (row,) = waiting(database)
    ids = [row.delivery_id]

    def claim(now: int, until: int) -> list[int]:
        with database.write() as conn:
            found = deliveries.claim(conn, ids, now=now, until=until)
        return [each.attempt for each in found]

    assert claim(row.due_at - 1, row.due_at + 100) == []
    assert claim(row.due_at, row.due_at + 100) == [1]
    assert claim(row.due_at + 99, row.due_at + 200) == []
    assert claim(row.due_at + 100, row.due_at + 200) == [2]
    with database.write() as conn:
        deliveries.end(conn, row.delivery_id, 1)
        deliveries.postpone(conn, row.delivery_id, 1, 0)
        deliveries.release(conn, {row.delivery_id: 1}, 0)
    assert [(each.due_at, each.attempts) for each in waiting(database)] == [(row.due_at + 200, 2)]


def test_claims_of_concurrent_workers_share_without_waiting(database: Database) -> None:
    for _ in range(20):
        subscribe(database, "http://127.0.0.1/")
    record(database, "x")
    rows = waiting(database)
    ids = [row.delivery_id for row in rows]
    claimed: list[str] = []

    def claim(order: list[str]) -> None:
        with database.write() as conn:
            found = deliveries.claim(conn, order, now=2**50, until=2**51)
        claimed.extend(each.delivery_id for each in found)

    threads = [
        threading.Thread(target=claim, args=[order]) for order in (ids, ids[::-1], ids, ids[::-1])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)


def test_hasten_leaves_due_times_that_are_possible(database: Database) -> None:
    subscribe(database, "http://127.0.0.1/")
    record(database, "x")
    (row,) = waiting(database)
    for latest, due_at in ((row.due_at, row.due_at), (row.due_at - 1, 7)):
        with database.write() as conn:
            deliveries.hasten(conn, now=7, latest=latest)
        assert [each.due_at for each in waiting(database)] == [due_at]


def test_backoff_doubles_up_to_a_bound_and_honours_retry_after() -> None:
    backoff = Backoff(first=1.0, longest=8.0, longest_asked=100.0)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (2000, 8)):
        times = [backoff.after(attempt, None) for _ in range(200)]
        assert most / 2 <= min(times) < max(times) <= most
    assert backoff.after(1, 50.0) == 50.0
    assert backoff.after(1, 1e9) == 100.0
    assert backoff.after(5, 0.1) >= 4
