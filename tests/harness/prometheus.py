"""A real Prometheus for tests, and promtool: both Debian's."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests import debian
from tests.harness import processes
from tests.harness.processes import free_port

_PACKAGE = "prometheus"


def promtool(*arguments: str | Path) -> str:
    """What promtool writes; fails with it when promtool finds something wrong."""
    command = [debian.find("promtool", _PACKAGE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"promtool {arguments}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; fails with its own sentence when it refuses."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", f"{path} {parameters}: {answer.get('error')}"
        return answer["data"]

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The series that an expression has now, or had at a time of the clock.

        Each is {"metric": labels, "value": [time, text]}.
        """
        time_of = {} if at is None else {"time": str(at)}
        series: list[dict[str, Any]] = self.get("query", query=expression, **time_of)["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its state."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """Every target that it scrapes."""
        active: list[dict[str, Any]] = self.get("targets", state="active")["activeTargets"]
        return active


@contextlib.contextmanager
def running(
    directory: Path,
    scrape_configs: Sequence[Mapping[str, Any]],
    groups: Sequence[Mapping[str, Any]],
) -> Iterator[Prometheus]:
    """Start one that scrapes and judges every second, on loopback, with data of its own.

    `groups` are groups of rules.
    """
    binary = debian.find("prometheus", _PACKAGE)
    rules = directory / "rules.yaml"
    rules.write_text(json.dumps({"groups": groups}))
    configuration = directory / "prometheus.yaml"
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    content = {"global": every, "rule_files": [str(rules)], "scrape_configs": scrape_configs}
    configuration.write_text(json.dumps(content))
    promtool("check", "config", configuration)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--log.level=warn",
    ]
    log = directory / "prometheus.log"
    with processes.running(command, log, "/-/ready", url=url):
        yield Prometheus(url)
