import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeface.errors import ModelFormatError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.face_model_import import from_ict_facekit
from edgeface.reference.data.ledger import free_ledger
from edgeface.reference.data.packs import FREE, expression_scores, is_validation, open_pack
from edgeface.reference.data.photos import read_photos
from edgeface.reference.data.targets import concatenate
from edgeface.reference.face_model.dense import on_head
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.free import crowds
from edgeface.reference.free.expressions import draw_expression, teacher_scores
from edgeface.reference.free.ict import FILE, read_head
from edgeface.reference.free.packing import crop_square, encoded, write_pack
from edgeface.reference.free.people import render_behind, render_person
from edgeface.reference.free.scenery import background
from edgeface.reference.free.skins import mixed_skin
from edgeface.reference.free.templates import along, landmarks_of_template, read_template
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR, mapped_landmarks
from edgeface.reference.geometry.fit import fit_meshes
from edgeface.reference.geometry.lids import lid_opening
from tests.reference.conftest import TEACHER_NAMES

NOSE_TIP, SIDES = 1, [234, 454]
ICT_NAMES = ("browInnerUp_L", "browInnerUp_R", "eyeBlink_L", "jawOpen", "PupilDilate_L")


def test_along_cuts_a_curve_into_equal_lengths():
    corner = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]])
    np.testing.assert_allclose(along(corner, 4), [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]])


def test_landmarks_of_a_mirrored_template_are_mirrored():
    """A template whose right and left points are mirror images gives such landmarks."""
    random = np.random.default_rng(0)
    points = random.uniform(-1, 1, (189, 2))
    pairs = {18: 27, 19: 26, 20: 25, 21: 24, 22: 23, 28: 33, 29: 32, 30: 31, 71: 82, 72: 81,
             73: 80, 74: 79, 75: 78, 76: 77, 109: 112, 185: 187, 110: 113, 186: 188, 111: 114,
             125: 133, 126: 132, 127: 131, 128: 130, 64: 69, 179: 182, 87: 93, 88: 92, 89: 91,
             94: 98, 95: 97, 104: 108, 105: 107, 100: 102}  # fmt: skip
    pairs |= {right: right + 6 for right in range(50, 55)}
    for right, left in pairs.items():
        points[left] = points[right] * [-1, 1]
    for middle in (55, 90, 96, 101, 106, 129):
        points[middle, 0] = 0
    found = landmarks_of_template(points)
    assert found.shape == (68, 2)
    np.testing.assert_allclose(found[LANDMARK_MIRROR] * [-1, 1], found, atol=1e-12)


def test_read_template_says_what_is_no_template(tmp_path):
    path = tmp_path / "face.tem"
    path.write_text("189\n" + "1.5 2\n" * 189)
    np.testing.assert_allclose(read_template(path), np.tile([1.5, 2], (189, 1)))
    for text in ("189\n1 2\n", "12\n" + "1 2\n" * 189, "189\n" + "x y\n" * 189):
        path.write_text(text)
        with pytest.raises(ModelFormatError, match=r"face\.tem"):
            read_template(path)


def test_crop_square_tells_where_its_pixels_come_from(random):
    pixels = np.zeros((90, 120, 3), np.uint8)
    pixels[40:50, 100:110] = 255
    crop, scale, corner = crop_square(Image.fromarray(pixels), np.array([105.0, 45.0]), 64.0)
    assert crop.shape == (256, 256, 3)
    assert scale == 4
    np.testing.assert_allclose((np.array([105.0, 45.0]) - corner) * scale, [128, 128])
    assert crop[128, 128].min() > 250
    assert crop[128, 128 + 40].max() < 5


def test_packs_are_read_as_they_were_written(tmp_path, random):
    mesh = random.uniform(0, 256, (2, 478, 3))
    labels = {"mesh478": mesh, "landmarks68": mesh[:, :68, :2], "group": np.array(["a", "b"])}
    pixels = [random.integers(0, 256, (256, 256, 3)).astype(np.uint8) for _ in range(2)]
    write_pack(tmp_path / "two.zip", [encoded(p) for p in pixels], "jpg", labels)
    first = (tmp_path / "two.zip").read_bytes()
    write_pack(tmp_path / "two.zip", [encoded(p) for p in pixels], "jpg", labels)
    assert (tmp_path / "two.zip").read_bytes() == first
    pack = open_pack(tmp_path, "two")
    np.testing.assert_allclose(pack.labels["mesh"], mesh[:, :468], atol=0.07)  # half precision
    np.testing.assert_allclose(pack.labels["landmarks68"], mesh[:, :68, :2], atol=1e-4)
    image = pack.image(1)
    assert image is not None
    assert image.shape == (256, 256, 3)


def test_teacher_scores_join_what_ict_splits():
    scores = teacher_scores(np.array([0.2, 0.6, 1.0, 0.5, 0.9]), ICT_NAMES)
    assert scores == {"browInnerUp": pytest.approx(0.4), "eyeBlinkLeft": 1.0, "jawOpen": 0.5}


def test_backgrounds_differ(random):
    one, other = background(64, 96, random), background(64, 96, random)
    assert one.shape == (64, 96, 3)
    assert one.dtype == np.uint8
    assert np.abs(one.astype(int) - other).mean() > 1


@pytest.fixture(scope="module")
def head(data_folder):
    return read_head(data_folder / FILE, free_ledger(), read_face_model("free"))


def test_mixed_skins_are_nobodys(random):
    skins = np.stack([np.full((10, 3), tone) for tone in np.linspace(0.2, 0.9, 30)])
    skins[:, 3, 0] = random.random(30)  # a mark of each
    for _ in range(20):
        assert np.abs(mixed_skin(skins, random) - skins).max(axis=(1, 2)).min() > 0.005


def test_rendered_people_are_where_their_labels_say(head, random):
    """Labels fit the free face model, and shut eyes are labelled shut and drawn so."""
    skins = np.full((20, len(head.neutral), 3), 0.6)
    shots = [shot for _ in range(4) for shot in render_person(head, skins, random)]
    scores = np.array([[s.scores.get(name, 0.0) for name in TEACHER_NAMES] for s in shots])
    targets = expression_scores(scores, np.array(TEACHER_NAMES))
    model = read_face_model("free")
    meshes = np.stack([shot.mesh[:468] for shot in shots]).astype(np.float32)
    fit = fit_meshes(model, meshes, targets)
    assert np.median(fit.residual) < 0.05
    labelled, fitted = (
        mapped_landmarks(meshes[..., :2], model)[:, 17:],
        fit.landmarks(model)[:, 17:],
    )
    distance = np.linalg.norm(labelled - fitted, axis=2) / fit.scale_px[:, None]
    assert distance.mean() < 0.025
    assert np.abs(fit.expression - targets).mean() < 0.06
    for shot in shots:
        assert shot.pixels.shape == (256, 256, 3)
        assert np.abs(np.median(shot.mesh[:468, :2], axis=0) - 128).max() < 60


def test_hard_people_are_turned_dark_on_a_side_and_as_labelled(head):
    random = np.random.default_rng(5)
    skins = np.full((20, len(head.neutral), 3), 0.6)
    shots = [shot for _ in range(2) for shot in render_person(head, skins, random, hard=True)]
    model = read_face_model("free")
    points = mapped_landmarks(np.stack([s.mesh[:468, :2] for s in shots]), model)
    assert (np.ptp(points[:, 17:, 0], axis=1) < 0.8 * np.ptp(points[:, 17:, 1], axis=1)).any()
    assert all(s.cover[128, 128] > 0.5 for s in shots)
    assert max(s.scores["jawOpen"] for s in shots) > 0.4


def test_blinks_shut_the_heads_eyes(head):
    shape = head.neutral + head.shapes[list(head.names).index("eyeBlink_L")]
    opened = lid_opening(shape[head.landmarks])
    assert opened[1] < 0.1 < 0.25 < opened[0]


def test_draw_expression_stays_within_bounds(head, random):
    drawn = np.stack([draw_expression(head.names, random) for _ in range(300)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    shown = {name for name, most in zip(head.names, drawn.max(axis=0), strict=True) if most > 0.5}
    assert {"eyeBlink_L", "jawOpen", "mouthSmile_R", "noseSneer_L", "cheekPuff_L"} <= shown


def test_the_free_model_shuts_its_eyes():
    model = read_face_model("free")
    for side, eye in (("Right", 0), ("Left", 1)):
        weights = np.eye(46)[EXPRESSION_NAMES.index(f"eyeBlink{side}")]
        opened = lid_opening(model.landmarks(np.eye(50)[0], weights)[:, :2])
        assert opened[eye] == pytest.approx(0.02, abs=0.03)
        assert opened[1 - eye] > 0.2


def test_archives_have_no_clock(tmp_path):
    write_pack(tmp_path / "one.zip", [], "jpg", {})
    with zipfile.ZipFile(io.BytesIO((tmp_path / "one.zip").read_bytes())) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}


def test_people_from_behind_turn_their_face_away(head, random):
    """The tip of the nose is farther from the camera than both sides of the face."""
    skins = np.full((20, len(head.neutral), 3), 0.6)
    shots = render_behind(head, skins, random)
    depth = np.stack([shot.mesh[:, 2] for shot in shots])
    assert (depth[:, [NOSE_TIP]] > depth[:, SIDES]).all()
    (front, *_) = render_person(head, skins, np.random.default_rng(3))
    assert (front.mesh[NOSE_TIP, 2] < front.mesh[SIDES, 2]).all()
    assert all(shot.cover.mean() > 0.1 for shot in shots)


def test_crowds_are_read_as_photos(head, tmp_path, random, monkeypatch):
    """Boxes lie where the meshes do, small faces have no mesh, scenes without people no face.

    People of the photos for validation are in no other.
    """
    monkeypatch.setattr(crowds, "CAST", 4)
    skins = np.full((20, len(head.neutral), 3), 0.6)
    scraps = [np.full((60, 40, 3), 128, np.uint8)]
    real, casts = crowds._crowd, []
    monkeypatch.setattr(crowds, "_crowd", lambda cast, *_: casts.append(cast) or real(cast, *_))
    crowds.write_crowds(head, skins, scraps, 8, tuple(TEACHER_NAMES), tmp_path)
    validation = is_validation(open_pack(tmp_path, crowds.CROWDS_PACK))
    assert 0 < validation.sum() < 8
    whose = {held: {id(shot) for v, cast in zip(validation, casts, strict=True) if v == held
                    for shot in cast} for held in (True, False)}  # fmt: skip
    assert not whose[True] & whose[False]
    model = read_face_model("free")
    sources = replace(FREE, free=False)
    found = [read_photos(tmp_path, model, split, sources) for split in (True, False)]
    photos = [photo for some, _, _ in found for photo in some]
    empty = [photo for _, some, _ in found for photo in some]
    assert (len(photos), len(empty)) == (8, 10)
    targets = concatenate([photo.targets for photo in photos])
    sizes = (targets.boxes[:, 2:] - targets.boxes[:, :2]).max(axis=1)
    assert sizes.min() > 3
    meshed = sizes >= crowds.MESHED_PX
    assert 0 < meshed.sum() < len(meshed)
    assert targets.has_fit[meshed].mean() > 0.9
    assert not targets.has_fit[~meshed].any()
    inner = targets.landmarks[targets.has_fit][:, 17:]
    boxes = targets.boxes[targets.has_fit]
    assert ((inner > boxes[:, None, :2] - 1) & (inner < boxes[:, None, 2:] + 1)).mean() > 0.98


def test_people_of_a_crowd_lie_where_their_labels_say(random):
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[92:124, 92:124] = 255
    shot = crowds.Shot(pixels, np.ones((256, 256)), np.zeros((478, 3)), {})
    for wanted in np.exp(random.uniform(-3, 0, 20)).tolist():
        canvas = np.zeros((300, 320, 3), np.uint8)
        at = random.uniform(0, 40, 2)
        scale, corner = crowds._paste(canvas, np.full((300, 320), -1), shot, wanted, at, 0)
        light = canvas.mean(axis=2)
        rows, columns = np.nonzero(light)
        pixel = np.stack([columns, rows], axis=1) + 0.5
        centre = np.average(pixel, axis=0, weights=light[rows, columns])
        np.testing.assert_allclose(centre, 108 * scale + corner, atol=0.05)
        assert abs(corner - at).max() <= 0.5


def test_the_free_model_on_a_head_has_the_same_landmarks(data_folder, random):
    model = read_face_model("free")
    head = on_head(model, from_ict_facekit(data_folder / FILE))
    assert len(head.mean) == 11248
    identity = np.concatenate([np.ones((8, 1)), random.normal(0, 0.8, (8, 49))], axis=1)
    expression = random.beta(0.5, 2.0, (8, 46))
    apart = head.landmarks(identity, expression) - model.landmarks(identity, expression)
    apart = np.linalg.norm(apart, axis=2)
    assert apart.mean() < 0.004
    assert apart.max() < 0.015  # at the lips, whose points the head has elsewhere on their rim
