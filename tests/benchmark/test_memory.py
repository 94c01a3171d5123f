"""When a server's start is over."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark import memory

_CHILD_WORKS_THEN_RESTS = """
import subprocess, sys, time
work = "import time\\nend = time.monotonic() + 2.5\\nwhile time.monotonic() < end: pass"
subprocess.run([sys.executable, "-c", work])
open(sys.argv[1], "w").close()
time.sleep(60)
"""


def test_idle_comes_after_what_children_do(tmp_path: Path) -> None:
    done = tmp_path / "done"
    command = [sys.executable, "-c", _CHILD_WORKS_THEN_RESTS, str(done)]
    with subprocess.Popen(command) as process:
        memory.wait_until_idle([process.pid])
        assert done.exists()
        process.kill()


def test_idle_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_IDLE_PATIENCE", 2)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        with pytest.raises(RuntimeError, match="still busy"):
            memory.wait_until_idle([process.pid])
        process.kill()
