"""The delay before a failed delivery is retried."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter; all times are in seconds."""

    first: float = 1.0
    longest: float = 600.0
    longest_asked: float = 3600.0
    """The longest `Retry-After` that is honoured."""

    def after(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after an attempt, 1 being the first.

        Half of the time is random, so that deliveries that failed together are retried apart.
        `asked` is the receiver's `Retry-After`; a longer one replaces the computed time.
        """
        time = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return max(time * (0.5 + random.random() / 2), min(asked or 0.0, self.longest_asked))

    @property
    def most(self) -> float:
        """The largest result of `after`."""
        return max(self.longest, self.longest_asked)
