"""Checks, each within its time, and the report that they make."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tandem_shared.doctor import report
from tandem_shared.doctor.findings import (
    Check,
    Failed,
    Finding,
    Status,
    examine,
    failure,
    ok,
    skipped,
    warning,
)
from tandem_shared.errors import Unavailable
from tandem_shared.settings import CommonSettings, SettingsError, setting


def _then(*found: Finding, error: Exception | None = None) -> Check:
    def look() -> Iterator[Finding]:
        yield from found
        if error:
            raise error

    return Check("c", look)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Failed("It is broken.", "Mend it."), "It is broken."),
        (SettingsError("--a is wrong."), "--a is wrong."),
        (Unavailable("Away.", reason="the plug is out"), "Away. (the plug is out)"),
        (KeyError("x://me:secret@h"), "The check itself broke: KeyError: 'x://…@h'"),
    ],
)
def test_an_error_ends_a_check_as_a_failure_after_what_it_had_found(
    error: Exception, said: str
) -> None:
    (result,) = examine([_then(ok("first"), error=error)], 5)
    assert [(each.status, each.said) for each in result.findings] == [
        (Status.OK, "first"),
        (Status.FAILURE, said),
    ]
    assert result.findings[1].cure


_HANGS = """
import sys, threading
from tandem_shared.doctor import report
from tandem_shared.doctor.findings import Check, ok
def hang():
    # As a library's pool, for whose threads Python would wait at its end.
    thread = threading.Thread(target=threading.Event().wait)
    thread.start()
    thread.join()
    yield ok("never")
def fine():
    yield ok("well")
sys.exit(report.give("s", [Check("hangs", hang), Check("fine", fine)], seconds=0.3,
    redact=report.Redaction(None, {})))
"""


def test_a_check_that_hangs_is_a_failure_and_holds_up_neither_others_nor_the_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "FAILURE  hangs: The check did not end within 0.3 seconds." in ended.stdout
    assert "ok       fine: well" in ended.stdout
    assert ended.stdout.endswith("1 failed, 1 fine, 0 to be warned of.\n")


@pytest.mark.parametrize(
    ("found", "status", "strictly"),
    [
        ([ok("a"), skipped("b")], 0, 0),
        ([ok("a"), warning("b", "c")], 0, 1),
        ([failure("b", "c")], 1, 1),
    ],
)
def test_failures_count_for_the_exit_status_and_warnings_with_strict(
    found: list[Finding], status: int, strictly: int
) -> None:
    redact = report.Redaction(None, {})
    assert report.give("s", [_then(*found)], seconds=5, redact=redact) == status
    assert report.give("s", [_then(*found)], seconds=5, redact=redact, strict=True) == strictly


@dataclass(frozen=True, kw_only=True)
class _Settings(CommonSettings):
    uri: str = setting("", "", env="U")
    key: str = setting("", "", env="K", secret=True)


def test_no_secret_is_shown_in_any_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    settings = _Settings(uri="postgresql://me:p%40ssword@h/db", key="encryption-key")
    environ = {
        "AWS_SECRET_ACCESS_KEY": "of-the-store",
        "OTHER": "https://me:in-a-variable@h",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    }
    secrets = ("p%40ssword", "p@ssword", "encryption-key", "of-the-store", "in-a-variable")
    said = f"It says {' '.join(secrets)} of /var/run/token."
    redact = report.Redaction(settings, environ)
    for as_json in (False, True):
        checks = [_then(failure(said, said))]
        report.give("s", checks, seconds=5, redact=redact, as_json=as_json)
        shown = capsys.readouterr().out
        assert not [secret for secret in secrets if secret in shown]
        assert "/var/run/token" in shown


def test_the_report_as_json_has_each_finding(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [_then(ok("a"), warning("b", "do c"))]
    report.give("s", checks, seconds=5, redact=report.Redaction(None, {}), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["service"], shown["failures"], shown["warnings"]) == ("s", 0, 1)
    assert [
        (each["check"], each["status"], each["said"], each["cure"]) for each in shown["findings"]
    ] == [
        ("c", "ok", "a", None),
        ("c", "warning", "b", "do c"),
    ]
