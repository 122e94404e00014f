"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

import edgeface
from edgeface.face_model import FaceModel, default_face_model
from edgeface.image import read_image

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


@pytest.fixture(scope="session")
def sfn(face_model):
    """A small single-face network; skips without PyTorch."""
    pytest.importorskip("torch", reason="needs the extra: edgeface[convert]")
    from tests.export import untrained

    return untrained("sfn", face_model)


@pytest.fixture(scope="session")
def exported(sfn):
    """That network as exported to a format by name, each made once."""
    from edgeface.converters import network_metadata
    from tests.export import exporter

    done = {}

    def get(name):
        if name not in done:
            done[name] = exporter(name).export(sfn, network_metadata(sfn))
        return done[name]

    return get


@pytest.fixture(scope="session")
def photo():
    return [("the photo", read_image(edgeface.DEMO_PHOTO))]


@pytest.fixture(scope="session")
def onnx_file(sfn, exported, tmp_path_factory):
    from tests.export import write

    return write("onnx", sfn, tmp_path_factory.mktemp("onnx") / "sfn.onnx", exported("onnx"))


@pytest.fixture(scope="session")
def tflite_file(sfn, exported, tmp_path_factory):
    from tests.export import write

    path = tmp_path_factory.mktemp("tflite") / "sfn.tflite"
    return write("tflite", sfn, path, exported("tflite"))


@pytest.fixture(scope="session")
def pt2_file(sfn, exported, tmp_path_factory):
    from tests.export import write

    return write("pt2", sfn, tmp_path_factory.mktemp("pt2") / "sfn.pt2", exported("pt2"))


@pytest.fixture(scope="session")
def coreml_file(sfn, exported, tmp_path_factory):
    from tests.export import write

    path = tmp_path_factory.mktemp("coreml") / "sfn.mlpackage"
    return write("coreml", sfn, path, exported("coreml"))
