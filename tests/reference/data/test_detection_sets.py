"""Readers against small files that the tests write in the published formats."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from edgeface.errors import InvalidInputError
from edgeface.reference.data.detection_sets import (
    ellipse_boxes,
    read_afw,
    read_fddb,
    read_wider,
)
from tests.reference.data.test_landmark_sets import write_image

BOXES = [np.array([[10, 20], [40, 60]], float), np.array([[70, 5], [90, 30]], float)]
POSES = [np.array([[-45, 0, 10]], float), np.array([[15, 0, 0]], float)]


def cells(values):
    """A Matlab cell row."""
    array = np.empty((1, len(values)), object)
    array[0] = values
    return array


def column(values):
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


def write_afw_5(path):
    anno = np.empty((2, 4), object)
    points = [np.full((6, 2), np.nan)] * 2
    anno[0] = ["one.jpg", cells(BOXES[:1]), cells(POSES[:1]), cells(points[:1])]
    anno[1] = ["two.jpg", cells(BOXES), cells(POSES), cells(points)]
    savemat(path, {"anno": anno})


def write_afw_73(path):
    """As Matlab saves it with -v7.3: HDF5, arrays transposed, cells as references, and the old
    format's header in front, whose version is what tells them apart."""
    with h5py.File(path, "w", userblock_size=512) as file:
        count = 0

        def store(value):
            nonlocal count
            count += 1
            return file.create_dataset(f"#refs#/{count}", data=value).ref

        def text(value):
            return store(np.array([[ord(c)] for c in value], np.uint16))

        def row_of_cells(values):
            references = np.array([[store(v.T)] for v in values], h5py.ref_dtype)
            return store(references)

        rows = [
            [text("one.jpg"), row_of_cells(BOXES[:1]), row_of_cells(POSES[:1])],
            [text("two.jpg"), row_of_cells(BOXES), row_of_cells(POSES)],
        ]
        file.create_dataset("anno", data=np.array(rows, h5py.ref_dtype).T)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("write", [write_afw_5, write_afw_73])
def test_read_afw_in_both_of_matlabs_formats(tmp_path, face_model, write):
    write_image(tmp_path / "testimages" / "one.jpg")
    write_image(tmp_path / "testimages" / "two.jpg")
    write(tmp_path / "testimages" / "anno.mat")
    one, two = read_afw(tmp_path, face_model)
    assert (one.name, two.name) == ("one.jpg", "two.jpg")
    assert one.labels.boxes.tolist() == [[10, 20, 40, 60]]
    assert two.labels.boxes.tolist() == [[10, 20, 40, 60], [70, 5, 90, 30]]
    assert two.labels.yaw_deg.tolist() == [-45, 15]
    assert two.complete


def test_read_afw_says_what_is_missing(tmp_path, face_model):
    with pytest.raises(InvalidInputError, match=r"anno\.mat is missing"):
        list(read_afw(tmp_path, face_model))
    (tmp_path / "testimages").mkdir()
    savemat(tmp_path / "testimages" / "anno.mat", {"other": 1})
    with pytest.raises(InvalidInputError, match="no cell array 'anno'"):
        list(read_afw(tmp_path, face_model))


def test_ellipse_boxes_agree_with_points_on_the_ellipse(random):
    ellipses = random.uniform([20, 10, -1.6, 0, 0], [60, 30, 1.6, 200, 200], (5, 5))
    angle = np.linspace(0, 2 * np.pi, 40_001)
    for (major, minor, tilt, x, y), box in zip(ellipses, ellipse_boxes(ellipses), strict=True):
        across, along = major * np.cos(angle), minor * np.sin(angle)
        px = x + across * np.cos(tilt) - along * np.sin(tilt)
        py = y + across * np.sin(tilt) + along * np.cos(tilt)
        np.testing.assert_allclose(box, [px.min(), py.min(), px.max(), py.max()], atol=1e-3)


def test_read_fddb_reads_all_folds(tmp_path, face_model):
    folds = tmp_path / "FDDB-folds"
    folds.mkdir()
    upright = f"40.0 30.0 {np.pi / 2} 100.0 90.0  1"
    (folds / "FDDB-fold-01-ellipseList.txt").write_text(
        f"2002/08/11/big/img_591\n1\n{upright}\n2002/08/26/big/img_265\n2\n{upright}\n"
        "20.0 10.0 0.0 50.0 40.0  1\n"
    )
    (folds / "FDDB-fold-01.txt").write_text("2002/08/11/big/img_591\n2002/08/26/big/img_265\n")
    (folds / "FDDB-fold-02-ellipseList.txt").write_text(f"2003/01/01/big/img_7\n1\n{upright}\n")
    for name in ("2002/08/11/big/img_591", "2002/08/26/big/img_265", "2003/01/01/big/img_7"):
        write_image(tmp_path / "originalPics" / f"{name}.jpg")
    images = list(read_fddb(tmp_path, face_model))
    assert [len(i.labels.boxes) for i in images] == [1, 2, 1]
    np.testing.assert_allclose(images[1].labels.boxes, [[70, 50, 130, 130], [30, 30, 70, 50]])
    assert all(i.complete for i in images)


def test_read_fddb_names_the_line_that_is_wrong(tmp_path, face_model):
    (tmp_path / "FDDB-folds").mkdir()
    path = tmp_path / "FDDB-folds" / "FDDB-fold-01-ellipseList.txt"
    path.write_text("2002/08/11/big/img_591\nmany\n")
    with pytest.raises(InvalidInputError, match="line 1: expected an image's name"):
        list(read_fddb(tmp_path, face_model))


WIDER_TXT = """0--Parade/0_Parade_1.jpg
2
10 20 30 40 0 0 0 0 0 0
50 20 30 0 2 0 0 0 0 0
0--Parade/0_Parade_2.jpg
0
0 0 0 0 0 0 0 0 0 0
5--Car/5_Car_1.jpg
1
60 10 20 30 1 0 0 1 2 1
"""


def write_wider_mat(path):
    first = np.array([[10, 20, 30, 40], [50, 20, 30, 0]], float)
    second, third = np.zeros((0, 4)), np.array([[60, 10, 20, 30]], float)
    invalid = [np.array([[0], [0]]), np.zeros((0, 1)), np.array([[1]])]
    savemat(
        path,
        {
            "event_list": column(["0--Parade", "5--Car"]),
            "file_list": column([column(["0_Parade_1", "0_Parade_2"]), column(["5_Car_1"])]),
            "face_bbx_list": column([column([first, second]), column([third])]),
            "invalid_label_list": column([column(invalid[:2]), column(invalid[2:])]),
        },
    )


@pytest.mark.parametrize("suffix", ["txt", "mat"])
def test_read_wider_in_both_formats(tmp_path, face_model, suffix):
    split = tmp_path / "wider_face_split"
    split.mkdir()
    if suffix == "txt":
        (split / "wider_face_val_bbx_gt.txt").write_text(WIDER_TXT)
    else:
        write_wider_mat(split / "wider_face_val.mat")
    for name in ("0--Parade/0_Parade_1", "0--Parade/0_Parade_2", "5--Car/5_Car_1"):
        write_image(tmp_path / "WIDER_val" / "images" / f"{name}.jpg")
    first, second, third = read_wider(tmp_path, face_model)
    assert first.name == "0--Parade/0_Parade_1.jpg"
    assert first.labels.boxes.tolist() == [[10, 20, 40, 60], [50, 20, 80, 20]]
    assert first.labels.ignore.tolist() == [False, True]
    assert len(second.labels.boxes) == 0
    assert third.labels.boxes.tolist() == [[60, 10, 80, 40]]
    assert third.labels.ignore.tolist() == [True]


def test_read_wider_says_what_is_missing(tmp_path, face_model):
    with pytest.raises(InvalidInputError, match="wider_face_split is missing"):
        list(read_wider(tmp_path, face_model))
    (tmp_path / "wider_face_split").mkdir()
    with pytest.raises(InvalidInputError, match=r"wider_face_val\.mat is missing"):
        list(read_wider(tmp_path, face_model))
    text = tmp_path / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    text.write_text("a/b.jpg\n1\n1 2 3\n")
    with pytest.raises(InvalidInputError, match="line 1"):
        list(read_wider(tmp_path, face_model))
    text.write_text("a/b.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n")
    with pytest.raises(InvalidInputError, match=r"b\.jpg is missing"):
        list(read_wider(tmp_path, face_model))
