"""An import in a process of its own, which kills itself when so many rows were read."""

import os
import signal
import sys

from tests.metadata.transfer.databases import Progress, take


class _Deadly(Progress):
    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    def advance(self, number: int = 1) -> None:
        self._calls -= 1
        if self._calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    take(sys.argv[1], sys.argv[2], progress=_Deadly(int(sys.argv[3])))
