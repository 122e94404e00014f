"""Inputs of the small networks."""

import numpy as np
import pytest


@pytest.fixture
def inputs(random):
    return random.integers(0, 256, (3, 64, 64, 3), np.uint8)
