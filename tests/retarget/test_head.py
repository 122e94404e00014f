"""The head that ships, read back by another library."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from edgeface.personal.template import default_template
from edgeface.retarget import ARKIT_NAMES, ExportOptions, read_character, write_gltf
from edgeface.retarget.head import METRES, NECK, PIVOT, STILL, head_glb, shapes_of
from edgeface.retarget.mouth import jaw_motion
from edgeface.retarget.surface import grid_triangles
from tests.retarget.test_formats import read_accessor

pygltflib = pytest.importorskip("pygltflib")


@pytest.fixture(scope="module")
def head():
    return pygltflib.GLTF2.load_from_bytes(head_glb())


def mesh_of(head, name):
    """A node's mesh: places, triangles, and the offsets of each shape, by glTF 2.0, 3.6.2.3."""
    blob = head.binary_blob()
    mesh = next(head.meshes[n.mesh] for n in head.nodes if n.name == name)
    (primitive,) = mesh.primitives
    points = read_accessor(head, primitive.attributes.POSITION)

    def part(number, dtype):
        view = head.bufferViews[number]
        return np.frombuffer(blob[view.byteOffset : view.byteOffset + view.byteLength], dtype)

    shapes = {}
    names = (mesh.extras or {}).get("targetNames", [])
    for called, target in zip(names, primitive.targets or [], strict=True):
        sparse = head.accessors[target["POSITION"]].sparse
        shapes[called] = np.zeros((len(points), 3), np.float32)
        shapes[called][part(sparse.indices.bufferView, "<u2")] = part(
            sparse.values.bufferView, "<f4"
        ).reshape(-1, 3)
    triangles = part(head.accessors[primitive.indices].bufferView, "<u2").reshape(-1, 3)
    return points, triangles, shapes


def test_it_has_every_shape(head):
    face, mouth = read_character("head").morphs.values()
    assert set(ARKIT_NAMES) == {*face, *mouth}
    assert set(ARKIT_NAMES) - {*face} == {"tongueOut"}
    assert ExportOptions(character=Path("head")).chosen_mapping()[0] == "arkit"


def test_its_face_and_shapes_are_the_templates(head):
    template = default_template()
    points, _, shapes = mesh_of(head, "face")
    count = len(template.neutral)
    bald = (points[:count, 1] < 0.04) & (np.abs(points[:count, 0]) < 0.06)  # hair lies on the rest
    np.testing.assert_allclose(points[:count][bald], template.neutral[bald] * METRES, atol=1e-6)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp"):
        np.testing.assert_allclose(
            shapes[name][:count], shapes_of(template)[name] * METRES, atol=1.01 * STILL * METRES
        )


def test_skull_and_shoulders_close_it(head):
    """Of the whole only the rim of the shoulders, the throat and the lids' inner edges are open."""
    points, triangles, _ = mesh_of(head, "face")
    # the lips' and the lids' borders stand twice, once in each of the surfaces that meet there
    _, same = np.unique(points.round(6), axis=0, return_inverse=True)
    corners = same.reshape(-1)[triangles]
    edges = {(a, b) for t in corners.tolist() for a, b in zip(t, t[1:] + t[:1], strict=True)}
    rim = [a for a, b in edges if a != b and (b, a) not in edges]
    first = {place: number for number, place in enumerate(same.reshape(-1).tolist())}
    at = points[[first[a] for a in rim]]
    shoulders, lids = at[:, 1] < -0.13, at[:, 1] > 0.02
    assert (shoulders | lids).all()
    assert shoulders.sum() == 54
    assert lids.sum() == 2 * 42


def test_the_shoulders_stay_and_the_face_turns(head):
    (skin,) = head.skins
    assert [head.nodes[joint].name for joint in skin.joints] == ["Neck", "Head"]
    binds = read_accessor(head, skin.inverseBindMatrices).reshape(2, 4, 4)
    np.testing.assert_allclose(binds[:, 3, :3], -METRES * np.array([NECK, PIVOT]), atol=1e-6)
    attributes = head.meshes[head.nodes[2].mesh].primitives[0].attributes
    shares = read_accessor(head, attributes.WEIGHTS_0)
    points = read_accessor(head, attributes.POSITION)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares[points[:, 1] > -0.03, 1] == 1).all()
    assert (shares[points[:, 1] < -0.13, 1] == 0).all()


@pytest.mark.parametrize(("side", "first"), [("Left", 42), ("Right", 36)])
def test_lids_lie_on_the_eyes_open_and_shut(head, side, first):
    """None is inside of the ball, and the points on the outside of the lids are near it."""
    template, nodes = default_template(), {node.name: node for node in head.nodes}
    ball, _, _ = mesh_of(head, f"{side}Eye")
    radius = np.linalg.norm(ball, axis=1).max()
    centre = np.array(nodes[f"{side}Eye"].translation) + np.array(PIVOT) * METRES
    points, _, shapes = mesh_of(head, "face")
    lids = template.landmark_vertices[first : first + 6]
    assert abs(centre[0] - points[lids, 0].mean()) < 0.002
    gaps = np.linalg.norm(points[lids] - centre, axis=1) - radius
    assert (gaps > 0).all()
    assert (gaps < 4e-3).all()
    near = np.linalg.norm(points - points[lids].mean(axis=0), axis=1) < 0.012
    near &= np.arange(len(points)) < len(template.neutral)
    shut = points + shapes[f"eyeBlink{side}"]
    assert (np.linalg.norm(shut[near] - centre, axis=1) > radius).all()
    upper, lower = lids[[1, 2]], lids[[5, 4]]
    open_m = (points[upper] - points[lower])[:, 1].mean()
    assert (shut[upper] - shut[lower])[:, 1].mean() < 0.1 * open_m


def test_eyes_look_ahead(head):
    ball, _, _ = mesh_of(head, "LeftEye")
    primitive = head.meshes[head.nodes[3].mesh].primitives[0]
    assert ball[0, 2] == ball[:, 2].max()
    assert read_accessor(head, primitive.attributes.COLOR_0)[0].max() < 0.01  # the pupil


def test_lower_teeth_move_with_the_jaw_and_upper_ones_stay(head):
    points, _, shapes = mesh_of(head, "mouth")
    place = points + np.array(PIVOT) * METRES
    moved = np.linalg.norm(shapes["jawOpen"], axis=1)
    upper, lower = place[moved == 0], place[moved > 0]
    assert upper[:, 1].mean() > lower[:, 1].mean()
    # rigid: distances between points of the jaw stay
    rng = np.random.default_rng(0)
    first, second = rng.choice(np.flatnonzero(moved > 0), (2, 200))
    opened = points + shapes["jawOpen"]
    np.testing.assert_allclose(
        np.linalg.norm(opened[first] - opened[second], axis=1),
        np.linalg.norm(points[first] - points[second], axis=1),
        atol=2e-5,
    )
    # behind the lips while the mouth is shut, and out of it with the tongue
    template = default_template()
    front = template.neutral[template.landmark_vertices[[62, 66]], 2].min() * METRES
    assert place[:, 2].max() < front
    assert (place + shapes["tongueOut"])[:, 2].max() > front + 0.01
    assert set(shapes) == {"jawOpen", "jawLeft", "jawRight", "jawForward", "tongueOut"}


def test_jaw_motion_is_a_rotation_where_the_chin_turns():
    """Against a turn about a hinge that is put in."""
    template = default_template()
    angle, hinge = 0.2, np.array([0.0, 0.0, 0.1])
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])  # fmt: skip

    def turned(points):
        return (points - hinge) @ turn.T + hinge - points

    move = jaw_motion(template, turned(template.neutral).astype(np.float32))
    places = np.random.default_rng(1).normal(size=(20, 3))
    np.testing.assert_allclose(move(places), turned(places), atol=1e-4)


def test_grid_triangles_face_one_way():
    """Columns to the left (-x), rows down (-y): seen from behind."""
    column, row = np.meshgrid(np.arange(4), np.arange(3))
    points = np.stack([-column, -row, 0 * row], axis=-1).reshape(-1, 3).astype(float)
    corners = points[grid_triangles(3, 4, closed=False)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert len(corners) == 12
    assert (across == [0, 0, -1]).all()


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
    assert {name for name, _ in moved} == {"face", "mouth", "Head", "LeftEye", "RightEye"}
    down = read_accessor(gltf, moved["LeftEye", "rotation"].output)
    assert down[0, 0] == pytest.approx(np.sin(np.deg2rad(11)))  # about x, to the lower side
    assert (read_accessor(gltf, moved["RightEye", "rotation"].output)[:, :3] == 0).all()
