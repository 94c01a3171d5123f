"""JSON schemas of custom resources, made of the type declarations that npm packages have of them.

The packages are made of the projects' Go types: a file of each type says its fields in TypeScript.
Only declarations are read, and of the validators beside them the patterns of strings; nothing runs.
"""

import hashlib
import json
import posixpath
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests import debian
from tests.kubernetes.tools import ROOT

Schema = dict[str, Any]

KUBERNETES = "https://kubernetes.io/api/_definitions.json#/$defs/"
"""Where types of Kubernetes itself are; whoever validates resolves it."""
TYPES = "urn:custom-resource:"
"""What references to types of the packages begin with; their `group/version/Name` follows."""

_PINS = Path(__file__).with_name("crds.txt")
_CACHE = ROOT / ".cache" / "crds"
_PIN = re.compile(r"^(?P<package>@\S+@[\d.]+) (?P<digest>[0-9a-f]{64}) (?P<of>.+)$", re.M)
_FILE = re.compile(r"package/(?P<type>(?!_schemas/)(?:[\w.-]+/)+\w+)\.d\.ts")
_VALIDATOR = re.compile(r"package/_schemas/(?P<name>\w+)\.js")
_IMPORT = re.compile(r'^import \{ (?P<names>[^}]+) \} from "(?P<module>[^"]+)";$', re.M)
_DECLARED = re.compile(
    r"^export (?:interface \w+(?: extends (?P<bases>[\w, ]+?))? (?=\{)|type I\w+ = )", re.M
)
_FULL_NAME = re.compile(r"^export type \{ \w+ as I(?P<name>\w+)[,} ]", re.M)
_PATTERN = re.compile(r'=RegExp\(("(?:[^"\\]|\\.)*"),"u"\)')
_TOKEN = re.compile(r'\s+|/\*.*?\*/|(?P<token>"(?:[^"\\]|\\.)*"|\w+|[][{}<>|;:?&])', re.S)
_BASE = "@kubernetes-models/base"
"""Of no type of a resource, but for TypeMeta, whose fields each resource says itself."""
_ANYTHING = frozenset({"any", "unknown", "object"})


@dataclass(frozen=True, slots=True)
class Pin:
    package: str
    """`@scope/name@version`."""
    digest: str
    """SHA-256 of the tarball, in hex."""
    of: str
    """The project whose types these are."""


def pins() -> list[Pin]:
    return [Pin(**match.groupdict()) for match in _PIN.finditer(_PINS.read_text())]


@cache
def definition(name: str) -> Schema:
    """A strict schema of a type by its `group/version/Name`: unknown fields are errors.

    The packages are fetched when first asked for. Without npm the test is skipped, or fails where
    TANDEM_REQUIRE_TOOLS says so. Raises KeyError for a type that no package has.
    """
    for pin in pins():
        source = _read_once(pin)
        if name in source.declared:
            return schema(name, source)
    raise KeyError(name)


def resource(version: str, kind: str) -> Schema:
    """The schema of a resource; KeyError for one that no package has."""
    found = definition(f"{version}/{kind}")
    if found.get("properties", {}).get("kind") != {"enum": [kind]}:
        raise KeyError(f"{version}/{kind} is a part of resources, and none itself")
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


@dataclass(frozen=True, slots=True)
class Source:
    """What a package says."""

    declared: Mapping[str, str]
    """The declaration of each type by `group/version/Name`."""
    patterns: Mapping[str, str]
    """What strings of a type have to match, by its name within the whole package."""


def read(tarball: Path) -> Source:
    """The declarations in a package."""
    declared: dict[str, str] = {}
    patterns: dict[str, str] = {}
    with tarfile.open(tarball) as tar:
        for member in tar:
            if path := _FILE.fullmatch(member.name):
                declared[path["type"]] = _text(tar, member)
            elif path := _VALIDATOR.fullmatch(member.name):
                found = _PATTERN.findall(_text(tar, member))
                if len(found) == 1:
                    patterns[path["name"]] = json.loads(found[0])
    return Source(declared, patterns)


@cache
def _read_once(pin: Pin) -> Source:
    return read(fetch(pin))


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    assert content is not None
    return content.read().decode()


def schema(name: str, source: Source) -> Schema:
    """The schema of a type of a package."""
    text = source.declared[name]
    start = _DECLARED.search(text)
    if start is None:
        raise KeyError(f"{name} is no type")
    imported = _imports(name, text)
    found = _Reader(text[start.end() :], imported).type()
    bases = [each for each in (start["bases"] or "").split(", ") if each not in ("", "TypeMeta")]
    if bases and "properties" not in found:
        found |= {"properties": {}, "required": [], "additionalProperties": False}
    for base in bases:
        reference = imported[base]["$ref"]
        own = reference.startswith(TYPES)
        inherited = schema(reference.removeprefix(TYPES), source) if own else {}
        if "properties" not in inherited:
            return {"type": "object"}  # Kubernetes' own is closed, and this has more.
        found["properties"] |= inherited["properties"]
        found["required"] += inherited["required"]
    full = _FULL_NAME.search(text)
    # Of a type that is a string, what its validator asks for is the string's.
    if found == {"type": "string"} and full and (pattern := source.patterns.get(full["name"])):
        return {"type": "string", "pattern": pattern}
    return found


def _imports(name: str, text: str) -> dict[str, Schema]:
    """What each imported name of a file stands for."""
    found: dict[str, Schema] = {}
    for match in _IMPORT.finditer(text):
        module = match["module"].removesuffix(".js")
        if module != _BASE:
            found |= {each: _resolved(name, module) for each in match["names"].split(", ")}
    return found


def _resolved(name: str, module: str) -> Schema:
    if module.startswith("."):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), module))
        return {"$ref": _reference(target)}
    package, _, path = module.removeprefix("@").removeprefix("kubernetes-models/").partition("/")
    if package == "apimachinery":
        return {"$ref": f"{KUBERNETES}io.k8s.apimachinery.pkg.{path.replace('/', '.')}"}
    if module.startswith("@"):
        return {"$ref": _reference(path)}  # Another package's.
    if package == "apiextensions.k8s.io":
        return {}  # Arbitrary JSON.
    group = "core/v1" if package == "v1" else package
    return {"$ref": f"{KUBERNETES}io.k8s.api.{group.replace('/', '.')}.{path.replace('/', '.')}"}


def _reference(name: str) -> str:
    return TYPES + name


class _Reader:
    """One type, from its first token on."""

    def __init__(self, text: str, imported: dict[str, Schema]) -> None:
        self._tokens = _tokens(text)
        self._imported = imported
        self._next = next(self._tokens)

    def type(self) -> Schema:
        options = [self._single()]
        while self._next == "|":
            self._take("|")
            options.append(self._single())
        if len(options) == 1:
            return options[0]
        if all("enum" in each for each in options):
            return {"enum": [value for each in options for value in each["enum"]]}
        return {"anyOf": options}

    def _single(self) -> Schema:
        token = self._take()
        if token == "{":
            return self._fields()
        if token == "Array":
            self._take("<")
            items = self.type()
            self._take(">")
            return {"type": "array", "items": items}
        if token[0] == '"' or token.isdecimal():
            return {"enum": [json.loads(token)]}
        if token in ("string", "number", "boolean", "null"):
            return {"type": token}
        if token in _ANYTHING:
            return {}
        return self._imported[token]

    def _fields(self) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        others: Any = False
        while self._next != "}":
            if self._next == "[":
                self._take("[")
                self._take()
                for token in (":", "string", "]", ":"):
                    self._take(token)
                others = self.type()
            else:
                name = json.loads(self._take())
                if self._next == "?":
                    self._take("?")
                else:
                    required.append(name)
                self._take(":")
                properties[name] = self.type()
            self._take(";")
        self._take("}")
        if not properties and others is False:
            return {"type": "object"}  # Whose fields are nobody's business.
        schema: Schema = {"type": "object", "properties": properties, "required": required}
        return schema | {"additionalProperties": others}

    def _take(self, expected: str = "") -> str:
        token = self._next
        if expected and token != expected:
            raise ValueError(f"{token!r} where {expected!r} is to be")
        self._next = next(self._tokens)
        return token


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        if match["token"]:
            yield match["token"]
    while True:
        yield ""
