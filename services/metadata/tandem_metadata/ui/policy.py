"""What the UI's pages and workers may load and call: this service, and nothing else."""

from urllib.parse import urlsplit

from tandem_metadata.settings import Settings

_CONNECT = "connect-src 'self' blob:"
_IMAGES = "img-src 'self' data: blob:"
_DIRECTIVES = (
    "default-src 'self'",
    # 'unsafe-eval': Plotly's WebGL plots, such as parallel coordinates, compile their drawing code
    # by `new Function`. Without 'unsafe-inline' only scripts of this service run to begin with: an
    # HTML artifact's preview is a blob: frame, which inherits this policy, so its scripts do not.
    "script-src 'self' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    _IMAGES,
    "font-src 'self' data:",
    _CONNECT,
    "worker-src 'self' blob:",
    "frame-src 'self' blob:",
    "media-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
)
_ANCESTORS = {"SAMEORIGIN": "frame-ancestors 'self'", "DENY": "frame-ancestors 'none'"}


def content_security_policy(settings: Settings, *, framed: bool = False) -> str:
    """The Content-Security-Policy header of the UI's files.

    Who may frame them follows `--x-frame-options`; `framed` files may be framed by any page.
    """
    directives = list(_DIRECTIVES)
    if origin := _redirect_origin(settings):  # previews fetch artifacts, image grids show them
        for led_there in (_CONNECT, _IMAGES):
            directives[directives.index(led_there)] = f"{led_there} {origin}"
    if not framed and not settings.disable_security_middleware:
        if ancestors := _ANCESTORS.get(settings.x_frame_options.upper()):
            directives.append(ancestors)
    return "; ".join(directives)


def _redirect_origin(settings: Settings) -> str:
    """The origin of `--redirect-artifacts-to`; "" for this service's own."""
    parts = urlsplit(settings.redirect_artifacts_to or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
