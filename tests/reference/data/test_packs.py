"""Opening data packs: where their coordinates start."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeface.errors import InvalidInputError
from edgeface.reference.data.packs import open_pack, single_face_packs
from tests.reference.conftest import write_pack


@pytest.mark.parametrize(
    ("name", "offset"),
    [("faces68-300w", 0.0), ("multiface-wider", 0.0), ("faces-portraits", 0.5), ("mine", 0.5)],
)
def test_coordinates_of_a_pack_come_out_in_image_px(
    tmp_path: Path, name: str, offset: float
) -> None:
    stored = {
        "landmarks68": np.full((1, 68, 2), 3.0, np.float32),
        "box": np.array([[1.0, 2.0, 3.0, 4.0]], np.float32),
        "mesh478": np.full((1, 478, 3), 7.0, np.float16),
    }
    write_pack(tmp_path / f"{name}.zip", [np.zeros((8, 8, 3), np.uint8)], stored)
    labels = open_pack(tmp_path, name).labels
    np.testing.assert_array_equal(labels["landmarks68"], 3.0 + offset)
    np.testing.assert_array_equal(labels["box"], [[1 + offset, 2 + offset, 3 + offset, 4 + offset]])
    np.testing.assert_array_equal(labels["mesh"][..., :2], 7.0 + offset)
    np.testing.assert_array_equal(labels["mesh"][..., 2], 7.0)


def test_the_faces_of_every_pack_lie_in_the_middle_of_their_crops(data_folder: Path) -> None:
    """Whoever cut the crops centred them on the labels' box, whichever origin he counted from."""
    for name in single_face_packs(data_folder):
        boxes = open_pack(data_folder, name).labels["box"]
        middle = np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0)
        np.testing.assert_allclose(middle, 128.0, atol=0.02, err_msg=name)


@pytest.mark.parametrize(
    "labels",
    [
        b"",
        b"no npz",
        {"box": np.array([{}], object)},
        {"box": np.array(["a"])},
        {"mesh478": np.zeros(3, np.float16)},
    ],
    ids=["empty", "text", "objects", "words", "flat mesh"],
)
def test_labels_that_cannot_be_read_are_named(tmp_path: Path, labels: object) -> None:
    content = labels
    if isinstance(labels, dict):
        buffer = io.BytesIO()
        np.savez(buffer, **labels)
        content = buffer.getvalue()
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("labels.npz", content)
    with pytest.raises(InvalidInputError, match=r"the labels of .*mine.zip are damaged"):
        open_pack(tmp_path, "mine")


def test_a_pack_without_some_of_its_images_is_named(tmp_path: Path) -> None:
    labels = io.BytesIO()
    np.savez(labels, image=np.array(["images/0.jpg", "images/1.jpg"]))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("labels.npz", labels.getvalue())
        archive.writestr("images/1.jpg", b"")
    with pytest.raises(InvalidInputError, match=r"mine\.zip lacks 1 of its images, as images/0"):
        open_pack(tmp_path, "mine")
