"""How the artifacts service asks the metadata service: how often, by TLS, while it is away."""

import asyncio
import ssl
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from tandem_artifacts.access.gate import Gate
from tandem_artifacts.access.metadata import Metadata
from tandem_artifacts.access.proof import AUTHORIZATION, Proof
from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action
from tandem_shared.errors import Unauthenticated
from tests.harness.certificates import HERE, Authority
from tests.system import services, teams
from tests.system.services import Stack
from tests.system.teams import ADMIN, ARTIFACTS, Team, ask, asked


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
