"""The head that ships, read back by another library."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from edgeface.personal.template import default_template
from edgeface.retarget import ARKIT_NAMES, ExportOptions, read_character, write_gltf
from edgeface.retarget.head import METRES, PIVOT, head_glb, shapes_of
from tests.retarget.test_formats import read_accessor

pygltflib = pytest.importorskip("pygltflib")


@pytest.fixture(scope="module")
def head():
    return pygltflib.GLTF2.load_from_bytes(head_glb())


def test_it_has_every_shape_but_the_tongue(head):
    (names,) = read_character("head").morphs.values()
    assert set(ARKIT_NAMES) - set(names) == {"tongueOut"}
    assert ExportOptions(character=Path("head")).chosen_mapping()[0] == "arkit"


def test_sparse_shapes_are_the_templates(head):
    """Decoded by the glTF 2.0 specification, 3.6.2.3."""
    template, blob = default_template(), head.binary_blob()
    (primitive,) = head.meshes[0].primitives
    for number in (0, 17, 23):
        name = head.meshes[0].extras["targetNames"][number]
        accessor = head.accessors[primitive.targets[number]["POSITION"]]
        sparse = accessor.sparse

        def part(view, dtype):
            view = head.bufferViews[view]
            return np.frombuffer(blob[view.byteOffset : view.byteOffset + view.byteLength], dtype)

        decoded = np.zeros((accessor.count, 3), np.float32)
        decoded[part(sparse.indices.bufferView, "<u2")] = part(
            sparse.values.bufferView, "<f4"
        ).reshape(-1, 3)
        np.testing.assert_allclose(decoded, shapes_of(template)[name] * METRES, atol=3e-6)
    points = read_accessor(head, primitive.attributes.POSITION)
    np.testing.assert_allclose(points, (template.neutral - PIVOT) * METRES, atol=1e-6)


def test_eyes_lie_behind_the_lids_and_look_ahead(head):
    template = default_template()
    nodes = {node.name: node for node in head.nodes}
    eye = read_accessor(head, head.meshes[1].primitives[0].attributes.POSITION)
    for side, first in (("Left", 42), ("Right", 36)):
        centre = np.array(nodes[f"{side}Eye"].translation) / METRES + PIVOT
        lids = template.neutral[template.landmark_vertices[first : first + 6]]
        assert abs(centre[0] - lids[:, 0].mean()) < 0.01
        assert 0 < lids[[1, 2, 4, 5], 2].mean() - (centre[2] + eye[:, 2].max() / METRES) < 0.03
    pupil = read_accessor(head, head.meshes[1].primitives[0].attributes.COLOR_0)[0]
    assert eye[0, 2] == eye[:, 2].max()
    assert pupil.max() < 0.01


def test_a_performance_moves_it(tmp_path, performance):
    looking = [shapes | {"eyeLookDownLeft": 1.0} for shapes in performance.blendshapes]
    performance.blendshapes[:] = looking
    write_gltf(tmp_path / "out.glb", "head", performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    # glTF 2.0, 5.1.2: a sparse accessor without a view has no offset into it
    data = (tmp_path / "out.glb").read_bytes()
    text = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert not [a for a in text["accessors"] if "bufferView" not in a and "byteOffset" in a]
    (animation,) = gltf.animations
    moved = {
        (gltf.nodes[c.target.node].name, c.target.path): animation.samplers[c.sampler]
        for c in animation.channels
    }
    assert {name for name, _ in moved} == {"face", "Head", "LeftEye", "RightEye"}
    down = read_accessor(gltf, moved["LeftEye", "rotation"].output)
    assert down[0, 0] == pytest.approx(np.sin(np.deg2rad(11)))  # about x, to the lower side
    assert (read_accessor(gltf, moved["RightEye", "rotation"].output)[:, :3] == 0).all()
