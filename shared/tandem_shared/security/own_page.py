"""Whether a change comes from a page of this service, where browsers bring proof by themselves."""

from typing import Final

from starlette.types import Scope

from tandem_shared.http.exchange import request_header

REFUSAL: Final = (
    "Permission denied: a browser's request that changes something must come from a page of this "
    "server, as its Origin header says."
)


def is_sender(scope: Scope, *, programs: bool) -> bool:
    """Whether a page of this service sends a change, or a program if `programs` may.

    `HostOriginMiddleware` refuses origins of other pages before. Browsers leave `Origin` out of
    requests that change nothing for them, and programs leave out both headers.
    """
    if request_header(scope, b"origin"):
        return True
    site = request_header(scope, b"sec-fetch-site")
    return site == "same-origin" or (programs and not site)
