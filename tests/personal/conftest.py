"""A person on the template that ships."""

import numpy as np
import pytest

from edgeface.personal.model import PersonalModel
from edgeface.personal.template import default_template


@pytest.fixture(scope="session")
def somebody():
    """Smooth corrections of everything, made up."""
    template = default_template()
    random = np.random.default_rng(5)
    k = len(template.expression)
    ramp = np.linspace(-1, 1, 64, dtype=np.float32)
    return PersonalModel(
        template=template,
        identity=random.normal(0, 0.5, 50).astype(np.float32),
        neutral=np.stack([0.02 * ramp[None] * ramp[:, None]] * 3),
        shapes=(random.normal(0, 0.01, (k, 3, 1, 1)) * (1 - ramp**2)).repeat(64, 2).astype("f4"),
        skin=np.full((128, 128, 3), (0.8, 0.6, 0.5), np.float32),
        dynamic_skin=np.full((k, 64, 64, 3), 0.05, np.float32),
        unseen=("cheekPuff_L",),
        report={"frames": 20, "pictures": 40, "refused": {"no face": 2}, "warnings": ["a <b>"],
                "photometric_error": 3.0, "landmark_error_percent": 1.5, "seconds": 9.0},
    )  # fmt: skip


@pytest.fixture(scope="session")
def somebodys_file(somebody, tmp_path_factory):
    path = tmp_path_factory.mktemp("person") / "me.efp"
    somebody.save(path)
    return path
