"""What the UI's pages, workers and frames may load and call."""

from urllib.parse import urlsplit

from tandem_metadata.settings import Settings

CONTENT = "Content-Security-Policy"

_CONNECT = "connect-src 'self' blob:"
_IMAGES = "img-src 'self' data: blob:"
_DIRECTIVES = (
    "default-src 'self'",
    # 'unsafe-eval': Plotly's WebGL plots, such as parallel coordinates, compile their drawing code
    # by `new Function`. Without 'unsafe-inline' only scripts of this service run to begin with.
    # Frames of what is no page of its own (blob:, data:, srcdoc) inherit this policy.
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
    # HTML artifacts draw by inline scripts; Bokeh's and Vega's compile code.
    "script-src": "'unsafe-inline' 'unsafe-eval' data: blob:",
    "style-src": "'unsafe-inline' data: blob:",
    "img-src": "data: blob:",
    "font-src": "data: blob:",
    "media-src": "data: blob:",
    "connect-src": "data: blob:",
}
"""What HTML artifacts may load besides what comes from the hosts that a setting names."""


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


def html_artifact_policies(settings: Settings) -> dict[str, str]:
    """The headers of the frame that shows HTML artifacts, and keep it from all else.

    Scripts of artifacts run, in an origin of their own: they have no part in this service's, its
    cookies and its storage, and they reach no host, this service included, but those of
    `--html-artifact-hosts`.
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
    # The UI frames it, also when nobody may frame the UI.
    if settings.x_frame_options.upper() in _ANCESTORS and not settings.disable_security_middleware:
        directives.append(_ANCESTORS["SAMEORIGIN"])
    policies = {CONTENT: "; ".join(directives)}
    if "*" not in hosts:
        # What the other policy knows nothing of: WebRTC, and connections that browsers open ahead,
        # as for addresses that the frame goes to.
        patterns = " ".join(f'"{_pattern(host)}"' for host in hosts)
        # Where redirects end, the other policy looks at.
        redirects = "; redirects=allow" if hosts else ""
        policies["Connection-Allowlist"] = f"({patterns}){redirects}"
    return policies


def _pattern(host: str) -> str:
    """A host of a Content-Security-Policy as a URL pattern."""
    return host if "://" in host else f"*://{host}"


def _redirect_origin(settings: Settings) -> str:
    """The origin of `--redirect-artifacts-to`; "" for this service's own."""
    parts = urlsplit(settings.redirect_artifacts_to or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
