"""Landmark conventions: the shipped files against published facts, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from edgeface.errors import InvalidInputError
from edgeface.reference.cli import main
from edgeface.reference.conventions import NAMES, read_convention, unify
from edgeface.reference.conventions.mean_fit import fit_mean_face
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR
from edgeface.reference.geometry.pose import rotation_from_euler

MEAN_FACES = json.loads((Path(__file__).parent / "mean_faces.json").read_text())
PAPER = {"68": 52, "68-fixed": 68, "74": 59, "98": 66}
"""How many points Wang et al. 2019 (Sec. 4.1) keep of each."""
SWAPS = {
    "29": "0-1 2-3 4-6 5-7 8-9 10-11 12-14 13-15 16-17 18-19 22-23",
    "98": "0-32 1-31 15-17 33-46 37-42 38-50 41-47 55-59 56-58 60-72 61-71 62-70 63-69 64-68 65-75 "
    "66-74 67-73 76-82 77-81 78-80 83-87 84-86 88-92 89-91 93-95 96-97",
    "106": "0-32 15-17 33-46 37-42 38-50 41-47 55-65 56-64 57-63 58-62 59-61 66-79 67-78 68-77 "
    "69-76 70-75 71-82 72-81 73-80 74-83 84-90 85-89 86-88 91-95 92-94 96-100 97-99 101-103 "
    "104-105",
}
"""Of the data sets' definitions in https://github.com/open-mmlab/mmpose (Apache-2.0)."""


def a_file(tmp_path, **changes):
    """A small valid convention with some of its entries replaced."""
    content = {
        "name": "mine",
        "title": "a test",
        "source": "none",
        "base": ["68"],
        "count": 3,
        "points": [
            {"name": "nose tip"},
            {"name": "right dimple", "at": {"205": 0.5, "50": 0.5}},
            {"name": "left dimple", "at": {"425": 0.5, "280": 0.5}},
        ],
        "mirror": [0, 2, 1],
    } | changes
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_shipped_conventions_are_whole(name, face_model):
    convention = read_convention(name)
    points = convention.on(face_model.mean)
    assert convention.name == name
    assert len(set(convention.points)) == len(convention.points)
    assert {"21": 21, "29": 29, "68-fixed": 68, "mesh": 478}.get(name, len(points)) == len(points)
    np.testing.assert_allclose(convention.weights.sum(axis=1), 1, atol=1e-5)
    # the first of a pair of partners lies on the side its name says: x is to the face's left
    for i, point in enumerate(convention.points):
        if point.startswith(("right", "left")):
            assert (points[i, 0] > 0) == point.startswith("left"), point


@pytest.mark.parametrize("name", ["21", "29", "74", "98", "106"])
def test_orders_are_those_of_published_mean_faces(name, face_model):
    """Laid over the model by an affine map, every published point is nearest its own."""
    convention = read_convention(name)
    published = np.array([p or [np.nan, np.nan] for p in MEAN_FACES[name]])
    ours = convention.on(face_model.mean)[:, :2].astype(float)
    rows = np.flatnonzero(
        np.isfinite(published).all(axis=1) & (np.array(convention.kind) == "fixed")
    )
    theirs = np.concatenate([published[rows], np.ones((len(rows), 1))], axis=1)
    theirs = theirs @ np.linalg.lstsq(theirs, ours[rows])[0]
    cost = np.linalg.norm(theirs[:, None] - ours[rows][None], axis=2)
    _, nearest = linear_sum_assignment(cost)
    assert nearest.tolist() == list(range(len(rows)))
    # outer eye distances; expressions and poses of the data sets' faces differ
    off = dict(zip(np.array(convention.points)[rows].tolist(), np.diag(cost), strict=True))
    assert np.median(list(off.values())) < 0.035
    off.pop("chin")
    assert max(off.values()) < 0.095, max(off, key=lambda point: off[point])


@pytest.mark.parametrize("name", SWAPS)
def test_mirror_is_the_published_one(name):
    mirror = read_convention(name).mirror
    for pair in SWAPS[name].split():
        left, right = map(int, pair.split("-"))
        assert (mirror[left], mirror[right]) == (right, left)


def test_68_is_the_face_models_own_map(face_model):
    convention = read_convention("68")
    np.testing.assert_array_equal(convention.mirror, LANDMARK_MIRROR)
    np.testing.assert_allclose(
        convention.on(face_model.mean),
        face_model.landmarks(np.eye(50)[0], np.zeros(46)),
        atol=1e-6,
    )


def test_the_rules_keep_as_many_points_as_the_paper():
    """One difference: of WFLW's 98 the paper keeps 66, though its rule 3 removes both pupils."""
    unified = unify([read_convention(name) for name in PAPER])
    kept = {name: int((unified.columns[name] >= 0).sum()) for name in PAPER}
    assert kept == PAPER | {"98": 64}
    wflw = read_convention("98")
    dropped = [p for p, c in zip(wflw.points, unified.columns["98"], strict=True) if c < 0]
    assert sum(p.startswith("outline") for p in dropped) == 32
    assert set(dropped[-2:]) == {"right pupil", "left pupil"}


def test_unify_merges_by_name():
    conventions = [read_convention(name) for name in NAMES]
    unified = unify(conventions)
    assert len(unified.names) == len(set(unified.names))
    np.testing.assert_array_equal(unified.mirror[unified.mirror], np.arange(len(unified.names)))
    for convention in conventions:
        for point, kind, column in zip(
            convention.points, convention.kind, unified.columns[convention.name], strict=True
        ):
            assert (column >= 0) == (kind == "fixed")
            assert column < 0 or unified.names[column] == point
    tips = [
        int(unified.columns[c.name][c.points.index("nose tip")])
        for c in conventions
        if "nose tip" in c.points
    ]
    assert tips == [tips[0]] * 7
    # what one convention lets slide, another may fix: the outline counts, but not from 300-W
    assert unified.columns["68"][3] == -1
    assert unified.names[unified.columns["68-fixed"][3]] == "outline 3"


def test_targets_scatter_points_and_mask_the_rest(random):
    unified = unify([read_convention("68"), read_convention("98")])
    points = random.normal(size=(3, 98, 2)).astype(np.float32)
    points[1, 54] = np.nan
    targets, mask = unified.targets("98", points)
    assert targets.shape == (3, len(unified.names), 2)
    assert mask.sum(axis=1).tolist() == [64, 63, 64]
    tip = unified.names.index("nose tip")
    np.testing.assert_array_equal(targets[[0, 2], tip], points[[0, 2], 54])
    assert not mask[1, tip]
    assert not targets[~mask].any()
    wing = unified.names.index("right nose corner")
    np.testing.assert_array_equal(targets[:, wing], points[:, 55])
    empty, none = unified.targets("68", np.empty((0, 68, 2)))
    assert (len(empty), none.shape[1]) == (0, len(unified.names))


def test_targets_refuse_a_mask_of_all_zeros_and_other_shapes():
    unified = unify([read_convention("68")])
    points = np.ones((2, 68, 2))
    points[1] = np.nan
    with pytest.raises(InvalidInputError, match=r"mask of 1 of 2 faces is all zeros .* number 1"):
        unified.targets("68", points)
    points[1, :8] = 1  # only points that slide
    with pytest.raises(InvalidInputError, match="all zeros"):
        unified.targets("68", points)
    with pytest.raises(InvalidInputError, match=r"\(N, 68, 2\), got \(2, 98, 2\)"):
        unified.targets("68", np.ones((2, 98, 2)))
    with pytest.raises(InvalidInputError, match="'98' is none of those unified: 68"):
        unified.targets("98", np.ones((2, 98, 2)))


def test_read_convention_of_a_file(tmp_path, face_model):
    convention = read_convention(a_file(tmp_path))
    assert convention.points == ("nose tip", "right dimple", "left dimple")
    np.testing.assert_allclose(
        convention.on(face_model.mean)[1], face_model.mean[[205, 50]].mean(axis=0), atol=1e-6
    )
    unified = unify([read_convention("68"), convention])
    assert len(unified.names) == 54


TIP, RIGHT, LEFT = (
    {"name": "nose tip"},
    {"name": "right dimple", "at": {"205": 1}},
    {"name": "left dimple", "at": {"425": 1}},
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 4}, "count 4 and lists 3 points"),
        ({"mirror": [0, 2, 2]}, "each of 0 to 2 once"),
        ({"mirror": [0, 1]}, "each of 0 to 2 once"),
        ({"mirror": [1, 2, 0]}, "partners must swap"),
        ({"mirror": [0, 1, 2]}, "'right dimple' and its mirror 'right dimple' are no mirror"),
        ({"mirror": [1, 0, 2]}, "no mirror images on the mean face: \\d\\.\\d+ outer eye"),
        ({"points": [TIP, RIGHT, {"name": "left dimple", "at": {"468": 1}}]}, "vertex 468; .* 467"),
        ({"points": [TIP, RIGHT, {"name": "left dimple", "at": {"9.5": 1}}]}, "'9.5': no vertex"),
        ({"points": [TIP, RIGHT, {"name": "left dimple", "at": {"425": 0.7}}]}, "sum to 0.7"),
        ({"points": [TIP, RIGHT, {"name": "left dimple", "at": {"425": "1"}}]}, "weight '1'"),
        ({"points": [TIP, RIGHT, {"name": "left dimple", "at": 425}]}, "got 425"),
        ({"points": [TIP, RIGHT, {"name": "left dimple"}]}, "'left dimple' has no 'at'"),
        ({"points": [{"name": "nose tip", "at": {"1": 1}}, RIGHT, LEFT]}, "one name, one place"),
        ({"points": [TIP, TIP, LEFT]}, "'nose tip' is listed twice"),
        ({"points": [TIP, RIGHT | {"kind": "sliding"}, LEFT]}, "its mirror 'left dimple' is not"),
        ({"points": [TIP, RIGHT | {"kind": "loose"}, LEFT]}, "kind 'loose'"),
        ({"points": [TIP, RIGHT | {"colour": 1}, LEFT]}, "an object of name, kind and at"),
        (
            {"points": [p | {"kind": "unrepresentable"} for p in (TIP, RIGHT, LEFT)]},
            "mask would be all zeros",
        ),
        ({"points": [], "count": 0, "mirror": []}, "at least one point"),
        ({"base": 68}, "'base' be a list"),
        ({"base": ["69"]}, "'69' is no shipped convention"),
        ({"base": ["face model"]}, "maps 68 points, not 3"),
        ({"colour": 1}, r"unknown keys \['colour'\]"),
    ],
)
def test_read_convention_refuses(tmp_path, changes, message):
    with pytest.raises(InvalidInputError, match=r"mine\.json.*" + message):
        read_convention(a_file(tmp_path, **changes))


def test_read_convention_refuses_other_files(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"a\.json is no landmark convention"):
        read_convention(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="expected a JSON object"):
        read_convention(tmp_path / "a.json")
    with pytest.raises(InvalidInputError, match="expected one of 21, 29, 68"):
        read_convention("69")


def test_unify_refuses_what_disagrees(tmp_path):
    with pytest.raises(InvalidInputError, match="one or more conventions"):
        unify([])
    with pytest.raises(InvalidInputError, match="of different names"):
        unify([read_convention("68"), read_convention("68")])
    tip = {"name": "nose tip", "at": {"1": 1}}
    other = read_convention(
        a_file(tmp_path, base=[], points=[tip, RIGHT, LEFT], count=3, mirror=[0, 2, 1])
    )
    with pytest.raises(InvalidInputError, match="'68' and 'mine' place 'nose tip' differently"):
        unify([read_convention("68"), other])


@pytest.mark.parametrize("name", ["21", "74", "98"])
def test_fit_mean_face_finds_pose_and_landmarks(name, face_model, random):
    convention = read_convention(name)
    truth = rotation_from_euler(np.array([[10.0, 35, -8], [-5, -50, 20]]))
    turn = truth[:, :2] * np.array([1, -1])[:, None] * 70  # image y is down
    shape = convention.on(face_model.mean)
    points = np.array([100.0, 90]) + np.einsum("nij,pj->npi", turn, shape)
    points[0, random.choice(len(shape), len(shape) // 3, replace=False)] = np.nan
    rotation, landmarks = fit_mean_face(convention, points, face_model)
    np.testing.assert_allclose(rotation, truth, atol=1e-5)
    sparse = face_model.landmarks(np.eye(50)[0], np.zeros(46))
    expected = np.array([100.0, 90]) + np.einsum("nij,pj->npi", turn, sparse)
    np.testing.assert_allclose(landmarks, expected, atol=1e-3)
    points[1, 4:] = np.nan
    with pytest.raises(InvalidInputError, match=r"face 1 has \d labelled points"):
        fit_mean_face(convention, points, face_model)


def test_the_command_checks_and_draws(tmp_path, capsys):
    assert main(["conventions"]) == 0
    assert "588 landmarks in all" in capsys.readouterr().out
    path = a_file(tmp_path)
    assert main(["conventions", str(path), "98", "--draw", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert main(["conventions", str(a_file(tmp_path, count=9))]) == 1
    assert "count 9 and lists 3 points" in capsys.readouterr().err
