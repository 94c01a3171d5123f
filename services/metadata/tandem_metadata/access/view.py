"""What one user is shown by listings of several kinds at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.sql.registry_compile import ReadableNames


@dataclass(frozen=True, slots=True)
class View:
    """None is all."""

    experiments: Readable | None = None
    runs: Readable | None = None
    """The experiments whose runs are shown."""
    versions: ReadableNames | None = None
    """The registered models and prompts whose versions are shown."""
    withheld: frozenset[str] = frozenset()
    """See `Grants.withheld`."""
    denied_runs: Callable[[Mapping[str, str | None]], frozenset[str]] | None = None
    """See `Account.denied_runs`; None where no experiment is denied."""


EVERYTHING: Final = View()
"""What administrators are shown, and everybody where nobody is authenticated."""
