import os
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.image import crop
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.packs import (
    MULTI_FACE_PACK,
    NEGATIVE_PACK,
    RESEARCH,
    data_dir,
    is_validation,
    open_pack,
    split_groups,
)
from edgeface.reference.data.photos import read_photos
from edgeface.reference.data.targets import (
    Mirror,
    boxes_only,
    concatenate,
    from_fit,
    similarity_matrix,
    warp,
)
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR
from edgeface.reference.geometry.morphable import quaternion_to_rotation
from edgeface.reference.geometry.pose import rotation_to_quaternion
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.training.views import prepared as prepared_views
from edgeface.reference.training.views.atlas import build_atlas
from edgeface.reference.training.views.augment import SHADED, jitter, shades
from edgeface.reference.training.views.crops import CropBatches, crop_matrix
from edgeface.reference.training.views.draw import Renderer
from edgeface.reference.training.views.plan import FADE, Picture, lay, pack
from edgeface.reference.training.views.prepared import Wanted, prepare
from edgeface.reference.training.views.scenes import (
    SceneBatches,
    keep_visible,
    letterboxed,
    scene_targets,
)
from edgeface.reference.training.weak_labels import weakly_labelled
from tests.reference.conftest import rotation

ALL_PACKS = (*RESEARCH.faces, MULTI_FACE_PACK, NEGATIVE_PACK)


@pytest.mark.parametrize("name", ALL_PACKS)
def test_split_never_cuts_a_group(data_folder, name):
    pack = open_pack(data_folder, name)
    validation, groups = is_validation(pack), split_groups(pack)
    assert not set(groups[validation]) & set(groups[~validation])
    assert 0.1 < validation.mean() < 0.3


def test_split_keeps_faces_of_one_photo_together(data_folder):
    pack = open_pack(data_folder, "faces68-300w")
    groups = dict(zip(pack.labels["group"].tolist(), split_groups(pack).tolist(), strict=True))
    assert groups["100040721_1"] == groups["100040721_2"]
    assert groups["image_0001"] != groups["image_0002"]


def test_corrupt_images_are_named_skipped_and_counted(tiny_packs, tmp_path, face_model):
    for name in RESEARCH.faces:
        shutil.copy(tiny_packs / f"{name}.zip", tmp_path)
    path = tmp_path / "faces68-video.zip"
    with zipfile.ZipFile(path) as archive:
        content = {n: archive.read(n) for n in archive.namelist()}
    training = np.flatnonzero(~is_validation(open_pack(tmp_path, "faces68-video")))
    for i in training[:2]:
        content[f"images/{i:05d}.jpg"] = content[f"images/{i:05d}.jpg"][:300]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    whole = read_faces(tiny_packs, face_model, validation=False)
    faces = read_faces(tmp_path, face_model, validation=False)
    assert faces.skipped == [f"faces68-video:images/{i:05d}.jpg" for i in training[:2]]
    assert len(faces.crops) == len(whole.crops) - 2 == len(faces.targets) == len(faces.labelled)


def test_bad_data_folders_are_errors(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGEFACE_DATA", raising=False)
    with pytest.raises(InvalidInputError, match="give --data"):
        data_dir(None)
    with pytest.raises(InvalidInputError, match="does not exist"):
        data_dir(tmp_path / "absent")
    (tmp_path / "faces68-300w.zip").write_text("no zip")
    for name in ("faces68-300w", "faces68-video"):
        with pytest.raises(InvalidInputError, match="cannot open the data pack"):
            open_pack(tmp_path, name)


@pytest.fixture(scope="module")
def faces(tiny_packs, face_model):
    return read_faces(tiny_packs, face_model, validation=False)


def test_faces_without_a_mesh_are_fitted_to_their_landmarks(faces):
    assert faces.targets.has_fit.all()
    error = np.linalg.norm(faces.targets.landmarks - faces.labelled, axis=2)
    labelled = np.isfinite(faces.labelled).all(axis=(1, 2))
    assert np.median(error[labelled]) < 0.01  # labels are the targets
    assert set(faces.pack[~labelled]) == {"faces68-video", "faces-expressive"}


def test_a_corner_that_repeats_another_is_no_label(faces, face_model):
    fitted = faces.fit.landmarks(face_model)
    labelled = fitted + np.float32(3)
    labelled[::2, 60] = labelled[::2, 48]
    found = from_fit(faces.fit, face_model, labelled).landmarks
    np.testing.assert_allclose(found[::2, 60], fitted[::2, 60], atol=1e-4)
    np.testing.assert_allclose(found[1::2, 60], labelled[1::2, 60], atol=1e-4)
    np.testing.assert_allclose(found[:, 48], labelled[:, 48], atol=1e-4)


def test_mirror_twice_is_nothing(faces, face_model):
    mirror = Mirror(face_model)
    twice = mirror(mirror(faces.targets, 256), 256)
    for name in ("landmarks", "boxes", "identity", "expression", "rotation"):
        np.testing.assert_allclose(
            getattr(twice, name), getattr(faces.targets, name), atol=1e-4, err_msg=name
        )


def test_mirrored_coefficients_project_to_mirrored_landmarks(faces, face_model):
    """What the labels say of the mirror image is the mirror image of what they say."""
    targets = faces.targets[:5]
    mirrored = Mirror(face_model)(targets, 256)
    shape = face_model.landmarks(targets.identity, targets.expression)
    posed = np.einsum("nij,nlj->nli", targets.rotation, shape)
    other = face_model.landmarks(mirrored.identity, mirrored.expression)
    other = np.einsum("nij,nlj->nli", mirrored.rotation, other)
    np.testing.assert_allclose(other, posed[:, LANDMARK_MIRROR] * [-1, 1, 1], atol=0.01)


@pytest.mark.parametrize(
    ("angle_deg", "sides"), [(0, (60, 80)), (90, (80, 60)), (180, (60, 80)), (45, (70.71, 70.71))]
)
def test_warp_keeps_a_turned_heads_box_around_it(angle_deg, sides):
    """An ellipse's box: its sides swap at 90 degrees."""
    labels = boxes_only(np.array([[20.0, 10, 80, 90]]), np.array([False]))
    angle = np.deg2rad(angle_deg)
    matrix = similarity_matrix(1.0, angle, np.array([50.0, 50]), np.array([50.0, 50]))
    box = warp(labels, matrix, angle).boxes[0]
    assert (box[2:] + box[:2]) / 2 == pytest.approx([50, 50])
    assert box[2:] - box[:2] == pytest.approx(sides, abs=0.01)


def test_warp_turns_pixels_landmarks_and_head_alike(faces, face_model):
    """Targets rebuilt from warped coefficients land on the warped landmarks."""
    targets = faces.targets[:4]
    angle = np.deg2rad(25)
    linear = 1.4 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([linear, [[20.0], [-7.0]]], axis=1)
    moved = warp(targets, matrix, angle)
    np.testing.assert_allclose(moved.landmarks, targets.landmarks @ linear.T + [20, -7], atol=1e-3)
    shape = face_model.landmarks(moved.identity, moved.expression)
    posed = np.einsum("nij,nlj->nli", moved.rotation, shape)[..., :2] * [1, -1]
    for a, b in zip(posed, moved.landmarks, strict=True):
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        np.testing.assert_allclose(a * (a * b).sum() / (a * a).sum(), b, atol=1.5)


def test_crops_and_the_runtimes_crop_see_the_same(random):
    """Training's warp and the runtime's resize agree about where a pixel goes."""
    smooth = Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8))
    picture = np.array(smooth.resize((256, 256), Image.Resampling.BICUBIC))
    box = np.array([60.0, 50.0, 180.0, 200.0])
    matrix, _ = crop_matrix(box, 128)
    plan = pack([[lay(Picture(0, 256, 256), matrix, (0, 0, 128, 128))]], 128)
    ours = Renderer(build_atlas([picture]))(plan)[0].numpy().astype(float)
    theirs, _ = crop(picture, box, CROP_SCALE, 128)
    difference = np.abs(ours - theirs)[4:-4, 4:-4]
    assert difference.mean() < 2.5


@pytest.fixture(scope="module")
def crops(tiny_packs, face_model):
    wanted = Wanted(validation=False, photos=False, copies=True)
    return prepare(tiny_packs, face_model, wanted)


def test_crop_batches_put_landmarks_on_the_dots(crops, face_model):
    torch.manual_seed(3)
    draw = Renderer(crops.atlas)
    plain = CropBatches(crops.faces, face_model, 128, augment=False).__getitems__(list(range(16)))
    assert brightness_at_landmarks(draw(plain), plain) > 150
    batch = CropBatches(crops.faces, face_model, 128, augment=True).__getitems__(list(range(16)))
    images = draw(batch)
    assert images.shape == (16, 128, 128, 3)
    assert contrast_at_landmarks(images, batch).mean() > 15


def test_crop_batches_pair_faces_with_copies(crops, face_model):
    torch.manual_seed(5)
    pairs = CropBatches(crops.faces, face_model, 128, augment=True, copies=crops.copies)
    assert len(pairs) == len(crops.copies)
    batch = pairs.__getitems__(list(range(12)))
    original, moved = batch["copy_of"], batch["moved"]
    assert len(batch["landmarks"]) == 24
    assert sorted(original.tolist()) == list(range(12))
    assert 0 < int(moved.sum()) < 12
    for name, kept in (("identity", slice(None)), ("expression", moved), ("quaternion", ~moved)):
        torch.testing.assert_close(batch[name][12:][kept], batch[name][original][kept])
    assert (batch["quaternion"][12:][moved] != batch["quaternion"][original][moved]).any()
    assert (batch["expression"][12:][~moved] != batch["expression"][original][~moved]).any()
    images = Renderer(crops.atlas)(batch)
    assert len(images) == 24
    assert contrast_at_landmarks(images, batch)[12:].mean() > 10


def landmark_values(values, landmarks):
    points = (landmarks * 128 / CROP_SCALE + 64).floor().long().clamp(0, 127)
    rows = torch.arange(len(points))[:, None]
    return values[rows, points[..., 1], points[..., 0]]


def brightness_at_landmarks(images, batch):
    return float(landmark_values(images.float().mean(dim=3), batch["landmarks"]).mean())


def contrast_at_landmarks(images, batch):
    values = images.float().mean(dim=3)
    return landmark_values(values, batch["landmarks"]) - values.mean(dim=(1, 2))[:, None]


@pytest.fixture(scope="module")
def photos(tiny_packs, face_model):
    return read_photos(tiny_packs, face_model, validation=False)


def test_read_photos_joins_boxes_and_fits(photos):
    with_faces, empty, skipped = photos
    assert skipped == []
    assert all(len(p.targets) == 0 for p in empty)
    for photo in with_faces:
        assert photo.targets.has_fit.tolist() == [True, False]
        assert photo.targets.ignore.tolist() == [False, True]


@pytest.fixture(scope="module")
def prepared(tiny_packs, face_model):
    return prepare(tiny_packs, face_model, Wanted(validation=False, photos=True))


def scene_batches(prepared, face_model, sizes=(288,), fixed=False):
    return SceneBatches(prepared, face_model, sizes, fixed=fixed)


def brightness_of_large_faces(images, batch):
    values = images.float().mean(dim=3)
    bright = []
    for i in torch.nonzero(batch["has_fit"] & ~batch["ignore"])[:, 0].tolist():
        points = batch["landmarks"][i]
        extent = float((batch["boxes"][i, 2:] - batch["boxes"][i, :2]).max())
        if extent > 60:
            inside = ((points >= 0) & (points < images.shape[1])).all(dim=1)
            column, row = points[inside].long().unbind(dim=1)
            bright.append(float(values[batch["image_index"][i], row, column].mean()))
    return bright


@pytest.mark.parametrize("fixed", [True, False])
def test_scene_batches_put_landmarks_on_the_dots(prepared, face_model, fixed):
    torch.manual_seed(11)
    batch = scene_batches(prepared, face_model, fixed=fixed).__getitems__(list(range(24)))
    images = Renderer(prepared.atlas)(batch)
    assert images.shape == (24, 288, 288, 3)
    # the noise is 90, the dots 255
    assert np.mean(brightness_of_large_faces(images, batch)) > 115


@pytest.mark.parametrize("kind", ["mosaic", "crowd"])
def test_composed_scenes_put_landmarks_on_the_dots(prepared, face_model, kind):
    scenes = scene_batches(prepared, face_model)
    random = np.random.default_rng(3)
    views = [getattr(scenes, f"_{kind}")(288, random) for _ in range(24)]
    counts = [len(view.targets) for view in views]
    targets = concatenate([view.targets for view in views])
    batch = pack([view.layers for view in views], 288)
    batch |= scene_targets(targets, np.repeat(np.arange(24), counts), 24)
    bright = brightness_of_large_faces(Renderer(prepared.atlas)(batch), batch)
    assert len(bright) > 5
    assert np.mean(bright) > 115
    assert max(counts) > 4
    assert max(counts) <= 20


def test_faces_of_a_crowd_hide_no_other(prepared, face_model):
    scenes = scene_batches(prepared, face_model)
    random = np.random.default_rng(5)
    for _ in range(40):
        view = scenes._crowd(288, random)
        faces = [layer for layer in view.layers if layer.mode == FADE]
        assert len(faces) == len(view.targets)
        for row, box in enumerate(view.targets.boxes):
            lattice = np.moveaxis(np.mgrid[0:1:12j, 0:1:12j], 0, -1).reshape(-1, 2)
            seen = np.ones(len(lattice))
            for later in faces[row + 1 :]:
                at = box[:2] + lattice * (box[2:] - box[:2])
                at = at @ later.inverse[:, :2].T + later.inverse[:, 2]
                radius = np.linalg.norm(at / 256 - 0.5, axis=1)
                seen *= 1 - np.clip((0.5 - radius) / 0.1, 0, 1)
            assert seen.mean() > 0.5


def test_scene_batches_come_in_several_sizes_of_as_many_pixels(prepared, face_model):
    torch.manual_seed(1)
    scenes = scene_batches(prepared, face_model, (288, 224, 576))
    seen = set()
    for _ in range(40):
        batch = scenes.__getitems__(list(range(8)))
        size, count = len(batch["size"]), len(batch["layer_of_view"]) - 1
        seen.add((size, count))
        assert batch["faces_of_image"].shape[0] == count
        assert int(batch["area"].max()) <= size
    assert seen == {(288, 8), (224, 13), (576, 2)}


def test_what_was_prepared_is_kept_and_hangs_on_what_made_it(tiny_packs, face_model, monkeypatch):
    read = []
    real = prepared_views.read_faces

    def counted(*arguments):
        read.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(prepared_views, "read_faces", counted)
    wanted = Wanted(validation=True, photos=True, seed=77)
    first = prepare(tiny_packs, face_model, wanted)
    again = prepare(tiny_packs, face_model, wanted)
    assert len(read) == 1
    np.testing.assert_array_equal(first.atlas.pixels, again.atlas.pixels)
    for name in prepared_views.POOLS:
        one, other = (getattr(p, name).to_arrays(name) for p in (first, again))
        assert one.keys() == other.keys()
        assert all(
            np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f")
            for key in one
        )
    prepare(tiny_packs, face_model, replace(wanted, seed=78))
    prepare(tiny_packs, face_model, wanted, "boxes", lambda photos: photos)
    assert len(read) == 3


def test_prepared_without_a_place_to_keep_it_serves_once(tiny_packs, face_model, monkeypatch):
    monkeypatch.setenv("EDGEFACE_CACHE", os.devnull)
    prepared = prepare(tiny_packs, face_model, Wanted(validation=True, photos=False))
    picture, targets = prepared.faces[0]
    assert prepared.atlas.copy(picture.number).shape == (picture.height, picture.width, 3)
    assert len(targets) == 1


def test_weak_labels_come_from_the_network(photos, face_model):
    asked = []

    def look(image, boxes):
        asked.append(len(boxes))
        count = len(boxes)
        return Faces(
            boxes_xyxy=boxes,
            scores=np.ones(count, np.float32),
            landmarks_3d=np.full((count, 68, 3), 7, np.float32),
            identity_coeffs=np.full((count, 50), 2, np.float32),
            expression_coeffs=np.full((count, 46), 0.5, np.float32),
            rotation=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
            euler_deg=np.zeros((count, 3), np.float32),
            translation=np.zeros((count, 3), np.float32),
            focal=np.ones(count, np.float32),
            expression_names=face_model.expression_names,
        )

    photo = photos[0][0]
    crowd = replace(photo, targets=concatenate([photo.targets] * 11))
    labelled = weakly_labelled([photo, crowd], look)
    assert len(labelled) == 1  # 22 faces are too many
    targets = labelled[0].targets
    wanted = ~photo.targets.ignore
    assert asked == [wanted.sum()]
    np.testing.assert_array_equal(targets.has_fit, wanted)
    assert (targets.landmarks[wanted] == 7).all()
    assert (targets.expression[wanted] == 0.5).all()
    assert not (photo.targets.expression == 0.5).any()  # the photo's own are untouched


def test_letterboxed_photo_matches_the_runtime(prepared):
    from edgeface.image import letterbox

    picture, targets = prepared.photos[0]
    view = letterboxed(picture, targets, 288)
    ours = Renderer(prepared.atlas)(pack([view.layers], 288))[0].numpy()
    theirs, _ = letterbox(prepared.atlas.copy(picture.number), 288)
    assert np.abs(ours.astype(float) - theirs).mean() < 6


def test_keep_visible_ignores_cut_and_tiny_faces(photos):
    targets = photos[0][0].targets
    matrix = np.array([[1.0, 0, -1000], [0, 1, 0]])
    assert len(keep_visible(warp(targets, matrix, 0.0), 288, 6)) == 0
    small = warp(targets, np.array([[0.02, 0, 50], [0, 0.02, 50]]), 0.0)
    assert keep_visible(small, 288, 6).ignore.all()
    assert not targets.ignore[0]  # the photo's own labels are untouched


def test_jitter_changes_colours_only():
    torch.manual_seed(0)
    images = torch.full((64, 8, 8, 3), 128, dtype=torch.uint8)
    changed = jitter(images)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    assert (changed != images).any()


def test_rotation_to_quaternion_inverts_every_rotation():
    angles = [(0, 0, 0), (180, 0, 0), (0, 179, 0), (0, 0, 180), (10, -80, 40), (90, 0, 90)]
    matrices = np.stack([rotation(*a) for a in angles])
    quaternion = rotation_to_quaternion(matrices)
    again = quaternion_to_rotation(torch.from_numpy(quaternion)).numpy()
    np.testing.assert_allclose(again, matrices, atol=1e-6)
    assert (quaternion[:, 0] >= -1e-7).all()


def test_shadows_have_a_bright_and_a_dark_side():
    torch.manual_seed(0)
    left = shades(400, 24, 32, torch.device("cpu"))
    assert left.shape == (400, 24, 32)
    assert 0.1 < left.min() < 0.2
    darkest, brightest = left.amin(dim=(1, 2)), left.amax(dim=(1, 2))
    shaded = darkest < 1
    assert shaded.float().mean() == pytest.approx(SHADED, abs=0.07)
    assert brightest[shaded].mean() > 0.97
    assert darkest[shaded].mean() < 0.6
    # all angles: no side is the dark one more often
    sides = left[shaded, :, :8].mean() - left[shaded, :, -8:].mean()
    assert abs(float(sides)) < 0.1
