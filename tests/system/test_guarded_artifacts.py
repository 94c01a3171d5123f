"""Artifacts of two teams on a host of its own, which asks the metadata service who may do what."""

import asyncio
import base64
import itertools
import json
import re
import ssl
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import mlflow
import pytest
import requests
import urllib3
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tandem_artifacts.access.gate import Gate
from tandem_artifacts.access.metadata import Metadata
from tandem_artifacts.access.proof import AUTHORIZATION, Proof
from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action
from tandem_shared.errors import Unauthenticated
from tests.harness.certificates import HERE, Authority
from tests.harness.processes import eventually
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server
from tests.system import services, teams
from tests.system.services import Stack
from tests.system.teams import ADMIN, ARTIFACTS, Team, ask, asked

MIB = 1024 * 1024
_REFUSED = re.compile("403|permission", re.IGNORECASE)


@pytest.fixture(scope="module", params=["sqlite-disk", "postgresql-s3"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Both services with accounts."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite-disk":
        database = f"sqlite:///{directory / 'mlflow.db'}"
        with services.guarded_stack(directory, database, str(directory / "artifacts")) as running:
            yield running
        return
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    s3: S3Server = request.getfixturevalue("s3_server")
    bucket = f"tandem-{uuid.uuid4().hex}"
    s3.create_bucket(bucket)
    name = postgresql.create()
    with services.guarded_stack(
        directory, postgresql.uri(name), f"s3://{bucket}/root", variables=s3.environ
    ) as running:
        yield running
    postgresql.drop(name)


@pytest.fixture(scope="module")
def red(stack: Stack) -> Team:
    return teams.add_team(stack, "red")


@pytest.fixture(scope="module")
def blue(stack: Stack) -> Team:
    return teams.add_team(stack, "blue")


@pytest.fixture(params=["password", "token"])
def client(
    request: pytest.FixtureRequest, stack: Stack, red: Team, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """The stock client of team red, by the variables of MLflow's documentation."""
    if request.param == "password":
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", red.user.name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", red.user.password)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", red.user.token)
    mlflow.set_tracking_uri(stack.metadata.url)
    yield MlflowClient(stack.metadata.url)
    mlflow.set_tracking_uri("")


def _secret(stack: Stack, team: Team) -> bytes:
    answer = ask(
        stack.artifacts, "GET", f"/api/{ARTIFACTS}/{team.root}/secret.txt", team.user.bearer
    )
    assert answer.status == 200
    return answer.body


def test_stock_client_logs_lists_and_reads(
    stack: Stack, client: MlflowClient, red: Team, tmp_path: Path
) -> None:
    run = client.create_run(red.experiment).info.run_id
    client.log_text(run, "hello ☃", "deep/naïve ☃.txt")
    source = tmp_path / "files"
    source.mkdir()
    for number in range(20):
        (source / f"{number}.bin").write_bytes(bytes([number]))
    client.log_artifacts(run, str(source), "many")
    assert [each.path for each in client.list_artifacts(run)] == ["deep", "many"]
    assert len(client.list_artifacts(run, "many")) == 20
    assert mlflow.artifacts.load_text(f"runs:/{run}/deep/naïve ☃.txt") == "hello ☃"
    target = tmp_path / "back"
    target.mkdir()
    client.download_artifacts(run, "many", str(target))
    assert (target / "many" / "7.bin").read_bytes() == b"\7"


def test_stock_client_uploads_by_parts(
    stack: Stack,
    client: MlflowClient,
    red: Team,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(11 * MIB))
    run = client.create_run(red.experiment).info.run_id
    client.log_artifact(run, str(large))
    if stack.destination.startswith("s3:"):

        def is_completed() -> bool:  # the line is written after the answer
            routes = [str(line.get("route")) for line in stack.artifacts.log_lines()]
            return any("mpu/complete" in route for route in routes)

        eventually(is_completed, "the log tells of it")
    [entry] = client.list_artifacts(run)
    assert (entry.path, entry.file_size) == ("large.bin", 11 * MIB)
    target = tmp_path / "back"
    target.mkdir()
    copy = Path(client.download_artifacts(run, "large.bin", str(target)))
    assert copy.stat().st_size == 11 * MIB


def test_stock_client_of_another_team_reads_and_writes_nothing(
    stack: Stack, client: MlflowClient, blue: Team
) -> None:
    uri = f"mlflow-artifacts://{stack.artifacts_host}/{blue.root}"
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        mlflow.artifacts.load_text(f"{uri}/secret.txt")
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        client.log_text(blue.run, "x", "secret.txt")
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        client.list_artifacts(blue.run)
    assert _secret(stack, blue) == b"blue"


def _spellings(own: Team, other: Team) -> list[str]:
    """Ways to write the path of another team's file in a URL."""
    path = f"{other.root}/secret.txt"
    first, rest = path[0], path[1:]
    return [
        path,
        f"%{ord(first):02x}{rest}",
        f"%25{ord(first):02x}{rest}",
        f"%2525{ord(first):02x}{rest}",
        path.replace("/", "%2f"),
        path.replace("/", "%252F"),
        path.replace("/", "//"),
        path.replace("/", "/%2f"),
        path.replace("/", "/%2e/"),
        path.replace("/", "\\"),
        path.replace("/", "%5c"),
        f"{path}%3f",
        f"{path}%3b",
        f"{path};",
        f"{path}/",
        f"{path}%2f",
        f"{first}%09{rest}",
        f"%09{path}",
        f"./{path}",
        f"/{path}",
        f"%2f{path}",
        f"{own.root}/../../../{path}",
        f"{own.root}/%2e%2e/%2e%2e/%2e%2e/{path}",
        f"{own.root}/%252e%252e/%252e%252e/%252e%252e/{path}",
        f"{own.root}/..%2f..%2f..%2f{path}",
        f"{own.root}/..%5c..%5c..%5c{path}",
        f"{own.experiment}/../{path}",
        f"x/%2e%2e/{path}",
        f"http://localhost/{path}",
        f"file:///{path}",
    ]


def _attempts(path: str) -> list[tuple[str, str, bytes | None]]:
    """Requests that would read, write or delete the file: method, target below /api, and body."""
    directory, _, name = path.rpartition("/")
    upload = {"path": f"/tmp/{name}", "num_parts": 1, "upload_id": "x", "parts": []}
    body = json.dumps(upload).encode()
    api = "2.0/mlflow-artifacts"
    return [
        *((method, f"{ARTIFACTS}/{path}", None) for method in ("GET", "HEAD", "DELETE")),
        ("PUT", f"{ARTIFACTS}/{path}", b"taken"),
        ("GET", f"{api}/presigned/{path}", None),
        *(("POST", f"{api}/mpu/{step}/{directory}", body) for step in _STEPS),
        ("GET", f"{ARTIFACTS}?path={path}", None),
        ("GET", f"{ARTIFACTS}?path={directory}", None),
        ("DELETE", f"{ARTIFACTS}/{directory}/", None),
    ]


_STEPS = ("create", "complete", "abort")


_PREFIXES = ("/api", "/ajax-api", "//api")


def test_no_spelling_leads_to_files_of_another_team(stack: Stack, red: Team, blue: Team) -> None:
    prefixes = itertools.cycle(_PREFIXES)
    for own, other in ((red, blue), (blue, red)):
        for spelling in _spellings(own, other):
            for method, target, body in _attempts(spelling):
                headers = {"Content_Type": "application/json"} if method == "POST" else {}
                path = f"{next(prefixes)}/{target}"
                answer = ask(stack.artifacts, method, path, own.user.bearer, body, **headers)
                shown = (method, path, answer.status, answer.body[:300])
                assert answer.status in (400, 403, 404, 405), shown
                assert other.user.name.encode() not in answer.body, shown
    for team in (red, blue):
        assert _secret(stack, team) == team.user.name.encode()


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_every_route_is_guarded_below_each_prefix(
    stack: Stack, red: Team, blue: Team, prefix: str
) -> None:
    for method, target, body in _attempts(f"{blue.root}/secret.txt"):
        headers = {"Content_Type": "application/json"} if method == "POST" else {}
        answer = ask(
            stack.artifacts, method, f"{prefix}/{target}", red.user.bearer, body, **headers
        )
        assert answer.status == 403, (method, target)


def test_listings_take_the_path_that_is_guarded(stack: Stack, red: Team, blue: Team) -> None:
    for query in (
        f"path={red.root}&path={blue.root}",
        f"path={blue.root}&path={red.root}",
        f"path={blue.root}&p%61th={red.root}",
        f"p%61th={blue.root}",
        f"path=%25{ord(blue.root[0]):x}{blue.root[1:]}",
    ):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}?{query}", red.user.bearer)
        if query.startswith(f"path={red.root}"):  # the first counts
            assert answer.status == 200
        else:
            assert answer.status == 403, query


def test_folders_above_experiments_are_listed_and_deleted_by_administrators_alone(
    stack: Stack, red: Team
) -> None:
    for query in ("", "?path=", "?path=%2e", "?path=/"):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}{query}", red.user.bearer)
        assert answer.status in (400, 403)
    answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}", ADMIN.basic)
    assert red.experiment in {each["path"] for each in json.loads(answer.body)["files"]}


def test_strangers_are_told_to_sign_in(stack: Stack, red: Team) -> None:
    for method, target, body in _attempts(f"{red.root}/secret.txt"):
        for authorization in (
            "",
            "Basic !",
            "Negotiate abc",
            "Bearer nothing",
            f"{red.user.basic[:-4]}AAAA",
            "Basic YWRtaW46YWRtaW4=",
        ):
            answer = ask(stack.artifacts, method, f"/api/{target}", authorization, body)
            assert answer.status == 401, (method, target, authorization)
            assert answer.headers["WWW-Authenticate"]
            if method != "HEAD":
                assert json.loads(answer.body)["error_code"] == "UNAUTHENTICATED"
    for path in ("/nothing", f"/api/{ARTIFACTS}/", "/api/2.0/mlflow/runs/get"):
        assert ask(stack.artifacts, "GET", path).status == 401
    for path in ("/health", "/ready", "/version", "/metrics"):
        assert ask(stack.artifacts, "GET", path).status == 200


def test_what_may_not_be_read_looks_like_what_does_not_exist(
    stack: Stack, red: Team, blue: Team
) -> None:
    told = set()
    for path in (
        f"{blue.root}/secret.txt",
        f"{blue.root}/nothing",
        f"{blue.experiment}/{'0' * 32}/artifacts/x",
        "4711/x",
        "nothing",
    ):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}/{path}", red.user.bearer)
        assert answer.status == 403
        told.add(json.loads(answer.body)["message"].replace(f"'{path}'", "…"))
    assert len(told) == 1
    answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}/{red.root}/nothing", red.user.bearer)
    assert answer.status == 404


def test_a_directory_of_a_thousand_files_costs_one_question(stack: Stack, red: Team) -> None:
    run = teams.call(stack, red.user, "runs/create", experiment_id=red.experiment)["run"]
    path = f"/api/{ARTIFACTS}/{red.experiment}/{run['info']['run_id']}/artifacts/many"
    pool = urllib3.PoolManager(maxsize=8, headers={"Authorization": red.user.bearer})

    def send(number: int) -> int:
        url = f"{stack.artifacts.url}{path}/{number}"
        stored = pool.request("PUT", url, body=b"x").status
        return stored if number % 10 else pool.request("GET", url).status

    before, began = asked(stack), time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, range(1000))) == {200}
    periods = int((time.monotonic() - began) // grants.SECONDS)
    assert 1 <= asked(stack) - before <= 1 + periods


def test_stock_client_asks_once_for_a_run(
    stack: Stack, client: MlflowClient, red: Team, tmp_path: Path
) -> None:
    source = tmp_path / "files"
    source.mkdir()
    for number in range(50):
        (source / str(number)).write_text(str(number))
    run = client.create_run(red.experiment).info.run_id
    before, began = asked(stack), time.monotonic()
    client.log_artifacts(run, str(source), "many")
    assert mlflow.artifacts.load_text(f"runs:/{run}/many/7") == "7"
    assert 1 <= asked(stack) - before <= 1 + int((time.monotonic() - began) // grants.SECONDS)


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


def test_users_who_are_gone_are_refused_within_a_minute(stack: Stack) -> None:
    team = teams.add_team(stack, f"gone-{uuid.uuid4().hex[:8]}")
    path, now = f"{team.root}/secret.txt", [1000.0]
    proofs = [Proof(AUTHORIZATION, each) for each in (team.user.basic, team.user.bearer)]

    async def revoke() -> None:
        metadata = Metadata(stack.metadata.url)
        gate = Gate(metadata, lambda: now[0])
        try:
            for proof in proofs:
                await gate.permitted(proof, path, Action.WRITE)
            teams.remove_user(stack.database, team.user.name)
            for proof in proofs:
                now[0] = 1044.0
                await gate.permitted(proof, path, Action.WRITE)
                now[0] = 1045.0
                with pytest.raises(Unauthenticated):
                    await gate.permitted(proof, path, Action.WRITE)
        finally:
            await metadata.close()

    asyncio.run(revoke())


def test_metadata_away_leaves_what_is_known_and_nothing_else(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.guarded_stack(tmp_path, database, str(tmp_path / "artifacts")) as stack:
        red, blue = teams.add_team(stack, "red"), teams.add_team(stack, "blue")
        known = f"/api/{ARTIFACTS}/{red.root}/secret.txt"
        assert ask(stack.artifacts, "GET", known, red.user.bearer).status == 200
        stack.metadata.kill()
        assert ask(stack.artifacts, "GET", known, red.user.bearer).body == b"red"
        assert ask(stack.artifacts, "PUT", known, red.user.bearer, b"new").status == 200
        for path, authorization in (
            (f"{blue.root}/secret.txt", red.user.bearer),
            (f"{red.root}/secret.txt", red.user.basic),
            ("", ADMIN.basic),
        ):
            answer = ask(
                stack.artifacts, "GET", f"/api/{ARTIFACTS}/{path}".rstrip("/"), authorization
            )
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert stack.metadata.url.encode() not in answer.body
        root = stack.artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
        to_browsers = ("--redirect-artifacts-to", stack.artifacts.url)
        with services.metadata_service(
            tmp_path, database, root, *services.GUARDED, *to_browsers, port=stack.metadata.port
        ) as again:
            # Its keys are new, and the artifacts service fetches them.
            answer = ask(stack.artifacts, "GET", known, red.user.basic)
            assert answer.body == b"new"
            shown = ask(
                again, "GET", f"/get-artifact?run_uuid={red.run}&path=secret.txt", red.user.basic
            )
            assert shown.status == 302
            location = shown.headers["Location"].removeprefix(stack.artifacts.url)
            assert ask(stack.artifacts, "GET", location).body == b"new"


def test_a_host_that_metadata_does_not_accept_is_no_refusal(tmp_path: Path) -> None:
    """The set-up is at fault, which the log tells; nobody is told that he may not."""
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    hosts = ("--allowed-hosts", "mlflow.example.com")
    with services.guarded_stack(
        tmp_path, database, str(tmp_path / "artifacts"), options=hosts
    ) as stack:
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}/0/x", ADMIN.basic)
        assert answer.status == 503
        assert "--allowed-hosts" in stack.artifacts.output()


def test_metadata_is_asked_by_tls(tmp_path: Path) -> None:
    authority, stranger = Authority.create(tmp_path), tmp_path / "stranger"
    stranger.mkdir()
    ca, other = str(authority.certificate), str(Authority.create(stranger).certificate)
    own = {name: authority.issue(name, [name, *HERE]) for name in ("metadata", "artifacts")}
    serving = ["--tls-cert", own["metadata"][0], "--tls-key", own["metadata"][1]]
    serving += ["--tls-client-ca", ca]
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(*own["artifacts"])
    presented = ["--metadata-cert", own["artifacts"][0], "--metadata-key", own["artifacts"][1]]
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.metadata_service(
        tmp_path,
        database,
        "mlflow-artifacts://127.0.0.1:1/",
        *services.GUARDED,
        *serving,
        variables=services.ADMIN,
        options={"verify": context},
    ) as metadata:
        asking = ["--auth", "metadata", "--metadata-url", metadata.url]
        for trusted, status in (
            (["--metadata-ca", ca, *presented], 200),
            (["--metadata-ca", ca], 503),
            (["--metadata-ca", other, *presented], 503),
        ):
            with services.artifacts_service(
                tmp_path, str(tmp_path / "artifacts"), *asking, *trusted
            ) as artifacts:
                answer = ask(artifacts, "GET", f"/api/{ARTIFACTS}", ADMIN.basic)
                assert answer.status == status
                if trusted[1] == other:
                    assert "CERTIFICATE_VERIFY_FAILED" in artifacts.output()


def test_audit_logs_name_who_is_refused(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    of_artifacts, of_metadata = tmp_path / "artifacts.log", tmp_path / "metadata.log"
    with services.guarded_stack(
        tmp_path,
        database,
        str(tmp_path / "artifacts"),
        variables={"TANDEM_AUDIT_LOG": str(of_artifacts)},
        options=("--audit-log", str(of_metadata)),
    ) as stack:
        team = teams.add_team(stack, "red")
        eve = teams.add_user(database, "eve")
        file = f"/api/{ARTIFACTS}/{team.root}/secret.txt"
        for _ in range(2):  # the second answer is remembered
            assert ask(stack.artifacts, "GET", file, eve.bearer).status == 403
        assert ask(stack.artifacts, "DELETE", file, eve.basic).status == 403
        assert ask(stack.artifacts, "GET", file, "Bearer tandem_x").status == 401
        assert ask(stack.artifacts, "GET", file, team.user.bearer).status == 200

        def told(path: Path, route: str) -> list[tuple[str, str | None, int]]:
            lines = [json.loads(each) for each in path.read_text().splitlines()]
            return [
                (each["method"], each["user"], each["status"])
                for each in lines
                if each["route"].endswith(route) and each["method"] != "PUT"
            ]

        expected = [
            ("GET", "eve", 403),
            ("GET", "eve", 403),
            ("DELETE", "eve", 403),
            ("GET", None, 401),
            ("GET", "red", 200),
        ]
        route = "/artifacts/{path:path}"
        eventually(lambda: told(of_artifacts, route) == expected, "the lines are written")
        asked = told(of_metadata, "/artifact-grants")
        assert ("POST", "eve", 403) in asked
        assert ("POST", None, 401) in asked
