"""Where overlays draw what."""

from dataclasses import replace

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.drawing import draw_faces, encoded_picture
from tests.fakes import Person, Scene

SIDE = 100


@pytest.fixture
def faces(face_model):
    """One face that fills the lower right corner of a picture of 260 x 300."""
    scene = Scene("mfn", face_model, [Person((245, 205), side=SIDE)])
    found = scene.faces(0, scene.people, [scene.people[0].box(0)])
    coefficients = np.linspace(0.4, 0.9, 46, dtype=np.float32)[None]
    return replace(found, expression_coeffs=coefficients)


def test_expression_bars_stay_in_the_picture(faces):
    image = np.full((260, 300, 3), 200, np.uint8)
    plain, drawn = draw_faces(image, faces), draw_faces(image, faces, expressions=True)
    changed = (plain != drawn).any(axis=2)
    rows = np.flatnonzero(changed.any(axis=1))
    # all of them; below the box there are five rows
    assert len(rows) > 25
    dark = (drawn[rows] == 24).all(axis=2)
    assert dark.any(axis=1).sum() > 15


def test_head_axes_hide_nothing_of_the_nose(faces):
    image = np.full((260, 300, 3), 200, np.uint8)
    drawn = draw_faces(image, faces)
    nose = faces.landmarks_2d[0, 27:36].mean(axis=0)
    y, x = np.mgrid[:260, :300]
    near = np.hypot(x - nose[0], y - nose[1]) < 0.12 * SIDE
    for colour in ((255, 64, 64), (64, 64, 255)):
        assert not (np.abs(drawn[near].astype(int) - colour).max(axis=1) < 40).any()


@pytest.mark.parametrize(("suffix", "width"), [(".webp", 16_383), (".jpg", 65_500)])
def test_a_picture_that_a_format_cannot_hold_is_refused(suffix, width):
    assert encoded_picture(np.zeros((1, width, 3), np.uint8), suffix)
    with pytest.raises(InvalidInputError, match=f"at most {width:,} pixels a side.*take .png"):
        encoded_picture(np.zeros((1, width + 1, 3), np.uint8), suffix)
