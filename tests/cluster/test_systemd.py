"""deploy/systemd: units that systemd takes, and that serve, keep and bring back what they say."""

import dataclasses
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import mlflow
import pytest
import requests

from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_metadata.settings import Settings as MetadataSettings
from tandem_shared.settings import load
from tests import debian
from tests.cluster import names
from tests.cluster.units import FOLDER, SERVICES, Machine, settings
from tests.harness.certificates import Authority
from tests.harness.processes import answers, environment, free_port, running

HOST = "mlflow.example.com"
USER = ("ada", "s3cret")
UNITS = sorted(path.name for path in FOLDER.glob("tandem-*.service"))
WORST_EXPOSURE = 1.5
"""Of `systemd-analyze security`, where 10 is a service that may do everything."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[str]:
    """The URL of Caddy, in front of both services."""
    with ExitStack() as stack:
        for name in SERVICES:
            stack.enter_context(machine.serving(name))
        authority = Authority.create(machine.directory)
        port = free_port()
        command = [debian.find("caddy", package="caddy"), "run", "--adapter", "caddyfile"]
        configuration = machine.directory / "Caddyfile"
        configuration.write_text(caddyfile(machine, port, *authority.issue("site", [HOST])))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("socket.getaddrinfo", names.resolver({HOST: ("127.0.0.1", port)}))
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
        patch.setenv("MLFLOW_TRACKING_USERNAME", USER[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", USER[1])
        home = str(machine.directory)
        stack.enter_context(
            running(
                [*command, "--config", configuration],
                machine.directory / "caddy.log",
                lambda: answers(f"https://{HOST}/health", auth=USER),
                env=environment(XDG_DATA_HOME=home, HOME=home),
            )
        )
        yield f"https://{HOST}"


def caddyfile(machine: Machine, port: int, certificate: str, key: str) -> str:
    """The site as it comes, with a certificate, since nobody can be asked for one."""
    caddy = debian.find("caddy", package="caddy")
    hashed = subprocess.run(
        [caddy, "hash-password", "--plaintext", USER[1]], check=True, capture_output=True, text=True
    )
    users = machine.directory / "tandem-users"
    users.write_text(f"{USER[0]} {hashed.stdout}")
    text = machine.localised((FOLDER / "Caddyfile").read_text())
    text = text.replace("/etc/caddy/tandem-users", str(users))
    listen = f"https://{HOST}:{port} {{\n\ttls {certificate} {key}\n\tbind 127.0.0.1\n"
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    return options + text.replace(f"{HOST} {{\n", listen)


def test_systemd_takes_the_units(machine: Machine) -> None:
    analyze = debian.find("systemd-analyze", package="systemd")
    units = sorted((machine.directory / "units").iterdir())
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", UNITS)
def test_unit_leaves_a_service_little_to_do(name: str, machine: Machine) -> None:
    analyze = debian.find("systemd-analyze", package="systemd")
    command = [analyze, "security", "--offline=yes", "--no-pager"]
    path = machine.directory / "units" / name
    done = subprocess.run([*command, path], capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= WORST_EXPOSURE, done.stdout


def test_units_run_as_users_that_are_made(machine: Machine) -> None:
    made = re.findall(r"^u (\S+)", (FOLDER / "tandem.sysusers").read_text(), re.MULTILINE)
    folders = re.findall(r"^d (\S+) +0700 (\S+)", (FOLDER / "tandem.tmpfiles").read_text(), re.M)
    writable = {}
    for name in UNITS:
        unit = machine.unit(name)
        (user,) = unit.values("User")
        assert user in made
        # Neither half sees the other's files.
        assert unit.values("StateDirectory") == [user]
        assert unit.values("StateDirectoryMode") == ["0700"]
        writable |= dict.fromkeys(unit.values("ReadWritePaths"), user)
    assert writable == {machine.localised(path): user for path, user in folders}


def test_settings_files_name_settings(machine: Machine) -> None:
    for name, of in (("metadata", MetadataSettings), ("artifacts", ArtifactsSettings)):
        variables = settings(machine.directory / "etc/tandem" / f"{name}.env")
        known = {item.metadata["env"] for item in dataclasses.fields(of)}
        assert variables.keys() <= known
        # A stop may take as long as requests get, and systemd waits for as long as it is told.
        assert load(of, variables).graceful_timeout == float(variables["TANDEM_GRACEFUL_TIMEOUT"])
    text = (FOLDER / "backup.env").read_text()
    script = (FOLDER.parent / "backup" / "tandem-backup").read_text()
    for variable in re.findall(r"^#?([A-Z_0-9]+)=", text, re.MULTILINE):
        assert f"${{{variable}:-" in script, variable


def test_stock_client_logs_a_run_and_a_file(site: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(site)
    run_id = client.create_run(client.create_experiment("on one machine")).info.run_id
    assert client.get_run(run_id).info.artifact_uri.startswith("mlflow-artifacts:/")
    client.log_metric(run_id, "loss", 0.25)
    client.log_text(run_id, "snow", "notes/☃ 1.txt")
    (listed,) = client.list_artifacts(run_id, "notes")
    assert Path(client.download_artifacts(run_id, listed.path, str(tmp_path))).read_text() == "snow"
    page = requests.get(site, auth=USER, timeout=10)
    assert "text/html" in page.headers["Content-Type"]
    query = {"run_id": run_id, "path": listed.path}
    assert requests.get(f"{site}/get-artifact", query, auth=USER, timeout=10).text == "snow"


@pytest.mark.parametrize("path", ["/", "/api/2.0/mlflow-artifacts/artifacts"])
def test_strangers_are_asked_who_they_are(site: str, path: str) -> None:
    assert requests.get(f"{site}{path}", auth=("ada", "wrong"), timeout=10).status_code == 401
    assert requests.get(f"{site}{path}", auth=USER, timeout=10).status_code == 200


def test_backup_units_keep_every_row_and_file(site: str, machine: Machine, tmp_path: Path) -> None:
    for name in ("rclone", "sqlite3"):
        debian.find(name, package=name)
    client = mlflow.MlflowClient(site)
    run_id = client.create_run(client.create_experiment("backed up")).info.run_id
    client.log_param(run_id, "lr", "0.1")
    client.log_text(run_id, "snow", "notes/☃ 2.txt")
    # In the order in which the timer's unit asks for them.
    (unit,) = machine.unit("tandem-backup.timer").values("Unit")
    assert machine.unit(unit).values("Requires") == ["tandem-metadata-backup.service"]
    for name in ("tandem-metadata-backup.service", unit):
        run(machine, name)
    restored = tmp_path / "restored.db"
    (dump,) = (machine.directory / "var/backups/tandem/metadata/database").glob("*.sqlite")
    variables = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{restored}"}
    run(machine, "tandem-metadata-backup.service", "restore-database", dump.name, **variables)
    database = machine.directory / "var/lib/tandem-metadata/mlflow.db"
    assert rows_of(restored) == rows_of(database)
    files = tmp_path / "files"
    variables = {"MLFLOW_ARTIFACTS_DESTINATION": str(files)}
    run(machine, unit, "restore-artifacts", **variables)
    kept = machine.directory / "var/lib/tandem-artifacts/files"
    assert contents_of(files) == contents_of(kept)
    assert "snow" in contents_of(files).values()


def run(machine: Machine, name: str, *arguments: str, **variables: str) -> None:
    """The command of a oneshot unit, or with other arguments and variables."""
    unit = machine.unit(name)
    command = [unit.command()[0], *(arguments or unit.command()[1:])]
    done = subprocess.run(
        command,
        cwd=unit.folder(),
        env={**unit.environment(), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def rows_of(path: Path) -> dict[str, list[str]]:
    """All rows of all tables of an SQLite database, as text, by table."""
    with closing(sqlite3.connect(path)) as conn:
        tables = conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            name: sorted(str(row) for row in conn.execute(f'SELECT rowid, * FROM "{name}"'))
            for (name,) in tables
        }


def contents_of(folder: Path) -> dict[str, str]:
    """The texts of all files below a folder, but those that are still uploaded."""
    return {
        os.fspath(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".tandem-uploads.trash" not in path.parts
    }
