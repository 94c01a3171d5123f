"""The wire format: JSON bodies and query strings to Structs, Structs to JSON.

MLflow's REST API is protobuf's JSON mapping:

- An int64 may arrive as a number or as a string, a double as "NaN", "Infinity" or "-Infinity".
- A field may be named `runId` in place of `run_id`; unknown fields are ignored.
- Null counts as not given, and an empty required string as missing.
- Answers omit unset fields and empty lists: response Structs have `omit_defaults=True`.
"""

import json
import math
import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from tandem_shared.errors import InvalidParameter, invalid_value
from tandem_shared.wire import error_places, json_values, message_fields

T = TypeVar("T", bound=Struct)

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A signed 64-bit integer: a number or a decimal string in requests, a number in answers."""

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""A signed 32-bit integer."""

Required = Annotated[str, Meta(min_length=1)]
"""A string that must be given: protobuf cannot tell an empty one from a missing one."""

MAX_VALUES: Final = 200_000
"""The most values in a body, names included; 10,000 parts of an upload have half as many."""

LENIENT_BYTES: Final = 4 * 1024 * 1024
LENIENT_VALUES: Final = 50_000
"""The longest body, in bytes and values, that is decoded leniently (`_decode_leniently`)."""

_SEE_DOCS = "See the MLflow REST API documentation for the parameters of this endpoint."
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]+)`")
_EMPTY = re.compile(r"^Expected `str` of length >= 1")
_KINDS = re.compile(r"`(?P<kinds>[a-z]+(?: \| [a-z]+)*)`")
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

_SECRET = re.compile(r"(?:password|secret)$")
"""Fields whose values no error shows."""

_WORDS = {
    "int": "an integer",
    "float": "a floating-point number",
    "str": "a string",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
}
"""msgspec's names of JSON's kinds of value, for people."""


def decode_json(body: bytes | bytearray, of: type[T]) -> T:
    """Decode a JSON request body; an empty body counts as an object without fields.

    Long bodies are not decoded in an event loop, which they would block. Raises InvalidParameter,
    naming the field, when
    - the JSON is malformed or nested too deeply, or has more than `MAX_VALUES` values,
    - a field has the wrong type, or a required field is missing,
    - a string holds what no database stores: a NUL character or half a surrogate pair. A Struct
      with a class variable `REPLACES_UNSTORABLE` has replacement characters in their place.

    A Struct with a class variable `EXACT` is for requests whose fields limit what is granted, and
    where a misspelt one would grant more: an unknown field is refused, and a number or a boolean in
    a string too.
    """
    if len(body) > MAX_VALUES and json_values.more_than(body, MAX_VALUES):
        raise InvalidParameter(
            f"The request body holds more than {MAX_VALUES} values; split it into several requests."
        )
    try:
        return _decode(body or b"{}", of)
    except RecursionError:
        raise InvalidParameter("The request body is nested too deeply.") from None


def decode_query(query: Iterable[tuple[str, str]], of: type[T]) -> T:
    """Decode query parameters; a repeated parameter fills a list, else its first value counts.

    Raises InvalidParameter, naming the parameter, as `decode_json` does.
    """
    lists, booleans = _query_shape(of)
    fields: dict[str, Any] = {}
    for name, value in query:
        check_storable(name, value)
        if name in lists:
            fields.setdefault(name, []).append(value)
        elif name not in fields:
            fields[name] = value.lower() if name in booleans else value
    try:
        return msgspec.convert(fields, of, strict=False)
    except msgspec.ValidationError as error:
        raise _of_field(error, fields) from None


def check_storable(name: str, value: str) -> None:
    """Raise InvalidParameter for a parameter that holds what no database stores."""
    if "\0" in value:
        raise InvalidParameter(f"Parameter '{name}' holds a NUL character; remove it.")


def encode_json(message: object) -> bytes:
    """Encode a Struct (or a list or dict of them) as a JSON answer."""
    return _ENCODER.encode(message)


def json_double(value: float) -> float | str:
    """A double as protobuf's JSON mapping has it: NaN and the infinities are strings."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


_ENCODER = msgspec.json.Encoder()


def _decode(body: bytes | bytearray, of: type[T]) -> T:
    try:
        message: T = _closed_decoder(of).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if len(body) > LENIENT_BYTES or json_values.more_than(body, LENIENT_VALUES):
            message = _decode_long(body, of)
        else:
            return _decode_leniently(body, of)
    if b"\\u0000" in body:
        fields = msgspec.to_builtins(message)
        if _replaces(of):
            return msgspec.convert(_without_unstorable(fields), of, strict=False)
        _refuse_unstorable(fields, "")
    return message


def _decode_long(body: bytes | bytearray, of: type[T]) -> T:
    """Decode a body too long for lenience; fields of unknown names are skipped."""
    try:
        message: T = (_closed_decoder if is_exact(of) else _decoder)(of).decode(body)
    except msgspec.ValidationError as error:
        # The whole is read once more only to name the key of a dict's value.
        given = msgspec.json.decode(body) if error_places.ANY_KEY in str(error) else None
        raise _of_field(error, given) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidParameter(
            f"The request body is not valid JSON: {error}; in so long a body NaN and Infinity "
            "must be in quotes."
        ) from None
    return message


@cache
def _closed_decoder(of: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(message_fields.closed(of), strict=is_exact(of))


@cache
def _decoder(of: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(of, strict=False)


@cache
def _query_shape(of: type[Struct]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the list fields and of the boolean fields of a Struct."""
    lists, booleans = set(), set()
    for field in msgspec.structs.fields(of):
        info = msgspec.inspect.type_info(field.type)
        kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
        if any(isinstance(kind, msgspec.inspect.ListType) for kind in kinds):
            lists.add(field.encode_name)
        if any(isinstance(kind, msgspec.inspect.BoolType) for kind in kinds):
            booleans.add(field.encode_name)
    return frozenset(lists), frozenset(booleans)


def _decode_leniently(body: bytes | bytearray, of: type[T]) -> T:
    """Decode what msgspec refuses and MLflow's server reads.

    - NaN and Infinity as bare words, as Python's json module writes them.
    - The JSON object as a JSON string, as clients of MLflow 1.x sent it.
    - Null for a field that is not given, and protobuf's second name of a field.
    """
    value = _parse(body)
    if isinstance(value, str):
        value = _parse_within(value)
    fields = message_fields.known(value, of, exact=is_exact(of))
    if _replaces(of):
        fields = _without_unstorable(fields)
    _refuse_unstorable(fields, "")
    try:
        return msgspec.convert(fields, of, strict=is_exact(of))
    except msgspec.ValidationError as error:
        raise _of_field(error, fields) from None


def _parse_within(text: str) -> Any:
    if json_values.more_than(text.encode(errors="replace"), LENIENT_VALUES):
        raise InvalidParameter(
            f"The request body is a string with more than {LENIENT_VALUES} values; send the object."
        )
    try:
        return json.loads(text, parse_float=_finite)
    except ValueError:
        raise InvalidParameter("The request body must be a JSON object: it is a string.") from None


def _parse(body: bytes | bytearray | str) -> Any:
    try:
        return json.loads(body, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise InvalidParameter(f"The request body is not valid JSON: {error}.") from None
    except UnicodeDecodeError:
        raise InvalidParameter("The request body is not valid UTF-8.") from None
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise InvalidParameter("The request body holds a number with too many digits.") from None


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise InvalidParameter(f"The request body holds a number out of range: {text}.")
    return number


def _replaces(of: type[Struct]) -> bool:
    return getattr(of, "REPLACES_UNSTORABLE", False)


def is_exact(of: type[Struct]) -> bool:
    """Whether unknown fields of this Struct are refused, as `decode_json` says."""
    return getattr(of, "EXACT", False)


def _without_unstorable(value: Any) -> Any:
    """The value with replacement characters for those that no database stores."""
    if isinstance(value, str):
        return _SURROGATE.sub(_REPLACEMENT, value.replace("\0", _REPLACEMENT))
    if isinstance(value, dict):
        return {_without_unstorable(key): _without_unstorable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_unstorable(item) for item in value]
    return value


def _refuse_unstorable(value: Any, place: str) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidParameter(f"Parameter '{place}' holds a NUL character; remove it.")
        if _SURROGATE.search(value):
            raise InvalidParameter(
                f"Parameter '{place}' holds half a surrogate pair, which is not a character."
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key, place)
            _refuse_unstorable(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unstorable(item, f"{place}[{index}]")


def _of_field(error: msgspec.ValidationError, message: Any = None) -> InvalidParameter:
    """msgspec's error with the parameter first, as MLflow's clients show it to people.

    `message` is what was to be converted, if it is at hand: the error then shows the value, and
    names the key of a dict's value, which msgspec does not tell.
    """
    text = str(error)
    place = _PLACE.search(text)
    path = place["path"] if place else ""
    reason = text[: place.start()] if place else text
    if missing := _MISSING.match(reason):
        path = f"{path}.{missing['field']}" if path else missing["field"]
        return _missing(path)
    if _EMPTY.match(reason):
        return _missing(path)
    told = reason
    reason = _KINDS.sub(_words, reason)
    reason = f"{reason[0].lower()}{reason[1:]}"
    if not path:
        return InvalidParameter(f"The request body must be a JSON object: {reason}.")
    found = None if message is None else error_places.value_at(path, told, message)
    if found is None:
        return InvalidParameter(
            f"Invalid value for parameter '{path}' supplied: {reason}. {_SEE_DOCS}"
        )
    path, value = found
    shown = "..." if _SECRET.search(path) else value
    refusal = invalid_value(path, shown, reason)
    return InvalidParameter(f"{refusal.message} {_SEE_DOCS}")


def _missing(path: str) -> InvalidParameter:
    return InvalidParameter(f"Missing value for required parameter '{path}'. {_SEE_DOCS}")


def _words(kinds: re.Match[str]) -> str:
    names = [name for name in kinds["kinds"].split(" | ") if name != "null"]
    return " or ".join(_WORDS.get(name, name) for name in names) or "null"
