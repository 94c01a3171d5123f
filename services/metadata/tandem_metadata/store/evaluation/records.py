"""Records of evaluation datasets: merged into what there is, edited, read and deleted.

Those with the same inputs are one record of a dataset.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import Column, Connection, Row, Table, delete, func, select, update

from tandem_metadata.database.tables.evaluation import (
    evaluation_dataset_records as records,
)
from tandem_metadata.database.tables.evaluation import evaluation_datasets
from tandem_metadata.rules import json_numbers
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.order import Ordering, not_null, nulls_smallest
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.evaluation import datasets, schemas, values
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter

DEFAULT_MAX_RESULTS: Final = 1_000

_WRAPPED: Final = "mlflow_wrapped"
"""The member of the stored object that holds the outputs, which may be of any type."""

_SOURCE_ID: Final = 36
_COLUMNS: Final = tuple(records.c.keys())
_JSON: Final = frozenset({"inputs", "outputs", "expectations", "tags", "source"})
_CHANGED: Final = (
    "dataset_record_id",
    "outputs",
    "expectations",
    "tags",
    "last_update_time",
    "last_updated_by",
)
"""What a record with known inputs changes of the stored one, after its id."""

_EDITED: Final = (*_CHANGED, "inputs", "input_hash")
"""What the edit of a record changes of it, after its id."""


class Merged(NamedTuple):
    """How many records are new, and how often known ones were changed."""

    inserted: int
    updated: int


def merge(conn: Connection, dataset_id: str, given: str) -> Merged:
    """Add records, which the text holds, in their order.

    To a record with known inputs expectations and tags are added, and its outputs are replaced if
    there are any. Raises NotFound, and InvalidParameter for what are no records.
    """
    return _put(conn, dataset_id, given, _merge_all)


def save(conn: Connection, dataset_id: str, given: str) -> Merged:
    """As `merge`, but for records with the id of one that the dataset has.

    That one gets the inputs, expectations and tags that are given, in place of those that it had.
    Raises InvalidParameter, too, for inputs that another record has.
    """
    return _put(conn, dataset_id, given, _save_all)


_Hashed = list[tuple[str, dict[str, Any]]]
"""Records with the hashes of their inputs."""


def _put(
    conn: Connection,
    dataset_id: str,
    given: str,
    into: Callable[[Connection, str, _Hashed, int], int],
) -> Merged:
    """Write records by a function, which returns how many are new, and what they say of all."""
    new = [(values.input_hash(each["inputs"]), each) for each in values.records(given)]
    dataset = datasets.locked(conn, dataset_id)
    if dataset is None:
        raise datasets.not_found(dataset_id)
    now = now_ms()
    inserted = into(conn, dataset_id, new, now)
    _update_dataset(conn, dataset, [record for _, record in new], now)
    return Merged(inserted, len(new) - inserted)


def _merge_all(conn: Connection, dataset_id: str, new: _Hashed, now: int) -> int:
    known = _known(conn, dataset_id, {each for each, _ in new})
    stored, changed, inserted = {*known}, {}, 0
    for hashed, record in new:
        if hashed in known:
            _merge(known[hashed], record, now)
            if hashed in stored:
                changed[hashed] = known[hashed]
        else:
            known[hashed] = _new(dataset_id, hashed, record, now)
            inserted += 1
    fresh = [row for hashed, row in known.items() if hashed not in stored]
    bulk.insert_rows(conn, records, _COLUMNS, [_written(row, _COLUMNS) for row in fresh])
    bulk.update(conn, records, _CHANGED, [_written(row, _CHANGED) for row in changed.values()])
    return inserted


def _save_all(conn: Connection, dataset_id: str, new: _Hashed, now: int) -> int:
    ids = {record_id for _, each in new if (record_id := _named(each))}
    rows = _rows(conn, dataset_id, records.c.dataset_record_id, ids)
    edited = {row["dataset_record_id"]: row for row in rows}
    rest = []
    for hashed, record in new:
        if row := edited.get(_named(record)):
            _edit(row, hashed, record, now)
        else:
            rest.append((hashed, record))
    _check_inputs(conn, dataset_id, edited)
    bulk.update(conn, records, _EDITED, [_written(row, _EDITED) for row in edited.values()])
    return _merge_all(conn, dataset_id, rest, now)


def _named(record: Mapping[str, Any]) -> str:
    """The id that a record is given; nothing for one that no record can have."""
    given = record.get("dataset_record_id")
    return given if isinstance(given, str) and given.isascii() and given.isprintable() else ""


def _edit(row: dict[str, Any], hashed: str, record: Mapping[str, Any], now: int) -> None:
    _merge(row, record, now)
    for name in ("expectations", "tags"):
        if record.get(name) is not None:
            row[name] = record[name]
    row["inputs"], row["input_hash"] = record["inputs"], hashed


def _check_inputs(
    conn: Connection, dataset_id: str, edited: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise InvalidParameter where an edit gives a record the inputs of another."""
    given = {row["input_hash"]: record_id for record_id, row in edited.items()}
    stored = _rows(conn, dataset_id, records.c.input_hash, given)
    if len(given) < len(edited) or any(
        row["dataset_record_id"] != given[row["input_hash"]] for row in stored
    ):
        raise InvalidParameter(
            "Another record of the dataset has the same inputs. Give this one other inputs, or "
            "change that one."
        )


def page(
    conn: Connection, dataset_id: str, *, max_results: int | None, page_token: str | None
) -> tuple[str, str | None]:
    """A page of a dataset's records as JSON, the oldest first, and the next page's token if any.

    An unknown dataset has none. Raises InvalidParameter for a page size or a token.
    """
    limit = check_max_results(max_results or DEFAULT_MAX_RESULTS)
    columns = records.c
    rows, token = paging.fetch(
        conn,
        select(*columns).where(columns.dataset_id == dataset_id),
        Ordering(
            [
                nulls_smallest(columns.created_time, ascending=True),
                not_null(columns.dataset_record_id, ascending=True),
            ],
            records,
        ),
        search=fingerprint("records", dataset_id),
        limit=limit,
        token=page_token,
    )
    return _as_json([_shown(row) for row in rows]), token


def remove(conn: Connection, dataset_id: str, record_ids: Sequence[str]) -> int:
    """Delete records of a dataset; returns how many there were."""
    if datasets.locked(conn, dataset_id) is None:
        return 0
    gone = conn.execute(
        delete(records).where(
            records.c.dataset_id == dataset_id,
            any_of(conn, records.c.dataset_record_id, record_ids),
        )
    ).rowcount
    if gone:
        table = evaluation_datasets
        conn.execute(
            update(table)
            .where(table.c.dataset_id == dataset_id)
            .values(profile=_profile(conn, dataset_id))
        )
    return gone


def _known(conn: Connection, dataset_id: str, hashes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The stored records with these inputs."""
    rows = _rows(conn, dataset_id, records.c.input_hash, hashes)
    return {row["input_hash"]: row for row in rows}


def _rows(
    conn: Connection, dataset_id: str, column: Column[Any], among: Iterable[str]
) -> list[dict[str, Any]]:
    chosen = select(*records.c).where(
        records.c.dataset_id == dataset_id, any_of(conn, column, [*among])
    )
    return [dict(row) for row in conn.execute(chosen).mappings()]


def _new(dataset_id: str, hashed: str, record: Mapping[str, Any], now: int) -> dict[str, Any]:
    source, user = record.get("source") or None, values.user(record.get("tags"))
    outputs = record.get("outputs", {})
    return {
        "dataset_record_id": f"dr-{uuid4().hex}",
        "dataset_id": dataset_id,
        "inputs": record["inputs"],
        "expectations": record.get("expectations"),
        "tags": record.get("tags") or {},
        "source": source,
        "source_id": _source_id(source) if source else None,
        "source_type": source["source_type"] if source else None,
        "created_time": now,
        "last_update_time": now,
        "created_by": user,
        "last_updated_by": user,
        "input_hash": hashed,
        "outputs": None if outputs is None else {_WRAPPED: outputs},
    }


def _source_id(source: Mapping[str, Any]) -> str | None:
    """The id of what a record was made of. One that the column cannot hold is in the source."""
    name = "trace_id" if source["source_type"] == "TRACE" else "source_id"
    found = source["source_data"].get(name)
    return found if isinstance(found, str) and 0 < len(found) <= _SOURCE_ID else None


def _merge(row: dict[str, Any], record: Mapping[str, Any], now: int) -> None:
    if "outputs" in record:
        outputs = record["outputs"]
        row["outputs"] = None if outputs is None else {_WRAPPED: outputs}
    for name in ("expectations", "tags"):
        if record.get(name):
            row[name] = {**(row[name] or {}), **record[name]}
    row["last_update_time"] = now
    row["last_updated_by"] = values.user(record.get("tags")) or row["last_updated_by"]


def _written(row: Mapping[str, Any], columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        json.dumps(row[name]) if name in _JSON and row[name] is not None else row[name]
        for name in columns
    )


def _update_dataset(
    conn: Connection, dataset: Row[Any], given: Sequence[Mapping[str, Any]], now: int
) -> None:
    users = [user for each in given if (user := values.user(each.get("tags")))]
    table: Table = evaluation_datasets
    conn.execute(
        update(table)
        .where(table.c.dataset_id == dataset.dataset_id)
        .values(
            last_update_time=now,
            last_updated_by=users[-1] if users else None,
            digest=datasets.digest(dataset.name, now),
            schema=schemas.extended(dataset.schema, given),
            profile=_profile(conn, dataset.dataset_id),
        )
    )


def _profile(conn: Connection, dataset_id: str) -> str | None:
    """What is told of the records as a whole; nothing where there are none."""
    chosen = select(func.count()).select_from(records).where(records.c.dataset_id == dataset_id)
    number = conn.execute(chosen).scalar_one()
    return json.dumps({"num_records": number}) if number else None


def _as_json(shown: Sequence[Mapping[str, Any]]) -> str:
    try:
        return json.dumps(shown, allow_nan=False)
    except ValueError:  # NaN and infinities, which MLflow's server stores on SQLite
        return json.dumps(json_numbers.with_words(shown))


def _shown(row: Row[Any]) -> dict[str, Any]:
    outputs = row.outputs.get(_WRAPPED) if isinstance(row.outputs, dict) else None
    shown = {
        "dataset_record_id": row.dataset_record_id,
        "dataset_id": row.dataset_id,
        "inputs": row.inputs,
        "outputs": outputs,
        "expectations": row.expectations,
        "tags": row.tags or {},
        "source": row.source,
        "source_id": row.source_id,
        "source_type": row.source_type,
        "created_time": row.created_time,
        "last_update_time": row.last_update_time,
        "created_by": row.created_by,
        "last_updated_by": row.last_updated_by,
    }
    return {name: value for name, value in shown.items() if value is not None}
