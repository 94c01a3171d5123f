"""A run of Neptune as a run of MLflow's: its fields, params and tags.

Attributes below `sys/` say what Neptune itself keeps of a run. Each is a tag `neptune.sys/…`, and
those that MLflow has a field for set the field too.
"""

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tandem_metadata.rules import limits
from tandem_metadata.transfer.neptune.exported import Value
from tandem_shared.errors import InvalidParameter

PROJECT: Final = "neptune.project"
"""Tag of experiments and runs: the project's name in Neptune."""

RUN: Final = "neptune.run_id"
"""Tag of a run: its id in Neptune."""

SYSTEM: Final = "sys/"
PARAMS: Final = frozenset({"int", "float", "string", "bool", "datetime", "string_set"})
METRICS: Final = "float_series"

_NOT_IN_KEYS: Final = re.compile(r"[^\w\-. :/]", re.ASCII)
_STATES: Final = {"running": "RUNNING", "active": "RUNNING"}


def run_id(project: str, run: str) -> str:
    """The id that a run of Neptune always gets."""
    return hashlib.blake2b(f"{project}\0{run}".encode(), digest_size=16).hexdigest()


def key(path: str) -> str:
    """An attribute's path as a key of a param or metric: characters that these lack become `_`.

    Raises InvalidParameter if no key is like it.
    """
    found = posixpath.normpath(_NOT_IN_KEYS.sub("_", path)).strip("/")
    limits.check_key("key", found)
    return found


def text(value: Any, kind: str) -> str:
    """A value as the text of a param or a tag."""
    if kind == "datetime":
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
    if kind == "string_set":
        return ", ".join(value)
    if kind == "float":
        return repr(float(value))
    return str(value)


@dataclass(slots=True)
class Run:
    """What a run has beside its metrics and files."""

    project: str
    name: str
    """Its id in Neptune."""
    system: dict[str, Any] = field(default_factory=dict)
    """Values by what follows `sys/`."""
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id in MLflow."""
        return run_id(self.project, self.name)

    def take(self, value: Value) -> None:
        """Take a value that is no series and no file.

        Raises InvalidParameter for a path that cannot be a key.
        """
        as_text = text(value.value, value.kind)
        if value.path.startswith(SYSTEM):
            self.system[value.path.removeprefix(SYSTEM)] = value.value
            self.tags[f"neptune.{key(value.path)}"] = as_text
            return
        name = key(value.path)
        if name in self.params:
            raise InvalidParameter(f"another attribute has the key '{name}' already")
        self.params[name] = as_text

    @property
    def parent(self) -> str | None:
        """The id in Neptune of the run that it was forked from."""
        found = self.system.get("forking/parent")
        return found if isinstance(found, str) and found else None

    def fields(self) -> dict[str, Any]:
        """The columns of its row that come from Neptune."""
        system = self.system
        start = _milliseconds(system.get("creation_time"))
        status = _STATES.get(str(system.get("state", "")).lower(), "FINISHED")
        if system.get("failed") is True:
            status = "FAILED"
        return {
            "name": str(system.get("name") or system.get("custom_run_id") or self.name),
            "user_id": str(system.get("owner") or ""),
            "status": status,
            "start_time": start,
            "end_time": None if status == "RUNNING" else self._end(start),
            "lifecycle_stage": "deleted" if system.get("trashed") is True else "active",
            "deleted_time": self._end(start) if system.get("trashed") is True else None,
        }

    def _end(self, start: int | None) -> int | None:
        running = self.system.get("running_time")
        if start is not None and isinstance(running, int | float):
            return start + round(running * 1000)
        return _milliseconds(self.system.get("modification_time")) or start

    def all_tags(self) -> dict[str, str]:
        """Its tags, with those that MLflow's clients and UI look for."""
        fields = self.fields()
        made = {
            PROJECT: self.project,
            RUN: self.name,
            "mlflow.runName": fields["name"],
            "mlflow.user": fields["user_id"],
            "mlflow.note.content": str(self.system.get("description") or ""),
            "mlflow.parentRunId": run_id(self.project, self.parent) if self.parent else "",
        }
        return {**self.tags, **{name: value for name, value in made.items() if value}}


def _milliseconds(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def line(value: Value, step: int | None) -> str:
    """A value of a series of texts or histograms, as a line of JSON."""
    found = {"step": step, "timestamp": value.time, "value": value.value}
    return json.dumps(found, ensure_ascii=False) + "\n"
