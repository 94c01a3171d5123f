"""One value says which MLflow Tandem follows: `tandem_shared.MLFLOW_VERSION`.

Code reads it. Files that cannot read it repeat it here under the test, which says what to write.
"""

import importlib.metadata
import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tandem_shared import MLFLOW_VERSION

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "shared/tandem_shared/__init__.py"


@dataclass(frozen=True)
class Place:
    """Where a file repeats the version: what surrounds it, with `@` for the version."""

    path: str
    around: str

    def found(self, text: str) -> list[str]:
        pattern = re.escape(self.around).replace("@", r"(\d+\.\d+\.\d+(?:\w+\d+)?)")
        return re.findall(pattern, text)


PLACES = [
    Place("constraints.txt", "\nmlflow==@\n"),
    Place("constraints.txt", "\nmlflow-skinny==@\n"),
    Place("constraints.txt", "\nmlflow-tracing==@\n"),
    Place("pyproject.toml", '"mlflow==@"'),
    Place("deploy/ui.txt", "mlflow==@ --hash=sha256:"),
    Place("tests/contract/mlflow.txt", "\nmlflow @\n"),
    Place("services/metadata/tandem_metadata/spans/prices.txt", "the catalogue of MLflow @ ("),
    Place("README.md", "Speaks MLflow @'s REST API"),
    Place("README.md", "install mlflow==@\n"),
    Place("README.md", "Databases of MLflow 3.5 to @ "),
    Place("CHANGELOG.md", "- MLflow @'s tracking API"),
    Place("CHANGELOG.md", "- Databases of MLflow 3.5 to @ "),
    Place("docs/differences.md", "Tandem answers like MLflow @."),
    Place("docs/web-ui.md", "the build in the `mlflow` @ wheel"),
]
MEASURED_WITH = {"docs/benchmarks.md", "docs/benchmarks-growth.md"}
"""Pages that say what was measured; they change when it is measured again."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.path}: {place.around!r}")
def test_a_file_that_cannot_read_the_version_repeats_it(place: Place) -> None:
    found = place.found((ROOT / place.path).read_text())
    assert found, f"{place.path} no longer says {place.around!r}; mend PLACES in {__file__}"
    written = place.around.strip().replace("@", MLFLOW_VERSION)
    assert set(found) == {MLFLOW_VERSION}, f"{place.path} disagrees with {SOURCE}: write {written}"


def test_nothing_else_repeats_the_version() -> None:
    """A file that says it unseen would say the old one after the next move."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    known = {place.path for place in PLACES} | MEASURED_WITH | {SOURCE}
    unread = {".png", ".svg", ".json", ".gz"}
    repeated = [
        f"{path}:{number}"
        for path in listed
        if path not in known and Path(path).suffix not in unread and (ROOT / path).is_file()
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(rf"(?<![\d.]){re.escape(MLFLOW_VERSION)}(?![\d.]*\d)", line)
    ]
    assert not repeated, "read tandem_shared.MLFLOW_VERSION there, or add a Place"


def test_the_installed_mlflow_is_of_the_version() -> None:
    assert importlib.metadata.version("mlflow") == MLFLOW_VERSION, "run: make setup-dev"


HEAD_PLACES = [
    "services/metadata/tandem_metadata/database/known_revisions.py",
    "README.md",
    "docs/operations.md",
]


@pytest.mark.parametrize("path", HEAD_PLACES)
def test_a_file_names_the_head_of_mlflows_migrations(path: str) -> None:
    package = importlib.util.find_spec("mlflow")  # importing it takes seconds
    assert package
    assert package.origin
    config = Config()
    scripts = Path(package.origin).parent / "store" / "db_migrations"
    config.set_main_option("script_location", str(scripts))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head
    assert head in (ROOT / path).read_text(), f"{path} must name {head}, the head of MLflow's"
