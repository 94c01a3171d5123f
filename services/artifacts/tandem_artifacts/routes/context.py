"""What the routes work with, and how they read paths and JSON bodies."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.settings import Settings
from tandem_shared import paths, wire
from tandem_shared.errors import InvalidParameter
from tandem_shared.http import read_json_body

T = TypeVar("T", bound=Struct)

_MAX_JSON_BYTES = 32 * 1024 * 1024
"""Room for ten thousand parts, whose presigned URLs clients send back."""

_MAX_LENIENT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers work with."""

    settings: Settings
    driver: Driver

    @property
    def multipart_uploads(self) -> bool:
        """Whether clients may upload by parts; not with a limit: nobody would count the bytes."""
        return (
            self.driver.multipart
            and self.settings.enable_proxy_multipart_upload
            and self.settings.max_artifact_bytes is None
        )

    @property
    def multipart_downloads(self) -> bool:
        """Whether clients may download from presigned URLs."""
        return self.driver.presigned and self.settings.enable_proxy_multipart_download


def artifact_path(request: Request) -> str:
    """The artifact that the URL names; raises InvalidParameter if it is not safe to use."""
    return paths.check(request.path_params["path"])


async def json_body(request: Request, of: type[T]) -> T:
    """The JSON request; raises InvalidParameter, naming the field, as `wire.decode_json` does."""
    body = await read_json_body(request, _MAX_JSON_BYTES)
    if len(body) > _MAX_LENIENT_BYTES:
        body = _known_fields(body, of)
    return wire.decode_json(body, of)


def _known_fields(body: bytes, of: type[Struct]) -> bytes:
    """A long body without the fields that nobody reads.

    To tolerate what is not quite JSON, `wire` makes Python objects of a whole body: of a long one
    they would take gigabytes and hold up every other request. No client sends such a one.
    """
    try:
        return wire.encode_json(msgspec.json.decode(body, type=of, strict=False))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        raise InvalidParameter(f"The request body cannot be read: {failure}.") from None
