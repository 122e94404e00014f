"""What other programs read, read back by other libraries."""

import csv
import socket

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.retarget import (
    Avatar,
    ExportOptions,
    Mapping,
    Retargeter,
    VmcSender,
    write_gltf,
    write_livelink,
)
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


def test_livelink_refuses_other_names(tmp_path, performance):
    with pytest.raises(InvalidInputError, match="ARKit's names only"):
        write_livelink(tmp_path / "x.csv", performance, Retargeter(Mapping({"A": {"jawOpen": 1}})))
    with pytest.raises(InvalidInputError, match="cannot write"):
        write_livelink(tmp_path / "no" / "x.csv", performance)


def read_accessor(gltf, index):
    """Values of a float accessor, by the glTF 2.0 specification rather than by a library."""
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
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
    np.testing.assert_allclose(times, performance.times_s - 1, atol=1e-6)
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


def test_unfit_characters_are_named(tmp_path, performance, make_character):
    def error(character, mapping=None):
        with pytest.raises(InvalidInputError) as caught:
            write_gltf(tmp_path / "out.glb", character, performance, Retargeter(mapping))
        return str(caught.value)

    assert "has no morph targets" in error(make_character([]))
    assert "names 0" in error(make_character(named=False))
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


@pytest.fixture
def osc_server():
    """A real OSC server on loopback, and the bundles it got."""
    dispatcher_module = pytest.importorskip("pythonosc.dispatcher")
    server_module = pytest.importorskip("pythonosc.osc_server")
    got = []
    dispatcher = dispatcher_module.Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: got.append((address, values)))
    server = server_module.BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    server.timeout = 5
    yield server, got
    server.server_close()


def test_vmc_sends_one_bundle_a_frame(osc_server):
    server, got = osc_server
    sender = VmcSender("127.0.0.1", server.server_address[1])
    turn = np.array([np.cos(0.2), 0.0, np.sin(0.2), 0.0])
    for time_s in (0.5, 0.6):
        sender.send(time_s, {"jawOpen": 0.75}, turn)
        server.handle_request()
    sender.close()
    assert len(got) == 2 * (3 + 52 + 1)
    addresses = [a for a, _ in got[:56]]
    assert addresses[:3] == ["/VMC/Ext/OK", "/VMC/Ext/T", "/VMC/Ext/Bone/Pos"]
    assert addresses[-1] == "/VMC/Ext/Blend/Apply"
    values = dict(v for a, v in got[:56] if a == "/VMC/Ext/Blend/Val")
    assert values["JawOpen"] == 0.75
    assert len(values) == 52
    name, *numbers = got[2][1]
    assert name == "Head"
    # Unity's left-handed frame: a turn to the own left is about -y
    np.testing.assert_allclose(numbers, [0, 0, 0, 0, -np.sin(0.2), 0, np.cos(0.2)], atol=1e-6)


def test_vmc_unity_frame_is_the_mirror_image(random):
    """Turning, then mirroring x, equals mirroring, then turning by what is sent."""
    mirror = np.diag([-1.0, 1.0, 1.0])
    q = random.normal(size=4)
    q /= np.linalg.norm(q)
    sent = q * [1, 1, -1, -1]
    np.testing.assert_allclose(
        mirror @ rotation_from_quaternion(q) @ mirror, rotation_from_quaternion(sent), atol=1e-12
    )


def test_vmc_addresses_are_checked():
    for bad in ("39539", "host:", ":1", "h:99999", "h:x"):
        with pytest.raises(InvalidInputError, match="HOST:PORT"):
            Avatar(VmcSender, bad, ExportOptions())
    with pytest.raises(InvalidInputError, match="cannot send"):
        VmcSender("no.such.host.invalid", 1)


def test_nobody_listening_is_no_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = VmcSender("127.0.0.1", port)
    for _ in range(3):
        sender.send(0.0, {}, np.array([1.0, 0, 0, 0]))
    sender.close()
