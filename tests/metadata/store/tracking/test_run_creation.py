"""Runs created by a writer that remembers where their experiments were."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import update

from tandem_metadata.batching.writer import Writer
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.runs import CreateRun, Run, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import load, runs
from tandem_shared.errors import InvalidParameter


def _new(experiment_id: str = "0", **fields: Any) -> runs.NewRun:
    return runs.new(CreateRun(experiment_id, **fields), truncate=True)


def _change_experiment(database: Database, **values: Any) -> None:
    with database.write() as conn:
        number = tracking.experiments.c.experiment_id == 0
        conn.execute(update(tracking.experiments).where(number).values(**values))


def _create_in_turn(
    database: Database, settings: Settings, *steps: runs.NewRun | dict[str, Any]
) -> list[Run | InvalidParameter]:
    """The outcomes of runs created by one writer, and what changes experiment 0 in between."""

    async def main() -> list[Run | InvalidParameter]:
        async with aclosing(Writer(database, 10)) as writer:
            outcomes: list[Run | InvalidParameter] = []
            for step in steps:
                if isinstance(step, dict):
                    _change_experiment(database, **step)
                    continue
                try:
                    outcomes.append(await writer.create(step))
                except InvalidParameter as error:
                    outcomes.append(error)
        return outcomes

    return asyncio.run(main())


def _stored(database: Database, run_id: str) -> Run:
    with database.read() as conn:
        return load.get(conn, [run_id])[run_id]


def test_what_is_answered_is_what_is_stored(database: Database, settings: Settings) -> None:
    texts = ['"quoted", {braced}', "back\\slash \\N", "NULL", "", "ünïcödé, 名前"]
    tags = [RunTag(f"key {number}", text) for number, text in enumerate(texts)]
    new = [_new(run_name=text, user_id=text, start_time=7, tags=tags) for text in texts]
    for created in _create_in_turn(database, settings, *new):
        assert isinstance(created, Run)
        stored = _stored(database, created.info.run_id)
        assert (stored.info, stored.data) == (created.info, created.data)
        values = {tag.key: tag.value for tag in stored.data.tags}
        assert [values[tag.key] for tag in tags] == texts


def test_runs_go_to_where_their_experiment_is_now(database: Database, settings: Settings) -> None:
    places = ["s3://old", "s3://new/place", None, "s3://last"]
    steps: list[runs.NewRun | dict[str, Any]] = []
    for place in places:
        steps += [{"artifact_location": place}, _new(), _new()]
    outcomes = _create_in_turn(database, settings, *steps)
    for place, created in zip([p for p in places for _ in range(2)], outcomes, strict=True):
        assert isinstance(created, Run)
        assert (created.info.artifact_uri or "").startswith(place or f"/{created.info.run_id}")
        assert _stored(database, created.info.run_id).info == created.info


@pytest.mark.parametrize("again", [1, 2])
def test_no_run_is_created_in_a_deleted_experiment(
    database: Database, settings: Settings, again: int
) -> None:
    deleted, active = {"lifecycle_stage": "deleted"}, {"lifecycle_stage": "active"}
    first, *refused, last = _create_in_turn(
        database, settings, _new(), deleted, *[_new() for _ in range(again)], active, _new()
    )
    assert isinstance(first, Run)
    assert [type(error) for error in refused] == [InvalidParameter] * again
    assert isinstance(last, Run)
    with database.read() as conn:
        assert len(conn.execute(tracking.runs.select()).fetchall()) == 2


def test_a_run_whose_id_is_taken_is_refused_and_nothing_is_half_created(
    database: Database, settings: Settings
) -> None:
    new = _new(tags=[RunTag("a", "1")])
    first, *_ = _create_in_turn(database, settings, new)
    assert isinstance(first, Run)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        _create_in_turn(database, settings, _new(), new)
    assert _stored(database, first.info.run_id).data == first.data
