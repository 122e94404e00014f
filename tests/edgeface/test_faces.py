import json
from dataclasses import replace

import numpy as np
import pytest

from edgeface import Faces, InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES


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


def test_draw_leaves_the_argument_alone(noise):
    before = noise.copy()
    overlay = some_faces(2).draw(noise)
    assert (noise == before).all()
    assert overlay.shape == noise.shape
    assert (overlay != noise).any()
    assert (some_faces(0).draw(noise) == noise).all()
