"""How an endpoint's handler gets the database, by the access that the endpoint declares."""

import pytest
from msgspec import Struct

from tandem_metadata.database import Connection
from tandem_metadata.database.database import Database
from tandem_metadata.routes.endpoint import (
    READ,
    RETRIED_WRITE,
    WRITE,
    Access,
    Answer,
    Context,
    Endpoint,
    bind,
)
from tandem_metadata.settings import Settings
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http.router import Router
from tests.metadata import in_process
from tests.metadata.conftest import only_postgresql

_DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"


class Ask(Struct):
    """A request of nothing."""


@only_postgresql
@pytest.mark.parametrize(
    ("access", "status", "tries"), [(READ, 503, 1), (WRITE, 503, 1), (RETRIED_WRITE, 200, 2)]
)
def test_endpoint_is_tried_again_after_a_deadlock_if_retried(
    settings: Settings, database: Database, access: Access, status: int, tries: int
) -> None:
    calls = []

    def handle(conn: Connection, request: Ask) -> Answer:
        calls.append(request)
        if len(calls) == 1:
            conn.exec_driver_sql(_DEADLOCK)
        return None

    context = Context(settings, database)
    client = in_process.client(
        context, bind(context, [Endpoint("POST", "a", Ask, access, handle, PUBLIC)])
    )
    answer = client.post("/api/a", content=b"{}", headers={"Content-Type": "application/json"})
    assert (answer.status_code, len(calls)) == (status, tries)
    if status == 200:
        assert answer.content == b"{}"


@pytest.mark.parametrize(("access", "kept"), [(READ, True), (WRITE, False), (RETRIED_WRITE, False)])
def test_endpoint_whose_handler_fails_keeps_what_it_wrote_unless_in_a_transaction(
    settings: Settings, database: Database, access: Access, kept: bool
) -> None:
    def handle(conn: Connection, request: Ask) -> Answer:
        conn.exec_driver_sql("UPDATE experiments SET name = 'changed' WHERE experiment_id = 0")
        raise ZeroDivisionError

    context = Context(settings, database)
    client = in_process.client(
        context, bind(context, [Endpoint("POST", "a", Ask, access, handle, PUBLIC)])
    )
    answer = client.post("/api/a", content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.status_code == 500
    with database.read() as conn:
        found = conn.exec_driver_sql(
            "SELECT name FROM experiments WHERE experiment_id = 0"
        ).scalar()
    assert (found == "changed") is kept


def test_endpoint_that_reads_by_post_is_open_to_other_origins_and_its_path_else_is_not(
    settings: Settings, database: Database
) -> None:
    def handle(conn: Connection, request: Ask) -> Answer:
        return None

    declared = [
        Endpoint("POST", "search", Ask, READ, handle, PUBLIC),
        Endpoint("GET", "things", Ask, READ, handle, PUBLIC),
        Endpoint("POST", "things", Ask, WRITE, handle, PUBLIC),
    ]
    router = Router(bind(Context(settings, database), declared))
    assert router.reads == {"/api/search", "/ajax-api/search"}
