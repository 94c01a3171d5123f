"""What the routes work with, and how they read paths and JSON bodies."""

import re
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.settings import Settings
from tandem_shared import paths
from tandem_shared.errors import InvalidParameter, NotFound
from tandem_shared.http.router import read_message
from tandem_shared.http.transfers import Transfers

T = TypeVar("T", bound=Struct)

PARTS_BYTES = 32 * 1024 * 1024
"""Room for ten thousand parts, whose presigned URLs clients send back."""

_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers work with."""

    settings: Settings
    driver: Driver
    transfers: Transfers

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


def given_path(request: Request) -> str:
    """The path that the URL names, which is not checked yet."""
    path: str = request.path_params["path"]
    if "//" in path and b"//" not in request.scope["raw_path"]:
        # Slashes of a name that holds %2f; MLflow's server takes such two for one as well.
        return re.sub("/{2,}", "/", path)
    return path


def new_path(request: Request) -> str:
    """Where an artifact that the URL names is stored; raises InvalidParameter if it is not safe."""
    return paths.canonical(given_path(request))


async def stored_path(driver: Driver, path: str) -> str:
    """Where the artifact or directory is that a client calls so; raises InvalidParameter if unsafe.

    That is its canonical path. Only what other programs put there, or MLflow's server by parts, may
    have the very name that was asked for, and none under the canonical one.
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
