"""The pipeline on a backend whose outputs are known, and bad model files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgeface
from edgeface import BackendUnavailableError, InvalidInputError, MetadataError, ModelFormatError
from edgeface.backends import onnx as onnx_backend
from edgeface.face_model import SHIPPED, FaceModel
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata
from edgeface.model import Model
from tests.fakes import FixedBackend, metadata_of
from tests.oracles import detection, morphable

onnx = pytest.importorskip("onnx")


def tilted(face_model, chosen):
    """Two anchors at 288; every candidate is a slightly tilted face, only chosen ones score."""
    metadata = metadata_of("mfn", face_model, anchors=((40.0, 50.0), (90.0, 70.0)))
    random = np.random.default_rng(5)
    heads = {
        name: random.normal(0, 0.3, (1, *metadata.output_shape(name))).astype(np.float32)
        for name in metadata.output_names
    }
    heads["identity"].reshape(-1, 50)[:, 0] = 1
    heads["pose"].reshape(-1, 8)[:, :4] = [1, 0.1, 0.2, -0.1]
    heads["detection"].reshape(9, 9, 2, 5)[..., 4] = -9
    for row, column, anchor, logit in chosen:
        heads["detection"][0].reshape(9, 9, 2, 5)[row, column, anchor, 4] = logit
    return FixedBackend(face_model, metadata, heads)


CHOSEN = [(2, 3, 0, 2.0), (2, 6, 1, 1.0), (7, 1, 0, 0.5), (7, 1, 1, -0.5)]


def test_run_agrees_with_oracles(face_model):
    backend = tilted(face_model, CHOSEN)
    faces = Model(backend).run(np.full((200, 400, 3), 9, np.uint8), look_again=False)
    assert backend.seen.shape == (1, 288, 288, 3)
    assert len(faces) == 3
    scale, offset = 288 / 400, np.array([0, (288 - 144) / 2])
    anchors = np.array(backend.metadata.anchors)
    expected = detection.decode(backend.heads["detection"][0], anchors, 32, 0.5)
    expected.sort(key=lambda item: -item[0])
    for face, (score, box, (row, column, anchor)) in zip(faces, expected, strict=True):
        assert face.score == pytest.approx(score, rel=1e-5)
        corners = (np.array(box).reshape(2, 2) - offset) / scale
        np.testing.assert_allclose(face.box_xyxy, corners.ravel(), atol=1e-2)

        def head(name, row=row, column=column, anchor=anchor):
            return backend.heads[name][0].reshape(9, 9, 2, -1)[row, column, anchor].astype(float)

        expression = 1 / (1 + np.exp(-head("expression")))
        pose = head("pose")
        shape = morphable.landmarks(face_model.reduced, head("identity"), expression)
        focal = 1 / (1 + np.exp(-pose[7]))
        norm = morphable.project(shape, pose[:4], pose[4:7], focal)
        longer = max(corners[1] - corners[0])
        np.testing.assert_allclose(
            face.landmarks_2d, norm[:, :2] * longer + corners.mean(axis=0), atol=0.05
        )
        np.testing.assert_allclose(face.landmarks_3d[:, 2], norm[:, 2] * longer, atol=0.05)
        np.testing.assert_allclose(face.expression_coeffs, expression, atol=1e-5)


def test_run_without_faces_is_an_empty_result(face_model):
    faces = Model(tilted(face_model, [])).run(np.zeros((50, 50, 3), np.uint8))
    assert len(faces) == 0
    assert faces.landmarks_2d.shape == (0, 68, 2)
    assert faces.boxes_xyxy.shape == (0, 4)
    assert faces.rotation.shape == (0, 3, 3)


def test_run_thresholds(face_model):
    model = Model(tilted(face_model, CHOSEN))
    image = np.zeros((50, 50, 3), np.uint8)
    assert len(model.run(image, score_threshold=0.8, look_again=False)) == 1
    assert len(model.run(image, score_threshold=0.2, iou_threshold=1.0, look_again=False)) == 4
    with pytest.raises(InvalidInputError, match="for crop networks"):
        model.run(image, boxes_xyxy=[[0, 0, 9, 9]])


@pytest.mark.parametrize("bad", [-0.1, 1.5, "high", float("nan")])
def test_thresholds_lie_between_0_and_1(face_model, bad):
    with pytest.raises(InvalidInputError, match="score_threshold must lie"):
        Model(tilted(face_model, [])).run(np.zeros((50, 50, 3), np.uint8), score_threshold=bad)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 20000, 3), (20000, 1, 3), (7, 5)])
def test_run_takes_extreme_images(face_model, shape):
    faces = Model(tilted(face_model, CHOSEN)).run(np.zeros(shape, np.uint8), look_again=False)
    assert np.isfinite(faces.landmarks_3d).all()


def test_sfn_looks_at_the_boxes_it_is_given():
    model = edgeface.load("sfn")
    image = np.zeros((60, 60, 3), np.uint8)
    assert len(model.run(image)) == 1
    assert len(model.run(image, boxes_xyxy=[])) == 0
    faces = model.run(image, boxes_xyxy=[[0, 0, 20, 30], [10, 10, 50, 60]])
    np.testing.assert_array_equal(faces.boxes_xyxy, [[0, 0, 20, 30], [10, 10, 50, 60]])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[0, 0, 10]], r"shape \(N, 4\)"),
        ([[5, 5, 5, 9]], "x1 > x0"),
        ([[0, 0, np.nan, 9]], "finite"),
        ([["a", 0, 1, 1]], "numbers"),
    ],
)
def test_sfn_boxes_are_checked(bad, message):
    with pytest.raises(InvalidInputError, match=message):
        edgeface.load("sfn").run(np.zeros((60, 60, 3), np.uint8), boxes_xyxy=bad)


@pytest.mark.parametrize("name", ["sfn", "fusion"])
def test_refine_looks_closer_and_keeps_scores_and_tracks(name):
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    found = edgeface.load("mfn").run(photo)
    tracked = replace(found, track_ids=np.arange(3, 8), velocities=np.ones((5, 2), np.float32))
    model = edgeface.load(name)
    closer, looked = model.refine(photo, tracked), model.run(photo, boxes_xyxy=found.boxes_xyxy)
    np.testing.assert_array_equal(closer.scores, found.scores)
    np.testing.assert_array_equal(closer.track_ids, [3, 4, 5, 6, 7])
    np.testing.assert_array_equal(closer.velocities, tracked.velocities)
    for kept in ("boxes_xyxy", "landmarks_3d", "rotation", "expression_coeffs"):
        np.testing.assert_array_equal(getattr(closer, kept), getattr(looked, kept))
    none = model.refine(photo, found.select(np.arange(0)))
    assert (len(none), none.landmarks_3d.shape) == (0, (0, 68, 3))


def test_refine_is_for_networks_of_crops(face_model):
    model = Model(tilted(face_model, CHOSEN))
    image = np.zeros((50, 50, 3), np.uint8)
    with pytest.raises(InvalidInputError, match="kind mfn finds its own faces"):
        model.refine(image, model.run(image))


@pytest.mark.parametrize(
    "option",
    [{"score_threshold": 0.5}, {"iou_threshold": 0.5}, {"max_faces": 3}, {"suppression": "soft"}],
    ids=lambda option: next(iter(option)),
)
@pytest.mark.parametrize("name", ["sfn", "fusion"])
def test_networks_of_crops_refuse_the_options_of_detection(name, option):
    message = f"kind {name} does not detect: it has no {next(iter(option))}"
    with pytest.raises(InvalidInputError, match=message):
        edgeface.load(name).run(np.zeros((60, 60, 3), np.uint8), **option)


def test_load_rejects_what_is_not_there(tmp_path):
    with pytest.raises(InvalidInputError, match="no such model"):
        edgeface.load(tmp_path / "absent.onnx")


@pytest.mark.parametrize("name", ["model.xyz", "model"])
def test_load_rejects_what_is_no_model(tmp_path, name):
    (tmp_path / name).write_bytes(b"0")
    with pytest.raises(ModelFormatError, match="no backend runs"):
        edgeface.load(tmp_path / name)


@pytest.fixture(scope="module")
def graph():
    return onnx.load(Path(edgeface.DEMO_PHOTO).parent / "sfn.onnx")


def saved(graph, path, **changes):
    """A copy of a graph with some metadata entries replaced, or removed by None."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    entries = {p.key: p.value for p in copy.metadata_props} | changes
    del copy.metadata_props[:]
    onnx.helper.set_model_props(copy, {k: v for k, v in entries.items() if v is not None})
    onnx.save(copy, path)
    return path


@pytest.mark.parametrize(("share", "num_bytes"), [(0, 0), (0, 10), (0.5, 0), (1, -5000)])
def test_load_rejects_truncated_files(graph, tmp_path, share, num_bytes):
    data = graph.SerializeToString()
    (tmp_path / "cut.onnx").write_bytes(data[: int(share * len(data)) + num_bytes])
    with pytest.raises(ModelFormatError):
        edgeface.load(tmp_path / "cut.onnx")


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        (KEY, lambda _: None, "carries no metadata"),
        (KEY, lambda text: json.dumps(json.loads(text) | {"schema_version": [3, 0]}),
         "this release reads 1.x"),
        (KEY, lambda text: changed(text, face_model_sha256="0" * 64), "not the one it names"),
        (KEY, lambda text: changed(text, input_size=160), "expected an input"),
        (FACE_MODEL_KEY, lambda _: None, "carries no face model"),
        (FACE_MODEL_KEY, lambda _: "???", "no base64"),
        (FACE_MODEL_KEY, lambda _: "AAAA", "damaged"),
    ],
)  # fmt: skip
def test_load_rejects_bad_metadata(graph, tmp_path, key, change, message):
    text = next(p.value for p in graph.metadata_props if p.key == KEY)
    with pytest.raises(ModelFormatError, match=message):
        edgeface.load(saved(graph, tmp_path / "model.onnx", **{key: change(text)}))


def changed(text, **values):
    return replace(Metadata.from_json(text, "graph"), **values).to_json()


def test_absent_metadata_is_an_error_of_its_own(graph, tmp_path):
    with pytest.raises(MetadataError):
        edgeface.load(saved(graph, tmp_path / "model.onnx", **{KEY: None}))


def test_load_names_the_missing_backend(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(onnx_backend.importlib, "import_module", absent)
    with pytest.raises(BackendUnavailableError, match=r"pip install .edgeface\[onnx\]"):
        onnx_backend.OnnxBackend(Path("any.onnx"), 1)


@pytest.mark.parametrize("shape", [(200, 400), (333, 471)])
def test_vertices_lie_where_the_landmarks_do(face_model, shape):
    model = Model(tilted(face_model, CHOSEN))
    faces = model.run(np.zeros((*shape, 3), np.uint8), look_again=False)
    dense = model.vertices(faces)
    assert dense.shape == (3, *face_model.mean.shape)
    weights = face_model.landmark_weights
    points = np.einsum("nlkc,lk->nlc", dense[:, face_model.landmark_vertices], weights)
    side = (faces.boxes_xyxy[:, 2:] - faces.boxes_xyxy[:, :2]).max(axis=1)
    assert (np.abs(points - faces.landmarks_3d).max(axis=(1, 2)) < 0.004 * side).all()
    assert model.vertices(faces.select(np.arange(0))).shape == (0, *face_model.mean.shape)
    others = replace(faces, face_model=FaceModel.load(SHIPPED[1]))
    np.testing.assert_array_equal(model.vertices(others), others.vertices())  # by their own model


def test_run_takes_max_faces_and_suppression(face_model):
    model = Model(tilted(face_model, CHOSEN))
    image = np.zeros((50, 50, 3), np.uint8)
    every, best = (model.run(image, look_again=False, **most) for most in ({}, {"max_faces": 2}))
    np.testing.assert_array_equal(best.landmarks_3d, every.landmarks_3d[:2])
    assert len(model.run(image, suppression="soft", look_again=False)) == 3
    with pytest.raises(InvalidInputError, match="suppression must be one of greedy, soft"):
        model.run(image, suppression="hard")
    with pytest.raises(InvalidInputError, match="max_faces must be a whole number from 0"):
        model.run(image, max_faces=-1)


def test_a_reflected_shape_is_a_half_turn(face_model):
    """A network may say "upside down" by either; in the image both are the same landmarks."""
    backend = tilted(face_model, CHOSEN)
    backend.heads["identity"].reshape(-1, 50)[:] *= -1
    faces = Model(backend).run(np.zeros((288, 288, 3), np.uint8), look_again=False)
    assert (faces.identity_coeffs[:, 0] > 0).all()
    for face in faces:
        # the reflected shape, by the pose that it came with: half a turn undone in the image
        half = np.diag([-1.0, -1.0, 1.0]).astype(np.float32)
        shape = morphable.landmarks(
            face_model.reduced, -face.identity_coeffs, face.expression_coeffs
        )
        low, high = face.box_xyxy[:2], face.box_xyxy[2:]
        points = (shape @ (half @ face.rotation).T + faces.translation[face.index]) * faces.focal[
            face.index
        ]
        points = points[:, :2] * [1, -1] * (high - low).max() + (low + high) / 2
        np.testing.assert_allclose(face.landmarks_2d, points, atol=1e-2)
        assert np.linalg.det(face.rotation) == pytest.approx(1, abs=1e-5)
        # the tip of the nose is nearer to the camera than the ends of the jaw
        assert face.landmarks_3d[30, 2] < face.landmarks_3d[[0, 16], 2].min()
        assert abs(face.euler_deg[2]) > 150
