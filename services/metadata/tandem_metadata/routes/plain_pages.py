"""Plain pages of the service's own: no script, nothing to load, and in no frame."""

from typing import Final

from starlette.responses import HTMLResponse, Response

NO_STORE: Final = {"Cache-Control": "no-store"}

_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    "<body style='font-family:sans-serif;margin:4em auto;max-width:32em'><h1>{title}</h1>{body}"
)
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action {actions}; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def page(title: str, body: str, status: int = 200, *, form: bool = False) -> Response:
    """A page of this body, which is HTML; with `form` it may send one to this service."""
    policy = _POLICY.format(actions="'self'" if form else "'none'")
    headers = {**NO_STORE, "Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return HTMLResponse(_PAGE.format(title=title, body=body), status, headers)
