"""The images are built from what is pinned, by wheels alone, and run as nobody."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kubernetes import dockerfile
from tests.kubernetes.dockerfile import Instruction
from tests.kubernetes.tools import ROOT

SERVICES = ("metadata", "artifacts")
PYTHON = "3.13"
GLIBC = 41
"""Debian 13 has 2.41, so wheels for any older one do."""

FOREIGN = {
    "metadata": {"boto3", "minio"},
    "artifacts": {"sqlalchemy", "psycopg", "psycopg-binary", "alembic"},
}

EXTRAS = {"metadata": ("uvicorn", "aws", "gcp", "parquet"), "artifacts": ("uvicorn", "cloud")}

service = pytest.mark.parametrize("service", SERVICES)
image = pytest.mark.parametrize("image", [*SERVICES, "backup"])


def path(service: str) -> Path:
    return ROOT / "deploy" / f"{service}.Dockerfile"


def final(service: str) -> list[Instruction]:
    return dockerfile.stages(dockerfile.read(path(service)))[-1]


def values(instructions: list[Instruction], name: str) -> list[str]:
    return [each.value for each in instructions if each.name == name]


@image
def test_hadolint_finds_nothing(image: str) -> None:
    command = [Path(sys.executable).parent / "hadolint", "--no-color", "--failure-threshold"]
    done = subprocess.run([*command, "style", path(image)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_both_begin_with_one_base_that_is_pinned() -> None:
    bases = set()
    for each in SERVICES:
        instructions = dockerfile.read(path(each))
        bases.add(values(instructions, "ARG")[0])
        froms = [each.words[0] for each in instructions if each.name == "FROM"]
        assert set(froms) == {"${PYTHON_IMAGE}"}
    (base,) = bases
    assert re.fullmatch(rf"PYTHON_IMAGE=python:{PYTHON}-slim-trixie@sha256:[0-9a-f]{{64}}", base)


@service
def test_the_result_runs_as_nobody(service: str) -> None:
    stage = final(service)
    # By number: runAsNonRoot refuses names.
    assert values(stage, "USER") == ["10001:10001"]
    assert values(stage, "STOPSIGNAL") == ["SIGTERM"]
    assert values(stage, "HEALTHCHECK") == []
    (entrypoint,) = (each.words for each in stage if each.name == "ENTRYPOINT")
    (command,) = (each.words for each in stage if each.name == "CMD")
    assert (entrypoint, command) == ([f"tandem-{service}"], ["serve", "--host", "0.0.0.0"])
    environment = dict(word.split("=", 1) for word in " ".join(values(stage, "ENV")).split())
    assert environment["PYTHONDONTWRITEBYTECODE"] == environment["PYTHONUNBUFFERED"] == "1"
    # Whatever is done as root comes before, and nothing is installed there.
    names = [each.name for each in stage]
    assert "RUN" not in names[names.index("USER") :]
    done_as_root = " ".join(values(stage, "RUN"))
    assert "pip uninstall --yes pip" in done_as_root
    assert " pip install" not in done_as_root


def test_the_backup_runs_as_nobody_and_owns_its_folder() -> None:
    stage = final("backup")
    assert values(stage, "USER") == ["10001:10001"]
    (done_as_root,) = values(stage, "RUN")
    assert "install --directory --owner=10001 --group=10001 --mode=700 /backups" in done_as_root


@service
def test_extras_are_installed(service: str) -> None:
    arguments = dict(each.split("=", 1) for each in _all(service, "ARG") if "=" in each)
    extras = f"[{','.join(EXTRAS[service])}]"
    install = [each for each in _all(service, "RUN") if "pip wheel" in each or "--no-index" in each]
    assert len(install) == 2
    for each in install:
        asked = each.replace("${EXTRAS}", arguments.get("EXTRAS", ""))
        assert f"tandem-{service}{extras}" in asked
    project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text())
    assert set(EXTRAS[service]) == project["project"]["optional-dependencies"].keys()


def _all(service: str, name: str) -> list[str]:
    return values(dockerfile.read(path(service)), name)


@image
def test_the_version_is_the_distributions(image: str) -> None:
    folder = f"services/{image}" if image in SERVICES else "shared"
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
    assert f"VERSION={project['project']['version']}" in values(final(image), "ARG")


@image
def test_all_that_is_copied_is_there_and_no_more_is_sent(image: str) -> None:
    sent = set(dockerfile.sent(ROOT))
    for each in dockerfile.read(path(image)):
        if each.name == "COPY" and each.flag("from") is None:
            for source in each.words[:-1]:
                assert any(Path(source) in (file, *file.parents) for file in sent), source


def test_data_and_caches_of_a_checkout_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    wanted = {
        "constraints.txt",
        "deploy/backup/tandem-backup",
        "deploy/ui.txt",
        "services/metadata/pyproject.toml",
        "services/metadata/tandem_metadata/database/tables/base.py",
        "shared/tandem_shared/wire/codec.py",
    }
    unwanted = {
        ".env",
        "deploy/.env",
        "deploy/compose.yaml",
        "deploy/compose/private/users",
        "mlflow.db",
        "mlartifacts/0/model",
        "services/metadata/tandem_metadata/__pycache__/app.cpython-313.pyc",
        "services/metadata/build/lib/old.py",
        "shared/tandem_shared.egg-info/PKG-INFO",
    }
    for name in wanted | unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {each.as_posix() for each in dockerfile.sent(tmp_path)} - {"LICENSE"} == wanted


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@service
def test_wheels_of_pinned_versions_are_enough(service: str, machine: str) -> None:
    """What pip would install into the image, by what the package index says; nothing is kept.

    pip reads environment markers for the Python that runs it: an older one asks for a few more
    packages, never for fewer.
    """
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]
    )
    pins = {canonicalize_name(name): version for name, version in pinned.items()}
    resolved = resolve(requirements(service), machine)
    assert {name: pins.get(name) for name in resolved} == resolved
    assert not FOREIGN[service] & resolved.keys()


def requirements(service: str) -> list[str]:
    """What the image needs from elsewhere: to build our distributions, and to run them."""
    asked = {Requirement("hatchling")}
    for folder in ("shared", f"services/{service}"):
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        known = project["optional-dependencies"]
        extras = [each for name in EXTRAS[service] for each in known.get(name, ())]
        asked |= {Requirement(each) for each in [*project["dependencies"], *extras]}
    return sorted(str(each) for each in asked if not each.name.startswith("tandem-"))


def resolve(asked: list[str], machine: str) -> dict[str, str]:
    """Versions by name."""
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, GLIBC + 1)]
    command = [
        sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet",
        "--dry-run", "--ignore-installed", "--target", "nowhere", "--report", "-",
        "--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON,
        *platforms, "--constraint", ROOT / "constraints.txt", *asked,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed = [each["metadata"] for each in json.loads(done.stdout)["install"]]
    return {canonicalize_name(each["name"]): each["version"] for each in installed}
