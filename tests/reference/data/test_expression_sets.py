"""Readers against small files that the tests write in the published formats."""

import numpy as np
import pytest

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.data.expression_sets import (
    CATEGORIES,
    FACEWAREHOUSE_POSES,
    extreme,
    read_expressions,
    read_facewarehouse,
    read_land,
)
from edgeface.reference.data.labelled import face_box
from tests.reference.data.test_landmark_sets import write_image


def shown(labels):
    return [n for n, v in zip(EXPRESSION_NAMES, labels.expression[0], strict=True) if v == 1]


def test_categories_are_the_papers_and_name_coefficients():
    assert len(CATEGORIES) == 9
    assert set(FACEWAREHOUSE_POSES.values()) <= set(CATEGORIES)
    for category in CATEGORIES:
        assert np.isfinite(extreme(category)).any()


def test_read_land_counts_up_from_the_bottom(tmp_path):
    (tmp_path / "a.land").write_text("2\n0.25 0.75\n0.5 0.1\n")
    np.testing.assert_allclose(read_land(tmp_path / "a.land"), [[0.25, 0.25], [0.5, 0.9]])


@pytest.mark.parametrize("text", ["", "2\n0.1 0.2\n", "x\n0.1 0.2\n"])
def test_read_land_refuses_other_files(tmp_path, text):
    (tmp_path / "a.land").write_text(text)
    with pytest.raises(InvalidInputError, match=r"a\.land is no \.land file"):
        read_land(tmp_path / "a.land")


def test_read_facewarehouse_labels_the_poses_of_table_5(tmp_path, face_model, random):
    points = random.uniform(0.3, 0.7, (74, 2))
    rows = "\n".join(f"{x} {1 - y}" for x, y in points)
    for tester, pose in ((1, 0), (1, 2), (1, 19), (10, 1), (2, 7), (2, 18)):
        path = tmp_path / f"Tester_{tester}" / "TrainingPose" / f"pose_{pose}.png"
        write_image(path, 48, 64)
        path.with_suffix(".land").write_text(f"74\n{rows}\n")
    images = list(read_facewarehouse(tmp_path, face_model))
    assert [i.name for i in images] == [
        "Tester_1/TrainingPose/pose_2.png",
        "Tester_1/TrainingPose/pose_19.png",
        "Tester_2/TrainingPose/pose_7.png",
        "Tester_10/TrainingPose/pose_1.png",
    ]
    assert [shown(i.labels) for i in images] == [
        ["mouthSmileLeft", "mouthSmileRight"],
        ["eyeBlinkLeft", "eyeBlinkRight"],
        ["jawLeft", "jawRight"],
        ["jawOpen"],
    ]
    np.testing.assert_allclose(
        images[0].labels.boxes, face_box((points * [64, 48])[None]), rtol=1e-5
    )


def test_read_expressions_takes_a_folder_a_category(tmp_path, face_model):
    write_image(tmp_path / "jaw_left_right" / "1.jpg", 50, 40)
    write_image(tmp_path / "kiss" / "2.JPEG", 50, 40)
    write_image(tmp_path / "neutral" / "3.jpg", 50, 40)
    jaw, kiss = read_expressions(tmp_path, face_model)
    assert jaw.labels.boxes.tolist() == [[0, 0, 40, 50]]
    assert shown(jaw.labels) == ["jawLeft", "jawRight"]
    assert shown(kiss.labels) == ["mouthPucker"]
    with pytest.raises(InvalidInputError, match=r"expected eye_close/\*\.jpg"):
        list(read_expressions(tmp_path / "neutral", face_model))
    with pytest.raises(InvalidInputError, match="no FaceWarehouse"):
        list(read_facewarehouse(tmp_path, face_model))
