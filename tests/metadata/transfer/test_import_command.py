"""The command `tandem-metadata import` with a folder as its source."""

import json
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tests.metadata.cli.commands import Command, assert_error
from tests.metadata.conftest import only_postgresql, only_sqlite
from tests.metadata.transfer.file_stores import MadeUp, example, put
from tests.metadata.transfer.rows import everything, rows, tables


@pytest.fixture
def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command("import", monkeypatch, capsys, "--to", settings.backend_store_uri)


@pytest.fixture
def store(tmp_path: Path) -> MadeUp:
    made = MadeUp(tmp_path)
    experiment = made.experiment(1, "one")
    made.run(experiment, params={"p": "v"}, tags={"t": "w"}, metrics={"m": "1 0.5 0\n2 0.25 1\n"})
    return made


def test_import_prints_a_table_and_what_to_do_about_artifacts(
    command: Command, store: MadeUp, settings: Settings
) -> None:
    status, out, err = command(str(store.root))
    assert (status, err) == (0, "")
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert {"experiments 1 1 0 0", "runs 1 1 0 0", "params 1 1 0 0", "metrics 2 2 0 0"} <= lines
    assert f"--artifacts-destination {store.root}" in out
    assert f"--artifact-root-map file://{store.root}=mlflow-artifacts://HOST/" in out
    assert rows(settings, "SELECT key, value FROM params") == [("p", "v")]
    status, out, _ = command(str(store.root))
    assert status == 0
    assert "runs 1 0 1 0" in {" ".join(line.split()) for line in out.splitlines()}


def test_import_takes_a_file_uri(command: Command, store: MadeUp, settings: Settings) -> None:
    assert command(store.root.as_uri())[0] == 0
    assert len(rows(settings, "SELECT run_uuid FROM runs")) == 1


def test_import_writes_its_report(command: Command, store: MadeUp, tmp_path: Path) -> None:
    put(store.root / "1" / "empty" / "meta.yaml", "")
    assert command(str(store.root), "--report", str(tmp_path / "report.json"))[0] == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"]["runs"] == {
        "found": 2,
        "imported": 1,
        "already_there": 0,
        "skipped": 1,
    }
    (problem,) = report["problems"]
    assert problem["path"].endswith("1/empty/meta.yaml")


def test_import_is_strict_if_it_is_told_so(command: Command, store: MadeUp) -> None:
    (store.root / "1" / "no run").mkdir()
    assert command(str(store.root), "--strict")[0] == 1
    assert command(str(store.root))[0] == 0


def test_dry_run_tells_the_same_and_writes_nothing(
    command: Command, tmp_path: Path, settings: Settings
) -> None:
    folder = example("3.17", tmp_path)
    before = everything(settings)
    status, told, _ = command(str(folder), "--dry-run")
    assert status == 0
    assert everything(settings) == before
    status, done, _ = command(str(folder))
    assert status == 0

    def table(out: str) -> list[str]:
        return out.split("\n\n")[1].splitlines()

    assert table(told) == table(done)


def test_dry_run_makes_no_database(
    store: MadeUp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "new.db"
    command = Command("import", monkeypatch, capsys, "--to", f"sqlite:///{target}")
    status, out, _ = command(str(store.root), "--dry-run")
    assert status == 0
    assert "runs" in out
    assert not target.exists()


def test_import_makes_the_tables_of_a_new_database(
    backend_store_uri: str,
    store: MadeUp,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import_ = Command("import", monkeypatch, capsys, "--to", backend_store_uri)
    assert import_(str(store.root))[0] == 0
    new = Settings(backend_store_uri=backend_store_uri)
    assert "tandem_webhook_deliveries" in tables(new)
    assert rows(new, "SELECT experiment_id, name FROM experiments") == [(1, "one")]


def test_default_target_is_that_of_serve(
    settings: Settings,
    store: MadeUp,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", settings.backend_store_uri)
    assert Command("import", monkeypatch, capsys)(str(store.root))[0] == 0
    assert len(rows(settings, "SELECT run_uuid FROM runs")) == 1


def test_registry_may_be_another_folder(
    command: Command, store: MadeUp, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "apart").mkdir()
    MadeUp(tmp_path / "apart").registered("apart", {})
    store.registered("beside", {})
    registry = str(tmp_path / "apart" / "mlruns")
    assert command(str(store.root), "--registry", registry)[0] == 0
    assert rows(settings, "SELECT name FROM registered_models") == [("apart",)]


def test_artifacts_root_is_what_locations_begin_with(
    command: Command, tmp_path: Path, settings: Settings
) -> None:
    folder = example("3.17", tmp_path)
    host = "mlflow-artifacts://artifacts.example.com"
    assert command(str(folder), "--artifacts-root", f"{host}/team")[0] == 0
    (demo,) = [path.parent for path in folder.glob("*/meta.yaml") if "demo" in path.read_text()]
    (old,) = folder.glob(".trash/*")
    uris = dict(rows(settings, "SELECT name, artifact_uri FROM runs"))
    assert uris["first"].startswith(f"{host}/team/{demo.name}/")
    assert uris["first"].endswith("/artifacts")
    assert uris["in old"].startswith(f"{host}/team/.trash/{old.name}/")
    locations = dict(rows(settings, "SELECT name, artifact_location FROM experiments"))
    assert locations["demo"] == f"{host}/team/{demo.name}"
    assert locations["old"] == f"{host}/team/.trash/{old.name}"
    sources = dict(rows(settings, "SELECT version, source FROM model_versions"))
    assert sources[1].startswith(f"{host}/team/{demo.name}/")
    assert sources[2] == "s3://b/x"
    for statement in (
        "SELECT artifact_location FROM logged_models",
        "SELECT value FROM trace_tags WHERE key = 'mlflow.artifactLocation'",
    ):
        for (location,) in rows(settings, statement):
            assert location.startswith(f"{host}/team/{demo.name}/")


@only_postgresql
def test_import_that_is_refused_names_every_text_and_exits_with_1(
    command: Command, store: MadeUp, settings: Settings
) -> None:
    store.run(store.root / "1", run_name="n" * 300, params={"long": "v" * 9000})
    status, out, _ = command(str(store.root))
    assert status == 1
    assert out.startswith("Refused to import ")
    assert "params.value holds 8,000 characters, and it has 9,000" in out
    assert "runs.name holds 250 characters, and it has 300" in out
    assert "--truncate cuts them" in out
    assert command(str(store.root), "--truncate")[0] == 0
    assert len(rows(settings, "SELECT run_uuid FROM runs")) == 2


@pytest.mark.parametrize("start", ["./mlruns", "mlruns", "{root}", "file://{root}", "file:{root}"])
def test_locations_of_every_form_lead_to_the_folder(
    start: str, command: Command, store: MadeUp, settings: Settings
) -> None:
    """Relative ones begin where the server ran: beside the folder."""
    given = start.format(root=store.root)
    experiment = store.experiment(2, "two", artifact_location=f"{given}/2")
    store.run(experiment, run_id="b" * 32, artifact_uri=f"{given}/2/{'b' * 32}/artifacts")
    assert command(str(store.root), "--artifacts-root", "mlflow-artifacts://host/x/")[0] == 0
    locations = dict(rows(settings, "SELECT name, artifact_location FROM experiments"))
    assert locations["two"] == "mlflow-artifacts://host/x/2"
    uris = dict(rows(settings, "SELECT run_uuid, artifact_uri FROM runs"))
    assert uris["b" * 32] == f"mlflow-artifacts://host/x/2/{'b' * 32}/artifacts"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "there is no folder or database nowhere."),
        (("",), "there is no folder or database with an empty name"),
        (("{file}",), "is no folder and no database of SQLite's"),
        (("http://host/mlruns",), "neither a folder nor a database"),
        (("file://host/mlruns",), "names a host"),
        (("{empty}",), "holds no experiments"),
        (("{store}", "--drop-orphans"), "--drop-orphans is for a database"),
        (("sqlite:///x.db", "--artifacts-root", "s3://b"), "--artifacts-root is for a file store"),
        (("{store}", "--registry", "nowhere"), "--registry: there is no folder"),
        (("{store}", "--report", "no/such/folder/file"), "--report"),
        (("{store}", "--artifacts-root", "artifacts.example.com"), "--artifacts-root"),
    ],
)
@only_sqlite
def test_bad_arguments_are_refused_by_one_sentence(
    command: Command, store: MadeUp, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    file = put(tmp_path / "file.db", "")
    places = {"empty": str(tmp_path / "empty"), "store": str(store.root), "file": str(file)}
    assert_error(command(*(each.format(**places) for each in arguments)), told)


def test_a_target_that_is_none_is_told_by_its_flag(
    store: MadeUp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command("import", monkeypatch, capsys, "--to", "copy.db")
    assert_error(command(str(store.root)), "--to is neither a database URL nor a folder")
