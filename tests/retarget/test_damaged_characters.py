"""Characters that are damaged or odd: an error of the project's own, or what they mean."""

import json
import struct

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.retarget import gltf_file, write_gltf
from edgeface.retarget.gltf_file import files_of
from edgeface.rotations import rotation_from_quaternion

pygltflib = pytest.importorskip("pygltflib")


def changed(path, change, **numbers):
    """Change the JSON of a .glb; numbers that JSON cannot hold are written as they are."""
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    change(document)
    text = json.dumps(document)
    for name, number in numbers.items():
        text = text.replace(f'"{name}"', number)
    text = text.encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    path.write_bytes(head + text + rest)
    return path


def putting(*place, value):
    def change(document):
        *way, last = place
        for key in way:
            document = document[key]
        document[last] = value

    return change


@pytest.mark.parametrize(
    "content", [b"", b"text", b"{}", b"glTF\2\0\0\0", b'{"nodes": [{}], "images": [5]}']
)
def test_what_is_no_character_has_no_files(tmp_path, content):
    """The command asks for them first, so that it overwrites none."""
    (tmp_path / "x.glb").write_bytes(content)
    with pytest.raises(InvalidInputError, match="no readable glTF file"):
        files_of(tmp_path / "x.glb")


BONE = {"VRM": {"humanoid": {"humanBones": [{"bone": "head", "node": "N"}]}}}
BIND = {"VRM": {"blendShapeMaster": {"blendShapeGroups": [
    {"presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": "N"}]}]}}}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "tells"),
    [
        (putting("nodes", 3, "children", value=[0]), "its own parent"),
        (putting("nodes", 1, "children", value=[1]), "two parents|its own parent"),
        (putting("nodes", 3, "children", value=[2]), "two parents"),
        (putting("nodes", 0, "children", value=[99]), "children names number 99 of 4"),
        (putting("nodes", 3, "mesh", value=99), "mesh names number 99 of 1"),
        (putting("nodes", 3, "mesh", value=-1), "mesh must be a whole number"),
        (putting("nodes", 2, "matrix", value=[1, 2, 3]), "matrix must be a list of 16"),
        (putting("nodes", 1, "rotation", value=[0, 0, 1]), "rotation must be a list of 4"),
        (putting("nodes", 1, "rotation", value=[0, 0, 0, 0]), "no rotation: it is 0"),
        (putting("nodes", 2, "matrix", value=[0] * 16), "no rotation: it is 0"),
        (putting("nodes", 1, "rotation", value=["N", 0, 0, 1]), "no finite number"),
        (putting("nodes", value=[5]), r"nodes\[0\] must be an object"),
        (putting("nodes", value=[]), "nodes must be a list of 1 to"),
        (putting("meshes", 0, "weights", value=[0.5]), "1 weights for 3 morph targets"),
        (putting("meshes", 0, "primitives", value=[]), "primitives must be a list of 1 to"),
        (putting("bufferViews", 0, "byteOffset", value=10**9), "longer than its buffer"),
        (putting("bufferViews", 0, "buffer", value=7), "buffer names number 7 of 1"),
        (putting("buffers", 0, "uri", value="."), "is not there"),
        (putting("extensions", value=BONE), "no finite number"),
        (putting("extensions", value=BIND), "no finite number"),
    ],
)
@pytest.mark.parametrize("number", ["NaN", "1e999"])
def test_a_damaged_character_is_an_error(
    tmp_path, performance, make_character, change, tells, number
):
    path = changed(make_character(), change, N=number)
    with pytest.raises(InvalidInputError, match=tells):
        write_gltf(tmp_path / "out.glb", path, performance)
    assert not (tmp_path / "out.glb").exists()


@pytest.mark.parametrize("cut", [4, 11, 19, 40, -120, -1])
def test_a_truncated_character_is_an_error(tmp_path, performance, make_character, cut):
    path = make_character()
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InvalidInputError, match="character"):
        write_gltf(tmp_path / "out.glb", path, performance)


def test_buffers_that_are_named_again_and_again_fill_no_memory(
    tmp_path, performance, make_character, monkeypatch
):
    path = make_character()
    path = changed(path, lambda document: document.update(buffers=document["buffers"] * 500))
    monkeypatch.setattr(gltf_file, "MAX_BYTES", path.stat().st_size)
    with pytest.raises(InvalidInputError, match="buffers have more than"):
        write_gltf(tmp_path / "out.glb", path, performance)


def test_names_that_no_file_can_have_are_errors(tmp_path, performance):
    for name in (None, 5, b"x", "x" * 5000, "a\0b"):
        with pytest.raises(InvalidInputError, match="character"):
            write_gltf(tmp_path / "out.glb", name, performance)
        with pytest.raises(InvalidInputError):
            write_gltf(name, "head", performance)


def test_entries_that_are_null_and_odd_extras_are_passed_over(
    tmp_path, performance, make_character
):
    path = changed(make_character(), putting("animations", value=None))
    path = changed(path, putting("nodes", 0, "extras", value="made by hand"))
    write_gltf(tmp_path / "out.glb", path, performance)
    assert len(pygltflib.GLTF2().load(tmp_path / "out.glb").animations) == 1


def test_a_nodes_own_weights_stay_where_nothing_moves(tmp_path, performance, make_character):
    """They count before those of the mesh (glTF 2.0, 3.7.4)."""
    path = make_character(["jawOpen", "Joy"])

    def change(document):
        document["meshes"][0]["weights"] = [0.1, 0.2]
        document["nodes"][3]["weights"] = [0.3, -0.75]
        document["nodes"].append({"name": "twin", "mesh": 0})

    write_gltf(tmp_path / "out.glb", changed(path, change), performance)
    gltf = pygltflib.GLTF2().load(tmp_path / "out.glb")
    blob, rest = gltf.binary_blob(), {}
    for channel in gltf.animations[0].channels:
        if channel.target.path == "weights":
            sampler = gltf.animations[0].samplers[channel.sampler]
            accessor = gltf.accessors[sampler.output]
            start = gltf.bufferViews[accessor.bufferView].byteOffset
            keys = np.frombuffer(blob, "<f4", accessor.count, start).reshape(-1, 2)
            rest[channel.target.node] = keys[:, 1]
    np.testing.assert_allclose(rest[3], -0.75)
    np.testing.assert_allclose(rest[4], 0.2, atol=1e-7)


def test_pictures_beside_a_character_go_with_it(tmp_path, performance, make_character):
    picture = b"\x89PNG and what follows"
    (tmp_path / "skin.png").write_bytes(picture)
    outside = tmp_path.parent / "secret.png"
    outside.write_bytes(b"secret")
    path = make_character()
    images = [{"uri": "skin.png"}, {"uri": "../secret.png"}, {"uri": "absent.png"}]
    changed(path, putting("images", value=images))
    (tmp_path / "elsewhere").mkdir()
    write_gltf(tmp_path / "elsewhere" / "out.glb", path, performance)
    gltf = pygltflib.GLTF2().load(tmp_path / "elsewhere" / "out.glb")
    view = gltf.bufferViews[gltf.images[0].bufferView]
    assert gltf.images[0].mimeType == "image/png"
    start = view.byteOffset
    assert gltf.binary_blob()[start : start + view.byteLength] == picture
    assert [image.uri for image in gltf.images] == [None, "../secret.png", "absent.png"]
    assert b"secret" not in gltf.binary_blob()


def test_bones_that_mirror_turn_the_head_alike(tmp_path, performance, make_character):
    """A matrix that mirrors x: the animated head must be what turning the mirrored head gives."""
    path = make_character()
    mirrored = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    changed(path, putting("nodes", 2, value={"name": "Head", "children": [3], "matrix": mirrored}))
    write_gltf(tmp_path / "out.glb", path, performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    head = gltf.nodes[2]
    assert head.matrix is None
    x, y, z, w = head.rotation
    rest = rotation_from_quaternion(np.array([w, x, y, z])) * head.scale
    np.testing.assert_allclose(rest, np.diag([-1.0, 1, 1]), atol=1e-6)


def world_linear(gltf, local=None):
    """The linear part of each node in the world; ``local`` replaces rotations (w, x, y, z)."""
    found = {}

    def visit(number, above):
        node = gltf.nodes[number]
        x, y, z, w = node.rotation or (0, 0, 0, 1)
        turn = rotation_from_quaternion(np.array((local or {}).get(number, (w, x, y, z)), float))
        found[number] = above @ turn @ np.diag(node.scale or [1, 1, 1])
        for child in node.children or []:
            visit(child, found[number])

    visit(0, np.eye(3))
    return found


@pytest.mark.parametrize(
    ("scale", "neck"),
    [([-1, 1, 1], [1, 1, 1]), ([2, 2, -2], [3, 3, 3]), ([-0.01, -0.01, -0.01], [1, 1, -1])],
)
def test_nodes_above_that_mirror_turn_the_head_alike(
    tmp_path, performance, make_character, scale, neck
):
    """In the world, the head must be its rest turned as the person's."""
    path = changed(make_character(), putting("nodes", 0, "scale", value=scale))
    path = changed(path, putting("nodes", 1, "scale", value=neck))
    write_gltf(tmp_path / "out.glb", path, performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    keys = {}
    for channel in gltf.animations[0].channels:
        if channel.target.path == "rotation":
            accessor = gltf.accessors[gltf.animations[0].samplers[channel.sampler].output]
            start = gltf.bufferViews[accessor.bufferView].byteOffset
            rows = np.frombuffer(gltf.binary_blob(), "<f4", accessor.count * 4, start)
            keys[channel.target.node] = rows.reshape(-1, 4)[:, [3, 0, 1, 2]]
    rest = world_linear(gltf)[2]
    for frame, quaternion in enumerate(performance.quaternions_wxyz):
        posed = world_linear(gltf, {node: rows[frame] for node, rows in keys.items()})[2]
        expected = rotation_from_quaternion(quaternion) @ rest
        np.testing.assert_allclose(posed, expected, atol=1e-5 * np.abs(scale).max())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (putting("nodes", 0, "scale", value=[1, 2, 1]), "scaled by 2 .* and 1 .* apply the scale"),
        (
            putting("nodes", 0, "matrix", value=[1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
            "a matrix that shears",
        ),
    ],
)  # fmt: skip
def test_heads_that_turning_would_bend_are_refused(
    tmp_path, performance, make_character, change, match
):
    path = changed(make_character(), change)
    with pytest.raises(InvalidInputError, match=match):
        write_gltf(tmp_path / "out.glb", path, performance)
    assert not (tmp_path / "out.glb").exists()
