"""Whether a cluster would take an object: its schema, and the rules that schemas do not tell."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource
from referencing.jsonschema import DRAFT202012

from tests.kubernetes import crds
from tests.kubernetes.pod_security import check_restricted
from tests.kubernetes.tools import Object

__all__ = ["VERSION", "Invalid", "check", "check_restricted", "pod_of"]

VERSION = "1.37.0"
"""The Kubernetes release whose schemas hold."""

_FOLDER = (
    Path(kubernetes_validate.__file__).parent
    / "kubernetes-json-schema"
    / f"v{VERSION}-local-strict"
)
_DEFINITIONS = crds.KUBERNETES.partition("#")[0]

_LABEL = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_KEY = re.compile(rf"(?P<prefix>{_SUBDOMAIN}/)?{_LABEL}")
_VALUE = re.compile(rf"{_LABEL}?")
_QUANTITY = re.compile(r"\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?")
_TEMPLATED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"})


class Invalid(AssertionError):
    """A cluster would refuse the object; each line of the message says which field, and why."""


def check(obj: Object) -> None:
    """Raise Invalid unless a cluster of VERSION that has the resources of crds.txt takes `obj`.

    Fields that the API does not know are errors, and so are nulls: a template left them empty.
    """
    missing = [name for name in ("apiVersion", "kind", "metadata") if not obj.get(name)]
    if missing:
        raise Invalid(f"the object has no {', '.join(missing)}: {obj}")
    problems = [*_schema_problems(obj), *_nulls(obj), *_metadata_problems(obj)]
    if pod := pod_of(obj):
        problems += _pod_problems(pod)
    if problems:
        name = f"{obj['kind']}/{obj['metadata'].get('name')}"
        raise Invalid("\n".join(f"{name}: {each}" for each in problems))


def pod_of(obj: Object) -> Object | None:
    """The pod template of a workload (its `metadata` and `spec`), or None for other objects."""
    if obj["kind"] == "Pod":
        return {"metadata": obj["metadata"], "spec": obj["spec"]}
    if obj["kind"] == "CronJob":
        return obj["spec"]["jobTemplate"]["spec"]["template"]
    return obj["spec"]["template"] if obj["kind"] in _TEMPLATED else None


def _schema_problems(obj: Object) -> Iterator[str]:
    try:
        validator = _validator(obj["apiVersion"], obj["kind"])
    except KeyError:
        yield f"no schema for {obj['apiVersion']} {obj['kind']}"
        return
    for error in validator.iter_errors(obj):
        # Of the branches of a oneOf, the deepest error tells most.
        told = best_match([error]) or error
        yield f"{_path(told.absolute_path)}: {told.message[:300]}"


@cache
def _validator(version: str, kind: str) -> Draft202012Validator:
    """Raises KeyError for an object that neither Kubernetes nor crds.txt knows."""
    group, _, number = version.rpartition("/")
    parts = [kind, group.partition(".")[0], number]
    path = _FOLDER / f"{'-'.join(part for part in parts if part).lower()}.json"
    schema = json.loads(path.read_text()) if path.exists() else {}
    # A file's name leaves out the group's domain: another group's may look the same.
    if version not in schema.get("properties", {}).get("apiVersion", {}).get("enum", []):
        schema = crds.resource(version, kind)
    return Draft202012Validator(schema, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    definitions = json.loads((_FOLDER / "_definitions.json").read_text())
    kubernetes = Resource.from_contents(definitions, DRAFT202012)
    return Registry(retrieve=_retrieve).with_resource(_DEFINITIONS, kubernetes)


@cache
def _retrieve(uri: str) -> Resource[Any]:
    """A type of a custom resource."""
    if not uri.startswith(crds.TYPES):
        raise NoSuchResource(uri)
    return Resource.from_contents(crds.definition(uri.removeprefix(crds.TYPES)), DRAFT202012)


def _nulls(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    if value is None:
        yield f"{_path(path)}: null"
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _nulls(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _nulls(each, (*path, index))


def _metadata_problems(obj: Object) -> Iterator[str]:
    name = str(obj["metadata"].get("name", ""))
    # A Service's name is a label of DNS names, all others' may have dots.
    pattern, most = (_DNS_LABEL, 63) if obj["kind"] == "Service" else (_SUBDOMAIN, 253)
    if not re.fullmatch(pattern, name) or len(name) > most:
        yield f"metadata.name: {name!r} is not a name"
    yield from _label_problems(obj["metadata"], "metadata")
    if pod := pod_of(obj):
        yield from _label_problems(pod.get("metadata") or {}, "pod metadata")
        selector = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
        labels = (pod.get("metadata") or {}).get("labels") or {}
        if not selector.items() <= labels.items():
            yield f"spec.selector: {selector} does not match the pods' labels {labels}"


def _label_problems(metadata: Object, path: str) -> Iterator[str]:
    for kind in ("labels", "annotations"):
        for key, value in (metadata.get(kind) or {}).items():
            match = _KEY.fullmatch(str(key))
            if not match or len(match["prefix"] or "") > 254:
                yield f"{path}.{kind}: {key!r} is not a key"
            if not isinstance(value, str):
                yield f"{path}.{kind}.{key}: {value!r} is not a string"
            elif kind == "labels" and not _VALUE.fullmatch(value):
                yield f"{path}.labels.{key}: {value!r} is not a label's value"


def _pod_problems(pod: Object) -> Iterator[str]:
    spec = pod.get("spec") or {}
    volumes = [each.get("name") for each in spec.get("volumes") or []]
    yield from _repeated(volumes, "volumes")
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    yield from _repeated([each.get("name") for each in containers], "containers")
    for container in containers:
        path = f"container {container.get('name')}"
        for field, key in (("env", "name"), ("ports", "name"), ("volumeMounts", "mountPath")):
            entries = [each.get(key) for each in container.get(field) or []]
            yield from _repeated(entries, f"{path}.{field}")
        for mount in container.get("volumeMounts") or []:
            if mount.get("name") not in volumes:
                yield f"{path}: mounts {mount.get('name')!r}, which is no volume of the pod"
        yield from _resource_problems(container.get("resources") or {}, path)
        ports = [each.get("name") for each in container.get("ports") or []]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = ((container.get(probe) or {}).get("httpGet") or {}).get("port")
            if isinstance(port, str) and port not in ports:
                yield f"{path}.{probe}: asks the port {port!r}, which the container has not"


def _resource_problems(resources: Object, path: str) -> Iterator[str]:
    for kind in ("requests", "limits"):
        for name, quantity in (resources.get(kind) or {}).items():
            if not _QUANTITY.fullmatch(str(quantity)):
                yield f"{path}.resources.{kind}.{name}: {quantity!r} is not a quantity"


def _repeated(names: list[Any], path: str) -> Iterator[str]:
    for name in sorted({each for each in names if each and names.count(each) > 1}):
        yield f"{path}: {name!r} is there twice"


def _path(parts: Any) -> str:
    """`spec.template.spec.containers[0].image`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the object"
