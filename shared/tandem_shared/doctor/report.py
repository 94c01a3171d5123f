"""The report of a doctor: lines as they come, or JSON, and an exit status for scripts."""

import dataclasses
import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from tandem_shared import __version__
from tandem_shared.doctor.findings import Check, Finding, Result, Status, examine
from tandem_shared.settings import CommonSettings

_SHORTEST: Final = 6
"""The shortest secret that is looked for: a shorter one would blot out common words."""

_SECRET_VARIABLES: Final = re.compile(
    r".*(SECRET|PASSWORD|TOKEN|KEY|SAS|CREDENTIAL).*(?<!_FILE)(?<!_PATH)(?<!_DIR)(?<!_URL)",
    re.IGNORECASE,
)


class Redaction:
    """Takes secrets out of texts, wherever they come from."""

    def __init__(self, settings: CommonSettings | None, environ: Mapping[str, str]) -> None:
        found = {value for name, value in environ.items() if _SECRET_VARIABLES.fullmatch(name)} | {
            password for value in environ.values() for password in _passwords(value)
        }
        for item in dataclasses.fields(settings) if settings else ():
            value = getattr(settings, item.name)
            if isinstance(value, str):
                found |= set(_passwords(value))
                if not item.repr:
                    found.add(value)
        spelt = {text for each in found for text in (each, unquote(each), quote(each, safe=""))}
        self._secrets = sorted((each for each in spelt if len(each) >= _SHORTEST), key=len)[::-1]

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _passwords(value: str) -> Iterable[str]:
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield password


def give(
    service: str,
    checks: Iterable[Check],
    *,
    seconds: float,
    redact: Redaction,
    strict: bool = False,
    as_json: bool = False,
) -> int:
    """Run the checks and print what they find.

    Returns 1 if anything fails, or with `strict` if anything is warned of; else 0. Ends the process
    with that status if a check hangs: Python would wait for its libraries' threads.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # findings say it, and nobody else
    results = []
    for result in examine(checks, seconds):
        shown = dataclasses.replace(result, findings=[_shown(f, redact) for f in result.findings])
        results.append(shown)
        if not as_json:
            print("\n".join(_lines(shown)), flush=True)
    counts = Counter(finding.status for result in results for finding in result.findings)
    bad = counts[Status.FAILURE] or (strict and counts[Status.WARNING])
    if as_json:
        print(json.dumps(_document(service, results, counts), indent=2, ensure_ascii=False))
    else:
        print(_summary(counts))
    status = 1 if bad else 0
    if any(result.hangs for result in results):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


_MARKS: Final = {
    Status.OK: "ok",
    Status.SKIPPED: "skipped",
    Status.WARNING: "WARNING",
    Status.FAILURE: "FAILURE",
}


def _shown(finding: Finding, redact: Redaction) -> Finding:
    return Finding(finding.status, redact(finding.said), redact(finding.cure))


def _lines(result: Result) -> Iterable[str]:
    for finding in result.findings:
        yield f"{_MARKS[finding.status]:8} {result.name}: {finding.said}"
        if finding.cure:
            yield f"{'':8} -> {finding.cure}"


def _summary(counts: Mapping[Status, int]) -> str:
    said = [f"{counts[Status.OK]} fine", f"{counts[Status.WARNING]} to be warned of"]
    if counts[Status.SKIPPED]:
        said.append(f"{counts[Status.SKIPPED]} skipped")
    return f"\n{counts[Status.FAILURE]} failed, {', '.join(said)}."


def _document(
    service: str, results: Iterable[Result], counts: Mapping[Status, int]
) -> dict[str, Any]:
    return {
        "service": service,
        "version": __version__,
        "failures": counts[Status.FAILURE],
        "warnings": counts[Status.WARNING],
        "findings": [
            {
                "check": result.name,
                "status": finding.status.value,
                "said": finding.said,
                "cure": finding.cure or None,
                "seconds": round(result.seconds, 3),
            }
            for result in results
            for finding in result.findings
        ],
    }
