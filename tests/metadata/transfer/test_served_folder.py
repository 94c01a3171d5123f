"""A folder of runs as `serve --backend-store-uri` takes it: its database, and who looks at it."""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.served_folder import ServedFolder, take_over
from tandem_shared.settings import SettingsError, load
from tests.harness.processes import eventually
from tests.metadata.transfer.file_stores import MadeUp, put
from tests.metadata.transfer.rows import rows

SECONDS = 0.02


@pytest.fixture
def store(tmp_path: Path) -> MadeUp:
    made = MadeUp(tmp_path)
    made.experiment(1)
    return made


@pytest.fixture
def settings(store: MadeUp) -> Settings:
    of = Settings(backend_store_uri=str(store.root))
    database = Database(of)
    database.prepare("mlflow-artifacts:/")
    database.close()
    return of


def _follower(settings: Settings) -> ServedFolder:
    assert settings.served_folder
    return ServedFolder(settings.served_folder, partial(Database, settings), SECONDS)


async def _until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, condition)


def _runs(settings: Settings) -> int:
    return len(rows(settings, "SELECT * FROM runs"))


def _has(settings: Settings, number: int) -> bool:
    return _runs(settings) == number


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file:{}", "file://localhost{}"])
def test_the_database_is_beside_the_folder(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a b%20?" / "mlruns"
    folder.mkdir(parents=True)
    given = str(folder)
    if form.startswith("file"):
        given = given.replace("%", "%25").replace("?", "%3F").replace(" ", "%20")
    settings = load(Settings, {"MLFLOW_BACKEND_STORE_URI": form.format(given)})
    assert settings.served_folder
    assert settings.served_folder.path == str(folder)
    database = Database(settings)
    database.prepare("mlflow-artifacts:/")
    database.close()
    assert (folder.parent / "mlflow.db").exists()


def test_a_relative_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlruns").mkdir()
    monkeypatch.chdir(tmp_path)
    for given in ("mlruns", "./mlruns", "./mlruns/"):
        folder = Settings(backend_store_uri=given).served_folder
        assert folder
        assert folder.path == str(tmp_path / "mlruns")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("./nowhere", "a folder that is there"),
        ("file:///nowhere", "a folder that is there"),
        ("file://host/mlruns", "another host"),
        ("user-secret@host/name", "a folder that is there"),
    ],
)
def test_what_is_no_folder_is_refused_and_not_repeated(given: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        Settings(backend_store_uri=given)
    assert "secret" not in str(raised.value)


def test_a_folder_needs_a_start_that_makes_its_database(store: MadeUp) -> None:
    with pytest.raises(SettingsError, match="leave out --no-migrate"):
        Settings(backend_store_uri=str(store.root), migrate=False).check()


def test_a_folder_that_cannot_be_read_is_told(store: MadeUp, settings: Settings) -> None:
    assert settings.served_folder
    database = Database(settings)
    shutil.rmtree(store.root)
    put(store.root, "a file")
    with pytest.raises(SettingsError, match="cannot be read"):
        take_over(settings.served_folder, database)
    database.close()


def test_what_comes_later_is_taken_over(store: MadeUp, settings: Settings) -> None:
    async def follow() -> None:
        follower = _follower(settings)
        await follower.start()
        for number in range(1, 4):
            store.run(store.root / "1")
            await _until(partial(_has, settings, number))
        await follower.stop()
        store.run(store.root / "1")

    asyncio.run(follow())
    assert _runs(settings) == 3


def test_one_process_looks_and_another_takes_its_place(
    store: MadeUp, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def follow() -> None:
        first, second = _follower(settings), _follower(settings)
        await first.start()
        store.run(store.root / "1")
        await _until(partial(_has, settings, 1))
        await second.start()
        await asyncio.sleep(5 * SECONDS)
        assert second._following is None
        await first.stop()
        store.run(store.root / "1")
        await _until(partial(_has, settings, 2))
        await second.stop()

    asyncio.run(follow())


def test_a_look_that_fails_is_told_once_and_repeated(
    store: MadeUp, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tandem.folder")
    away = store.root.with_name("away")

    async def follow() -> None:
        follower = _follower(settings)
        await follower.start()
        store.run(store.root / "1")
        await _until(partial(_has, settings, 1))
        store.root.rename(away)
        put(store.root, "a file")
        await _until(lambda: "is not followed now" in caplog.text)
        await asyncio.sleep(5 * SECONDS)
        store.root.unlink()
        away.rename(store.root)
        store.run(store.root / "1")
        await _until(partial(_has, settings, 2))
        await _until(lambda: "is followed again" in caplog.text)
        await follower.stop()

    asyncio.run(follow())
    assert caplog.text.count("is not followed now") == 1


def test_what_is_skipped_at_each_look_is_told_once(
    store: MadeUp, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tandem.folder")

    async def follow() -> None:
        follower = _follower(settings)
        await follower.start()
        (store.root / "1" / "no run").mkdir()
        for number in (1, 2, 3):
            store.run(store.root / "1")
            await _until(partial(_has, settings, number))
        await follower.stop()

    asyncio.run(follow())
    assert caplog.text.count("no run: it is no run") == 1
    assert "skipped 1 thing of" in caplog.text
