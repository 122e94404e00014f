"""Opening data packs: where their coordinates start."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeface import image_files
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.data import pack_labels
from edgeface.reference.data.faces import read_face_pack
from edgeface.reference.data.packs import (
    expression_scores,
    is_validation,
    open_pack,
    show_face,
    single_face_packs,
)
from tests.reference.conftest import TEACHER_NAMES, write_pack


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
        {"image": np.arange(2)},
        {"image": np.array(["a", "b"]), "box": np.zeros((3, 4), np.float32)},
        {"image": np.array(["a"]), "box": np.full((1, 4), np.nan, np.float32)},
        {"image": np.array(["a"]), "group": np.array([1])},
        {"image": np.array(["a"]), "mesh478": np.zeros((2, 478, 3), np.float16)},
        {"blendshapes52": np.zeros((1, 52), np.float16), "blendshape_names": np.array(["a"])},
        {"image": np.array(["a"]), "face_image": np.array([1])},
        {"face_box": np.zeros((1, 4), np.float32), "mesh_face": np.array([-1])},
        {"face_box": np.zeros((1, 4), np.float32), "mesh_face": np.array([0.0])},
        {"face_box": np.zeros((1, 4), np.float32), "face_attr": np.zeros((1, 3), np.int8)},
        {"face_box": np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)},
        {"mesh478": np.full((1, 478, 3), 0.5, np.float32)},
        {"blendshapes52": np.full((1, 1), 80.0), "blendshape_names": np.array(["jawOpen"])},
    ],
    ids=["empty", "text", "objects", "words", "flat mesh", "numbers for names", "boxes too many",
         "no box", "numbers for groups", "meshes too many", "scores without names", "no such image",
         "no such face", "faces by floats", "few attributes", "box of shares", "mesh of shares",
         "scores in per cent"],
)  # fmt: skip
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


def test_labels_that_a_pack_lacks_are_named(tmp_path: Path, face_model: FaceModel) -> None:
    write_pack(tmp_path / "mine.zip", [np.zeros((8, 8, 3), np.uint8)], {"group": np.array(["a"])})
    pack = open_pack(tmp_path, "mine")
    with pytest.raises(InvalidInputError, match=r"mine\.zip has no labels called mesh478"):
        read_face_pack(pack, face_model, validation=False)


def test_scores_that_a_pack_lacks_are_named() -> None:
    with pytest.raises(InvalidInputError, match="lack browDownLeft"):
        expression_scores(np.zeros((1, 1)), np.array(["jawOpen"]))


def test_a_forked_process_reads_by_a_file_of_its_own(
    tiny_packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = open_pack(tiny_packs, "faces68-video")
    before, expected = pack.archive, pack.image(7)
    assert pack.archive is before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    for _ in range(2):
        np.testing.assert_array_equal(pack.image(7), expected)
    assert pack.archive.fp is not before.fp
    assert before.fp is not None
    after = pack.archive
    assert pack.image(8) is not None
    assert pack.archive is after


def test_photos_of_a_pack_are_upright(tmp_path: Path) -> None:
    """Whoever labels a photo sees it so, and networks are given it so."""
    lying, exif, file = Image.new("RGB", (8, 4)), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    lying.save(file, "JPEG", exif=exif)
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("images/0.jpg", file.getvalue())
        archive.writestr("labels.npz", _npz(image=np.array(["images/0.jpg"])))
    image = open_pack(tmp_path, "mine").image(0)
    assert image is not None
    assert image.shape == (8, 4, 3)


def _npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("way", ["encrypted", "compressed otherwise", "huge"])
def test_images_that_no_zip_or_decoder_reads_are_skipped(tmp_path: Path, way: str) -> None:
    path = tmp_path / "mine.zip"
    write_pack(path, [np.zeros((8, 8, 3), np.uint8)] * 2, {})
    data = path.read_bytes()
    first = data.index(b"PK\x01\x02")
    if way == "huge":  # the height and the width of the first image, unpacked with its checksum
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        name = min(files)
        sizes = files[name].index(b"\xff\xc0") + 5
        files[name] = files[name][:sizes] + b"\xff\xff\xff\xff" + files[name][sizes + 4 :]
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        place, value = (first + 8, 1) if way == "encrypted" else (first + 10, 99)
        path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
    pack = open_pack(tmp_path, "mine")
    assert pack.image(0) is None
    assert pack.image(1) is not None
    assert pack.skipped == ["mine:images/00000.jpg"]


def test_faces_without_points_or_scores_are_left_out(
    tiny_packs: Path, face_model: FaceModel
) -> None:
    pack = open_pack(tiny_packs, "faces68-300w")
    whole = read_face_pack(pack, face_model, validation=False)
    first, second = np.flatnonzero(~is_validation(pack))[:2]
    pack.labels["mesh"][first] = pack.labels["landmarks68"][first, 5] = np.nan
    pack.labels["blendshapes52"][second] = np.nan  # it has points, which people placed
    found = read_face_pack(pack, face_model, validation=False)
    assert len(found.crops) == len(whole.crops) - 1
    assert np.isfinite(found.targets.expression).all()
    assert np.isfinite(found.targets.landmarks).all()


def test_zeros_are_no_face(tiny_packs: Path, face_model: FaceModel) -> None:
    pack = open_pack(tiny_packs, "faces68-300w")
    whole = read_face_pack(pack, face_model, validation=False)
    first, second, third = np.flatnonzero(~is_validation(pack))[:3]
    pack.labels["mesh"][[first, second]] = 0
    pack.labels["landmarks68"][[second, third]] = 0
    found = read_face_pack(pack, face_model, validation=False)
    assert len(found.crops) == len(whole.crops) - 1
    assert np.isnan(found.meshes[0]).all()
    assert np.isnan(found.labelled[1]).all()
    assert np.isfinite(found.targets.landmarks).all()
    assert show_face(np.zeros((0, 68, 2))).shape == (0,)


def test_a_pack_may_have_points_of_people_alone(tiny_packs: Path, face_model: FaceModel) -> None:
    pack = open_pack(tiny_packs, "faces68-300w")
    pack.labels["mesh"][:] = np.nan
    found = read_face_pack(pack, face_model, validation=True)
    np.testing.assert_array_equal(found.targets.landmarks[:, 17:60], found.labelled[:, 17:60])
    assert np.isnan(found.scores).all()


def test_a_split_without_faces_is_named(tiny_packs: Path, face_model: FaceModel) -> None:
    pack = open_pack(tiny_packs, "faces68-300w")
    pack.labels["group"][:] = pack.labels["group"][np.flatnonzero(is_validation(pack))[0]]
    with pytest.raises(InvalidInputError, match="training split has no readable face of the pack"):
        read_face_pack(pack, face_model, validation=False)


def test_faces_of_another_size_are_named(tmp_path: Path, face_model: FaceModel) -> None:
    labels = {
        "mesh478": np.tile(np.arange(478.0)[:, None], (30, 1, 3)),
        "blendshapes52": np.zeros((30, len(TEACHER_NAMES)), np.float16),
        "blendshape_names": np.array(TEACHER_NAMES),
    }
    crops = [np.zeros((8, 8 + i % 2, 3), np.uint8) for i in range(30)]
    write_pack(tmp_path / "mine.zip", crops, labels)
    with pytest.raises(InvalidInputError, match=r"one size, but images/.* has . x 8 pixels and"):
        read_face_pack(open_pack(tmp_path, "mine"), face_model, validation=False)


def test_a_pack_that_would_fill_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.zip"
    write_pack(path, [np.zeros((8, 8, 3), np.uint8)], {"group": np.array(["a"])})
    pack = open_pack(tmp_path, "mine")
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 100)
    assert pack.image(0) is None
    monkeypatch.setattr(pack_labels, "MAX_BYTES", 100)
    with pytest.raises(InvalidInputError, match="more than 100 bytes"):
        open_pack(tmp_path, "mine")
