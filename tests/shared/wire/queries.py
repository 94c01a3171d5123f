"""Messages as endpoints declare them, of each kind of field, read and refused."""

import msgspec
import pytest
from msgspec import Struct

from tandem_shared.errors import InvalidParameter
from tandem_shared.wire import codec
from tandem_shared.wire.codec import Int32, Int64, Required


class Point(Struct):
    key: Required
    value: float | None = None
    step: Int64 | None = None
    exact: bool | None = None


class Query(Struct):
    run_id: Required
    count: Int64 | None = None
    small: Int32 | None = None
    points: list[Point] = []
    names: list[str] = []
    labels: dict[str, str] = {}
    value: float | None = None
    note: str | None = None
    exact: bool | None = None


class Item(Struct, gc=False):
    long_name: str


class Named(Struct, kw_only=True):
    wholeName: str = msgspec.field(default="unset", name="whole")  # noqa: N815
    items: list[Item]


class Answer(Struct, omit_defaults=True):
    name: str | None = None
    points: list[str] = []
    value: float | str | None = None


def decode(body: str | bytes) -> Query:
    return codec.decode_json(body.encode() if isinstance(body, str) else body, Query)


def refusal(body: str | bytes) -> str:
    with pytest.raises(InvalidParameter) as refused:
        decode(body)
    assert refused.value.status == 400
    assert refused.value.message.endswith(".")
    return refused.value.message
