"""What both services say over HTTP about an artifact, so that no browser runs it."""

from urllib.parse import quote

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
"""The path below which an artifacts service has its files; MLflow's."""

SANDBOX = "sandbox; default-src 'none'"
"""Content-Security-Policy of every artifact: an opaque origin, no scripts, nothing loaded."""

RELAYED = "x-tandem-relayed"
"""Header of a request by which the metadata service fetches an artifact for a browser.

The answer must be the bytes, not a redirect to an object store: the Content-Security-Policy of the
web UI allows no other host."""


def disposition(path: str) -> str:
    """An attachment of the artifact's own name, of any characters (RFC 6266, RFC 8187)."""
    name = path.rpartition("/")[2]
    plain = "".join(
        character if " " <= character <= "~" and character not in '"\\%' else "_"
        for character in name
    )
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
