"""The command `tandem-metadata doctor`."""

import argparse
import contextlib
import functools
import os
from typing import Final

from tandem_metadata.artifacts.client import tls_context
from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.cli import db
from tandem_metadata.doctor.examination import Examination
from tandem_metadata.settings import NAME, Settings
from tandem_metadata.ui.assets import Assets
from tandem_shared.doctor import flags, own, report
from tandem_shared.serving.launch import Service

_SERVICE: Final = Service(NAME, "tandem_metadata.app:create_app")


def run(parsed: argparse.Namespace) -> int:
    """Print what is wrong, and what to do; returns 1 if anything failed, else 0.

    It changes nothing in the database, and leaves nothing at the artifacts service.
    """
    settings, refused = flags.load(Settings, parsed)
    with contextlib.ExitStack() as closing:
        if settings is None:
            checks = own.refused(refused)
        else:
            prepare = functools.partial(_prepare, settings)
            examination = Examination(settings, _SERVICE, prepare, parsed.url, parsed.timeout)
            closing.callback(examination.close)
            checks = examination.checks()
        return report.give(
            NAME,
            checks,
            seconds=parsed.timeout,
            redact=report.Redaction(settings, os.environ),
            strict=parsed.strict,
            as_json=parsed.json,
        )


def _prepare(settings: Settings) -> None:
    """Raise SettingsError for what `serve` refuses, without asking the database."""
    settings.artifact_root()
    Roots(settings)
    tls_context(settings)
    if settings.ui_dir:
        Assets(settings.ui_dir)
    db.check(settings)
