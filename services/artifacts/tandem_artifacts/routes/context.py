"""The context of all routes, and how they read paths and JSON bodies."""

import re
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.messages import ListArtifacts
from tandem_artifacts.settings import Settings
from tandem_shared import paths
from tandem_shared.errors import InvalidParameter, NotFound
from tandem_shared.http.router import read_message
from tandem_shared.http.transfers import Transfers
from tandem_shared.wire import codec

T = TypeVar("T", bound=Struct)

PARTS_BYTES = 32 * 1024 * 1024
"""Largest body that completes an upload: 10,000 parts with their presigned URLs."""

_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """The settings, the driver and the transfers of one worker."""

    settings: Settings
    driver: Driver
    transfers: Transfers

    @property
    def multipart_uploads(self) -> bool:
        """Whether clients may upload by parts; not with a size limit, which stores do not keep."""
        return (
            self.driver.multipart
            and self.settings.enable_proxy_multipart_upload
            and self.settings.max_artifact_bytes is None
        )

    @property
    def multipart_downloads(self) -> bool:
        """Whether clients may download from presigned URLs."""
        return self.driver.presigned and self.settings.enable_proxy_multipart_download


def given_path(request: Request) -> str:
    """The path in the URL, unchecked."""
    path: str = request.path_params["path"]
    if "//" in path and b"//" not in request.scope["raw_path"]:
        # Slashes beside a %2f: MLflow's server takes several for one as well.
        return re.sub("/{2,}", "/", path)
    return path


def listed_path(request: Request) -> str:
    """The path in the query of a listing; raises InvalidParameter for an unsafe one."""
    message = codec.decode_query(request.query_params.multi_items(), ListArtifacts)
    return paths.check_optional(message.path)


def new_path(request: Request) -> str:
    """The path to store the URL's artifact at; raises InvalidParameter for an unsafe one."""
    return paths.canonical(given_path(request))


async def stored_path(driver: Driver, path: str) -> str:
    """The path at which an artifact or directory is stored that a client asks for.

    It is the canonical path, unless only the given one exists: other programs, and MLflow's uploads
    by parts, store names as they are given. Raises InvalidParameter for an unsafe path.
    """
    name = paths.canonical(path)
    if name == path or paths.holds_control(path) or await _is_there(driver, name):
        return name
    return path if await _is_there(driver, path) else name


async def _is_there(driver: Driver, path: str) -> bool:
    try:
        await driver.stat(path)
    except NotFound:
        return False
    except InvalidParameter:  # a directory
        return True
    return True


async def json_body(request: Request, of: type[T], limit: int = _BODY_BYTES) -> T:
    """The JSON request; raises as `read_message` does."""
    return await read_message(request, of, limit)
