"""Test vectors of the weights that are in the package now."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def fresh_vectors(tmp_path_factory):
    """A folder as ``examples/vectors/make.py`` writes it."""
    out = tmp_path_factory.mktemp("vectors")
    script = ROOT / "examples" / "vectors" / "make.py"
    subprocess.run([sys.executable, script, "--out", out], check=True, capture_output=True)
    return out
