"""The background task that sends webhook deliveries; one runs in each worker process.

All tasks share one table as their queue. A task claims deliveries in a short transaction, sends
them, and records each result in another transaction. It holds no database connection while it
waits for a receiver, and uses a thread and a connection that no request uses.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import prometheus_client
from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.webhooks import deliveries as store
from tandem_metadata.store.webhooks.deliveries import Claimed, Waiting
from tandem_metadata.store.webhooks.events import add_listener, remove_listener
from tandem_metadata.webhooks import secrets, signature
from tandem_metadata.webhooks.backoff import Backoff
from tandem_metadata.webhooks.sender import Answer, Sender, Unreachable
from tandem_shared.clock import now_ms
from tandem_shared.concurrency.threads import Threads, call_in_loop
from tandem_shared.errors import ApiError

V = TypeVar("V")

POLL_SECONDS: Final = 5.0
"""How often the table is read for deliveries of other processes."""

_SWEEP_SECONDS: Final = 60.0
_LEASE_MARGIN: Final = 30.0
"""Seconds that a lease outlasts the longest attempt, for differing clocks and slow databases."""

_STOP_SECONDS: Final = 1.0
"""Time for running attempts when the service stops; unfinished ones are repeated later."""

_RELEASE_SECONDS: Final = 3.0
_SHARE: Final = 4

DELIVERIES = prometheus_client.Counter(
    "tandem_webhook_deliveries",
    "Attempts to deliver to webhooks, by what became of them.",
    ("outcome",),
)
DURATION = prometheus_client.Histogram(
    "tandem_webhook_delivery_duration_seconds",
    "Seconds that an attempt to deliver to a webhook took.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
IN_FLIGHT = prometheus_client.Gauge(
    "tandem_webhook_deliveries_in_flight",
    "Attempts to deliver to webhooks under way now.",
    multiprocess_mode="livesum",
)
_log = logging.getLogger("tandem.webhooks")


class Delivery:
    """Sends recorded deliveries, at least once each, from `start` until `stop`.

    A delivery is deleted only after its receiver accepted it. If a process dies, its deliveries are
    repeated when their leases end. At most `webhook_delivery_max_workers` attempts run at once, and
    at most a quarter of them to one receiver. A receiver whose last attempt failed gets one attempt
    at a time, and all such receivers together get half of the attempts. Receivers that hang
    therefore cannot block the others.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        sender: Sender,
        threads: Threads,
        *,
        backoff: Backoff | None = None,
        poll: float = POLL_SECONDS,
        lease: float | None = None,
    ) -> None:
        """One of `threads`, and one connection, does all reading and writing.

        `poll` and `lease` are in seconds; the default lease outlasts the longest attempt.
        """
        self._db = db
        self._threads = threads
        self._sender = sender
        self._key = settings.webhook_secret_encryption_key
        self._retries = settings.webhook_request_max_retries
        self._slots = settings.webhook_delivery_max_workers
        self._backoff = backoff or Backoff()
        self._poll = poll
        self._lease = lease or settings.webhook_request_timeout + _LEASE_MARGIN
        self._attempts: dict[asyncio.Task[None], Claimed] = {}
        self._failing: set[str] = set()
        self._wake = asyncio.Event()
        self._swept: float | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the task in the running event loop."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._on_recorded = partial(call_in_loop, asyncio.get_running_loop(), self._wake.set)
        add_listener(self._on_recorded)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop within seconds; unfinished deliveries are released for another worker."""
        if self._task is None:
            return
        self._stopping = True
        remove_listener(self._on_recorded)
        self._wake.set()
        # Not cancelled at once: a claim that is being made must be released below.
        await asyncio.wait([self._task, *self._attempts], timeout=_STOP_SECONDS)
        cut = {claimed.delivery_id: claimed.attempt for claimed in self._attempts.values()}
        ending = [self._task, *self._attempts]
        for task in ending:
            task.cancel()
        await asyncio.wait(ending)
        self._task = None
        if cut:
            try:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._write(lambda conn: store.release(conn, cut, now_ms()))
            except (ApiError, TimeoutError):
                _log.warning("deliveries that were cut are made again after their leases")

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                pause = await self._round()
            except ApiError as error:
                _log.warning("deliveries have to wait: %s", error.message)
                pause = self._poll
            except Exception:
                _log.exception("deliveries have to wait")
                pause = self._poll
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _round(self) -> float:
        """Start all attempts that may start now; returns the seconds until the next round."""
        await self._sweep()
        while not self._stopping:
            waiting = await self._read(store.next_due)
            now = now_ms()
            self._forget_failures(waiting)
            chosen = self._choose([each for each in waiting if each.due_at <= now])
            if not chosen:
                later = [each.due_at - now for each in waiting if each.due_at > now]
                return min(self._poll, *(ms / 1000 for ms in later)) if later else self._poll
            claim = partial(store.claim, now=now, until=now + round(self._lease * 1000))
            claimed = await self._write(partial(claim, delivery_ids=chosen))
            for each in claimed:
                attempt = asyncio.create_task(self._attempt(each))
                self._attempts[attempt] = each
                attempt.add_done_callback(self._ended)
            if not claimed:  # another worker was quicker
                await asyncio.sleep(0.01)
        return 0.0

    def _choose(self, due: Sequence[Waiting]) -> list[str]:
        """The ids of due deliveries, one a webhook, that fit beside the running attempts."""
        busy = Counter(claimed.webhook_id for claimed in self._attempts.values())
        free = self._slots - busy.total()
        free_to_failing = max(1, self._slots // 2) - sum(busy[each] for each in self._failing)
        chosen = []
        for each in due:
            failing = each.webhook_id in self._failing
            share = 1 if failing else max(1, self._slots // _SHARE)
            if free <= 0 or busy[each.webhook_id] >= share or (failing and free_to_failing <= 0):
                continue
            free -= 1
            free_to_failing -= failing
            chosen.append(each.delivery_id)
        return chosen

    def _forget_failures(self, waiting: Sequence[Waiting]) -> None:
        """Drop failing webhooks that have neither a waiting delivery nor a running attempt."""
        self._failing &= {each.webhook_id for each in waiting} | {
            claimed.webhook_id for claimed in self._attempts.values()
        }

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._attempts.pop(attempt, None)
        self._wake.set()
        if not attempt.cancelled() and (error := attempt.exception()):
            # The delivery stays leased and is repeated when the lease ends.
            known = isinstance(error, ApiError)
            level = logging.WARNING if known else logging.ERROR
            told = "an attempt to deliver could not be recorded: %s"
            _log.log(level, told, error, exc_info=None if known else error)

    async def _attempt(self, claimed: Claimed) -> None:
        """Send one delivery and record the result."""
        reason, retryable, asked = "", True, None
        with IN_FLIGHT.track_inprogress(), DURATION.time():
            try:
                answer = await self._send(claimed)
            except Unreachable as error:
                reason, retryable = str(error), error.retryable
            except secrets.Unreadable as error:
                reason = str(error)
            except Exception:
                _log.exception("an attempt to deliver failed")
                reason = "The service failed; its log has the reason."
            else:
                asked = answer.retry_after
                retryable = answer.retryable
                if not answer.accepted:
                    reason = f"The receiver answered with HTTP status {answer.status}."
        if not reason:
            self._failing.discard(claimed.webhook_id)
            await self._write(lambda conn: store.end(conn, claimed.delivery_id, claimed.attempt))
            DELIVERIES.labels("delivered").inc()
            return
        self._failing.add(claimed.webhook_id)
        facts = {
            "webhook_id": claimed.webhook_id,
            "delivery_id": claimed.delivery_id,
            "attempt": claimed.attempt,
            "reason": reason,
        }
        if retryable and claimed.attempt <= self._retries:
            pause = self._backoff.after(claimed.attempt, asked)
            due_at = now_ms() + round(pause * 1000)
            await self._write(
                lambda conn: store.postpone(conn, claimed.delivery_id, claimed.attempt, due_at)
            )
            DELIVERIES.labels("retried").inc()
            _log.info("delivery to a webhook failed, and is tried again", extra=facts)
            return
        await self._write(lambda conn: store.end(conn, claimed.delivery_id, claimed.attempt))
        DELIVERIES.labels("given_up").inc()
        _log.error("delivery to a webhook failed, and is given up", extra=facts)

    async def _send(self, claimed: Claimed) -> Answer:
        secret = secrets.unseal(claimed.secret, self._key) if claimed.secret else None
        body = claimed.body.encode()
        headers = signature.headers(claimed.delivery_id, int(time.time()), body, secret)
        return await self._sender.post(claimed.url, headers, body)

    async def _sweep(self) -> None:
        """Every minute, delete deliveries to deleted webhooks and correct due times.

        A due time far in the future was written while a wall clock was wrong.
        """
        began = time.monotonic()
        if self._swept is not None and began < self._swept + _SWEEP_SECONDS:
            return
        self._swept = began
        now = now_ms()
        latest = now + round((max(self._backoff.most, self._lease) + _LEASE_MARGIN) * 1000)
        await self._write(partial(store.hasten, now=now, latest=latest))
        if dropped := await self._write(store.drop_orphans):
            DELIVERIES.labels("dropped").inc(dropped)

    async def _read(self, function: Callable[[Connection], V]) -> V:
        def run() -> V:
            with self._db.read() as conn:
                return function(conn)

        return await self._threads.start(run)

    async def _write(self, function: Callable[[Connection], V]) -> V:
        return await self._threads.start(partial(self._db.run_in_transaction, function))
