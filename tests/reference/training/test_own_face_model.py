"""A face model of another topology: fitted, trained with, converted, run and drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface.converters import convert
from edgeface.drawing import draw_faces
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.cli import main
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.packs import expression_scores
from edgeface.reference.data.targets import Mirror
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.geometry.alignment import (
    EXPRESSION_MIRROR,
    LANDMARK_MIRROR,
    expression_mirror,
    identity_mirror,
)
from edgeface.reference.geometry.fit import fit_meshes
from edgeface.reference.networks import CONFIGS
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.training.recipe import Recipe, read_recipe
from edgeface.reference.training.train import train
from edgeface.reference.training.views.synthesis import add_turned
from tests.reference.conftest import TEACHER_NAMES, random_faces, teacher_meshes

pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

MILLIMETRES = 90.0
REST = np.zeros(46)


@pytest.fixture(scope="module")
def finer(face_model):
    """The default's shapes on a mesh with a vertex more in every triangle, in millimetres."""
    triangles = face_model.triangles
    count = len(face_model.mean)

    def with_centres(shapes):
        return np.concatenate([shapes, shapes[..., triangles, :].mean(axis=-2)], axis=-2)

    centres = count + np.arange(len(triangles))
    fans = [np.stack([triangles[:, i], triangles[:, j], centres], 1)
            for i, j in ((0, 1), (1, 2), (2, 0))]  # fmt: skip
    identity = MILLIMETRES * with_centres(face_model.identity)
    identity[0] += [3.0, -20.0, 50.0]
    return FaceModel(
        identity=identity.astype(np.float32),
        expression=(MILLIMETRES * with_centres(face_model.expression)).astype(np.float32),
        landmark_vertices=face_model.landmark_vertices,
        landmark_weights=face_model.landmark_weights,
        triangles=np.concatenate(fans).astype(np.int32),
        uv=np.zeros((0, 2), np.float32),
        info={"name": "finer"},
    )


@pytest.fixture(scope="module")
def finer_file(finer, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "finer.npz"
    finer.save(path)
    return path


@pytest.fixture
def thin_sfn(monkeypatch):
    thin = replace(CONFIGS["sfn"], stem_filters=16, squeeze=(16,) * 3, expand=(64,) * 3)
    monkeypatch.setitem(CONFIGS, "sfn", thin)


def recipe(path, **options):
    return Recipe(**({"network": "sfn", "epochs": 1, "batch_size": 8} | options), face_model=path)


def test_units_are_brought_to_those_of_training(finer, finer_file, face_model):
    model = read_face_model(str(finer_file))
    assert len(model.mean) == len(finer.mean) == 468 + len(face_model.triangles)
    for ours, default in zip(model.landmark_shapes, face_model.landmark_shapes, strict=True):
        np.testing.assert_allclose(ours, default, atol=3e-3)
    assert read_face_model("default").sha256 == face_model.sha256


def test_a_model_that_looks_elsewhere_is_refused(finer, tmp_path):
    turned = replace(finer, identity=finer.identity * np.float32([1, -1, -1]))
    turned.save(tmp_path / "turned.npz")
    with pytest.raises(InvalidInputError, match="is not in the model frame"):
        read_face_model(str(tmp_path / "turned.npz"))
    finer.landmark_basis().save(tmp_path / "basis.npz")
    with pytest.raises(InvalidInputError, match="without the dense mesh"):
        read_face_model(str(tmp_path / "basis.npz"))
    with pytest.raises(InvalidInputError, match="cannot read the face model"):
        read_face_model(str(tmp_path / "absent.npz"))


def known_faces(face_model, random):
    fit, scores = random_faces(face_model, 20, random, 128.0, 88.0)
    meshes = teacher_meshes(face_model, fit)[:, :468]
    return fit, meshes, expression_scores(scores, np.array(TEACHER_NAMES))


def test_another_topology_is_fitted_by_landmarks(face_model, finer_file, random):
    """The same faces in the same places, although no vertex of the meshes is known to it."""
    model = read_face_model(str(finer_file))
    truth, meshes, scores = known_faces(face_model, random)
    found = fit_meshes(model, meshes, scores)
    apart = np.linalg.norm(found.landmarks(model) - truth.landmarks(face_model), axis=2)
    assert apart.mean() < 0.005 * 88  # of the outer eye distance
    assert np.abs(found.expression - truth.expression).mean() < 0.02
    turned = np.linalg.norm(found.rotation - truth.rotation, axis=(1, 2)) / np.sqrt(2)
    assert np.rad2deg(turned).max() < 3
    boxes = found.face_boxes(model), truth.face_boxes(face_model)
    np.testing.assert_allclose(*boxes, atol=0.04 * 2 * 88)


def test_expressions_of_other_names_are_fitted_without_scores(face_model, finer_file, random):
    names = tuple(f"expression{k:02d}" for k in range(1, 47))
    model = replace(read_face_model(str(finer_file)), expression_names=names)
    truth, meshes, scores = known_faces(face_model, random)
    found = fit_meshes(model, meshes, np.full_like(scores, np.nan))
    apart = np.linalg.norm(found.landmarks(model) - truth.landmarks(face_model), axis=2)
    assert apart.mean() < 0.01 * 88


def test_mirror_of_modes_and_expressions_that_say_nothing_of_sides(face_model, random):
    """Identities turned among themselves, expressions numbered: found again by their shapes."""
    mixed, _ = np.linalg.qr(random.normal(size=(49, 49)))
    identity = face_model.identity.copy()
    identity[1:] = np.einsum("ij,jvc->ivc", mixed, face_model.identity[1:])
    names = tuple(f"expression{k:02d}" for k in range(1, 47))
    model = replace(face_model, identity=identity, expression_names=names)
    np.testing.assert_array_equal(expression_mirror(model), EXPRESSION_MIRROR)
    np.testing.assert_array_equal(expression_mirror(face_model), EXPRESSION_MIRROR)
    weights = np.concatenate([[1.0], random.normal(size=49)])
    image = model.landmarks(weights, REST)[LANDMARK_MIRROR] * [-1, 1, 1]
    np.testing.assert_allclose(
        model.landmarks(weights @ identity_mirror(model), REST), image, atol=1e-3
    )
    signs = Mirror(face_model).identity
    np.testing.assert_array_equal(np.abs(signs), np.eye(50))


def test_turned_copies_need_a_surface(tiny_packs, finer_file):
    model = read_face_model(str(finer_file))
    faces = read_faces(tiny_packs, model, validation=True)
    turned = add_turned(faces, model, 0.2, seed=1)
    copies = turned.pack == "turned"
    assert copies.sum() == round(0.2 * len(faces.crops))
    assert (turned.crops[copies] > 200).any()
    assert np.isnan(turned.meshes[copies]).all()
    bare = replace(model, triangles=np.zeros((0, 3), np.int32))
    assert len(add_turned(faces, bare, 0.2, seed=1).crops) == len(faces.crops)


@pytest.fixture(params=["finer", "ict"])
def own_file(request, finer_file, tmp_path):
    """A made-up model, and ICT-FaceKit's head of 11,248 vertices where the data are there."""
    if request.param == "finer":
        return finer_file
    folder = request.getfixturevalue("data_folder")
    edgeface.from_ict_facekit(folder / "ict_facekit_light.npz").save(tmp_path / "ict.npz")
    return tmp_path / "ict.npz"


def test_own_face_model_from_training_to_drawing(tiny_packs, own_file, thin_sfn, tmp_path):
    (tmp_path / "recipe.toml").write_text('network = "sfn"\nepochs = 1\nbatch_size = 8\n')
    command = ["train", str(tmp_path / "recipe.toml"), "--data", str(tiny_packs)]
    command += ["--out", str(tmp_path / "run"), "--face-model", str(own_file)]
    assert main(command) == 0
    model = read_face_model(str(own_file))
    checkpoint = tmp_path / "run" / "last.ckpt"
    trained = load_network(checkpoint)
    assert trained.face_model.sha256 == model.sha256
    assert trained.recipe["face_model"] == own_file.name  # not where it lies
    with torch.no_grad():  # one epoch finds nothing: put a face where the box is
        pose = trained.network.heads[2][-1]
        pose.weight.zero_()
        pose.bias.copy_(torch.tensor([1.0, 0, 0, 0, 0, 0, 0, -0.8]))
    edgeface.reference.networks.checkpoint.save_network(trained, checkpoint)
    written = convert(checkpoint, tmp_path / "files", ["onnx", "pt2"], dense=True)
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    boxes = edgeface.load("mfn").run(photo).boxes_xyxy
    for entry in written:
        loaded = edgeface.load(entry.path)
        assert loaded.face_model.sha256 == model.sha256
        faces = loaded.run(photo, boxes_xyxy=boxes)
        dense = faces.vertices()
        assert dense.shape == (len(boxes), len(model.mean), 3)
        inside = dense[:, model.face_vertices, :2].mean(axis=1)
        assert ((inside > boxes[:, :2]) & (inside < boxes[:, 2:])).all()
        drawn = draw_faces(photo, faces, mesh=loaded.face_model)
        assert (drawn != draw_faces(photo, faces)).mean() > 0.005


def test_training_goes_on_with_the_same_face_model_only(tiny_packs, finer_file, thin_sfn, tmp_path):
    train(recipe(str(finer_file)), tiny_packs, tmp_path)
    with pytest.raises(InvalidInputError, match="trained with another face model"):
        train(recipe("default", epochs=2), tiny_packs, tmp_path)


def test_what_cannot_learn_another_topology_says_so(tiny_packs, finer_file, tmp_path):
    with pytest.raises(InvalidInputError, match="the shipped sfn cannot label photos"):
        train(recipe(str(finer_file), network="mfn", labels="sfn"), tiny_packs, tmp_path)
    with pytest.raises(InvalidInputError, match="a fusion network learns from landmark conv"):
        train(recipe(str(finer_file), network="fusion", databases=("300w",)), tiny_packs, tmp_path)


def test_a_recipe_names_its_face_model_beside_itself(tmp_path):
    (tmp_path / "own.toml").write_text(
        'network = "sfn"\nepochs = 1\nbatch_size = 8\nface_model = "own.npz"\n'
    )
    assert read_recipe(tmp_path / "own.toml").face_model == str(tmp_path / "own.npz")
    assert read_recipe("sfn").face_model == "default"
