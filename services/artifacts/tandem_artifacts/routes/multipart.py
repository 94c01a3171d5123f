"""Uploads by parts, which clients send to the object store themselves by presigned URLs."""

import itertools
import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tandem_artifacts.drivers.base import Part
from tandem_artifacts.messages import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    CreateMultipartUploadResponse,
    MultipartUploadCredential,
)
from tandem_artifacts.routes import rules
from tandem_artifacts.routes.context import PARTS_BYTES, Context, given_path, json_body
from tandem_artifacts.routes.guard import permit
from tandem_shared import paths
from tandem_shared.errors import InvalidParameter, NotSupported, invalid_value
from tandem_shared.http.router import Route, api_routes, json_response
from tandem_shared.wire import codec

_UPLOADS = "2.0/mlflow-artifacts/mpu"
_UNSUPPORTED = "Multipart upload is not supported for the current artifact repository"
"""Clients upload in one request instead when a message begins like this."""


def routes(context: Context) -> list[Route]:
    """The three steps of an upload by parts."""
    steps = {"create": create, "complete": complete, "abort": abort}
    return [
        route
        for name, step in steps.items()
        for route in api_routes(
            "POST", f"{_UPLOADS}/{name}/{{path:path}}", partial(step, context), rules.WRITE
        )
    ]


async def create(context: Context, request: Request) -> Response:
    """Begin an upload; answers one URL a part."""
    message = await json_body(request, CreateMultipartUpload)
    path = await _object_path(request, message.path)
    _check_supported(context)
    upload = await context.driver.create_multipart(path, message.num_parts)
    credentials = [
        MultipartUploadCredential(url=url, part_number=number, headers=dict(upload.headers))
        if upload.headers
        else MultipartUploadCredential(url=url, part_number=number)
        for number, url in enumerate(upload.urls, start=1)
    ]
    answer = CreateMultipartUploadResponse(upload_id=upload.upload_id, credentials=credentials)
    return json_response(codec.encode_json(answer))


async def complete(context: Context, request: Request) -> Response:
    """Make the object from the parts that the client has uploaded."""
    message = await json_body(request, CompleteMultipartUpload, PARTS_BYTES)
    path = await _object_path(request, message.path)
    _check_supported(context)
    parts = sorted(
        (Part(part.part_number, part.etag) for part in message.parts), key=lambda part: part.number
    )
    for one, next_one in itertools.pairwise(parts):
        if one.number == next_one.number:
            raise InvalidParameter(f"Part {one.number} is named twice; name each part once.")
    await context.driver.complete_multipart(path, message.upload_id, parts)
    return Response()


async def abort(context: Context, request: Request) -> Response:
    """Drop an upload and its parts."""
    message = await json_body(request, AbortMultipartUpload)
    path = await _object_path(request, message.path)
    _check_supported(context)
    await context.driver.abort_multipart(path, message.upload_id)
    return Response()


async def _object_path(request: Request, local_file: str) -> str:
    """The URL names the directory; the client's local path, of any system, ends with the name.

    Raises ApiError for a path that the request's sender may not write to.
    """
    name = re.split(r"[/\\]", local_file)[-1]
    if not name:
        raise invalid_value("path", local_file, "it names no file")
    path = paths.canonical(f"{paths.check(given_path(request))}/{name}")
    await permit(request.scope, path, rules.WRITE.action)
    return path


def _check_supported(context: Context) -> None:
    if not context.multipart_uploads:
        raise NotSupported(f"{_UNSUPPORTED}; upload the file in one request.")
