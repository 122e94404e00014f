"""Last layers fitted anew, on faces for which the best ones are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.reference.data.labelled import LabelledImage, labels, labels_from_landmarks
from edgeface.reference.geometry.lids import BLINKS
from edgeface.reference.geometry.morphable import MorphableModel
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.last_layers import last_layer
from edgeface.reference.networks.predict import predict_boxes, predict_faces
from edgeface.reference.training.refit import Seen, fit, look, refit


@pytest.fixture
def seen(face_model):
    """Faces of which the last layers would have said all right, had they not been changed."""
    torch.manual_seed(0)
    count, units = 200, 6
    hidden = torch.randn(count, units)
    identity = torch.zeros(count, 50)
    identity[:, 0] = 1.0
    expression = hidden @ torch.randn(units, 46) - 2
    pose = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0.2]) + 0.05 * hidden @ torch.randn(units, 8)
    points = MorphableModel(face_model).project(identity, expression, pose)
    off = hidden @ torch.randn(units, 8) + 1, hidden @ torch.randn(units, 46) + 1
    wrong = (identity, expression + 0.2 * off[1], pose + 0.008 * off[0])
    weight = torch.full((count,), 1 / count)
    return Seen((hidden, hidden, hidden), wrong, points, torch.sigmoid(expression), weight)


def part(seen, rows):
    units, outputs = (tuple(v[rows] for v in each) for each in (seen.units, seen.outputs))
    return Seen(units, outputs, seen.landmarks[rows], seen.expression[rows], seen.weight[rows])


def errors(seen, model, changes=None):
    """The mean errors of landmarks and of expressions but blinks."""
    said = list(seen.outputs)
    for k, (weight, bias) in enumerate(changes or ()):
        said[k] = said[k] + seen.units[k] @ weight.T + bias
    points = MorphableModel(model).project(*said)
    wrong = (torch.sigmoid(said[1]) - seen.expression).abs()
    wrong[:, list(BLINKS)] = 0
    return float((points - seen.landmarks).norm(dim=2).mean()), float(wrong.mean())


def test_what_was_changed_is_mostly_undone_on_faces_that_were_not_seen(seen, face_model):
    changes = fit(part(seen, slice(150)), face_model, steps=100)
    rest = part(seen, slice(150, None))
    for before, after in zip(
        errors(rest, face_model), errors(rest, face_model, changes), strict=True
    ):
        assert after < 0.4 * before
    weight, bias = changes[1]
    assert not weight[list(BLINKS)].any()
    assert not bias[list(BLINKS)].any()


def test_a_face_without_weight_teaches_nothing(seen, face_model):
    spoilt = replace(seen, landmarks=seen.landmarks.clone(), weight=seen.weight.clone())
    spoilt.landmarks[::2] += 0.1
    spoilt.weight[::2] = 0
    half = part(seen, slice(1, None, 2))
    landmarks, _ = errors(half, face_model, fit(spoilt, face_model, steps=100))
    assert landmarks < 0.4 * errors(half, face_model)[0]


def test_faces_whose_expressions_nobody_labelled_still_teach_landmarks(seen, face_model):
    unlabelled = replace(seen, expression=torch.full_like(seen.expression, torch.nan))
    landmarks, _ = errors(seen, face_model, fit(unlabelled, face_model, steps=100))
    assert landmarks < 0.4 * errors(seen, face_model)[0]


def shown(photo, faces):
    """The demo photo with what a network says of it as labels, and a face without landmarks."""
    boxes = np.concatenate([faces.boxes_xyxy, [[10, 10, 90, 90]]])
    said = labels(boxes)
    said.landmarks[:-1] = faces.landmarks_2d
    said.expression[:-1] = faces.expression_coeffs
    return LabelledImage("demo", "pack", photo, said)


@pytest.mark.parametrize("name", ["sfn", "mfn"])
def test_faces_are_seen_as_they_are_when_the_network_runs(name):
    trained = load_network(name)
    photo = read_image(edgeface.DEMO_PHOTO)
    faces = predict_faces(load_network("mfn"), photo, 0.01, 0.45)
    faces = faces.select(np.flatnonzero(faces.scores > 0.3))
    if name == "sfn":
        faces = predict_boxes(trained, photo, faces.boxes_xyxy)
    seen = look(trained, [shown(photo, faces)])
    assert len(seen.weight) == len(faces) > 2
    drawn = MorphableModel(trained.face_model).project(*seen.outputs)
    torch.testing.assert_close(drawn, seen.landmarks, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.sigmoid(seen.outputs[1]), seen.expression, atol=1e-5, rtol=0)
    network = trained.network
    branches = (network.identity_branch, network.expression_branch, network.pose_branch)
    for branch, units, said in zip(branches, seen.units, seen.outputs, strict=True):
        if name == "sfn":  # the layers of an mfn have five anchors, of which a face is a mean
            torch.testing.assert_close(last_layer(network, str(branch))(units), said)


def test_packs_count_alike_and_those_of_the_teacher_less():
    trained = load_network("sfn")
    photo = read_image(edgeface.DEMO_PHOTO)
    faces = predict_boxes(trained, photo, np.array([[242, 127, 376, 299]]))
    image = shown(photo, faces)
    groups = ["people's", "people's", "mesh (teacher)"]
    seen = look(trained, [replace(image, group=group) for group in groups])
    torch.testing.assert_close(seen.weight, torch.tensor([0.5, 0.5, 0.1]))


def test_faces_without_landmarks_and_other_networks_are_refused(tmp_path, noise, face_model):
    unknown = labels_from_landmarks(np.full((1, 68, 2), 5.0), face_model)
    unknown.landmarks[:] = np.nan
    with pytest.raises(InvalidInputError, match="finds none"):
        look(load_network("sfn"), [LabelledImage("a", "pack", noise, unknown)])
    with pytest.raises(InvalidInputError, match="not a fusion"):
        refit(load_network("fusion"), tmp_path)
    with pytest.raises(InvalidInputError, match="free network"):
        refit(load_network("sfn-free"), tmp_path)
