"""JSON schemas of custom resources: Gateway API, Prometheus Operator, KEDA and cert-manager."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests import debian
from tests.kubernetes.tools import ROOT

Schema = dict[str, Any]

METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
"""What the definitions refer to for an object's metadata; whoever validates resolves it."""

_PINS = Path(__file__).with_name("crds.txt")
_CACHE = ROOT / ".cache" / "crds"
_PIN = re.compile(r"^(?P<package>@\S+@[\d.]+) (?P<digest>[0-9a-f]{64}) (?P<of>.+)$", re.M)
_SCHEMA = re.compile(r"^const schema = ", re.M)
_KIND = re.compile(r"package/(?P<version>[\w.-]+\.[\w.-]+/v\w+)/(?P<kind>[A-Z]\w+)\.js")


@dataclass(frozen=True, slots=True)
class Pin:
    package: str
    """`@scope/name@version`."""
    digest: str
    """SHA-256 of the tarball, in hex."""
    of: str
    """The project and release whose definitions these are."""


def pins() -> list[Pin]:
    return [Pin(**match.groupdict()) for match in _PIN.finditer(_PINS.read_text())]


@cache
def schemas() -> dict[tuple[str, str], Schema]:
    """Strict schemas by apiVersion and kind: fields that they do not list are errors.

    The packages are fetched when first asked for. Without npm the test is skipped, or fails where
    TANDEM_REQUIRE_TOOLS says so.
    """
    found = {}
    for pin in pins():
        for key, schema in read(fetch(pin)).items():
            found[key] = close(schema)
    return found


def fetch(pin: Pin) -> Path:
    """The tarball of a package, checked; raises ValueError when it is not the pinned one."""
    path = _CACHE / f"{pin.digest}.tgz"
    if not path.exists():
        npm = debian.find("npm", package="npm")
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".fetching-") as scratch:
            command = [npm, "pack", pin.package, "--pack-destination", scratch, "--ignore-scripts"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{pin.package} could not be fetched:\n{done.stderr}")
            (tarball,) = Path(scratch).glob("*.tgz")
            check_digest(tarball, pin)
            tarball.replace(path)
    check_digest(path, pin)
    return path


def check_digest(tarball: Path, pin: Pin) -> None:
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != pin.digest:
        raise ValueError(f"{pin.package} has the SHA-256 {digest}, but {_PINS.name} pins another.")


def read(tarball: Path) -> dict[tuple[str, str], Schema]:
    """The schemas in a package, by apiVersion and kind. They are JSON within its JavaScript."""
    found = {}
    with tarfile.open(tarball) as tar:
        for member in tar:
            if (path := _KIND.fullmatch(member.name)) and (content := tar.extractfile(member)):
                text = content.read().decode()
                if start := _SCHEMA.search(text):
                    schema, _ = json.JSONDecoder().raw_decode(text, start.end())
                    found[path["version"], path["kind"]] = schema
    return found


def close(schema: Any) -> Any:
    """The same, with no other properties than those that each object lists."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: close(value) for name, value in schema.items() if name not in _SCHEMAS_BY_NAME}
    for name in _SCHEMAS_BY_NAME & schema.keys():
        closed[name] = {key: close(value) for key, value in schema[name].items()}
    if "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed


_SCHEMAS_BY_NAME = frozenset({"properties"})
"""Keywords whose keys are names of fields: one called `properties` is not the keyword."""
