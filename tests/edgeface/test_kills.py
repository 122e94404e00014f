"""A few of the kills of ``python -m tests.edgeface.kills``."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("command", ["run", "track --out .mp4", "track --record .csv", "train"])
def test_killed_commands_lose_nothing(command):
    pytest.importorskip("av", reason="needs the extra: edgeface[video]")
    pytest.importorskip("numba", reason="needs the extra: edgeface[fast]")
    if command == "train":
        pytest.importorskip("lightning", reason="needs the extra: edgeface[train]")
    done = subprocess.run(
        [sys.executable, "-m", "tests.edgeface.kills", "--each", "2", command],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"| `{command}` | 2 | 0 |" in done.stdout
