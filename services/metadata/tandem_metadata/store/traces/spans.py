"""Spans as they are stored, read in parts: a trace may have tens of thousands of them."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.messages.traces import SIZE_STATS, TraceInfo
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.dialect.texts import any_of_texts, given_texts

PART_BYTES: Final = 2 * 1024 * 1024
"""About the most that one part of a trace has, unless a single span has more."""

PART_SPANS: Final = 1000
"""The most spans of a part."""

# Neither reads the content itself: one that PostgreSQL keeps apart has its size in the row.
_SIZE: Final = {True: "octet_length(content)", False: "length(CAST(content AS BLOB))"}

# Each span is looked up by its whole key. PostgreSQL takes all traces for equally long, and would
# otherwise read a long one once for each part. OFFSET keeps it from making a join of the subquery.
_DOCUMENTS: Final = {
    True: """
SELECT span_id, content FROM unnest(%(texts)s::text[]) AS given (text) CROSS JOIN LATERAL (
  SELECT span_id, content FROM spans WHERE trace_id = %(trace_id)s AND span_id = given.text OFFSET 0
) AS found""",
    False: """
SELECT span_id, content FROM spans
WHERE trace_id = :trace_id AND span_id IN (SELECT value FROM json_each(:texts))""",
}


class _Stats(msgspec.Struct):
    num_spans: int = 0


_stats = msgspec.json.Decoder(_Stats)


class StoredSpan(NamedTuple):
    """Where a span is, and how long its document is in bytes."""

    span_id: str
    size: int


def outlines(conn: Connection, trace_ids: Collection[str]) -> dict[str, list[StoredSpan]]:
    """The spans of each trace, roots first, then by their start.

    Those whose content MLflow's server has put into an archive are left out.
    """
    statement = (
        f"SELECT trace_id, span_id, {_SIZE[is_postgresql(conn)]} FROM spans "
        f"WHERE trace_id {any_of_texts(conn)} "
        "ORDER BY parent_span_id IS NOT NULL, start_time_unix_nano, span_id"
    )
    found: dict[str, list[StoredSpan]] = defaultdict(list)
    for trace_id, span_id, size in fetch_tuples(conn, statement, given_texts(conn, trace_ids)):
        if size:
            found[trace_id].append(StoredSpan(span_id, size))
    return found


def some(
    conn: Connection, trace_id: str, outline: Sequence[StoredSpan], skip: int, most: int
) -> list[StoredSpan]:
    """So many spans of a trace after others, and those above them, which join them to the root.

    These are at most as many again: nobody looks at a tree that is deeper.
    """
    statement = (
        "SELECT span_id, parent_span_id FROM spans "
        f"WHERE parent_span_id IS NOT NULL AND trace_id {any_of_texts(conn)}"
    )
    parents: dict[str, str] = dict(fetch_tuples(conn, statement, given_texts(conn, [trace_id])))
    asked = [each.span_id for each in outline[skip : skip + most]]
    chosen = set(asked)
    for span_id in asked:
        while (span_id := parents.get(span_id, "")) and span_id not in chosen:
            if len(chosen) == len(asked) + most:
                break
            chosen.add(span_id)
    return [each for each in outline if each.span_id in chosen]


def count(conn: Connection, trace_id: str) -> int:
    """How many spans of a trace there are."""
    ((number,),) = fetch_tuples(
        conn,
        f"SELECT count(*) FROM spans WHERE trace_id {any_of_texts(conn)}",
        given_texts(conn, [trace_id]),
    )
    return int(number)


def documents(conn: Connection, trace_id: str, span_ids: Sequence[str]) -> list[str]:
    """The documents of spans of a trace that are still there, in this order."""
    given = {"trace_id": trace_id, **given_texts(conn, span_ids)}
    found: dict[str, str] = dict(fetch_tuples(conn, _DOCUMENTS[is_postgresql(conn)], given))
    return [content for each in span_ids if (content := found.get(each))]


def whole(conn: Connection, trace_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The documents of all spans of each trace, by their ids; for short traces."""
    statement = f"SELECT trace_id, span_id, content FROM spans WHERE trace_id {any_of_texts(conn)}"
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for trace_id, span_id, content in fetch_tuples(conn, statement, given_texts(conn, trace_ids)):
        found[trace_id][span_id] = content
    return found


def parts(outline: Sequence[StoredSpan]) -> Iterator[list[str]]:
    """The ids of the spans of a trace, as parts that are small enough to be read at once."""
    part: list[str] = []
    size = 0
    for each in outline:
        if part and (size + each.size > PART_BYTES or len(part) == PART_SPANS):
            yield part
            part, size = [], 0
        part.append(each.span_id)
        size += each.size
    if part:
        yield part


def announced(info: TraceInfo) -> int:
    """How many spans a trace will have, as its client has said; 0 if it has not."""
    try:
        return _stats.decode(info.trace_metadata.get(SIZE_STATS, "{}")).num_spans
    except msgspec.DecodeError:
        return 0
