"""The person as glTF, read back by another library."""

import io

import numpy as np
import pytest

from edgeface.personal.glb import person_glb
from edgeface.retarget import ARKIT_NAMES

pygltflib = pytest.importorskip("pygltflib", reason="needs the extra: edgeface[video]")


@pytest.fixture(scope="module")
def gltf(somebody):
    return pygltflib.GLTF2.load_from_bytes(person_glb(somebody))


def values(gltf, number):
    """An accessor's rows (N, 3) as float32, sparse or not."""
    accessor, blob = gltf.accessors[number], gltf.binary_blob()

    def view(index, dtype):
        part = gltf.bufferViews[index]
        return np.frombuffer(
            blob, dtype, part.byteLength // np.dtype(dtype).itemsize, part.byteOffset
        )

    if accessor.bufferView is not None:
        return view(accessor.bufferView, "<f4").reshape(accessor.count, -1)
    rows = view(accessor.sparse.indices.bufferView, "<u2")
    assert (np.diff(rows.astype(int)) > 0).all()
    found = np.zeros((accessor.count, 3), np.float32)
    found[rows] = view(accessor.sparse.values.bufferView, "<f4").reshape(-1, 3)
    return found


def test_the_head_is_the_persons_neutral_face_in_metres(gltf, somebody):
    primitive = gltf.meshes[0].primitives[0]
    positions = values(gltf, primitive.attributes.POSITION)
    np.testing.assert_allclose(positions, somebody.neutral_vertices * 0.1, atol=1e-6)
    np.testing.assert_allclose(gltf.accessors[primitive.attributes.POSITION].max,
                               positions.max(axis=0))  # fmt: skip


def test_morph_targets_are_the_persons_shapes_by_arkits_names(gltf, somebody):
    mesh = gltf.meshes[0]
    names = mesh.extras["targetNames"]
    assert len(names) == len(set(names)) == len(mesh.weights) == len(mesh.primitives[0].targets)
    assert set(ARKIT_NAMES) - set(names) <= {"tongueOut"}
    target = mesh.primitives[0].targets[names.index("browInnerUp")]
    moved = values(gltf, target["POSITION"] if isinstance(target, dict) else target.POSITION)
    expected = somebody.shape({"browInnerUp": 1.0}) - somebody.neutral_vertices
    np.testing.assert_allclose(moved, expected * 0.1, atol=1e-5)


def test_the_skin_is_a_texture(gltf, somebody):
    from PIL import Image

    part = gltf.bufferViews[gltf.images[0].bufferView]
    data = gltf.binary_blob()[part.byteOffset : part.byteOffset + part.byteLength]
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_allclose(np.asarray(image) / 255, somebody.skin, atol=0.003)
