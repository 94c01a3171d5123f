"""All that `tandem-metadata doctor` looks at, in its order."""

import os
from collections.abc import Callable, Iterator

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.doctor import locations
from tandem_metadata.doctor.artifacts_service import Artifacts
from tandem_metadata.doctor.database import Examined
from tandem_metadata.settings import NAME, Settings
from tandem_shared.doctor import transfers
from tandem_shared.doctor.findings import Check, Failed, Finding
from tandem_shared.doctor.own import OwnAddress, settings_checks
from tandem_shared.doctor.web import Site
from tandem_shared.serving.launch import Service
from tandem_shared.settings import SettingsError

_CHANGE = "/ajax-api/2.0/mlflow/experiments/create"
"""A change that is refused for what it does not name, once it has passed all other checks."""


class Examination:
    """Of one service and its surroundings."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        prepare: Callable[[], None],
        url: str | None,
        seconds: float,
    ) -> None:
        """`prepare` raises SettingsError for what `serve` refuses; `url` is what clients use."""
        self._settings = settings
        self._service = service
        self._prepare = prepare
        self._url = url or settings.public_url
        self._seconds = seconds
        self._database = Examined(settings)
        self._own = OwnAddress(settings, self._url, seconds)

    def checks(self) -> Iterator[Check]:
        """Each in its turn: later ones rely on what earlier ones have found."""
        yield from settings_checks(self._service, self._settings, self._prepare)
        yield from self._database.checks()
        yield from self._own.checks("own address", NAME, _CHANGE)
        try:
            roots = Roots(self._settings)
        except SettingsError:  # which `prepare` has told
            return
        artifacts = Artifacts(self._settings, roots, self._seconds)
        yield from artifacts.checks(self._own, is_given=bool(self._url))
        yield Check("locations", lambda: self._locations(roots))

    def close(self) -> None:
        """Close what is open."""
        self._database.close()

    def _locations(self, roots: Roots) -> Iterator[Finding]:
        database = self._database.database
        if database is None:
            yield locations.skipped_without_database()
            return
        with database.read(quiet=True) as conn:
            yield from locations.look(conn, roots, self._settings, self._clients())

    def _clients(self) -> Site | None:
        """The service as clients reach it; None where that is not known, or nobody answers."""
        try:
            site = self._own.site(transfers.credentials(os.environ)) if self._url else None
            if site:
                site.ask("GET", "/health")
        except (Failed, SettingsError):
            return None
        return site
