"""The way of a client, for helm test: it makes an experiment, a run and a file, and removes them.

METADATA_URL and ARTIFACTS_URL are the services' addresses, WAIT_SECONDS is how long they may take
to answer. TLS_FOLDER has what they are known by, ca.crt, and what is presented to them. It sends
MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD, if they are there. Where
AUTHENTICATES is and no credentials are, it sees only that nobody comes in without any. What is
wrong is told in one line, and the exit status is 1.
"""

import base64
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

METADATA = os.environ["METADATA_URL"]
ARTIFACTS = os.environ["ARTIFACTS_URL"]
API = METADATA + "/api/2.0/mlflow"
FILES = ARTIFACTS + "/api/2.0/mlflow-artifacts/artifacts"
SECONDS = 30
"""How long one answer may take."""
TOKEN = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
USERNAME = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
PASSWORD = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
AUTHENTICATES = bool(os.environ.get("AUTHENTICATES"))
TLS = ssl.create_default_context()
if FOLDER := os.environ.get("TLS_FOLDER"):
    TLS = ssl.create_default_context(cafile=f"{FOLDER}/ca.crt")
    TLS.load_cert_chain(f"{FOLDER}/tls.crt", f"{FOLDER}/tls.key")
OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TLS)
)
"""Inside the cluster no proxy is asked."""


class Failed(Exception):
    """What was asked, and how it went wrong."""


def authorization() -> str:
    """The header's value; empty without credentials."""
    if TOKEN:
        return f"Bearer {TOKEN}"
    if USERNAME and PASSWORD:
        return "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    return ""


def ask(
    method: str, url: str, body: bytes | None = None, credentials: str = authorization()
) -> bytes:
    request = urllib.request.Request(url, body, method=method)
    if credentials:
        request.add_header("Authorization", credentials)
    if body is not None:
        request.add_header(
            "Content-Type",
            "application/json" if url.startswith(API) else "application/octet-stream",
        )
    try:
        with OPENER.open(request, timeout=SECONDS) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise Failed(
            f"{method} {url}: {error.code} {error.read(2000).decode(errors='replace')}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{method} {url}: {error}") from error


def call(method: str, path: str, **fields: object) -> dict[str, Any]:
    """An endpoint of the tracking API."""
    query = "?" + urllib.parse.urlencode(fields) if method == "GET" else ""
    body = None if method == "GET" else json.dumps(fields).encode()
    answer = json.loads(ask(method, f"{API}/{path}{query}", body))
    assert isinstance(answer, dict)
    return answer


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Failed(f"{what} is {found!r:.200}, not {wanted!r:.200}")
    print(what, flush=True)


def wait(url: str, seconds: float) -> None:
    """Until it answers: pods of a new release start, and network policies take a moment to hold."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            ask("GET", url + "/health")
            return
        except Failed:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def expect_refusal() -> None:
    """Nobody comes in without credentials, at either service."""
    for url in (f"{API}/experiments/get?experiment_id=0", FILES):
        try:
            ask("GET", url, credentials="")
        except Failed as failure:
            code = (
                failure.__cause__.code
                if isinstance(failure.__cause__, urllib.error.HTTPError)
                else 0
            )
        else:
            code = 200
        expect(f"{url} asks who comes", code, 401)


def use_run(run_id: str) -> None:
    call("POST", "runs/log-metric", run_id=run_id, key="loss", value=0.25, timestamp=1, step=1)
    data = call("GET", "runs/get", run_id=run_id)["run"]["data"]
    expect("the run has its metric", data["metrics"][0]["value"], 0.25)


def use_file(run_id: str, folder: str) -> None:
    """Write, read and list a file as clients do, directly; and list it as the web UI does."""
    content = os.urandom(256 * 1024)
    url = f"{FILES}/{folder}/helm-test.bin"
    ask("PUT", url, content)
    try:
        expect("the file is what was written", ask("GET", url) == content, True)
        listed = call("GET", "artifacts/list", run_id=run_id).get("files", [])
        expect(
            "metadata lists the file by way of artifacts",
            [each["path"] for each in listed],
            ["helm-test.bin"],
        )
    finally:
        ask("DELETE", url)
    listed = json.loads(ask("GET", f"{FILES}?path={folder}")).get("files", [])
    expect("the file is removed", listed, [])


def use_experiment(experiment_id: str) -> None:
    run = call(
        "POST",
        "runs/create",
        experiment_id=experiment_id,
        run_name="helm test",
        start_time=int(time.time() * 1000),
    )["run"]
    uri = urllib.parse.urlsplit(run["info"]["artifact_uri"])
    try:
        expect("files go to the artifacts service", uri.scheme, "mlflow-artifacts")
        use_run(run["info"]["run_id"])
        use_file(run["info"]["run_id"], uri.path.strip("/"))
    finally:
        call("POST", "runs/delete", run_id=run["info"]["run_id"])


def main() -> None:
    for name, url in (("metadata", METADATA), ("artifacts", ARTIFACTS)):
        wait(url, float(os.environ["WAIT_SECONDS"]))
        print(
            f"{name} {ask('GET', url + '/version').decode().strip()} answers at {url}", flush=True
        )
    if AUTHENTICATES:
        expect_refusal()
        if not authorization():
            print("without credentials nothing else is tried: see test.extraEnv", flush=True)
            return
    # Names of deleted experiments stay taken.
    experiment_id = str(
        call("POST", "experiments/create", name=f"helm-test-{time.time_ns():x}")["experiment_id"]
    )
    try:
        use_experiment(experiment_id)
    finally:
        call("POST", "experiments/delete", experiment_id=experiment_id)
    found = call("GET", "experiments/get", experiment_id=experiment_id)["experiment"]
    expect("the experiment and its run are deleted", found["lifecycle_stage"], "deleted")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        # Of several the first: what cleans up may fail for the same reason.
        earlier = failure.__context__
        while earlier:
            failure = earlier if isinstance(earlier, Failed) else failure
            earlier = earlier.__context__
        sys.exit(f"failed: {failure}")
