"""Readers of published databases against small files written in their formats."""

import re
import struct

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from edgeface.errors import InvalidInputError
from edgeface.reference.cli import main
from edgeface.reference.conventions import read_convention
from edgeface.reference.data.labelled import face_box, labels_from_landmarks
from edgeface.reference.data.published import DATABASES, PublishedFace, open_database
from edgeface.reference.data.published_crops import cut_faces
from edgeface.reference.data.torch7 import read_t7
from tests.reference.data.test_landmark_sets import write_image, write_pts


@pytest.fixture
def points(random):
    """Points of any convention, in an image of 200 x 180."""
    return lambda count: random.uniform(20, 160, (count, 2)).astype(np.float32)


def write_t7(path, values, name="torch.FloatTensor", strides=None, offset=1):
    """One tensor, as Torch7 saves it; ``values`` are the storage, ``strides`` in numbers."""
    values = np.asarray(values)
    storage = values.astype("<f4" if "Float" in name else "<f8")
    strides = strides or [n // storage.itemsize for n in storage.strides]

    def header(index, kind):
        words = struct.pack("<ii", 4, index)
        for word in (b"V 1", kind.encode()):
            words += struct.pack("<i", len(word)) + word
        return words

    data = header(1, name) + struct.pack("<i", values.ndim)
    data += struct.pack(f"<{2 * values.ndim + 1}q", *values.shape, *strides, offset)
    data += header(2, name.replace("Tensor", "Storage")) + struct.pack("<q", storage.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + storage.tobytes())


def write_land(path, points, height=180, width=200):
    rows = "\n".join(f"{x / width:.6f} {1 - y / height:.6f}" for x, y in points)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{len(points)}\n{rows}\n")


@pytest.mark.parametrize("name", ["torch.FloatTensor", "torch.DoubleTensor"])
def test_read_t7(tmp_path, random, name):
    values = random.normal(size=(68, 2))
    write_t7(tmp_path / "a.t7", values, name)
    np.testing.assert_allclose(read_t7(tmp_path / "a.t7"), values, rtol=1e-6)


def test_read_t7_follows_strides(tmp_path):
    write_t7(tmp_path / "a.t7", np.arange(6.0).reshape(3, 2), strides=[1, 3])
    assert read_t7(tmp_path / "a.t7").tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("end", [0, 3, 20, 45, 100, -1])
def test_read_t7_refuses_files_that_end_early(tmp_path, end):
    path = tmp_path / "a.t7"
    write_t7(path, np.zeros((68, 2)))
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InvalidInputError, match=r"a\.t7 is no \.t7 file"):
        read_t7(path)


def test_read_t7_refuses_other_files(tmp_path):
    path = tmp_path / "a.t7"
    with pytest.raises(InvalidInputError, match=r"a\.t7 is no \.t7 file"):
        read_t7(path)
    write_t7(path, np.zeros((2, 2)), "torch.LongTensor")
    with pytest.raises(InvalidInputError, match=r"holds torch\.LongTensor"):
        read_t7(path)
    write_t7(path, np.zeros((68, 2)))
    whole = path.read_bytes()
    path.write_bytes(struct.pack("<ii", 3, 1) + whole[8:])
    with pytest.raises(InvalidInputError, match="no tensor but type 3"):
        read_t7(path)
    write_t7(path, np.zeros((68, 2)), offset=5)
    with pytest.raises(InvalidInputError, match="out of bounds"):
        read_t7(path)


def test_300w_lp_keeps_the_views_of_a_photo_together(tmp_path, points):
    labelled = {}
    for view in ("AFW/AFW_134212_1_0", "AFW/AFW_134212_1_7", "AFW_Flip/AFW_134212_1_7"):
        labelled[view] = points(68)
        write_image(tmp_path / f"{view}.jpg")
        path = tmp_path / "landmarks" / f"{view}_pts.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"pts_3d": labelled[view] + 0.5, "pts_2d": np.zeros((68, 2))})
    write_image(tmp_path / "AFW" / "AFW_9_1_0.jpg")
    write_image(tmp_path / "AFW" / "AFW_9_1_1.jpg")
    (tmp_path / "landmarks" / "AFW" / "AFW_9_1_1_pts.mat").write_bytes(b"")
    write_image(tmp_path / "AFW" / "AFW_9_1_2.jpg")
    savemat(tmp_path / "landmarks" / "AFW" / "AFW_9_1_2_pts.mat", {"other": 1})
    database = open_database("300w-lp", tmp_path)
    assert database.convention == "68-fixed"
    assert {f.group for f in database.faces} == {"AFW/AFW_134212_1"}
    for face in database.faces:
        view = face.name.removesuffix(".jpg")
        np.testing.assert_allclose(face.points, labelled[view], atol=1e-4)
        assert face.pixels().shape == (180, 200, 3)
    assert list(database.skipped) == [f"AFW/AFW_9_1_{i}.jpg" for i in range(3)]
    assert "pts_3d" in database.skipped["AFW/AFW_9_1_2.jpg"]


def test_ls3d_w_reads_videos_and_the_balanced_set(tmp_path, points):
    truth = points(68)
    for name in ("300VW-3D/Trainset/001/0001", "300VW-3D/Trainset/001/0002", "new_dataset/17"):
        write_image(tmp_path / f"{name}.jpg")
        write_t7(tmp_path / f"{name}.t7", truth - 0.5)
    database = open_database("ls3d-w", tmp_path)
    groups = [f.group for f in database.faces]
    assert groups == ["300VW-3D/Trainset/001"] * 2 + ["new_dataset/17.jpg"]
    np.testing.assert_allclose(database.faces[0].points, truth, atol=1e-4)


def test_facewarehouse_reads_all_poses(tmp_path, points):
    truth = points(74)
    for tester, pose in ((1, 0), (1, 18), (2, 3)):
        path = tmp_path / f"Tester_{tester}" / "TrainingPose" / f"pose_{pose}.png"
        write_image(path)
        write_land(path.with_suffix(".land"), truth)
    write_image(tmp_path / "Tester_1" / "TrainingPose" / "pose_0_depth.png")
    write_image(tmp_path / "Tester_2" / "TrainingPose" / "pose_4.png")
    database = open_database("facewarehouse", tmp_path)
    assert [f.group for f in database.faces] == ["Tester_1", "Tester_1", "Tester_2"]
    np.testing.assert_allclose(database.faces[0].points, truth, atol=1e-3)
    assert list(database.skipped) == ["Tester_2/TrainingPose/pose_4.png"]


def test_lfw_74_groups_by_person_and_refuses_other_counts(tmp_path, points):
    truth = points(74)
    for name in ("Ann_Lee_0001", "Ann_Lee_0002", "Bo_Ek_0001"):
        write_image(tmp_path / f"{name}.jpg")
        write_land(tmp_path / f"{name}.land", truth if name < "B" else truth[:68])
    database = open_database("lfw-74", tmp_path)
    assert [f.group for f in database.faces] == ["Ann_Lee", "Ann_Lee"]
    assert "(68, 2), not (74, 2)" in database.skipped["Bo_Ek_0001.jpg"]


def wflw_line(points, name):
    numbers = [f"{v:.6f}" for v in (points - 0.5).ravel()]
    box, attributes = "10 20 150 160", "0 1 0 0 1 0"
    return " ".join([*numbers, box, attributes, name])


def test_wflw_reads_every_face_of_its_list(tmp_path, points):
    truth = points(98)
    lists = tmp_path / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    write_image(tmp_path / "WFLW_images" / "0--Parade" / "a.jpg")
    lines = [
        wflw_line(truth, "0--Parade/a.jpg"),
        wflw_line(truth + 3, "0--Parade/a.jpg"),
        wflw_line(truth, "0--Parade/gone.jpg"),
        wflw_line(truth, "0--Parade/a.jpg").replace(" ", " x ", 1),
        wflw_line(truth[:97], "0--Parade/a.jpg"),
        "",
    ]
    (lists / "list_98pt_rect_attr_train.txt").write_text("\n".join(lines))
    (lists / "list_98pt_rect_attr_test.txt").write_text(lines[1])
    database = open_database("wflw", tmp_path)
    assert [f.name for f in database.faces] == ["1:0--Parade/a.jpg", "2:0--Parade/a.jpg"]
    assert {f.group for f in database.faces} == {"0--Parade/a.jpg"}
    np.testing.assert_allclose(database.faces[1].points, truth + 3, atol=1e-4)
    assert len(database.skipped) == 3
    assert "gone.jpg is missing" in database.skipped["3:0--Parade/gone.jpg"]
    assert "205 words, expected 207" in database.skipped["5:0--Parade/a.jpg"]
    assert len(open_database("wflw-test", tmp_path).faces) == 1


def test_points_that_all_lie_in_one_place_are_skipped(tmp_path, points):
    for name, labelled in (("a", points(68)), ("b", np.zeros((68, 2)))):
        write_image(tmp_path / f"{name}.jpg")
        write_pts(tmp_path / f"{name}.pts", labelled)
    database = open_database("300w", tmp_path)
    assert [f.name for f in database.faces] == ["a.jpg"]
    assert database.skipped == {"b.jpg": "its points all lie in one place"}


def test_missing_annotations_are_named_skipped_and_counted(tmp_path, points, capsys):
    for i in range(9):
        write_image(tmp_path / f"{i}.jpg")
    for i in (0, 1):
        write_pts(tmp_path / f"{i}.pts", points(68))
    database = open_database("300w", tmp_path)
    assert [f.name for f in database.faces] == ["0.jpg", "1.jpg"]
    assert list(database.skipped) == [f"{i}.jpg" for i in range(2, 9)]
    summary = database.summary().splitlines()
    assert summary[0] == "300w: 2 faces, 7 skipped"
    assert summary[1].startswith("  2.jpg: ")
    assert "2.pts" in summary[1]
    assert summary[-1] == "  and 2 more"
    assert main(["database", "300w", str(tmp_path)]) == 0
    assert capsys.readouterr().out == database.summary() + "\n"


@pytest.mark.parametrize("name", DATABASES)
def test_a_folder_without_any_is_an_error(tmp_path, name):
    write_image(tmp_path / "a.jpg")
    with pytest.raises(InvalidInputError, match=re.escape(str(tmp_path))):
        open_database(name, tmp_path)


def test_open_database_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(InvalidInputError, match="'lfpw' is none of 300w, "):
        open_database("lfpw", tmp_path)


def test_labels_place_boxes_through_the_mean_face(face_model):
    """From any convention to the box that the rest of the project uses."""
    from edgeface.reference.conventions.mean_fit import fit_mean_face

    convention = read_convention("98")
    faces = convention.on(face_model.mean)[None, :, :2] * [60, -60] + [100, 90]
    _, landmarks = fit_mean_face(convention, faces, face_model)
    sparse = face_model.landmarks(np.eye(50)[0], np.zeros(46))[None, :, :2] * [60, -60] + [100, 90]
    expected = labels_from_landmarks(sparse, face_model).boxes
    np.testing.assert_allclose(face_box(landmarks), expected, atol=1e-2)


@pytest.mark.parametrize("scale", [25.0, 300.0])
def test_cut_faces_keeps_points_on_their_pixels(tmp_path, face_model, scale):
    """A white disc at every labelled corner of eyes and mouth is found at the crop's points."""
    convention = read_convention("98")
    size = int(3 * scale)
    points = convention.on(face_model.mean)[:, :2] * [scale, -scale] + [size * 0.4, size * 0.5]
    y, x = np.mgrid[:size, :size] + 0.5
    image = np.full((size, size), 60.0)
    names = ["nose tip", "chin", "right mouth corner", "left eye outer corner"]
    marks = [convention.points.index(name) for name in names]
    for place in points[marks]:
        image[np.hypot(x - place[0], y - place[1]) < 0.05 * scale] = 255
    Image.fromarray(np.repeat(image[..., None], 3, axis=2).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    labelled = points.astype(np.float32)
    labelled[convention.points.index("upper lip")] = np.nan
    face = PublishedFace("a", "a", tmp_path / "a.png", labelled)
    crops, boxes, moved = cut_faces([face], "98", face_model)
    assert crops.shape == (1, 256, 256, 3)
    assert np.isnan(moved).any(axis=2).sum() == 1
    np.testing.assert_allclose((boxes[0, :2] + boxes[0, 2:]) / 2, [128, 128], atol=1e-3)
    assert (boxes[0, 2:] - boxes[0, :2]).max() == pytest.approx(128, abs=1e-3)
    y, x = np.mgrid[:256, :256] + 0.5
    for mark in marks:
        near = np.hypot(x - moved[0, mark, 0], y - moved[0, mark, 1]) < 10
        weight = np.clip(crops[0, ..., 0] - 100.0, 0, None) * near
        found = [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()]
        np.testing.assert_allclose(found, moved[0, mark], atol=0.85)


def test_cut_faces_of_none(face_model):
    crops, boxes, points = cut_faces([], "98", face_model)
    assert (crops.shape, boxes.shape, points.shape) == ((0, 256, 256, 3), (0, 4), (0, 98, 2))
