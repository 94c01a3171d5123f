"""What both services say over HTTP about an artifact, so that no browser runs it."""

from urllib.parse import quote

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
"""Where an artifacts service has its files; MLflow's path."""

SANDBOX = "sandbox; default-src 'none'"
"""Content-Security-Policy of every artifact: whatever a browser shows of it gets an origin of its
own, runs no script and loads nothing."""

RELAYED = "x-tandem-relayed"
"""Header of a request by which the metadata service fetches an artifact for a browser. It wants the
bytes, not a redirect to an object store: the web UI's page may load nothing from there."""


def disposition(path: str) -> str:
    """An attachment of the artifact's own name, of any characters (RFC 6266, RFC 8187)."""
    name = path.rpartition("/")[2]
    plain = "".join(
        character if " " <= character <= "~" and character not in '"\\%' else "_"
        for character in name
    )
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
