"""The fields that messages have, and the names that JSON may call them by.

Protobuf's JSON mapping takes two names for a field: `run_id`, as MLflow's clients write it, and
`runId`. Messages are decoded by the first name; only one with unknown names is searched for the
second.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from tandem_shared.errors import InvalidParameter

_UNDERSCORE = re.compile("_+(.?)")
_SHOWN = 100


@cache
def closed(of: Any) -> Any:
    """A subclass of a Struct that refuses unknown fields, as do the Structs in its fields.

    Other types are returned as they are.
    """
    if not (isinstance(of, type) and issubclass(of, Struct)):
        return _closed_within(of)
    own = [
        (field.name, closed(field.type), _like(field))
        for field in msgspec.structs.fields(of)
        if closed(field.type) is not field.type
    ]
    return msgspec.defstruct(
        of.__name__,
        own,
        bases=(of,),
        module=of.__module__,
        forbid_unknown_fields=True,
        kw_only=True,  # else a field with a default could not precede one without
    )


def known(value: Any, of: type[Struct], *, exact: bool = False) -> Any:
    """The part of a JSON value that a Struct has fields for, by the Struct's names.

    Null counts as not given. Raises InvalidParameter when both names of a field are given, and,
    where it must be `exact`, for a field that the Struct does not have.
    """
    shape = _shape(of)
    if exact and shape and shape.fields and isinstance(value, dict):
        for name in value:
            if name not in shape.fields:
                wanted = ", ".join(field.encode_name for field in msgspec.structs.fields(of))
                raise InvalidParameter(
                    f"Unknown parameter '{name[:_SHOWN]}': correct or remove it; this request "
                    f"takes {wanted}."
                )
    return _known(value, shape)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The known fields of an object, or the shape of a list's items."""

    fields: Mapping[str, "tuple[str, _Shape | None]"] | None = None
    """By each name that JSON may use: the Struct's name, and the shape of the field's value."""
    items: "_Shape | None" = None


def _known(value: Any, shape: _Shape | None) -> Any:
    if shape is None:
        return value
    if shape.items and isinstance(value, list):
        return [_known(item, shape.items) for item in value]
    if shape.fields is None or not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, item in value.items():
        if (field := shape.fields.get(key)) is None:
            continue
        name, inner = field
        if key != name and name in value:
            raise InvalidParameter(
                f"Request specifies both '{name}' and '{key}', two names of one field; remove one."
            )
        if item is not None:
            found[name] = _known(item, inner)
    return found


@cache
def _shape(of: type[Struct]) -> _Shape | None:
    return _shape_of(inspect.type_info(of))


def _shape_of(info: inspect.Type) -> _Shape | None:
    if isinstance(info, inspect.StructType):
        fields = {}
        for field in info.fields:
            place = (field.encode_name, _shape_of(field.type))
            fields[_camel(field.encode_name)] = fields[field.encode_name] = place
        return _Shape(fields=fields)
    if isinstance(info, inspect.ListType):
        return _Shape(items=_shape_of(info.item_type))
    if isinstance(info, inspect.UnionType):
        return next((shape for kind in info.types if (shape := _shape_of(kind))), None)
    return None


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)


def _closed_within(of: Any) -> Any:
    origin, arguments = get_origin(of), get_args(of)
    if origin is Annotated:
        inner = closed(arguments[0])
        return of if inner is arguments[0] else Annotated[(inner, *arguments[1:])]
    inner = tuple(closed(argument) for argument in arguments)
    if inner == arguments:
        return of
    return Union[inner] if origin is types.UnionType else origin[inner]  # noqa: UP007


def _like(field: msgspec.structs.FieldInfo) -> Any:
    """The default and the JSON name of another field."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory, name=field.encode_name)
    return msgspec.field(default=field.default, name=field.encode_name)
