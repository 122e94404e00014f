"""How `eyeBlink` is stretched, on faces whose lids and blinks are known."""

import numpy as np
import pytest

from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.reference.evaluation.blinks import (
    Stretch,
    drawn_openings,
    errors,
    fit_stretch,
    learn_blinks,
)
from edgeface.reference.geometry.lids import BLINKS
from edgeface.reference.geometry.pose import euler_deg, rotation_from_euler
from edgeface.reference.networks.checkpoint import SHIPPED


@pytest.fixture
def faces(face_model):
    """Faces that look elsewhere and shut both eyes more or less."""
    count, random = 60, np.random.default_rng(0)
    identity = np.zeros((count, 50), np.float32)
    identity[:, 0] = 1.0
    expression = np.zeros((count, 46), np.float32)
    expression[:, BLINKS] = random.uniform(0.02, 0.9, (count, 2))
    rotation = rotation_from_euler(random.uniform(-20, 20, (count, 3)))
    return Faces(
        boxes_xyxy=np.tile(np.float32([0, 0, 9, 9]), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks_3d=np.zeros((count, 68, 3), np.float32),
        identity_coeffs=identity,
        expression_coeffs=expression,
        rotation=rotation.astype(np.float32),
        euler_deg=euler_deg(rotation).astype(np.float32),
        translation=np.zeros((count, 3), np.float32),
        focal=np.ones(count, np.float32),
        expression_names=face_model.expression_names,
    )


def test_the_stretch_that_was_undone_is_found(faces, face_model):
    hidden = Stretch(1.3, 0.4)
    labelled = drawn_openings(faces, face_model, hidden)
    found = fit_stretch(faces, face_model, labelled)
    assert (found.gain, found.offset) == pytest.approx((1.3, 0.4), abs=0.03)


def test_a_stretch_is_affine_in_logits_and_stays_within_0_and_1():
    np.testing.assert_allclose(Stretch(2.0, 0.0)(np.array([0.5, 0.8])), [0.5, 16 / 17])
    np.testing.assert_allclose(Stretch()(np.array([0.0, 1.0])), [0, 1], atol=1e-5)


def test_each_sort_of_eyes_has_an_error_of_its_own():
    labelled = np.array([[0.0, 0.2], [0.4, 0.3], [0.35, 0.35]])
    drawn = labelled + np.array([[0.1, -0.02], [0, 0.04], [0, 0]])
    np.testing.assert_allclose(errors(drawn, labelled), [0.1, 0.02, 0.01])
    with pytest.raises(InvalidInputError, match="lack"):
        errors(labelled[1:], labelled[1:])


def test_a_free_network_learns_nothing_from_research_faces(tmp_path):
    with pytest.raises(InvalidInputError, match="free network"):
        learn_blinks(SHIPPED["sfn-free"], tmp_path)
