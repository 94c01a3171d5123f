"""Requests that wait for a database connection, and for how long."""

import threading
from dataclasses import replace
from functools import partial

import anyio
import pytest
from prometheus_client import REGISTRY

from tandem_metadata.db import Database
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable


def test_a_request_waits_for_a_connection_no_longer_than_the_setting_says(
    settings: Settings, database: Database
) -> None:
    threads = Context(replace(settings, pool_size=1, pool_timeout=0.05), database).threads
    begun, end = threading.Event(), threading.Event()
    counted = _timeouts()

    def hold() -> None:
        begun.set()
        end.wait(5)

    async def ask() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(threads.run, hold))
            await anyio.to_thread.run_sync(begun.wait)
            with pytest.raises(Unavailable, match="connections are in use"):
                await threads.run(database.ping)
            end.set()
        await threads.run(database.ping)

    anyio.run(ask)
    assert _timeouts() == counted + 1


def _timeouts() -> float:
    return REGISTRY.get_sample_value("tandem_db_pool_timeouts_total") or 0.0
