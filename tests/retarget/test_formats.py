"""Files that other programs read, read back by other libraries."""

import base64
import csv
import dataclasses

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.gaze import LOOKS, eye_looks
from edgeface.retarget import (
    ARKIT_NAMES,
    ExportOptions,
    Mapping,
    Retargeter,
    read_character,
    write_gltf,
    write_livelink,
)
from edgeface.retarget.gaps import hold_in_gaps
from edgeface.rotations import rotation_from_quaternion

pygltflib = pytest.importorskip("pygltflib")


def test_livelink_has_the_apps_columns_and_times(tmp_path, performance):
    write_livelink(tmp_path / "take.csv", performance)
    with (tmp_path / "take.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert (
        list(rows[0])[53:58] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw"][:5]
    )
    assert len(rows[0]) == 63
    assert [r["Timecode"] for r in rows] == [
        "00:00:01:00.000", "00:00:01:06.000", "00:00:01:09.000", "00:00:01:24.000",
        "00:00:02:00.000", "00:00:03:00.000",
    ]  # fmt: skip
    assert rows[0]["BlendShapeCount"] == "61"
    np.testing.assert_allclose([float(r["JawOpen"]) for r in rows], (performance.times_s - 1) / 2)
    np.testing.assert_allclose(
        [float(r["HeadYaw"]) for r in rows], (performance.times_s - 1) / 4, atol=1e-6
    )
    assert {r["HeadPitch"] for r in rows} <= {"0.00000000", "-0.00000000"}


@pytest.mark.parametrize(
    "times_s",
    [[0.0] * 6, np.arange(6.0)[::-1], np.arange(6) - 1.0, [0, 1, np.nan, 3, 4, 5],
     1.7e9 + np.arange(6), np.arange(12).reshape(6, 2)],
    ids=["same", "falling", "before 0", "NaN", "of the system's clock", "of two axes"],
)  # fmt: skip
def test_times_that_no_animation_can_have_are_refused(performance, times_s):
    with pytest.raises(InvalidInputError, match="times_s must"):
        dataclasses.replace(performance, times_s=times_s)


@pytest.mark.parametrize(
    "other",
    [{"quaternions_wxyz": np.ones((6, 3))}, {"frames": np.ones((6, 1))}, {"gaps_s": [0.0, 1.0]},
     {"expression_coeffs": np.ones(6)}, {"identity_coeffs": [1.0, np.nan]}],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_parts_of_a_performance_have_their_shapes(performance, other):
    with pytest.raises(InvalidInputError, match=f"{next(iter(other))} must"):
        dataclasses.replace(performance, **other)


def test_lists_are_taken_for_arrays(tmp_path, performance):
    lists = dataclasses.replace(
        performance, times_s=performance.times_s.tolist(),
        quaternions_wxyz=performance.quaternions_wxyz.tolist(), frames=[*range(6)],
        expression_coeffs=[[0.0] * 46] * 6, identity_coeffs=[1.0] + [0.0] * 49, gaps_s=[[2.0, 3.0]],
    )  # fmt: skip
    assert hold_in_gaps(lists).frames.tolist() == [0, 1, 2, 3, 4, 4, 5]
    lists = dataclasses.replace(lists, gaps_s=[])
    write_gltf(tmp_path / "a.glb", "head", performance)
    write_gltf(tmp_path / "b.glb", "head", lists)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_times_rise_in_the_numbers_of_gltf(tmp_path, performance):
    """Frames of one camera's tick are a millionth of a second apart, which float32 cannot hold."""
    times_s = 1000.0 + np.array([0, 1e-6, 2e-6, 1, 1 + 1e-6, 2])
    write_gltf(tmp_path / "a.glb", "head", dataclasses.replace(performance, times_s=times_s))
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    (animation,) = gltf.animations
    keys = gltf.accessors[animation.samplers[0].input]
    view = gltf.bufferViews[keys.bufferView]
    read = np.frombuffer(gltf.binary_blob(), np.float32, keys.count, view.byteOffset)
    assert read.tolist() == [1000.0, 1001.0, 1002.0]


def test_expressions_of_vrm_need_no_names_of_targets(tmp_path, performance, make_character):
    bind = {"node": 3, "index": 1, "weight": 0.5}
    jaw = {"jawOpen": {"morphTargetBinds": [bind]}}
    vrm = {"VRMC_vrm": {"specVersion": "1.0", "expressions": {"custom": jaw}}}
    write_gltf(tmp_path / "a.glb", make_character(named=False, extensions=vrm), performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    (animation,) = gltf.animations
    (channel,) = [c for c in animation.channels if c.target.path == "weights"]
    values = gltf.accessors[animation.samplers[channel.sampler].output]
    view = gltf.bufferViews[values.bufferView]
    weights = np.frombuffer(gltf.binary_blob(), np.float32, values.count, view.byteOffset)
    jaw_open = [shapes["jawOpen"] for shapes in performance.blendshapes]
    expected = np.outer(jaw_open, [0, 0.5, 0])
    np.testing.assert_allclose(weights.reshape(-1, 3), expected, atol=1e-6)


def test_another_take_replaces_the_one_before(tmp_path, performance):
    first, second = tmp_path / "a.glb", tmp_path / "b.glb"
    write_gltf(first, "head", performance, clip={"source": "first"})
    write_gltf(second, first, performance, clip={"source": "second"})
    (animation,) = pygltflib.GLTF2().load(str(second)).animations
    assert animation.extras["edgeface"]["source"] == "second"


@pytest.mark.parametrize("fact", [float("nan"), np.float32(30), {1, 2}])
def test_facts_about_a_clip_are_those_that_json_has(tmp_path, performance, fact):
    with pytest.raises(InvalidInputError, match="clip holds what JSON cannot"):
        write_gltf(tmp_path / "a.glb", "head", performance, clip={"fps": fact})


def test_a_timecode_has_a_rate(tmp_path, performance):
    with pytest.raises(InvalidInputError, match="timecode must be an edgeface"):
        write_livelink(tmp_path / "x.csv", performance, timecode="01:00:00:00")


def test_livelink_refuses_other_names(tmp_path, performance):
    with pytest.raises(InvalidInputError, match="ARKit's names only"):
        write_livelink(tmp_path / "x.csv", performance, Retargeter(Mapping({"A": {"jawOpen": 1}})))
    with pytest.raises(InvalidInputError, match="cannot write"):
        write_livelink(tmp_path / "no" / "x.csv", performance)


def read_accessor(gltf, index):
    """Values of a float accessor, by the glTF 2.0 specification rather than by a library."""
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
    start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
    data = gltf.binary_blob()[start : start + 4 * width * accessor.count]
    return np.frombuffer(data, "<f4").reshape(accessor.count, width)


@pytest.mark.parametrize("matrix", [False, True])
def test_gltf_moves_the_characters_shapes_and_head(tmp_path, performance, make_character, matrix):
    write_gltf(tmp_path / "out.glb", make_character(matrix=matrix), performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    by_path = {c.target.path: (c.target.node, animation.samplers[c.sampler])
               for c in animation.channels}  # fmt: skip
    node, sampler = by_path["weights"]
    assert gltf.nodes[node].name == "face"
    times = read_accessor(gltf, sampler.input)[:, 0]
    np.testing.assert_allclose(times, performance.times_s, atol=1e-6)
    weights = read_accessor(gltf, sampler.output).reshape(len(times), 3)
    np.testing.assert_allclose(weights[:, 0], (performance.times_s - 1) / 2, atol=1e-6)
    np.testing.assert_allclose(weights[:, 1], 0.1)
    assert (weights[:, 2] == 0).all()
    node, sampler = by_path["rotation"]
    assert gltf.nodes[node].name == "Head"
    xyzw = read_accessor(gltf, sampler.output)
    # in the world: neck, then the animated head, against neck, then the head at rest
    neck = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    rest = neck @ rotation_from_quaternion(np.array([1, 1, 0, 0]) / np.sqrt(2))
    for row, quaternion in zip(xyzw, performance.quaternions_wxyz, strict=True):
        world = neck @ rotation_from_quaternion(row[[3, 0, 1, 2]])
        np.testing.assert_allclose(world @ rest.T, rotation_from_quaternion(quaternion), atol=1e-6)


@pytest.mark.parametrize("fps", [0, -1, 29.97, "x", 10**6])
def test_livelink_counts_whole_frames(tmp_path, performance, fps):
    with pytest.raises(InvalidInputError, match="fps must be a whole number"):
        write_livelink(tmp_path / "take.csv", performance, fps=fps)


def test_gltf_through_a_mapping_and_a_second_reader(tmp_path, performance, make_character):
    mapping = Mapping({"Joy": {"mouthSmileLeft": 1.0}}, head_bone="Head")
    write_gltf(tmp_path / "out.glb", make_character(), performance, Retargeter(mapping))
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    sampler = gltf.animations[0].samplers[0]
    weights = read_accessor(gltf, sampler.output).reshape(-1, 3)
    np.testing.assert_allclose(weights, np.tile([0, 0, 0.5], (6, 1)))
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(str(tmp_path / "out.glb"))
    assert len(scene.geometry["face"].vertices) == 3


def test_gltf_turns_a_node_once_that_a_mapping_names_as_the_head(
    tmp_path, performance, make_character
):
    """The neck, which has a share of its own: glTF allows one channel for a node's rotation."""
    mapping = Mapping(
        {"Joy": {"mouthSmileLeft": 1.0}}, head_bone="neck", shares={"head": 0.6, "neck": 0.4}
    )
    write_gltf(tmp_path / "out.glb", make_character(), performance, Retargeter(mapping))
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    turned = [c.target.node for c in gltf.animations[0].channels if c.target.path == "rotation"]
    assert turned == [1]


@pytest.mark.parametrize("mapped", [None, "Head"])
def test_gltf_turns_the_bone_and_not_the_mesh_of_its_name(
    tmp_path, performance, make_character, mapped
):
    """What shows a mesh with a skin, and comes first, is called as the bone is."""
    gltf = pygltflib.GLTF2().load(str(make_character()))
    gltf.nodes[2].name, gltf.nodes[3].name, gltf.nodes[3].skin = "skull", "Head", 0
    gltf.nodes[1].children.append(4)
    gltf.nodes.append(pygltflib.Node(name="Head"))
    gltf.skins.append(pygltflib.Skin(joints=[4]))
    gltf.save(str(tmp_path / "same.glb"))
    mapping = Mapping({"Joy": {"mouthSmileLeft": 1.0}}, head_bone=mapped)
    write_gltf(tmp_path / "out.glb", tmp_path / "same.glb", performance, Retargeter(mapping))
    written = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    turned = [c.target.node for c in written.animations[0].channels if c.target.path == "rotation"]
    assert turned == [4]


@pytest.mark.parametrize("names_at", ["mesh", "primitive"])
@pytest.mark.parametrize("suffix", [".glb", ".vrm", ".GLB", ""])
def test_characters_are_read_by_their_content(
    tmp_path, performance, make_character, names_at, suffix
):
    path = make_character(names_at=names_at).rename(tmp_path / f"character{suffix}")
    write_gltf(tmp_path / "out.glb", path, performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    assert {c.target.path for c in gltf.animations[0].channels} == {"weights", "rotation"}


def split_character(tmp_path, binary, uris):
    """The same as JSON with a buffer for each view, named or embedded, after a byte-order mark."""
    gltf = pygltflib.GLTF2().load(str(binary))
    blob, gltf.buffers = gltf.binary_blob(), []
    for number, (view, uri) in enumerate(zip(gltf.bufferViews, uris, strict=True)):
        data = blob[view.byteOffset : view.byteOffset + view.byteLength]
        if uri is None:
            uri = "data:application/gltf-buffer;base64," + base64.b64encode(data).decode()
        elif not uri.startswith(".."):
            (tmp_path / uri.replace("%20", " ")).write_bytes(data)
        gltf.buffers.append(pygltflib.Buffer(byteLength=len(data), uri=uri))
        view.buffer, view.byteOffset = number, None
    path = tmp_path / "character.model"
    path.write_text("\ufeff" + gltf.to_json(), encoding="utf-8")
    return path


def test_a_json_character_of_any_suffix_finds_its_buffers(tmp_path, performance, make_character):
    binary = make_character()
    path = split_character(tmp_path, binary, ["a.bin", None, "my%20face.bin", None])
    write_gltf(tmp_path / "split.glb", path, performance)
    write_gltf(tmp_path / "whole.glb", binary, performance)
    split, whole = (pygltflib.GLTF2().load(str(tmp_path / n)) for n in ("split.glb", "whole.glb"))
    assert len(split.animations) == len(split.buffers) == 1
    for number in range(4):
        np.testing.assert_array_equal(read_accessor(split, number), read_accessor(whole, number))


def test_no_file_of_a_character_is_overwritten(tmp_path, performance, make_character):
    path = split_character(tmp_path, make_character(), ["a.bin", None, "my%20face.bin", None])
    for part in (path, tmp_path / "my face.bin"):
        with pytest.raises(InvalidInputError, match="itself, which writing would destroy"):
            write_gltf(part, path, performance)
    write_gltf(tmp_path / "out.glb", path, performance)


def test_a_character_reads_no_file_outside_its_folder(tmp_path, performance, make_character):
    path = split_character(tmp_path, make_character(), ["../secret", None, None, None])
    with pytest.raises(InvalidInputError, match="outside its folder"):
        write_gltf(tmp_path / "out.glb", path, performance)


VRM_0 = {
    "VRM": {"humanoid": {"humanBones": [{"bone": "neck", "node": 1}, {"bone": "head", "node": 0}]}}
}
VRM_1 = {"VRMC_vrm": {"humanoid": {"humanBones": {"head": {"node": 0}}}}}


@pytest.mark.parametrize(("extensions", "side"), [(VRM_0, -1), (VRM_1, 1)], ids=["0.x", "1.0"])
def test_vrm_says_which_bone_is_the_head(tmp_path, performance, make_character, extensions, side):
    """For who looks along -z, as in VRM 0.x, a nod turns the other way about x."""
    nod = np.stack([np.cos([0.0] * 6), np.sin([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])], axis=1)
    nod = np.pad(nod / np.linalg.norm(nod, axis=1, keepdims=True), ((0, 0), (0, 2)))
    nodding = dataclasses.replace(performance, quaternions_wxyz=nod)
    write_gltf(tmp_path / "out.glb", make_character(extensions=extensions), nodding)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    channel = next(c for c in animation.channels if c.target.path == "rotation")
    assert channel.target.node == 0
    xyzw = read_accessor(gltf, animation.samplers[channel.sampler].output)
    np.testing.assert_allclose(xyzw[:, 0], side * nod[:, 1], atol=1e-6)


def rolling(performance, degrees):
    half = np.deg2rad(degrees) / 2
    quaternions = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    quaternions *= np.where(quaternions[:, :1] < 0, -1, 1)  # as recordings hold them
    return dataclasses.replace(performance, quaternions_wxyz=quaternions)


ROLL = np.array([150.0, 165, 178, 182, 195, 210])


def test_gltf_keys_go_the_short_way_past_half_a_turn(tmp_path, performance, make_character):
    write_gltf(tmp_path / "out.glb", make_character(), rolling(performance, ROLL))
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    channel = next(c for c in animation.channels if c.target.path == "rotation")
    keys = read_accessor(gltf, animation.samplers[channel.sampler].output)
    between = np.rad2deg(2 * np.arccos(np.einsum("ti,ti->t", keys[1:], keys[:-1]).clip(-1, 1)))
    np.testing.assert_allclose(between, np.diff(ROLL), atol=0.1)


def test_livelink_angles_go_on_past_half_a_turn(tmp_path, performance):
    write_livelink(tmp_path / "take.csv", rolling(performance, ROLL))
    with (tmp_path / "take.csv").open(newline="") as file:
        roll = [float(r["HeadRoll"]) for r in csv.DictReader(file)]
    np.testing.assert_allclose(np.abs(np.diff(roll)), np.deg2rad(np.diff(ROLL)), atol=1e-6)


def test_a_neck_that_the_head_does_not_hang_on_takes_no_share(
    tmp_path, performance, make_character
):
    path = make_character(["jawOpen"])
    content = path.read_bytes()
    loose = content.replace(b'"children": [1]', b'"children":[1,2]').replace(
        b'"name": "neck", "children": [2]', b'"name": "neck"                '
    )
    assert len(loose) == len(content)
    path.write_bytes(loose)
    options = ExportOptions(character=path)
    assert read_character(path).bones == {"head": 2}
    write_gltf(tmp_path / "out.glb", path, performance, options.retargeter())
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (turned,) = (c for c in gltf.animations[0].channels if c.target.path == "rotation")
    assert turned.target.node == 2
    last = read_accessor(gltf, gltf.animations[0].samplers[turned.sampler].output)[-1]
    angle = 2 * np.arccos(abs(last @ gltf.nodes[2].rotation))
    assert angle == pytest.approx(0.5, abs=1e-3)  # all of the head's turn


def test_unfit_characters_are_named(tmp_path, performance, make_character):
    def error(character, mapping=None):
        with pytest.raises(InvalidInputError) as caught:
            write_gltf(tmp_path / "out.glb", character, performance, Retargeter(mapping))
        return str(caught.value)

    assert "has no morph targets" in error(make_character([]))
    assert "morph targets without names" in error(make_character(named=False))
    assert "none of ARKit's shapes, only Fcl_A" in error(make_character(["Fcl_A"]))
    assert "did you mean 'Joy'" in error(make_character(), Mapping({"Joi": {"jawOpen": 1.0}}))
    assert "head bone 'Skull' is unknown" in error(
        make_character(), Mapping({"Joy": {"jawOpen": 1.0}}, head_bone="Skull")
    )
    assert "no such character" in error(tmp_path / "absent.glb")
    (tmp_path / "text.glb").write_text("no glTF")
    assert "no readable glTF" in error(tmp_path / "text.glb")
    with pytest.raises(InvalidInputError, match="cannot write"):
        write_gltf(tmp_path / "no" / "out.glb", make_character(), performance)


def test_a_character_without_a_head_only_changes_its_face(tmp_path, performance, make_character):
    write_gltf(tmp_path / "out.glb", make_character(head="Torso"), performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    assert [c.target.path for c in gltf.animations[0].channels] == ["weights"]


NEW = {"VRMC_vrm": {
    "specVersion": "1.0", "lookAt": {"type": "bone"}, "expressions": {"preset": {"lookLeft": {}}},
    "humanoid": {"humanBones": {"head": {"node": 2}, "leftEye": {"node": 4},
                                "rightEye": {"node": 5}}},
}}  # fmt: skip
OLD = {"VRM": {
    "firstPerson": {"lookAtTypeName": "Bone"},
    "blendShapeMaster": {"blendShapeGroups": [{"presetName": "lookleft", "binds": []}]},
    "humanoid": {"humanBones": [{"bone": "head", "node": 2}, {"bone": "leftEye", "node": 4},
                                {"bone": "rightEye", "node": 5}]},
}}  # fmt: skip
"""Characters of VRM whose eyes are bones, with an expression for it that moves nothing."""


@pytest.mark.parametrize(("extensions", "front"), [(NEW, 1), (OLD, -1)])
def test_eyes_that_are_bones_look_where_the_person_does(
    tmp_path, performance, make_character, extensions, front
):
    """Bones of any rest: what was ahead is turned as the gaze of each eye is in the head."""
    gaze = np.array([[8.0, 19.0], [-10.0, 25.0]])
    looks = dict(zip(LOOKS, eye_looks(gaze[None])[0].tolist(), strict=True))
    performance.blendshapes[:] = [shapes | looks for shapes in performance.blendshapes]
    character = make_character(ARKIT_NAMES[:3], extensions=extensions, eyes=True)
    write_gltf(tmp_path / "out.glb", character, performance)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    outputs = {c.target.node: read_accessor(gltf, animation.samplers[c.sampler].output)
               for c in animation.channels if c.target.path == "rotation"}  # fmt: skip

    def world(node, local):
        """The rotation of an eye in the world, its parents at rest."""
        turn = np.eye(3)
        for number in (1, 2):
            turn = turn @ from_xyzw(gltf.nodes[number].rotation)
        return turn @ from_xyzw(local)

    for node, (pitch, yaw) in ((5, np.deg2rad(gaze[0])), (4, np.deg2rad(gaze[1]))):
        rest = {4: [0, 0, 0, 1], 5: [0, 1, 0, 0]}[node]
        turn = world(node, outputs[node][0]) @ world(node, rest).T
        ahead = [np.sin(yaw), -np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)]
        np.testing.assert_allclose(
            turn @ [0, 0, front], np.array(ahead) * [front, 1, front], atol=1e-6
        )


def from_xyzw(quaternion):
    x, y, z, w = quaternion
    return rotation_from_quaternion(np.array([w, x, y, z]))


def test_eyes_with_expressions_for_it_are_not_turned_twice(tmp_path, performance, make_character):
    looks = dict.fromkeys(LOOKS, 0.0) | {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}
    performance.blendshapes[:] = [shapes | looks for shapes in performance.blendshapes]
    bind = {"node": 3, "index": 0, "weight": 1.0}
    extensions = {"VRMC_vrm": {
        "humanoid": {"humanBones": {"head": {"node": 2}, "leftEye": {"node": 4}}},
        "expressions": {"preset": {"lookLeft": {"morphTargetBinds": [bind]}}}}}  # fmt: skip
    character = make_character(["a"], extensions=extensions, eyes=True)
    retargeter = ExportOptions(character=character).retargeter()
    write_gltf(tmp_path / "out.glb", character, performance, retargeter)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    moved = {(c.target.node, c.target.path) for c in animation.channels}
    assert (3, "weights") in moved
    assert not {node for node, _ in moved} & {4, 5}
    weights = read_accessor(gltf, animation.samplers[0].output)
    np.testing.assert_allclose(weights, 1, atol=1e-6)
