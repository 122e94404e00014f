"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from edgeface.face_model import FaceModel, default_face_model

# machines differ in speed, and the first call of a kernel compiles it
settings.register_profile("edgeface", deadline=None, database=None)
settings.load_profile("edgeface")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real labelled data; not part of the project."""
    folder = os.environ.get("EDGEFACE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the data packs: set EDGEFACE_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def face_model() -> FaceModel:
    return default_face_model()


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture
def noise(random: np.random.Generator) -> NDArray[np.uint8]:
    """An image of nothing, uint8 (120, 200, 3)."""
    return random.integers(0, 256, (120, 200, 3), np.uint8)
