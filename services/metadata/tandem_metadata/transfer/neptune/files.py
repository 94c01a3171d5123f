"""Files of runs, sent to the artifacts service before the run itself is written."""

import os
import ssl
import time
from collections.abc import Iterator
from typing import Final

import httpx

from tandem_metadata.artifacts.client import tls_context
from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.settings import Settings
from tandem_shared.errors import ApiError
from tandem_shared.settings import SettingsError
from tandem_shared.tls import client_side

_TOKEN: Final = "MLFLOW_TRACKING_TOKEN"
_USERNAME: Final = "MLFLOW_TRACKING_USERNAME"
_PASSWORD: Final = "MLFLOW_TRACKING_PASSWORD"
_CHUNK: Final = 1 << 18
_PAUSES: Final = (0.5, 2.0)  # seconds before the second and the third attempt


class Files:
    """Sends files to artifacts services; used by one thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError for settings about artifacts that cannot work."""
        self._roots = Roots(settings)
        self._client = httpx.Client(
            verify=tls_context(settings) or client_side.usual(),
            timeout=settings.artifacts_timeout,
            auth=_credentials(),
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(self, artifact_uri: str, path: str, source: str) -> None:
        """Store a file at a path below a run's location, in place of one that is there.

        Raises SettingsError if no artifacts service takes it, and OSError if it cannot be read.
        """
        try:
            url = self._roots.locate(artifact_uri).url(path)
        except ApiError as error:
            raise SettingsError(
                f"Files cannot be stored at {artifact_uri}: {error.message}"
            ) from None
        why = ""
        for pause in (0.0, *_PAUSES):
            time.sleep(pause)
            why = self._put(url, source)
            if not why:
                return
        raise SettingsError(f"The artifacts service did not take {url}: {why}.")

    def _put(self, url: str, source: str) -> str:
        """Why the file was not stored, if another attempt may help; else empty."""
        size = str(os.path.getsize(source))
        try:
            answer = self._client.put(
                url, content=_chunks(source), headers={"Content-Length": size}
            )
        except (httpx.HTTPError, ssl.SSLError) as error:
            return f"it does not answer ({error})"
        if answer.is_success:
            return ""
        why = f"it answered {answer.status_code}"
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return why
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            why += f"; give a token of somebody who may by {_TOKEN}"
        raise SettingsError(f"The artifacts service did not take {url}: {why}.")


def _chunks(source: str) -> Iterator[bytes]:
    with open(source, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _credentials() -> httpx.Auth | None:
    """What MLflow's clients send, by their variables."""
    if token := os.environ.get(_TOKEN):
        return _Bearer(token)
    user, password = os.environ.get(_USERNAME), os.environ.get(_PASSWORD)
    return httpx.BasicAuth(user, password) if user and password else None


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
