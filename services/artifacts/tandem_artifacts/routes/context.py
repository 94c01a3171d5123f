"""What the routes work with, and how they read paths and JSON bodies."""

from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.settings import Settings
from tandem_shared import paths, wire
from tandem_shared.http import read_json_body

T = TypeVar("T", bound=Struct)

_MAX_JSON_BYTES = 32 * 1024 * 1024
"""Room for ten thousand parts, whose presigned URLs clients send back."""


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
    return wire.decode_json(await read_json_body(request, _MAX_JSON_BYTES), of)
