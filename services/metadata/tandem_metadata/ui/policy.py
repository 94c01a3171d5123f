"""The security policies of the UI: what its pages, workers and frames may load and call."""

from urllib.parse import urlsplit

from tandem_metadata.settings import Settings

CONTENT = "Content-Security-Policy"

_CONNECT = "connect-src 'self' blob:"
_IMAGES = "img-src 'self' data: blob:"
_DIRECTIVES = (
    "default-src 'self'",
    # 'unsafe-eval': Plotly's WebGL plots, such as parallel coordinates, compile their drawing code
    # by `new Function`. Only this service's scripts can start it: 'unsafe-inline' is missing.
    # Frames with blob:, data: or srcdoc contents inherit this policy.
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
_IN_ARTIFACTS = {
    # HTML artifacts use inline scripts; Bokeh and Vega compile code.
    "script-src": "'unsafe-inline' 'unsafe-eval' data: blob:",
    "style-src": "'unsafe-inline' data: blob:",
    "img-src": "data: blob:",
    "font-src": "data: blob:",
    "media-src": "data: blob:",
    "connect-src": "data: blob:",
}
"""Sources of HTML artifacts beside `--html-artifact-hosts`."""


def content_security_policy(settings: Settings, *, framed: bool = False) -> str:
    """The Content-Security-Policy header of the UI's files.

    `--x-frame-options` decides which pages may frame them; any page may frame `framed` files.
    """
    directives = list(_DIRECTIVES)
    if origin := _redirect_origin(settings):  # for previews, and pictures of image grids
        for redirected in (_CONNECT, _IMAGES):
            directives[directives.index(redirected)] = f"{redirected} {origin}"
    if not framed and not settings.disable_security_middleware:
        if ancestors := _ANCESTORS.get(settings.x_frame_options.upper()):
            directives.append(ancestors)
    return "; ".join(directives)


def html_artifact_policies(settings: Settings) -> dict[str, str]:
    """The headers that isolate the frame of HTML artifacts.

    Scripts of artifacts run in an opaque origin, without this service's cookies and storage. They
    reach only the hosts of `--html-artifact-hosts`, and not this service.
    """
    hosts = settings.html_artifact_hosts or ()
    directives = [
        "sandbox allow-scripts",
        "default-src 'none'",
        *(" ".join([name, sources, *hosts]) for name, sources in _IN_ARTIFACTS.items()),
        "worker-src data: blob:",
        "frame-src data: blob:",
        "form-action 'none'",
    ]
    # The UI must be able to frame this page even with X-Frame-Options DENY.
    if settings.x_frame_options.upper() in _ANCESTORS and not settings.disable_security_middleware:
        directives.append(_ANCESTORS["SAMEORIGIN"])
    policies = {CONTENT: "; ".join(directives)}
    if "*" not in hosts:
        # CSP does not cover WebRTC, preconnects and the frame's own navigation.
        patterns = " ".join(f'"{_pattern(host)}"' for host in hosts)
        # CSP checks the targets of redirects.
        redirects = "; redirects=allow" if hosts else ""
        policies["Connection-Allowlist"] = f"({patterns}){redirects}"
    return policies


def _pattern(host: str) -> str:
    """The URL pattern of a CSP host."""
    return host if "://" in host else f"*://{host}"


def _redirect_origin(settings: Settings) -> str:
    """The origin of `--redirect-artifacts-to`; "" if it is this service's own."""
    parts = urlsplit(settings.redirect_artifacts_to or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
