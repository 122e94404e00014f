"""Scans in the formats of NoW, BU-3DFE and FaceWarehouse, made up so that the truth is known."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra: edgeface[train]")

from edgeface.errors import InvalidInputError
from edgeface.personal.model import PersonalModel
from edgeface.personal.template import UNIT_MM, default_template
from edgeface.reference.cli import main
from edgeface.reference.data.scans import SEVEN_OF_68, Scan, read_scan, scans_in
from edgeface.reference.personal.scans import (
    NearestPlaces,
    distance_to_scan,
    measure_scans,
    nearest_in_triangles,
)

TEMPLATE = default_template()
LANDMARKS = TEMPLATE.neutral[TEMPLATE.landmark_vertices].astype(float)
SEVEN = LANDMARKS[list(SEVEN_OF_68)]
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
"""A rotation."""


def on_surface(vertices, random, count=2000):
    """Points of the faces' triangles, spread evenly, and the normals there."""
    corners = vertices.astype(float)[TEMPLATE.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    rows = random.choice(len(corners), count, p=area / area.sum())
    weights = random.dirichlet([1, 1, 1], count)
    points = np.einsum("pk,pkc->pc", weights, corners[rows])
    return points, normals[rows] / area[rows, None]


def moved(points):
    """Millimetres in a scanner's axes."""
    return points * UNIT_MM @ TURN.T + [300.0, -40.0, 1200.0]


def scan_of(vertices, random, noise_mm=0.0):
    points, normals = on_surface(vertices, random)
    signs = random.choice([-1.0, 1.0], (len(points), 1))
    landmarks = vertices[TEMPLATE.landmark_vertices[list(SEVEN_OF_68)]]
    points = points + signs * normals * noise_mm / UNIT_MM
    return Scan("scan", moved(points), moved(landmarks))


def eighty_three(random):
    """BU-3DFE's points of the template, in any order within their groups."""
    groups = [(36, 8), (42, 8), (17, 10), (22, 10), (27, 12), (48, 12), (60, 8), (1, 15)]
    points = []
    for first, count in groups:
        known = {36: 6, 42: 6, 17: 5, 22: 5, 27: 9, 48: 12, 60: 8, 1: 15}[first]
        own = LANDMARKS[first : first + known]
        more = own[random.integers(0, known, count - known)] * 0.5 + own.mean(axis=0) * 0.5
        points.append(random.permutation(np.concatenate([own, more])))
    return np.concatenate(points)


def obj(points):
    lines = [f"v {x:.6f} {y:.6f} {z:.6f} 0.5 0.5 0.5" for x, y, z in points]
    return "\n".join(["# a scan", "mtllib a.mtl", *lines, "vt 0.1 0.2", "f 1/1 2/1 3/1"]).encode()


def wrl(points):
    rows = ",\n".join(f"  {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points)
    return (
        "#VRML V2.0 utf8\nShape {\n geometry IndexedFaceSet {\n  coord Coordinate {\n   point [\n"
        f"{rows}\n   ]\n  }}\n  coordIndex [ 0, 1, 2, -1 ]\n }}\n}}\n"
    ).encode()


def bs(points, shapes=2):
    neutral = points.astype("<f4")
    others = [neutral + i for i in range(1, shapes + 1)]
    return struct.pack("<3i", shapes, len(points), 0) + np.stack([neutral, *others]).tobytes()


def pp(points):
    rows = "".join(
        f' <point active="1" name="{i}" y="{y}" x="{x}" z="{z}"/>\n'
        for i, (x, y, z) in enumerate(points)
    )
    return (
        "<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData>\n"
        f'  <DataFileName name="scan.obj"/>\n </DocumentData>\n{rows}</PickedPoints>\n'
    ).encode()


def bnd(points):
    rows = (f"{i}\t\t{x:.6f} {y:.6f} {z:.6f}" for i, (x, y, z) in enumerate(points))
    return "\n".join(rows).encode() + b"\n"


POINTS = moved(TEMPLATE.neutral[::40].astype(float))


def test_now_scans_have_their_landmarks_in_a_folder_of_their_own(tmp_path):
    for folder, name, data in (
        ("scans", "natural.obj", obj(POINTS)),
        ("scans_lmks_onlypp", "natural_picked_points.pp", pp(moved(SEVEN))),
    ):
        (tmp_path / folder / "FaMoS_1").mkdir(parents=True)
        (tmp_path / folder / "FaMoS_1" / name).write_bytes(data)
    (path,) = scans_in(tmp_path)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.points, POINTS, atol=1e-5)
    np.testing.assert_allclose(scan.landmarks, moved(SEVEN), atol=1e-9)


@pytest.mark.parametrize(("unit", "name"), [(1.0, "mm"), (10.0, "cm"), (1000.0, "m")])
def test_bu3dfe_scans_are_read_in_any_unit(tmp_path, random, unit, name):
    (tmp_path / "F0001_NE00WH_F3D.wrl").write_bytes(wrl(POINTS / unit))
    (tmp_path / "F0001_NE00WH_F3D.bnd").write_bytes(bnd(moved(eighty_three(random)) / unit))
    scan = read_scan(tmp_path / "F0001_NE00WH_F3D.wrl")
    np.testing.assert_allclose(scan.points, POINTS, atol=1e-5 * unit)
    # the nose's bottom is the point nearest to the mouth, here the middle one of the 68
    expected = moved(LANDMARKS[[36, 39, 42, 45, 33, 48, 54]])
    np.testing.assert_allclose(scan.landmarks, expected, atol=1e-5 * unit)


def test_facewarehouse_has_landmarks_by_vertices(tmp_path):
    folder = tmp_path / "Tester_1" / "Blendshape"
    folder.mkdir(parents=True)
    vertices = TEMPLATE.neutral.astype(float)
    (tmp_path / "landmark_vertices.txt").write_text(
        "\n".join(str(v) for v in TEMPLATE.landmark_vertices)
    )
    (folder / "shape.bs").write_bytes(bs(vertices))
    (folder / "pose_1.obj").write_bytes(obj(vertices))
    for path in scans_in(tmp_path):
        scan = read_scan(path)
        np.testing.assert_allclose(scan.points, vertices * UNIT_MM, atol=1e-4)
        np.testing.assert_allclose(scan.landmarks, SEVEN * UNIT_MM, atol=1e-4)


def test_landmarks_may_be_68_in_a_text_or_numpy_file(tmp_path):
    points = moved(LANDMARKS)
    (tmp_path / "a.obj").write_bytes(obj(POINTS))
    np.savetxt(tmp_path / "a.txt", points)
    (tmp_path / "b.obj").write_bytes(obj(POINTS))
    np.save(tmp_path / "b.npy", points)
    for path in scans_in(tmp_path):
        np.testing.assert_allclose(read_scan(path).landmarks, moved(SEVEN), atol=1e-9)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no scan"),
        ({"a.obj": obj(POINTS)}, "has no landmarks"),
        ({"a.obj": b"f 1 2 3\n", "a.pp": pp(SEVEN)}, "has no points"),
        ({"a.obj": b"v 1 2\n", "a.pp": pp(SEVEN)}, "a.obj is damaged"),
        ({"a.obj": b"v 1 2 nan\n", "a.pp": pp(SEVEN)}, "not finite"),
        ({"a.wrl": b"#VRML", "a.bnd": bnd(SEVEN)}, "no Coordinate node"),
        ({"a.wrl": b"Coordinate { point [ 1 2 x ] }", "a.bnd": bnd(SEVEN)}, "no triples"),
        ({"a.bs": bs(POINTS)[:-1], "a.pp": pp(SEVEN)}, "would take"),
        ({"a.bs": b"\0" * 5, "a.pp": pp(SEVEN)}, "would take"),
        ({"a.obj": obj(POINTS), "a.pp": pp(SEVEN)[:-20]}, "no file of picked points"),
        ({"a.obj": obj(POINTS), "a.bnd": b"1 2 3\n"}, "expected 'vertex x y z'"),
        ({"a.obj": obj(POINTS), "a.npy": b"x"}, "cannot read the landmarks"),
        ({"a.obj": obj(POINTS), "a.txt": b"1 2 3\n"}, "expected 7, 68 or 83 points"),
        ({"a.obj": obj(POINTS), "a.pp": pp(SEVEN * 3)}, "no face in mm, cm"),
        ({"a.obj": obj(POINTS), "landmark_vertices.txt": b"1 2"}, "must hold 68 numbers"),
    ],
)
def test_bad_files_are_errors(tmp_path, files, message):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInputError, match=message):
        [read_scan(path) for path in scans_in(tmp_path)]


@pytest.mark.parametrize(
    ("suffix", "scan"), [(".obj", obj(POINTS)), (".wrl", wrl(POINTS)), (".bs", bs(POINTS))]
)
@pytest.mark.parametrize(("beside", "points"), [(".pp", pp), (".bnd", bnd), (".txt", None)])
def test_damaged_files_give_the_projects_errors(tmp_path, random, suffix, scan, beside, points):
    text = points or (lambda p: "\n".join(" ".join(map(str, row)) for row in p).encode())
    landmarks = moved(eighty_three(random) if beside == ".bnd" else SEVEN)
    sound = {suffix: scan, beside: text(landmarks)}
    outcomes = set()
    for trial in range(30):
        damaged = dict(sound)
        which = (suffix, beside)[trial % 2]
        data = bytearray(damaged[which])
        if trial % 3:
            del data[random.integers(len(data)) :]
        else:
            data[random.integers(len(data))] = random.integers(256)
        damaged[which] = bytes(data)
        for end, content in damaged.items():
            (tmp_path / f"a{end}").write_bytes(content)
        try:
            scan = read_scan(tmp_path / f"a{suffix}")
            assert np.isfinite(scan.points).all()
            assert scan.landmarks.shape == (7, 3)
            outcomes.add("read")
        except InvalidInputError:
            outcomes.add("refused")
    assert "refused" in outcomes


def test_nearest_places_of_triangles_agree_with_trying_many(random):
    corners, points = random.normal(size=(200, 3, 3)), random.normal(size=(200, 3)) * 1.5
    corners[:3, 2] = corners[:3, 1]  # no area
    weights = nearest_in_triangles(points, corners)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    found = np.linalg.norm(np.einsum("pk,pkc->pc", weights, corners) - points, axis=1)
    steps = np.linspace(0, 1, 101)
    u, v = (grid[np.add.outer(steps, steps) <= 1.0001] for grid in np.meshgrid(steps, steps))
    places = np.stack([1 - u - v, u, v], axis=1) @ corners
    tried = np.linalg.norm(places - points[:, None], axis=2).min(axis=1)
    assert (found <= tried + 1e-9).all()
    assert (tried - found).max() < 0.02


def test_a_scan_of_the_face_itself_is_no_distance_away(random):
    found = distance_to_scan(TEMPLATE, TEMPLATE.neutral, scan_of(TEMPLATE.neutral, random))
    assert found.mean < 0.01
    assert found.share > 0.9


def test_distances_are_those_that_a_scan_was_moved_by(random):
    scan = scan_of(TEMPLATE.neutral, random, noise_mm=0.5)
    found = distance_to_scan(TEMPLATE, TEMPLATE.neutral, scan)
    assert found.median == pytest.approx(0.5, abs=0.03)
    assert found.mean == pytest.approx(0.5, abs=0.04)


def test_eyes_do_not_count(random):
    """An eyeball in each eye, which the template has none of."""
    scan = scan_of(TEMPLATE.neutral, random)
    eyes = np.stack([LANDMARKS[[36, 39]].mean(axis=0), LANDMARKS[[42, 45]].mean(axis=0)])
    balls = (eyes[:, None] + random.normal(0, 0.02, (2, 500, 3))).reshape(-1, 3)
    both = Scan("scan", np.concatenate([scan.points, moved(balls)]), scan.landmarks)
    assert distance_to_scan(TEMPLATE, TEMPLATE.neutral, both).mean < 0.01


def test_what_lies_beyond_the_rim_is_told_from_what_lies_on_the_face():
    sides = np.sort(TEMPLATE.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    sides, count = np.unique(sides, axis=0, return_counts=True)
    rim = TEMPLATE.neutral[np.unique(sides[count == 1])].astype(float)
    outward = (rim - TEMPLATE.neutral.mean(axis=0)) * [1, 1, 0]
    far = np.linalg.norm(outward, axis=1) > 0.7
    beyond = rim[far] + 0.05 * outward[far]
    surface = NearestPlaces(TEMPLATE)
    _, inside = surface.nearest(TEMPLATE.neutral.astype(float), beyond)
    assert len(beyond) > 20
    assert inside.mean() < 0.25
    cheek = LANDMARKS[[30, 33]] + [0, 0, 0.1]
    assert surface.nearest(TEMPLATE.neutral.astype(float), cheek)[1].all()


def test_landmarks_of_a_mirrored_face_are_an_error(random):
    scan = scan_of(TEMPLATE.neutral, random)
    swapped = Scan("scan", scan.points, scan.landmarks[[3, 2, 1, 0, 4, 6, 5]])
    with pytest.raises(InvalidInputError, match="in the right order"):
        distance_to_scan(TEMPLATE, TEMPLATE.neutral, swapped)


@pytest.fixture(scope="module")
def person():
    """Somebody whose face the template's modes alone make."""
    none = np.zeros((len(TEMPLATE.expression), 3, 64, 64), np.float32)
    identity = np.random.default_rng(2).normal(0, 1, len(TEMPLATE.identity)).astype(np.float32)
    skin = np.full((128, 128, 3), 0.5, np.float32)
    return PersonalModel(TEMPLATE, identity, none[0], none, skin, none.transpose(0, 2, 3, 1).copy())


@pytest.mark.parametrize("pose", [{}, {"jawOpen": 0.5, "mouthSmileLeft": 0.8}])
def test_a_persons_model_is_nearer_to_their_scan(tmp_path, random, capsys, person, pose):
    scan = scan_of(person.shape(pose), random)
    (tmp_path / "one.obj").write_bytes(obj(scan.points))
    np.savetxt(tmp_path / "one.txt", scan.landmarks)
    person.save(tmp_path / "me.efp")
    if pose:
        (tmp_path / "one.json").write_text(json.dumps(pose))
    ((name, before, after),) = measure_scans(tmp_path)
    assert name == "one.obj"
    assert after.mean < 0.01 < 0.5 < before.mean
    assert main(["personal", "scans", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed.split()[-4:-2] == [f"{before.median:.3f}", f"{before.mean:.3f}"]


def test_models_and_poses_that_do_not_fit_are_errors(tmp_path, random, person):
    scan = scan_of(TEMPLATE.neutral, random)
    (tmp_path / "one.obj").write_bytes(obj(scan.points))
    np.savetxt(tmp_path / "one.txt", scan.landmarks)
    assert next(measure_scans(tmp_path))[2] is None
    (tmp_path / "one.json").write_text("[1]")
    with pytest.raises(InvalidInputError, match="holds no scores"):
        next(measure_scans(tmp_path))
    (tmp_path / "one.json").unlink()
    person.save(tmp_path / "a.efp")
    person.save(tmp_path / "b.efp")
    with pytest.raises(InvalidInputError, match=r"Name it one\.efp"):
        next(measure_scans(tmp_path))
