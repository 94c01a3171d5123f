"""The command `tandem-artifacts doctor`."""

import argparse
import os
from typing import Final

from tandem_artifacts.doctor.examination import Examination
from tandem_artifacts.settings import NAME, Settings
from tandem_shared.doctor import flags, own, report
from tandem_shared.serving.launch import Service

_SERVICE: Final = Service(NAME, "tandem_artifacts.app:create_app")


def run(parsed: argparse.Namespace) -> int:
    """Print what is wrong, and what to do; returns 1 if anything failed, else 0.

    What it stores at the destination is below a temporary folder, which it deletes.
    """
    settings, refused = flags.load(Settings, parsed)
    checks = (
        own.refused(refused)
        if settings is None
        else Examination(settings, _SERVICE, parsed.url, parsed.timeout).checks()
    )
    return report.give(
        NAME,
        checks,
        seconds=parsed.timeout,
        redact=report.Redaction(settings, os.environ),
        strict=parsed.strict,
        as_json=parsed.json,
    )
