"""The web UI: its page at `/`, its files under `/static-files/`."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from tandem_metadata.settings import Settings
from tandem_metadata.ui import encodings
from tandem_metadata.ui.assets import ASK_FIRST, HTML_ARTIFACT, Asset, Assets, Document
from tandem_metadata.ui.policy import CONTENT, content_security_policy, html_artifact_policies
from tandem_shared.auth.rules import PUBLIC, SIGNED_IN
from tandem_shared.errors import EndpointNotFound
from tandem_shared.http.router import Route

FRAMED = "/static-files/lib/notebook-trace-renderer/"
"""Files that notebooks show in a frame; `--x-frame-options` does not apply to them."""

_NO_UI = (
    "Tandem's metadata service: point a client here with MLFLOW_TRACKING_URI.\n"
    "The API is under /api/2.0/mlflow; /health, /ready, /version and /metrics answer too.\n"
    "\n"
    "No web UI is set up. deploy/fetch_ui.py fetches it (make setup does so); give its folder by\n"
    "--ui-dir or TANDEM_UI_DIR. The folder mlflow/server/js/build of an installed mlflow package\n"
    "does as well.\n"
)


class _File(FileResponse):
    chunk_size = 256 * 1024  # each chunk costs a change of threads


def routes(settings: Settings) -> list[Route]:
    """The UI's routes, or without `--ui-dir` one page that says how to add it.

    Raises SettingsError when `--ui-dir` is not a build of the UI.
    """
    if settings.ui_dir is None:
        return [Route("GET", "/", _no_ui, SIGNED_IN)]
    assets = Assets(settings.ui_dir)
    policy = content_security_policy(settings)
    framed_policy = content_security_policy(settings, framed=True)
    artifact_policies = html_artifact_policies(settings)

    async def page(request: Request) -> Response:
        return _document(request, assets.page, {CONTENT: policy})

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if added := assets.added.get(name):
            own = artifact_policies if name == HTML_ARTIFACT else {CONTENT: policy}
            return _document(request, added, own)
        asset = assets.find(name)
        if asset is None:
            raise EndpointNotFound(f"The web UI has no file '{name}'.")
        framed = f"/static-files/{name}".startswith(FRAMED)
        return _file(request, asset, {CONTENT: framed_policy if framed else policy})

    served = [
        Route("GET", "/", page, SIGNED_IN),
        Route("GET", "/static-files/{name:path}", file, PUBLIC),
    ]
    if settings.static_prefix:  # the UI's addresses are relative to a path that ends in a slash
        served.append(Route("GET", "", _add_slash, PUBLIC))
    return served


async def _no_ui(_: Request) -> Response:
    return PlainTextResponse(_NO_UI)


async def _add_slash(request: Request) -> Response:
    """Redirect to the path with a slash; relative, so that it works behind a proxy's prefix."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{request.scope['path'].rpartition('/')[2]}/{query}", 307)


def _document(request: Request, document: Document, policies: Mapping[str, str]) -> Response:
    headers = _headers(ASK_FIRST, f'"{document.tag}"', policies)
    if _known(request, document.tag):
        return Response(status_code=304, headers=headers)
    return Response(document.content, headers=headers, media_type=document.media_type)


def _file(request: Request, asset: Asset, policies: Mapping[str, str]) -> Response:
    coding = encodings.choose(request.headers.get("accept-encoding", ""), asset.forms)
    form = asset.forms[coding]
    tag = asset.tag if coding == encodings.IDENTITY else f"{asset.tag}-{coding}"
    headers = _headers(asset.cache_control, f'"{tag}"', policies)
    if len(asset.forms) > 1:
        headers["Vary"] = "Accept-Encoding"
    if _known(request, tag):
        return Response(status_code=304, headers=headers)
    if coding != encodings.IDENTITY:
        headers["Content-Encoding"] = coding
    return _File(form.path, headers=headers, media_type=asset.media_type, stat_result=form.stat)


def _headers(cache_control: str, etag: str, policies: Mapping[str, str]) -> dict[str, str]:
    # Scripts get the policy too: a worker obeys the one of its script, not of the page.
    return {
        "Cache-Control": cache_control,
        "ETag": etag,
        "Referrer-Policy": "same-origin",
        **policies,
    }


def _known(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` holds the tag."""
    given = request.headers.get("if-none-match", "")
    tags = [part.strip().removeprefix("W/") for part in given.split(",")]
    return "*" in tags or f'"{tag}"' in tags
