"""Presigned URLs, from which clients download by ranges directly from the object store."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tandem_artifacts.messages import GetPresignedDownloadUrlResponse
from tandem_artifacts.routes import rules
from tandem_artifacts.routes.context import Context, given_path, stored_path
from tandem_shared.errors import NotSupported
from tandem_shared.http.router import Route, api_routes, json_response
from tandem_shared.wire import codec


def routes(context: Context) -> list[Route]:
    """`GET presigned/<path>`."""
    handle = partial(presign, context)
    return api_routes("GET", "2.0/mlflow-artifacts/presigned/{path:path}", handle, rules.READ)


async def presign(context: Context, request: Request) -> Response:
    """A URL for one artifact, with its size.

    The size is left out if the store answers with a Content-Encoding, which clients would decode.
    Without a size they download through this service.
    """
    path = await stored_path(context.driver, given_path(request))
    if not context.multipart_downloads:
        raise NotSupported(
            "Multipart download is not supported for the current artifact repository; "
            "download the file from this service."
        )
    signed = await context.driver.presign_download(path)
    answer = GetPresignedDownloadUrlResponse(url=signed.url)
    if signed.as_stored:
        answer.file_size = signed.size
    response = json_response(codec.encode_json(answer))
    response.headers["Cache-Control"] = "no-store"
    return response
