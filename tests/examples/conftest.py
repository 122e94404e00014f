"""Test vectors of the weights that are in the package now, and of a quite different network."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "edgeface" / "assets" / "mfn.onnx"


def make_vectors(out, *arguments):
    script = ROOT / "examples" / "vectors" / "make.py"
    command = [sys.executable, script, "--out", out, *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def fresh_vectors(tmp_path_factory):
    """A folder as ``examples/vectors/make.py`` writes it."""
    return make_vectors(tmp_path_factory.mktemp("vectors"))


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """A file with another input size, grid, anchors, and a full multilinear face model.

    Its outputs are fixed noise: what matters is that nothing about them is known beforehand.
    """
    onnx = pytest.importorskip("onnx")
    random = np.random.default_rng(7)
    face_model = FaceModel(
        identity=random.normal(0, 0.1, (50, 12, 3)).astype(np.float32),
        expression=random.normal(0, 0.02, (50, 46, 12, 3)).astype(np.float16).astype(np.float32),
        landmark_vertices=random.integers(0, 12, (68, 2), np.int32),
        landmark_weights=random.random((68, 2), np.float32),
        triangles=np.zeros((0, 3), np.int32),
        uv=np.zeros((0, 2), np.float32),
    )
    metadata = Metadata(
        kind="mfn",
        name="noise",
        input_size=256,
        expression_names=EXPRESSION_NAMES,
        face_model_sha256=face_model.sha256,
        licence="none",
        stride=64,
        cell_range=1.5,
        anchors=((50.0, 60.0), (90.0, 80.0), (30.0, 31.0)),
        score_threshold=0.6,
        iou_threshold=0.2,
    )
    nodes, outputs = [], []
    for name in metadata.output_names:
        # faces move few shapes at a time, so most expressions are near 0
        value = random.normal(-3 * (name == "expression"), 1, (1, *metadata.output_shape(name)))
        value = value.astype(np.float32)
        nodes.append(
            onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
        )
        outputs.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
        )
    shape = [1, metadata.input_size, metadata.input_size, 3]
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, shape)
    graph = onnx.helper.make_graph(nodes, "noise", [image], outputs)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    blob = base64.b64encode(face_model.to_bytes()).decode()
    onnx.helper.set_model_props(model, {KEY: metadata.to_json(), FACE_MODEL_KEY: blob})
    folder = tmp_path_factory.mktemp("other")
    onnx.save(model, folder / "other.onnx")
    make_vectors(folder, "--model", folder / "other.onnx")
    return folder


@pytest.fixture(scope="session")
def basis_model(tmp_path_factory):
    """The shipped network in a file that carries the landmark basis and no dense mesh."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(MODEL)
    props = {entry.key: entry.value for entry in graph.metadata_props}
    metadata = json.loads(props[KEY]) | {"dense_mesh": False}
    metadata.pop("checksums", None)  # they are of the file as it was
    whole = FaceModel.from_bytes(base64.b64decode(props[FACE_MODEL_KEY]))
    props[KEY] = json.dumps(metadata)
    props[FACE_MODEL_KEY] = base64.b64encode(whole.landmark_basis().to_bytes()).decode()
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, props)
    folder = tmp_path_factory.mktemp("basis")
    onnx.save(graph, folder / "basis.onnx")
    return folder / "basis.onnx"
