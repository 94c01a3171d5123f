"""Clients of several MLflow releases, each in an environment of its own, against both services."""

import json
import subprocess

import pytest

from tandem_shared import MLFLOW_VERSION
from tests.harness.processes import environment
from tests.system.client_environments import PINS, VERSIONS, interpreter
from tests.system.services import Stack


def _images(version: str) -> list[list[object]] | None:
    """Images by names as the client makes them: newer ones put plus signs between the parts."""
    if version == "2.8.1":
        return None
    mark = "%" if version in ("2.22.4", "3.6.0") else "+"
    return [
        [mark.join(["k", "step", str(step), "timestamp", end]), first, True]
        for step in (0, 7)
        for end, first in ((f"{mark}compressed.webp", "RIFF"), (".png", "\x89PNG"))
    ]


# A run takes a quarter of a minute: the protocols of 2.x over both, those of 3.x over one each.
_RUNS = [
    ("2.8.1", "sqlite-disk"),
    ("2.8.1", "postgresql-s3"),
    ("2.22.4", "sqlite-disk"),
    ("2.22.4", "postgresql-s3"),
    ("3.6.0", "sqlite-disk"),
    (MLFLOW_VERSION, "sqlite-disk"),
    ("3.18.0", "postgresql-s3"),
]


def test_each_client_has_a_run() -> None:
    assert {version for version, _ in _RUNS} == set(VERSIONS)


@pytest.mark.parametrize(("version", "stack"), _RUNS, indirect=["stack"])
def test_a_client_does_its_whole_work(version: str, stack: Stack) -> None:
    python = interpreter(version)
    command = [python, PINS / "script.py", stack.metadata.url, f"client {version}"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {
        "client": version,
        "experiments": {
            "found": [True],
            "tags": {"k": "v", "x": "y"},
            "deleted": "deleted",
            "restored": "active",
        },
        "run": {
            "status": "FINISHED",
            "name": "first",
            "metrics": {
                "loss": "0.2",
                "acc": "0.5",
                "nan": "nan",
                "inf": "1.7976931348623157e+308",
                "batch": "9.0",
            },
            "params": {"lr": "0.1", "layers": "3", "name": "naïve", "p": "1"},
            "tags": {"a": "1", "b": "two", "t": None, "team": "blue"},
        },
        "parent": True,
        "history": [[step, 1.0 / (step + 1)] for step in range(5)],
        "search": {
            "by metric": ["first"],
            "by param": ["first"],
            "by tag": ["first"],
            "ordered": ["first", "child"],
            "pages": ["child", "first"],
        },
        "errors": [
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
            "INVALID_PARAMETER_VALUE",
        ],
        "deleted": "deleted",
        "restored": "active",
        "artifacts": {
            "root": [["all", True], ["dict", True], ["one", True], ["text", True]],
            "inside": [["all/a.txt", False, 5], ["all/deep", True, None]],
            "downloaded": "beta",
        },
        "images": _images(version),
        "models": {
            "added": {
                "models:/adder@champion": 1,
                "models:/adder/2": 2,
                "models:/adder/Production": 2,
                "models:/adder/latest": 2,
                "models:/adder-copy/1": 1,
                "runs:/run/model": 1,
            },
            "stages": [[1, "Archived"], [2, "Production"]],
            "latest": [[1, "Archived"], [2, "Production"]],
            "third": 3,
            "model": [{"team": "blue"}, {"champion": 1}],
            "first": [1, "the first", {"checked": "yes"}, True],
            "left": ["-renamed"],
        },
        "prompts": None if version == "2.8.1" else [1, "Hello Ann"],
    }
