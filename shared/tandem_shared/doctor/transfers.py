"""Files sent to the artifacts service and back, as clients send them; deleted in the end."""

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tandem_shared.doctor import peers
from tandem_shared.doctor.findings import Failed, Finding, failure, ok, skipped
from tandem_shared.doctor.web import Answer, Site
from tandem_shared.http.artifact_headers import ARTIFACTS

FOLDER: Final = "tandem-doctor-"
"""What the temporary folder's name begins with."""

PART_BYTES: Final = 5 * 1024 * 1024
"""The least that object stores take as a part which is not the last."""

_SERVICE: Final = ARTIFACTS.rpartition("/")[0]
_NOTHING_SENT: Final = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)


def folder() -> str:
    """A new name for a temporary folder."""
    return f"{FOLDER}{uuid.uuid4().hex[:12]}"


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """The header by which MLflow's clients prove who they are; {} without credentials."""
    if token := environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    name, password = (environ.get(f"MLFLOW_TRACKING_{each}") for each in ("USERNAME", "PASSWORD"))
    if name and password:
        given = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"Authorization": f"Basic {given}"}
    return {}


def round_trip(
    site: Site, *, known: bool, store: Callable[[str], ssl.SSLContext | None], seconds: float
) -> Iterator[Finding]:
    """A small file through the service, and what it offers of multipart and presigned transfers.

    `known`: whether requests carry credentials. `store` says whom connections to a URL's host
    trust. All of it is below one temporary folder, which is deleted.
    """
    trip = _Trip(site, known, store, seconds)
    try:
        yield from trip.small()
        offered = peers.info(site)
        if offered.get("multipart_uploads_enabled"):
            yield from trip.multipart()
        else:
            yield skipped("the service offers no multipart uploads; clients send files whole.")
        if offered.get("multipart_downloads_enabled"):
            yield from trip.presigned()
        else:
            yield skipped("the service offers no presigned URLs; clients download through it.")
    except _NotPermitted as refused:
        yield refused.finding
    finally:
        if trip.stored:
            yield from trip.clean()


class _NotPermitted(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.said)
        self.finding = finding


class _Trip:
    def __init__(
        self,
        site: Site,
        known: bool,
        store: Callable[[str], ssl.SSLContext | None],
        seconds: float,
    ) -> None:
        self._site = site
        self._known = known
        self._store = store
        self._seconds = seconds
        self._folder = folder()
        self.stored = False

    def small(self) -> Iterator[Finding]:
        content = os.urandom(2048)
        path = f"{self._folder}/small.bin"
        self.stored = True  # also where no answer comes
        try:
            answer = self._site.ask("PUT", f"{ARTIFACTS}/{path}", body=content)
        except Failed as failed:
            self.stored = not isinstance(failed.__cause__, _NOTHING_SENT)
            raise
        self.stored = answer.status == 200 or answer.status >= 500
        self._checked(answer, "store a file")
        found = self._ask("GET", f"{ARTIFACTS}/{path}", "read it back")
        listed = self._ask("GET", f"{ARTIFACTS}?path={self._folder}", "list its folder").json()
        names = [each.get("path") for each in (listed or {}).get("files", ())]
        if found.body != content:
            yield failure(
                "A small file came back with other bytes.",
                "See what a proxy between changes: it must pass bodies on as they are.",
            )
        elif names != ["small.bin"]:
            yield failure(
                f"A small file was stored, but the listing of its folder shows {names}.",
                "See whether the service's workers share one destination.",
            )
        else:
            yield ok(f"a small file went to {self._site.shown} and back.")

    def multipart(self) -> Iterator[Finding]:
        parts = [os.urandom(PART_BYTES), os.urandom(1)]
        steps = f"{_SERVICE}/mpu"
        begun = self._ask(
            "POST",
            f"{steps}/create/{self._folder}",
            "begin a multipart upload",
            body=peers.json_body({"path": "large.bin", "num_parts": len(parts)}),
        ).json()
        done = []
        try:
            for part, given in zip(parts, begun["credentials"], strict=True):
                headers = given.get("headers") or {}
                answer = self._at_store(given["url"], "PUT", part, headers)
                if answer.status != 200 or "etag" not in answer.headers:
                    raise Failed(
                        f"The object store answers {answer.status} to a part of an upload: "
                        f"{answer.message}",
                        "Let clients reach the store and the service sign for it, or give "
                        "tandem-artifacts --disable-proxy-multipart-upload.",
                    )
                number = given["part_number"]
                done.append({"part_number": number, "etag": answer.headers["etag"]})
            self._step(steps, "complete", begun, parts=done)
        except BaseException:
            with contextlib.suppress(Failed):
                self._step(steps, "abort", begun)
            raise
        found = self._ask("GET", f"{ARTIFACTS}/{self._folder}/large.bin", "read it back")
        if _digest(found.body) != _digest(b"".join(parts)):
            yield failure(
                "A file uploaded by parts came back with other bytes.",
                "See what a proxy before the object store changes.",
            )
            return
        yield ok(f"a file of {len(found.body):,} bytes went by parts to the object store and back.")

    def presigned(self) -> Iterator[Finding]:
        path = f"{_SERVICE}/presigned/{self._folder}/small.bin"
        url = self._ask("GET", path, "have a download signed").json()["url"]
        answer = self._at_store(url, "GET", None, {"Range": "bytes=0-9"})
        where = urlsplit(url).netloc
        if answer.status != 206 or len(answer.body) != 10:
            yield failure(
                f"{where} answers {answer.status} to a presigned URL and a range: {answer.message}",
                "Let clients reach the store under this name, and the service sign for it; or give "
                "tandem-artifacts --disable-proxy-multipart-download.",
            )
            return
        yield ok(f"a range came by a presigned URL from {where}.")
        yield from peers.clock(answer, where)

    def clean(self) -> Iterator[Finding]:
        cure = f"Delete the folder {self._folder} of the destination by hand."
        try:
            answer = self._site.ask("DELETE", f"{ARTIFACTS}/{self._folder}/")
        except Failed as failed:
            yield failure(failed.finding.said, cure)
            return
        if answer.status != 200:
            yield failure(
                f"The temporary folder could not be deleted: {answer.status} {answer.message}", cure
            )

    def _step(self, steps: str, name: str, begun: Any, **more: Any) -> None:
        body = {"path": "large.bin", "upload_id": begun["upload_id"], **more}
        what = f"{name} a multipart upload"
        self._ask("POST", f"{steps}/{name}/{self._folder}", what, body=peers.json_body(body))

    def _ask(self, method: str, path: str, what: str, *, body: bytes | None = None) -> Answer:
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        return self._checked(self._site.ask(method, path, body=body, headers=headers), what)

    def _checked(self, answer: Answer, what: str) -> Answer:
        if answer.status == 200:
            return answer
        if answer.status in (401, 403) and not self._known:
            raise _NotPermitted(
                skipped(
                    f"the service wants to know who would {what}: give an administrator's "
                    "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD."
                )
            )
        raise Failed(
            f"To {what} failed: {self._site.shown} answers {answer.status}: {answer.message}",
            _CURES.get(answer.status, "See the log of tandem-artifacts, which has the reason."),
        )

    def _at_store(
        self, url: str, method: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        site = Site(
            f"{parts.scheme}://{parts.netloc}",
            "the address that clients are sent to",
            seconds=self._seconds,
            context=self._store(url),
        )
        return site.ask(method, path, body=body, headers=headers)


_CURES: Final = {
    401: "Give the credentials of a user whom the metadata service knows.",
    403: "Give an administrator's credentials: the temporary folder belongs to no experiment.",
    413: "Let the proxy between pass on bodies of any length.",
    507: "Make room at the destination.",
}


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
