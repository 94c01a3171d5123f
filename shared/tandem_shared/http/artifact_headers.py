"""What both services say over HTTP about an artifact, so that no browser runs it."""

import re
import unicodedata
from urllib.parse import quote

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
"""The path below which an artifacts service has its files; MLflow's."""

SANDBOX = "sandbox; default-src 'none'"
"""Content-Security-Policy of every artifact: an opaque origin, no scripts, nothing loaded."""

RELAYED = "x-tandem-relayed"
"""Header of a request by which the metadata service fetches an artifact for a browser.

The answer must be the bytes, not a redirect to an object store: the Content-Security-Policy of the
web UI allows no other host."""


_TOKEN = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+")
"""Names that need no quotes; MLflow's server writes them bare."""

_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
"""What RFC 8187 leaves as it is, beside letters and digits."""


def disposition(path: str) -> str:
    """The Content-Disposition of an attachment by the artifact's own name (RFC 6266, RFC 8187).

    MLflow's clients take everything after `filename=` as the name, so that comes last. Browsers
    prefer `filename*`, and undo percent-encoding in `filename`.
    """
    name = path.rpartition("/")[2]
    # Accents are left out, and what ASCII cannot express otherwise becomes an underscore.
    parts = (
        each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each)
    )
    plain = "".join(each if " " <= each <= "~" else "_" for each in parts)
    if not _TOKEN.fullmatch(plain):
        plain = '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'
    if name.isascii() and name.isprintable() and "%" not in name:
        return f"attachment; filename={plain}"
    exact = quote(name, safe=_ATTRIBUTE_CHARACTERS)
    return f"attachment; filename*=UTF-8''{exact}; filename={plain}"
