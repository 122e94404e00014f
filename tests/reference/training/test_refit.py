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
from edgeface.reference.training.refit import TURNED, Seen, fit, look, refit, turned, with_turned


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


def errors(seen, model, changes=()):
    """The mean errors of landmarks and of expressions but blinks."""
    said = list(seen.outputs)
    for k, (weight, bias) in enumerate(changes):
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
    groups = ["people's", "people's", "mesh (teacher)", TURNED]
    seen = look(trained, [replace(image, group=group) for group in groups])
    torch.testing.assert_close(seen.weight, torch.tensor([0.5, 0.5, 0.1, 0.3]))


@pytest.mark.parametrize("angle", [90.0, 180.0, -90.0])
def test_a_turned_face_has_its_landmarks_on_the_same_pixels(angle, random, face_model):
    pixels = random.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    points = random.integers(15, 45, (1, 68, 2)) + 0.5
    image = LabelledImage("a", "pack", pixels, labels_from_landmarks(points, face_model))
    copy = turned(image, angle)
    for (x, y), (u, v) in zip(points[0], copy.labels.landmarks[0], strict=True):
        np.testing.assert_allclose(
            copy.pixels[int(v), int(u)].astype(int), pixels[int(y), int(x)], atol=1
        )
    size = image.labels.boxes[0, 2:] - image.labels.boxes[0, :2]
    new = copy.labels.boxes[0, 2:] - copy.labels.boxes[0, :2]
    np.testing.assert_allclose(new, size if abs(angle) == 180 else size[::-1], rtol=1e-5)


def test_a_turn_is_clockwise_as_seen_and_keeps_the_whole_photo(face_model):
    photo = read_image(edgeface.DEMO_PHOTO)
    upright = predict_faces(load_network("mfn"), photo, 0.3, 0.45)
    faces = labels_from_landmarks(upright.landmarks_2d, face_model)
    copy = turned(LabelledImage("a", "pack", photo, faces), 20.0)
    assert all(np.array(copy.pixels.shape) >= photo.shape)
    eyes = copy.labels.landmarks[:, 45] - copy.labels.landmarks[:, 36]
    old = faces.landmarks[:, 45] - faces.landmarks[:, 36]
    roll = [np.rad2deg(np.arctan2(v[:, 1], v[:, 0])) for v in (old, eyes)]
    np.testing.assert_allclose(roll[1] - roll[0], 20, atol=1e-2)


def test_single_faces_are_followed_by_turned_copies_and_photos_are_not(noise, face_model):
    found = labels_from_landmarks(np.random.default_rng(0).uniform(20, 80, (1, 68, 2)), face_model)
    single = LabelledImage("a", "pack", noise, found)
    groups = [i.group for i in with_turned([single, replace(single, complete=True)], 30.0, 0)]
    assert groups == ["pack", TURNED, "pack"]


def test_faces_without_landmarks_and_other_networks_are_refused(tmp_path, noise, face_model):
    unknown = labels_from_landmarks(np.full((1, 68, 2), 5.0), face_model)
    unknown.landmarks[:] = np.nan
    with pytest.raises(InvalidInputError, match="finds none"):
        look(load_network("sfn"), [LabelledImage("a", "pack", noise, unknown)])
    with pytest.raises(InvalidInputError, match="not a fusion"):
        refit(load_network("fusion"), tmp_path)
    with pytest.raises(InvalidInputError, match="free network"):
        refit(load_network("sfn-free"), tmp_path)
