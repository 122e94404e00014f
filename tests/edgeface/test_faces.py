import contextlib
import copy
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgeface import ARKIT_NAMES, Faces, InvalidInputError, load
from edgeface.face_model import EXPRESSION_NAMES, SHIPPED, FaceModel


def some_faces(count: int) -> Faces:
    ramp = np.arange(count, dtype=np.float32)
    box = np.array([10, 10, 60, 70], np.float32)
    return Faces(
        boxes_xyxy=box + ramp[:, None],
        scores=1 - ramp / 10,
        landmarks_3d=np.full((count, 68, 3), 30, np.float32),
        identity_coeffs=np.zeros((count, 50), np.float32),
        expression_coeffs=np.tile(np.linspace(0, 1, 46, dtype=np.float32), (count, 1)),
        rotation=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
        euler_deg=np.zeros((count, 3), np.float32),
        translation=np.zeros((count, 3), np.float32),
        focal=np.ones(count, np.float32),
        expression_names=EXPRESSION_NAMES,
        unseen_expressions=("cheekPuff",),
    )


def test_faces_is_a_sequence_of_faces():
    faces = some_faces(3)
    assert len(faces) == 3
    assert [f.score for f in faces] == pytest.approx([1.0, 0.9, 0.8])
    assert faces[-1].box_xyxy.tolist() == [12, 12, 62, 72]
    with pytest.raises(IndexError, match="3 faces"):
        faces[3]
    assert len(faces.select(faces.scores > 0.85)) == 2


def test_faces_reject_arrays_that_do_not_fit():
    with pytest.raises(InvalidInputError, match=r"scores: expected the shape \(2,\)"):
        replace(some_faces(2), scores=np.zeros(3, np.float32))
    with pytest.raises(InvalidInputError, match="landmarks_3d"):
        replace(some_faces(2), landmarks_3d=np.zeros((2, 68, 2), np.float32))
    with pytest.raises(InvalidInputError, match="scores"):
        replace(some_faces(2), scores=[0.5, 0.4])


def test_blendshapes_use_arkit_names_and_leave_out_the_unseen():
    shapes = some_faces(1)[0].blendshapes
    assert "cheekPuff" not in shapes
    assert shapes["eyeLookUpLeft"] == shapes["eyeLookUpRight"]
    inner = [EXPRESSION_NAMES.index(f"browInnerUp{side}") / 45 for side in ("Left", "Right")]
    assert shapes["browInnerUp"] == pytest.approx(np.mean(inner), abs=1e-5)
    assert not {"eyeLookUp", "eyeLookDown", "browInnerUpLeft", "browInnerUpRight"} & set(shapes)
    assert len(shapes) == 46 - 1 - 1 + 2


def test_to_dict_is_json():
    text = json.dumps(some_faces(2).to_dict())
    assert len(json.loads(text)[1]["landmarks_2d"]) == 68
    assert some_faces(0).to_dict() == []


def test_what_a_dict_names_a_face_has():
    face = some_faces(1)[0]
    for name, value in face.to_dict().items():
        found = getattr(face, name)
        assert value == (found.tolist() if isinstance(found, np.ndarray) else found)


def test_draw_leaves_the_argument_alone(noise):
    before = noise.copy()
    overlay = some_faces(2).draw(noise)
    assert (noise == before).all()
    assert overlay.shape == noise.shape
    assert (overlay != noise).any()
    assert (some_faces(0).draw(noise) == noise).all()
    overlay[:2] = 0  # it is the caller's own


@pytest.mark.parametrize("given", [str, Path, Image.open, lambda path: path.open("rb")])
def test_save_does_not_overwrite_the_photo(given, tmp_path, noise):
    photo = tmp_path / "photo.png"
    Image.fromarray(noise).save(photo)
    before = photo.read_bytes()
    image = given(photo)
    with contextlib.closing(image) if hasattr(image, "close") else contextlib.nullcontext():
        with pytest.raises(InvalidInputError, match="is the input"):
            some_faces(1).save(photo, image)
        if hasattr(image, "seek"):
            image.seek(0)
        faces = load("mfn").run(image, keep_image=True)
    with pytest.raises(InvalidInputError, match="is the input"):
        faces.save(photo)
    assert photo.read_bytes() == before
    faces.save(tmp_path / "kept.png")
    some_faces(1).save(tmp_path / "drawn.png", photo)


def test_save_does_not_overwrite_the_photo_of_faces_that_were_kept(tmp_path, monkeypatch, noise):
    Image.fromarray(noise).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    faces = load("mfn").run("photo.png", keep_image=True)
    with pytest.raises(InvalidInputError, match="is the input"):
        load("sfn").refine("photo.png", faces).save("photo.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="is the input"):
        faces.save(tmp_path / "photo.png")
    assert (tmp_path / "photo.png").read_bytes() == before


@pytest.mark.parametrize("size", [(480, 640, 3), "big", 480, (0, 4), (480.5, 640)])
def test_the_size_of_an_image_is_height_and_width(size):
    with pytest.raises(InvalidInputError, match="image_size"):
        replace(some_faces(1), image_size=size)
    assert replace(some_faces(1), image_size=np.array([9, 9])).clipped_boxes_xyxy.max() == 9


@pytest.mark.parametrize(
    ("index", "rows"),
    [(slice(1, None), [1, 2, 3]), (slice(None, None, -2), [3, 1]), ([2, 0], [2, 0]), ([], []),
     (np.array([-1, 1]), [3, 1]), (np.array([True, False, False, True]), [0, 3]),
     ([False, True, False, False], [1]), (np.uint8([1, 1]), [1, 1]), (range(2), [0, 1])],
)  # fmt: skip
def test_faces_are_picked_as_rows_of_an_array(index, rows):
    faces = replace(some_faces(4), track_ids=np.arange(4) + 10)
    picked = faces[index]
    assert isinstance(picked, Faces)
    assert picked.track_ids.tolist() == [10 + row for row in rows]
    picked.track_ids[:] = 0
    assert faces.track_ids.tolist() == [10, 11, 12, 13]
    np.testing.assert_array_equal(picked.boxes_xyxy, faces.boxes_xyxy[rows])
    assert picked.expression_names is faces.expression_names


@pytest.mark.parametrize("number", [1, -3, np.int64(1), np.uint8(1), np.array(1)])
def test_a_whole_number_picks_one_face(number):
    assert some_faces(4)[number].index == 1


@pytest.mark.parametrize("index", [True, 1.0, "0", None, [True], np.ones(5, bool), [[0]], [0.5],
                                   np.zeros((4, 1), bool), [1, [2]], object()])  # fmt: skip
def test_what_picks_no_faces_is_refused(index):
    with pytest.raises(InvalidInputError, match="faces are picked by"):
        some_faces(4)[index]


@pytest.mark.parametrize("index", [4, [0, 4], [-5]])
def test_numbers_that_no_face_has(index):
    with pytest.raises(IndexError, match="there are 4 faces, no number"):
        some_faces(4)[index]


def test_membership_is_by_value():
    faces = some_faces(3)
    assert faces[1] in faces[1:]
    assert faces[0] not in faces[1:]
    assert len({*faces, *faces[:2]}) == 3
    assert "face" not in faces
    assert faces[0] != replace(faces, track_ids=np.arange(3))[0]


def test_repr_shows_what_is_in_it():
    assert repr(some_faces(0)) == "Faces(N=0)"
    first, second, *others = repr(some_faces(12)).splitlines()
    assert first == "Faces(N=12)"
    assert second.startswith("  0  score 1.00  box (10, 10, 60, 70)  pitch +0 yaw +0 roll +0 deg")
    assert others[-1] == "  and 2 more"


def test_arkit_coefficients_are_nan_where_nothing_is_seen():
    faces = some_faces(2)
    assert faces.arkit_coeffs.shape == (2, 52)
    named = dict(zip(ARKIT_NAMES, faces[0].arkit_coeffs.tolist(), strict=True))
    seen = {name: value for name, value in named.items() if not np.isnan(value)}
    assert seen == pytest.approx(faces[0].blendshapes)
    assert set(ARKIT_NAMES) - set(seen) >= {"tongueOut", "cheekPuff", "eyeLookInLeft"}


def test_pickles_are_small_and_find_the_shipped_face_model(face_model):
    faces = replace(some_faces(5), face_model=face_model, image=np.zeros((999, 999, 3), np.uint8))
    data = pickle.dumps(faces)
    assert len(data) < 1500 * 5 + 3000
    again = pickle.loads(data)
    assert (again.image, again.face_model) == (None, None)
    assert list(again) == list(faces)
    np.testing.assert_array_equal(again[1:].vertices(), faces[1:].vertices())
    stranger = replace(again, face_model_sha256="0" * 64)
    with pytest.raises(InvalidInputError, match="without their face model"):
        stranger.vertices()
    with pytest.raises(InvalidInputError, match="belong to the face model of the hash 0000"):
        stranger.vertices(face_model)  # whose shapes are others
    unknown = replace(again, face_model_sha256=None)
    assert unknown.vertices(face_model).shape == (5, 468, 3)


def test_faces_are_compared_by_value():
    faces = some_faces(3)
    again = replace(pickle.loads(pickle.dumps(faces)), image_size=(9, 9))
    assert faces == again
    assert hash(faces) == hash(again)
    assert faces != again[::-1] != again[:2]
    assert faces != list(faces)


def test_equal_faces_have_equal_hashes():
    faces = some_faces(2)
    zero = replace(faces, boxes_xyxy=faces.boxes_xyxy * 0)
    unknown = replace(faces, scores=faces.scores * np.nan, boxes_xyxy=faces.boxes_xyxy * np.nan)
    for one, other in [
        (zero, replace(zero, boxes_xyxy=-zero.boxes_xyxy)),
        (faces, replace(faces, boxes_xyxy=faces.boxes_xyxy.astype(np.float64))),
        (unknown, replace(unknown, scores=unknown.scores.copy())),
    ]:
        assert one == other
        assert hash(one) == hash(other)


def test_pickles_find_the_free_face_model():
    model = FaceModel.load(SHIPPED[1])
    faces = replace(some_faces(2), face_model=model)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(faces)).vertices(), faces.vertices())


def test_copies_keep_the_face_model(face_model):
    faces = replace(some_faces(2), face_model=face_model)
    assert copy.copy(faces).face_model is copy.deepcopy(faces).face_model is face_model
    assert copy.copy(faces).scores is faces.scores
    assert copy.deepcopy(faces).scores is not faces.scores


def test_show_opens_a_picture(monkeypatch, noise):
    shown = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: shown.append(picture.size))
    some_faces(1).show(noise)
    assert shown == [(200, 120)]


def test_show_is_inline_in_a_notebook(monkeypatch, noise):
    shown = []
    notebook = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=1), display=SimpleNamespace(display=shown.append)
    )
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    some_faces(1).keeping(noise, noise).show()
    assert [picture.size for picture in shown] == [(200, 120)]
    assert (some_faces(1).plot(noise) == np.asarray(shown[0])).all()
