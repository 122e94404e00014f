"""Readers against small files that the tests write in the published formats."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from edgeface.errors import InvalidInputError
from edgeface.reference.data.labelled import face_box, neutral_landmarks
from edgeface.reference.data.landmark_sets import (
    read_300vw,
    read_300w,
    read_aflw2000,
    read_lfw,
    read_pts,
)
from edgeface.reference.geometry.pose import rotation_from_euler


@pytest.fixture
def points(face_model):
    """68 points of a face turned by 20 degrees to its left, ``image_px``."""
    turned = neutral_landmarks(face_model) @ rotation_from_euler(np.array([[0, 20.0, 0]]))[0].T
    return turned[:, :2] * [60, -60] + [100, 90]


def write_image(path, height=180, width=200, level=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(path)


def write_pts(path, points, count=None):
    """Points in ``image_px``, counted from 1 in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{x + 0.5:.6f} {y + 0.5:.6f}" for x, y in points)
    path.write_text(f"version: 1\nn_points:  {count or len(points)}\n{{\n{rows}\n}}\n")


def test_read_pts_counts_pixels_from_one(tmp_path):
    (tmp_path / "a.pts").write_text("version: 1\nn_points: 2\n{\n1 1\n12.5 7.25\n}\n")
    assert read_pts(tmp_path / "a.pts").tolist() == [[0.5, 0.5], [12.0, 6.75]]


@pytest.mark.parametrize(
    "text",
    ["", "version: 1\nn_points: 2\n{\n1 1\n}\n", "version: 1\nn_points: 1\n{\na b\n}\n", "1 2\n"],
)
def test_read_pts_refuses_other_files(tmp_path, text):
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(InvalidInputError, match=r"a\.pts is no \.pts file"):
        read_pts(tmp_path / "a.pts")


def test_read_300w_pairs_images_with_points(tmp_path, face_model, points):
    write_image(tmp_path / "01_Indoor" / "indoor_001.png")
    write_pts(tmp_path / "01_Indoor" / "indoor_001.pts", points)
    write_image(tmp_path / "ibug" / "image_1.jpg")
    write_pts(tmp_path / "ibug" / "image_1.pts", points + 3)
    write_pts(tmp_path / "ibug" / "no_image.pts", points)
    first, second = read_300w(tmp_path, face_model)
    assert (first.name, first.group) == ("01_Indoor/indoor_001.png", "01_Indoor")
    assert second.group == "ibug"
    assert not first.complete
    np.testing.assert_allclose(first.labels.landmarks[0], points, atol=1e-5)
    np.testing.assert_allclose(first.labels.boxes, face_box(points[None]), atol=1e-4)
    assert first.labels.yaw_deg == pytest.approx([20], abs=1e-3)
    assert first.pixels.shape == (180, 200, 3)


def test_read_300w_refuses_other_markups_and_empty_folders(tmp_path, face_model):
    with pytest.raises(InvalidInputError, match=r"no image with a \.pts file"):
        list(read_300w(tmp_path, face_model))
    write_image(tmp_path / "a.jpg")
    write_pts(tmp_path / "a.pts", np.zeros((49, 2)))
    with pytest.raises(InvalidInputError, match="49 points, expected the 68"):
        list(read_300w(tmp_path, face_model))


def test_read_aflw2000_takes_points_and_pose(tmp_path, face_model, points):
    """The set's rotation, written out by its own RotationMatrix.m, must be ours."""
    pitch, yaw, roll = 0.2, -0.9, 0.1
    write_image(tmp_path / "image00002.jpg")
    shape = np.concatenate([points.T + 0.5, np.zeros((1, 68))])
    pose = np.array([[pitch, yaw, roll, 0, 0, 0, 1e-3]])
    savemat(tmp_path / "image00002.mat", {"pt3d_68": shape, "Pose_Para": pose})
    savemat(tmp_path / "Model.mat", {"other": 1})
    (image,) = read_aflw2000(tmp_path, face_model)
    rx = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    ry = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    rz = [[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    np.testing.assert_allclose(
        image.labels.rotation[0], np.array(rx) @ np.array(ry) @ np.array(rz), atol=1e-6
    )
    assert image.labels.yaw_deg == pytest.approx([np.rad2deg(yaw)])
    np.testing.assert_allclose(image.labels.landmarks[0], points, atol=1e-5)
    assert (image.name, image.group) == ("image00002", "AFLW2000-3D")


def test_read_aflw2000_names_what_a_file_lacks(tmp_path, face_model):
    write_image(tmp_path / "image00002.jpg")
    savemat(tmp_path / "image00002.mat", {"pt2d": np.zeros((2, 21))})
    with pytest.raises(InvalidInputError, match="pt3d_68"):
        list(read_aflw2000(tmp_path, face_model))


def write_video(path, levels):
    """Frames of one grey level each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        stream.time_base = Fraction(1, 25)
        for level in levels:
            pixels = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_read_300vw_pairs_frames_with_points(tmp_path, face_model, points):
    levels = [40, 80, 120, 160, 200]
    write_video(tmp_path / "114" / "vid.avi", levels)
    for number in (1, 2, 4, 5):
        write_pts(tmp_path / "114" / "annot" / f"{number:06d}.pts", points + number)
    write_video(tmp_path / "410" / "vid.avi", levels[:1])
    write_pts(tmp_path / "410" / "annot" / "000001.pts", points)
    write_video(tmp_path / "001" / "vid.avi", levels)  # of the training part
    images = list(read_300vw(tmp_path, face_model))
    assert [i.name for i in images] == [
        "114/000001", "114/000002", "114/000004", "114/000005", "410/000001",
    ]  # fmt: skip
    assert [i.group for i in images] == ["scenario 1"] * 4 + ["scenario 3"]
    assert [i.follows for i in images] == [False, True, True, True, False]
    assert [i.pixels.mean() for i in images] == pytest.approx([40, 80, 160, 200, 40], abs=6)
    np.testing.assert_allclose(images[2].labels.landmarks[0], points + 4, atol=1e-5)


def test_read_300vw_says_what_is_missing(tmp_path, face_model):
    with pytest.raises(InvalidInputError, match="no test video of 300-VW"):
        list(read_300vw(tmp_path, face_model))
    (tmp_path / "114" / "annot").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match=r"vid\.avi is missing"):
        list(read_300vw(tmp_path, face_model))


def test_read_lfw_with_and_without_points(tmp_path, face_model, points):
    write_image(tmp_path / "lfw" / "Ann_Lee" / "Ann_Lee_0001.jpg", 250, 250)
    write_image(tmp_path / "lfw" / "Bo_Ek" / "Bo_Ek_0001.jpg", 250, 250)
    write_pts(tmp_path / "lfw" / "Bo_Ek" / "Bo_Ek_0001.pts", points)
    write_image(tmp_path / "lfw" / "Bo_Ek" / "cover.jpg")
    bare, labelled = read_lfw(tmp_path, face_model)
    assert bare.name == "Ann_Lee_0001"
    low, high = 125 - 125 / 2.2, 125 + 125 / 2.2
    np.testing.assert_allclose(bare.labels.boxes, [[low, low, high, high]], rtol=1e-6)
    assert np.isnan(bare.labels.landmarks).all()
    np.testing.assert_allclose(labelled.labels.landmarks[0], points, atol=1e-5)
    with pytest.raises(InvalidInputError, match="no LFW"):
        list(read_lfw(tmp_path / "lfw" / "nobody", face_model))
