"""Grants that the metadata service gives away: in redirects, and for what it asks itself."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import requests

from tests.system.services import Stack
from tests.system.teams import ADMIN, ARTIFACTS, Team, ask


def test_browsers_get_files_through_the_metadata_service(
    stack: Stack, red: Team, blue: Team
) -> None:
    listing = f"/ajax-api/2.0/mlflow/artifacts/list?run_id={red.run}"
    file = f"/get-artifact?run_uuid={red.run}&path=secret.txt"
    for user in (red.user, ADMIN):
        answer = ask(stack.metadata, "GET", listing, user.basic)
        assert "secret.txt" in {each["path"] for each in json.loads(answer.body)["files"]}
        assert ask(stack.metadata, "GET", file, user.basic).body == b"red"
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={red.run}&path=up.txt"
    assert ask(stack.metadata, "POST", upload, red.user.basic, b"up").status == 200
    for method, path in (("GET", listing), ("GET", file), ("POST", upload)):
        assert ask(stack.metadata, method, path, blue.user.basic, b"x").status == 403
        assert ask(stack.metadata, method, path, "", b"x").status == 401


def test_redirects_of_the_metadata_service_carry_a_grant_for_the_file(
    stack: Stack, red: Team, blue: Team
) -> None:
    """Clients send their password to the first host alone."""
    file = f"/api/{ARTIFACTS}/{red.root}/secret.txt"
    answer = requests.get(
        stack.metadata.url + file, auth=(red.user.name, red.user.password), timeout=20
    )
    assert answer.content == b"red"
    [redirect] = answer.history
    url = urlsplit(redirect.headers["Location"])
    [token] = parse_qs(url.query)["grant"]
    assert redirect.headers["Referrer-Policy"] == "no-referrer"
    assert redirect.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    put = requests.put(
        f"{stack.metadata.url}/api/{ARTIFACTS}/{red.root}/put.txt",
        b"put",
        auth=(red.user.name, red.user.password),
        timeout=20,
    )
    assert put.status_code == 200
    for method, path in (
        ("PUT", file),
        ("DELETE", file),
        ("GET", f"/api/{ARTIFACTS}/{red.root}/put.txt"),
        ("GET", f"/api/{ARTIFACTS}/{blue.root}/secret.txt"),
    ):
        given = f"{path}?grant={token}"
        assert ask(stack.artifacts, method, given, "", b"x").status == 403
        # A grant does not add to what the sender may do either.
        assert ask(stack.artifacts, method, path, "", b"x", X_Tandem_Grant=token).status == 403
    assert ask(stack.metadata, "GET", file, blue.user.basic).status == 403
    for process in (stack.metadata, stack.artifacts):
        assert token not in process.output()


def test_forged_grants_are_refused(stack: Stack, red: Team) -> None:
    file = f"/api/{ARTIFACTS}/{red.root}/secret.txt"
    answer = ask(stack.metadata, "GET", file, red.user.basic)
    [token] = parse_qs(urlsplit(answer.headers["Location"]).query)["grant"]
    assert ask(stack.artifacts, "GET", file, X_Tandem_Grant=token).body == b"red"
    header, claims, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"tandem-grant+jwt","kid":"x"}')
    for forged in (
        f"{none.decode().rstrip('=')}.{claims}.",
        f"{none.decode().rstrip('=')}.{claims}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        "x",
        "..",
    ):
        for authorization in ("", red.user.bearer):
            given = ask(stack.artifacts, "GET", f"{file}?grant={forged}", authorization)
            assert given.status == 401, forged
