"""File stores for tests: those that releases of MLflow made, and made-up ones."""

import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.file_store.store import FileStore
from tandem_metadata.transfer.from_files.importing import FileImport, Options
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Report

EXAMPLES: Final = ("2.8", "2.22", "3.17")
_KEPT: Final = Path(__file__).parent / "stores"
_ROOT: Final = b"/mlruns-root"


def example(version: str, directory: Path) -> Path:
    """The file store that a release made, whose locations name the folder where it is now."""
    with tarfile.open(_KEPT / f"mlruns-{version}.tar.gz") as archive:
        archive.extractall(directory, filter="data")
    root = directory / "mlruns"
    for path in root.rglob("*"):
        if path.is_file() and _ROOT in (held := path.read_bytes()):
            path.write_bytes(held.replace(_ROOT, str(root).encode()))
    return root


class MadeUp:
    """A file store that is written file by file, as MLflow would."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "mlruns"
        self.root.mkdir()
        self._ids = 0

    def experiment(
        self, number: int | str = 1, name: str | None = None, *, trash: bool = False, **fields: Any
    ) -> Path:
        """The folder of a new experiment."""
        folder = self.root / ".trash" / str(number) if trash else self.root / str(number)
        folder.mkdir(parents=True)
        meta = {
            "artifact_location": f"file://{self.root}/{number}",
            "creation_time": 1_700_000_000_000,
            "experiment_id": str(number),
            "last_update_time": 1_700_000_000_001,
            "lifecycle_stage": "deleted" if trash else "active",
            "name": name or f"experiment {number}",
        }
        document(folder / "meta.yaml", meta | fields)
        return folder

    def run(
        self,
        experiment: Path,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, str] | None = None,
        run_id: str | None = None,
        **fields: Any,
    ) -> Path:
        """The folder of a new run; metrics are texts of whole files."""
        self._ids += 1
        run_id = run_id or uuid.uuid5(uuid.NAMESPACE_OID, str(self._ids)).hex
        folder = experiment / run_id
        meta = {
            "artifact_uri": f"file://{experiment}/{run_id}/artifacts",
            "end_time": 1_700_000_002_000,
            "entry_point_name": "",
            "experiment_id": experiment.name,
            "lifecycle_stage": "active",
            "run_id": run_id,
            "run_name": f"run {self._ids}",
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": 1_700_000_001_000,
            "status": 3,
            "tags": [],
            "user_id": "ann",
        }
        for below in ("params", "tags", "metrics", "artifacts"):
            (folder / below).mkdir(parents=True, exist_ok=True)
        document(folder / "meta.yaml", meta | fields)
        for below, given in (("params", params), ("tags", tags), ("metrics", metrics)):
            for key, value in (given or {}).items():
                put(folder / below / key, value)
        return folder

    def trace(self, experiment: Path, trace_id: str, info: Mapping[str, Any]) -> Path:
        """The folder of a new trace."""
        folder = experiment / "traces" / trace_id
        document(folder / "trace_info.yaml", info)
        return folder

    def registered(self, name: str, *versions: Mapping[str, Any], **fields: Any) -> Path:
        """The folder of a new registered model, with a version for each mapping of its fields."""
        folder = self.root / "models" / name
        times = {"creation_timestamp": 5, "last_updated_timestamp": 6}
        document(folder / "meta.yaml", {"name": name, "description": None, **times} | fields)
        for number, given in enumerate(versions, 1):
            meta = {
                "name": name,
                "version": number,
                "current_stage": "None",
                "source": "s3://bucket/model",
                "status": "READY",
                "run_id": None,
                **times,
            }
            document(folder / f"version-{number}" / "meta.yaml", meta | given)
        return folder


def put(path: Path, content: str | bytes) -> Path:
    """Write a file, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def document(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a YAML file."""
    return put(path, yaml.safe_dump(dict(content), allow_unicode=True))


def change(path: Path, **fields: Any) -> None:
    """Change fields of a YAML file; None leaves one out."""
    held = yaml.safe_load(path.read_text()) | fields
    document(path, {name: value for name, value in held.items() if value is not None})


def import_into(
    settings: Settings, folder: Path, *, registry: Path | None = None, **options: Any
) -> Report:
    """Import a file store into a prepared database; returns the report."""
    database = Database(settings)
    report = Report(str(folder), "test", dry_run=options.get("dry_run", False))
    store = FileStore(str(folder), str(registry) if registry else None)
    try:
        FileImport(store, database, report, Options(**options)).run(Progress())
    finally:
        database.close()
    assert report.mismatches == []
    return report
