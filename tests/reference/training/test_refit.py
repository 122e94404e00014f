"""Last layers fitted anew, on faces for which the best ones are known."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.reference.data.labelled import LabelledImage, labels_from_landmarks
from edgeface.reference.geometry.morphable import MorphableModel
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.last_layers import last_layer
from edgeface.reference.networks.predict import predict_boxes, predict_faces
from edgeface.reference.training.refit import Seen, View, fit, look, refit, views


@pytest.fixture
def seen(face_model):
    """Faces whose poses the last layer would have said right, had it not been changed."""
    torch.manual_seed(0)
    count, units = 200, 6
    hidden = torch.randn(count, units)
    identity, expression = torch.zeros(count, 50), torch.full((count, 46), -4.0)
    identity[:, 0] = 1.0
    pose = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0.2]) + 0.05 * hidden @ torch.randn(units, 8)
    points = MorphableModel(face_model).project(identity, expression, pose)
    wrong = pose + 0.008 * (hidden @ torch.randn(units, 8) + 1)
    weight = torch.full((count,), 1 / count)
    return Seen(hidden, hidden, identity, expression, wrong, points, weight)


def error(seen, model, identity_change, pose_change):
    said = [seen.identity, seen.pose]
    units = [seen.identity_units, seen.pose_units]
    for k, (weight, bias) in enumerate((identity_change, pose_change)):
        said[k] = said[k] + units[k] @ weight.T + bias
    points = MorphableModel(model).project(said[0], seen.expression, said[1])
    return float((points - seen.landmarks).norm(dim=2).mean())


def test_what_was_changed_is_mostly_undone_on_faces_that_were_not_seen(seen, face_model):
    first, last = (
        Seen(*(getattr(seen, f.name)[part] for f in fields(Seen)))
        for part in (slice(150), slice(150, None))
    )
    changes = fit(first, face_model, steps=80)
    nothing = (torch.zeros(50, 6), torch.zeros(50)), (torch.zeros(8, 6), torch.zeros(8))
    assert error(last, face_model, *changes) < 0.3 * error(last, face_model, *nothing)


def test_a_face_without_weight_teaches_nothing(seen, face_model):
    spoilt = replace(seen, landmarks=seen.landmarks.clone(), weight=seen.weight.clone())
    spoilt.landmarks[::2] += 0.1
    spoilt.weight[::2] = 0
    half = Seen(*(getattr(seen, f.name)[1::2] for f in fields(Seen)))
    assert error(half, face_model, *fit(spoilt, face_model, steps=80)) < 0.01


@pytest.mark.parametrize("name", ["sfn", "mfn"])
def test_faces_are_seen_as_they_are_when_the_network_runs(name):
    trained = load_network(name)
    photo = read_image(edgeface.DEMO_PHOTO)
    faces = predict_faces(load_network("mfn"), photo, 0.01, 0.45)
    faces = faces.select(np.flatnonzero(faces.scores > 0.3))
    if name == "sfn":
        faces = predict_boxes(trained, photo, faces.boxes_xyxy)
    seen = look(trained, [View("pack", photo, faces.boxes_xyxy, faces.landmarks_2d)])
    assert len(seen.weight) == len(faces) > 2
    drawn = MorphableModel(trained.face_model).project(seen.identity, seen.expression, seen.pose)
    torch.testing.assert_close(drawn, seen.landmarks, atol=1e-3, rtol=0)
    network = trained.network
    for branch, units, said in (
        (network.identity_branch, seen.identity_units, seen.identity),
        (network.pose_branch, seen.pose_units, seen.pose),
    ):
        last = last_layer(network, str(branch))
        if name == "sfn":  # the layers of an mfn have five anchors, of which a face is a mean
            torch.testing.assert_close(last(units), said)


def test_views_are_the_photo_and_then_copies_whose_points_are_on_the_same_pixels(
    random, face_model
):
    pixels = random.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    points = random.integers(20, 50, (1, 68, 2)) + 0.5
    image = LabelledImage("a", "pack", pixels, labels_from_landmarks(points, face_model))
    plain, mirrored, moved = views([image], passes=3, seed=0)
    np.testing.assert_array_equal(plain.pixels, pixels)
    for view in (plain, mirrored, moved):
        colours = [
            {tuple(v.pixels[int(y), int(x)]) for x, y in v.landmarks[0]} for v in (plain, view)
        ]
        assert colours[0] == colours[1]
        # boxes are moved by a little
        centre = (view.boxes[0, :2] + view.boxes[0, 2:]) / 2
        middle = (view.landmarks[0].min(0) + view.landmarks[0].max(0)) / 2
        assert np.abs(centre - middle).max() < 12
    assert moved.pixels.shape[1] > 80
    assert (mirrored.landmarks[0, 36] != moved.landmarks[0, 36]).any()


def test_faces_without_landmarks_show_nothing(random, face_model):
    pixels = random.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    labels = labels_from_landmarks(np.full((1, 68, 2), 5.0), face_model)
    labels.landmarks[:] = np.nan
    assert not list(views([LabelledImage("a", "pack", pixels, labels)], passes=2, seed=0))


def test_other_networks_are_not_fitted_anew(tmp_path):
    with pytest.raises(InvalidInputError, match="not a fusion"):
        refit(load_network("fusion"), tmp_path, passes=1)
    with pytest.raises(InvalidInputError, match="free network"):
        refit(load_network("sfn-free"), tmp_path, passes=1)
