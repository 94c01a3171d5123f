"""All that `tandem-artifacts doctor` looks at, in its order."""

import os
from collections.abc import Iterator
from typing import Final

from tandem_artifacts.doctor import destination, metadata_service, store
from tandem_artifacts.drivers.open import folder_of, open_driver
from tandem_artifacts.settings import NAME, Settings
from tandem_shared.doctor import transfers
from tandem_shared.doctor.findings import Check, Failed, Finding, Status, skipped
from tandem_shared.doctor.own import OwnAddress, settings_checks
from tandem_shared.serving.launch import Service
from tandem_shared.tls import client_side

_CHANGE: Final = "/api/2.0/mlflow-artifacts/mpu/create/tandem-doctor"
"""A change that is refused for what it does not name, once it has passed all other checks."""

_TRANSFER_SECONDS: Final = 120.0


class Examination:
    """Of one service and its surroundings."""

    def __init__(
        self, settings: Settings, service: Service, url: str | None, seconds: float
    ) -> None:
        """`url` is what clients use."""
        self._settings = settings
        self._service = service
        self._seconds = seconds
        self._long = max(seconds, _TRANSFER_SECONDS)
        self._own = OwnAddress(settings, url, seconds)

    def checks(self) -> Iterator[Check]:
        """Each in its turn."""
        settings = self._settings
        yield from settings_checks(self._service, settings, self._prepare)
        yield Check("destination", self._destination, self._long)
        yield from self._own.checks("own address", NAME, _CHANGE)
        yield Check("transfers", self._transfers, self._long)
        if settings.auth == "metadata":
            yield Check("metadata service", lambda: metadata_service.look(settings, self._seconds))

    def _prepare(self) -> None:
        """Raise SettingsError for what `serve` refuses; makes no folder."""
        settings = self._settings
        client_side.context(
            "metadata",
            authorities=settings.metadata_ca,
            certificate=settings.metadata_cert,
            key=settings.metadata_key,
        )
        if folder_of(settings.artifacts_destination) is None:
            open_driver(settings.artifacts_destination, download_url_seconds=settings.presigned_ttl)

    def _destination(self) -> Iterator[Finding]:
        folder = folder_of(self._settings.artifacts_destination)
        if folder is not None:
            found = [*destination.look(folder)]
            yield from found
            if not folder.is_dir() or any(each.status is Status.FAILURE for each in found):
                return
        yield from store.look(self._settings, self._seconds)

    def _transfers(self) -> Iterator[Finding]:
        given = transfers.credentials(os.environ)
        site = self._own.site(given)
        try:
            site.ask("GET", "/health")
        except Failed:
            yield skipped(f"nothing answers at {site.shown}.")
            return
        yield from transfers.round_trip(
            site, known=bool(given), store=lambda _: store.trust(), seconds=self._seconds
        )
