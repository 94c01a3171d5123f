"""Runs `doctor` of a service, and reads what it says."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tandem_artifacts import __main__ as tandem_artifacts
from tandem_metadata import __main__ as tandem_metadata
from tests.harness import commands
from tests.harness.processes import environment

_BIN = Path(sys.executable).parent


class Report(NamedTuple):
    """What a doctor said."""

    status: int
    findings: list[dict[str, Any]]
    output: str

    def bad(self) -> list[dict[str, Any]]:
        """Failures and warnings."""
        return [each for each in self.findings if each["cure"]]

    def told(self, check: str) -> str:
        """What is bad about one thing, and what to do."""
        found = [each for each in self.bad() if each["check"] == check]
        return "\n".join(f"{each['status']}: {each['said']} -> {each['cure']}" for each in found)

    def said(self, check: str) -> str:
        """All that is said of one thing."""
        return "\n".join(each["said"] for each in self.findings if each["check"] == check)


_MAINS = {"tandem-metadata": tandem_metadata.main, "tandem-artifacts": tandem_artifacts.main}


def doctor(service: str, *flags: str, variables: Mapping[str, str] | None = None) -> Report:
    """What the command says."""
    line = [service, "doctor", "--json", *flags]
    return _report(*commands.run(_MAINS[service], line, environment(**(variables or {}))))


def doctor_within(before: list[str], service: str, *flags: str) -> Report:
    """What the command says as a process of its own, started by another command."""
    command = [*before, str(_BIN / service), "doctor", "--json", *flags]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)
    return _report(ended.returncode, ended.stdout, ended.stderr)


def _report(status: int, shown: str, complaints: str) -> Report:
    assert shown, complaints
    return Report(status, json.loads(shown)["findings"], shown + complaints)
