"""A few of the kills of ``python -m tests.edgeface.kills``."""

import numpy as np
import pytest

from tests.edgeface import kills


@pytest.mark.parametrize("number", [0, 1], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("command", ["run", "track --out .mp4", "track --record .csv"])
def test_killed_commands_lose_nothing(command, number):
    pytest.importorskip("av", reason="needs the extra: edgeface[video]")
    random = np.random.default_rng(number)
    wrong, _ = kills.kill(command, random, 1.0, number)
    assert wrong is None
