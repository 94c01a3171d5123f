"""The README's client example, typed into Python line by line, as somebody new would."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import environment
from tests.system.services import Stack

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.parametrize("stack", ["sqlite-disk"], indirect=True)
def test_the_readme_s_example_can_be_typed(stack: Stack, tmp_path: Path) -> None:
    lines = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    typed = "\n".join(lines).replace("http://127.0.0.1:5000", stack.metadata.url)
    assert stack.metadata.url in typed
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=typed,
        cwd=tmp_path,
        env=environment(DO_NOT_TRACK="true", PYTHON_BASIC_REPL="1"),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert "Error" not in done.stderr, done.stderr
    assert "[1 rows x" in done.stdout  # a table of runs
    assert "[1]" in done.stdout  # a prediction
