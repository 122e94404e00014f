from dataclasses import replace

import numpy as np
import pytest
import torch

from edgeface.errors import InvalidInputError
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.rebase import on_face_model


@pytest.fixture
def other_model(face_model, random):
    """The same shapes in other modes: mixed by an invertible matrix, the mean still first."""
    mix = np.linalg.qr(random.normal(size=(49, 49)))[0]
    modes = np.tensordot(mix, face_model.identity[1:], axes=1)
    return replace(
        face_model, identity=np.concatenate([face_model.identity[:1], modes]).astype("f")
    )


@pytest.mark.parametrize(("name", "branch"), [("sfn", 0), ("mfn", 1), ("fusion", 0)])
def test_on_face_model_keeps_the_shape_of_the_identity(
    face_model, other_model, random, name, branch
):
    torch.manual_seed(0)
    config = CONFIGS[name]
    trained = TrainedNetwork(config, build_network(config).eval(), face_model, 0, {})
    moved = on_face_model(trained, other_model)
    size = config.input_size
    image = torch.from_numpy(random.integers(0, 256, (1, size, size, 3), np.uint8))
    with torch.inference_mode():
        before, after = trained.network(image), moved.network(image)
    shapes = [
        np.tensordot(heads[branch].reshape(-1, 50).numpy(), model.identity, axes=1)
        for heads, model in ((before, face_model), (after, other_model))
    ]
    np.testing.assert_allclose(shapes[1], shapes[0], atol=1e-4)
    for k in set(range(len(before))) - {branch}:
        assert torch.equal(before[k], after[k])
    assert moved.face_model is other_model


def test_on_face_model_refuses_expressions_of_other_names(face_model):
    config = CONFIGS["sfn"]
    trained = TrainedNetwork(config, build_network(config), face_model, 0, {})
    others = replace(face_model, expression_names=tuple(f"shape{k}" for k in range(46)))
    with pytest.raises(InvalidInputError, match=r"expressions \(brow.*\(shape0, shape1 "):
        on_face_model(trained, others)


def test_on_face_model_with_the_same_modes_leaves_weights_alone(face_model):
    """A model that differs in its landmark map alone."""
    config = CONFIGS["sfn"]
    trained = TrainedNetwork(config, build_network(config), face_model, 0, {})
    weights = np.roll(face_model.landmark_weights, 1, axis=1)
    moved = on_face_model(trained, replace(face_model, landmark_weights=weights))
    assert moved.network is trained.network
    np.testing.assert_array_equal(moved.face_model.landmark_weights, weights)


def test_on_face_model_keeps_the_harmonics_that_corrections_are_sums_of(face_model):
    config = CONFIGS["fusion"]
    harmonics = np.ones((len(face_model.mean), 20), np.float32)
    own = replace(face_model, harmonics=harmonics)
    trained = TrainedNetwork(config, build_network(config), own, 0, {})
    moved = on_face_model(trained, replace(face_model, triangles=face_model.triangles[1:]))
    np.testing.assert_array_equal(moved.face_model.harmonics, harmonics)
    assert len(moved.face_model.triangles) == len(face_model.triangles) - 1
    # one that corrects nothing has those of the model that it moves to
    config = CONFIGS["sfn"]
    trained = TrainedNetwork(config, build_network(config), face_model, 0, {})
    moved = on_face_model(trained, replace(own, triangles=face_model.triangles[1:]))
    np.testing.assert_array_equal(moved.face_model.harmonics, harmonics)


def test_on_face_model_refuses_another_mesh(face_model, other_model):
    trained = TrainedNetwork(CONFIGS["sfn"], torch.nn.Identity(), face_model, 0, {})
    short = replace(
        other_model,
        identity=other_model.identity[:, :100],
        expression=other_model.expression[:, :100],
        uv=other_model.uv[:100],
        triangles=np.zeros((0, 3), np.int32),
        landmark_vertices=np.zeros_like(other_model.landmark_vertices),
    )
    with pytest.raises(InvalidInputError, match="468 vertices and the other 100"):
        on_face_model(trained, short)
