"""A context of TLS that takes up its files when they are renewed."""

import asyncio
import logging
import ssl
from typing import Any, Final

from prometheus_client import Gauge

from tandem_shared.concurrency.threads import Threads
from tandem_shared.settings import SettingsError
from tandem_shared.tls.contexts import Loaded, Make
from tandem_shared.tls.files import Files, Fingerprint

LOOK_SECONDS: Final = 5.0
"""How often files are looked at."""

EXPIRY = Gauge(
    "tandem_tls_certificate_expiry_timestamp_seconds",
    "When the certificate in use ends, in seconds since 1970.",
    ("use",),
    multiprocess_mode="livemin",
)

_log = logging.getLogger("tandem.tls")


class RenewedContext(ssl.SSLContext):
    """A context in whose place the newest one is used, for each connection that begins.

    Connections that are open keep the certificate that they began with. The files of the newest
    context are taken up together or not at all.
    """

    _files: Files
    _make: Make
    _use: str
    _current: Loaded
    _taken: Fingerprint
    _said: str

    def __new__(cls, files: Files, make: Make, use: str) -> "RenewedContext":
        """`make` makes a context of `files`; `use` is the metric's label.

        Raises SettingsError when `make` does.
        """
        # This context itself does nothing; libraries ask for an instance of the class.
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._files, self._make, self._use = files, make, use
        self._taken = files.fingerprint()  # before the files are read: a later change is seen
        self._current = make()
        self._said = ""
        self._warn()
        return self

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """As that of the newest context."""
        return self._current.context.wrap_bio(*arguments, **options)

    async def follow(self) -> None:
        """Look at the files every few seconds, from now on and until cancelled."""
        threads = Threads("certificates", 1)
        try:
            while True:
                await threads.run(self.look)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            threads.close()

    def look(self) -> None:
        """Take the files up if they have changed; one that is wrong leaves things as they are."""
        found = self._files.fingerprint()
        if found != self._taken:
            try:
                self._current = self._make()
            except SettingsError as error:
                self._say_kept(str(error))
                return
            self._taken = found
            self._say_renewed()
        if self._current.expires:
            EXPIRY.labels(self._use).set(self._current.expires.timestamp())

    def _say_kept(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            _log.warning("the renewed files are not taken up, the old ones stay in use: %s", reason)

    def _say_renewed(self) -> None:
        self._said = ""
        names = ", ".join(str(file) for file in self._files.all())
        until = self._current.expires
        _log.info("took up renewed files: %s%s", names, f", good until {until}" if until else "")
        self._warn()

    def _warn(self) -> None:
        if warning := self._current.warning():
            _log.warning("the certificate of %s %s", self._files.certificate, warning)
