"""When a delivery that failed is tried again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double from one attempt to the next, in seconds."""

    first: float = 1.0
    longest: float = 600.0
    longest_asked: float = 3600.0
    """How long a receiver may ask to be left alone."""

    def after(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after that attempt, 1 being the first.

        Half of the time is random, so that what failed together is not tried together. A receiver
        that asked for more gets more.
        """
        time = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return max(time * (0.5 + random.random() / 2), min(asked or 0.0, self.longest_asked))

    @property
    def most(self) -> float:
        """Seconds that `after` never exceeds."""
        return max(self.longest, self.longest_asked)
