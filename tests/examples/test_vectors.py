"""The committed test vectors, against plain arithmetic and against the runtime."""

import hashlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface.kernels import euler_from_rotation
from edgeface.kinds import KINDS
from edgeface.metadata import Metadata
from tests.oracles import detection, morphable

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "vectors"
MODEL = Path(edgeface.__file__).parent / "assets" / "mfn.onnx"
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def vectors():
    return json.loads((FOLDER / "mfn.json").read_text())


@pytest.fixture(scope="module")
def face_model():
    """The one inside the file that the vectors are of."""
    return edgeface.load(MODEL).face_model


@pytest.fixture(scope="module")
def input_tensor():
    return np.asarray(Image.open(FOLDER / "input.png"))


def test_vectors_stay_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < MOST_BYTES


def test_vectors_describe_themselves(vectors, input_tensor):
    metadata = Metadata.from_json(json.dumps(vectors["metadata"]), "the vectors")
    assert input_tensor.shape == (metadata.input_size, metadata.input_size, 3)
    assert hashlib.sha256(input_tensor.tobytes()).hexdigest() == vectors["input"]["sha256"]
    for name in metadata.output_names:
        assert tuple(vectors["outputs"][name]["shape"]) == metadata.output_shape(name)
        assert all(len(c[name]) == KINDS["mfn"].outputs[name] for c in vectors["candidates"])
    assert len(vectors["candidates"]) > len(vectors["faces"]) > 0


def sparse_outputs(vectors):
    """Full outputs in which nothing but the listed candidates can score."""
    outputs = {}
    for name, about in vectors["outputs"].items():
        num_rows, num_columns, channels = about["shape"]
        outputs[name] = np.full(
            (
                num_rows,
                num_columns,
                channels // KINDS["mfn"].outputs[name],
                KINDS["mfn"].outputs[name],
            ),
            -20.0,
        )
        for candidate in vectors["candidates"]:
            outputs[name][tuple(candidate["cell"])] = candidate[name]
    return outputs


def test_vectors_follow_from_the_equations(vectors, face_model):
    """Candidates to faces by the oracles, which share no code with the runtime."""
    assert vectors["metadata"]["face_model_sha256"] == face_model.sha256
    outputs = sparse_outputs(vectors)
    grid = outputs["detection"].reshape(*outputs["detection"].shape[:2], -1)
    found = detection.decode(
        grid,
        np.array(vectors["metadata"]["anchors"]),
        vectors["metadata"]["stride"],
        vectors["score_threshold"],
        vectors["metadata"]["cell_range"],
    )
    assert [list(cell) for _, _, cell in found] == [c["cell"] for c in vectors["candidates"]]
    boxes, scores = [box for _, box, _ in found], [score for score, _, _ in found]
    thresholds = vectors["iou_threshold"], vectors["score_threshold"]
    kept = detection.suppress_weighted(boxes, scores, *thresholds)
    assert len(kept) == len(vectors["faces"])
    assert any(len(members) > 1 for _, members, _ in kept)
    for (best, members, weights), face in zip(kept, vectors["faces"], strict=True):
        head = {
            name: np.array(detection.weighted_mean([output[found[m][2]] for m in members], weights))
            for name, output in outputs.items()
        }
        box = detection.weighted_mean([boxes[m] for m in members], weights)
        expression = np.array([detection.sigmoid(v) for v in head["expression"]])
        pose = head["pose"]
        shape = morphable.landmarks(face_model.reduced, head["identity"], expression)
        norm = morphable.project(shape, pose[:4], pose[4:7], detection.sigmoid(pose[7]))
        x0, y0, x1, y1 = box
        points = norm * max(x1 - x0, y1 - y0) + [(x0 + x1) / 2, (y0 + y1) / 2, 0]
        columns = [morphable.rotate(pose[:4], axis) for axis in np.eye(3)]
        np.testing.assert_allclose(face["landmarks_3d"], points, atol=1e-3)
        np.testing.assert_allclose(face["box_xyxy"], box, atol=1e-3)
        np.testing.assert_allclose(face["score"], scores[best], rtol=1e-5)
        np.testing.assert_allclose(face["rotation"], np.transpose(columns), atol=1e-5)
        np.testing.assert_allclose(face["euler_deg"], euler(face["rotation"]), atol=1e-3)
        np.testing.assert_allclose(face["expression_coeffs"], expression, atol=1e-6)
        np.testing.assert_allclose(face["identity_coeffs"], head["identity"], atol=1e-6)


def euler(rotation):
    """As the format says, away from the poles."""
    r = np.array(rotation)
    pitch = math.atan2(-r[1, 2], r[2, 2])
    return np.rad2deg([pitch, math.asin(r[0, 2]), math.atan2(-r[0, 1], r[0, 0])])


def test_runtime_agrees_with_fresh_vectors(fresh_vectors):
    """What ``make.py`` writes for the weights of today, run once more from its own files."""
    vectors = json.loads((fresh_vectors / "mfn.json").read_text())
    faces = edgeface.load("mfn").run(
        fresh_vectors / "input.png",
        score_threshold=vectors["score_threshold"],
        detail="fast",
    )
    assert len(faces) == len(vectors["faces"])
    for face, expected in zip(faces.to_dict(), vectors["faces"], strict=True):
        assert face["blendshapes"] == pytest.approx(expected.pop("blendshapes"), abs=1e-3)
        for name, value in expected.items():
            np.testing.assert_allclose(face[name], value, atol=1e-3)


def test_vectors_place_the_photo(fresh_vectors):
    vectors = json.loads((fresh_vectors / "mfn.json").read_text())
    faces = edgeface.load("mfn").run(
        edgeface.DEMO_PHOTO, score_threshold=vectors["score_threshold"], detail="fast"
    )
    photo = vectors["photo"]
    in_input = np.array([face["landmarks_3d"] for face in vectors["faces"]])[..., :2]
    points = (in_input - photo["offset"]) / photo["scale"]
    np.testing.assert_allclose(faces.landmarks_2d, points, atol=1e-2)


def test_make_refuses_another_kind(tmp_path):
    script = FOLDER / "make.py"
    command = [
        sys.executable,
        script,
        "--model",
        MODEL.with_name("fusion-w8.onnx"),
        "--out",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no vectors of a fusion" in done.stderr
    assert not list(tmp_path.iterdir())


def test_vectors_of_a_crop_follow_from_the_equations(face_model):
    """Raw outputs to a face by the oracles, which share no code with the runtime."""
    vectors = json.loads((FOLDER / "sfn.json").read_text())
    raw, [face], metadata = vectors["outputs"], vectors["faces"], vectors["metadata"]
    expression = np.array([detection.sigmoid(v) for v in raw["expression"]])
    shape = morphable.landmarks(face_model.reduced, np.array(raw["identity"]), expression)
    pose, size = raw["pose"], metadata["input_size"]
    norm = morphable.project(shape, pose[:4], pose[4:7], detection.sigmoid(pose[7]))
    points = norm * size / metadata["crop_scale"] + [size / 2, size / 2, 0]
    np.testing.assert_allclose(face["landmarks_3d"], points, atol=1e-3)
    np.testing.assert_allclose(face["expression_coeffs"], expression, atol=1e-6)
    np.testing.assert_allclose(face["translation"], pose[4:7], atol=1e-6)
    np.testing.assert_allclose(face["focal"], detection.sigmoid(pose[7]), atol=1e-6)


@pytest.mark.parametrize("kind", ["mfn", "sfn"])
def test_committed_vectors_are_of_the_shipped_weights(kind, fresh_vectors):
    vectors = json.loads((FOLDER / f"{kind}.json").read_text())
    fresh = json.loads((fresh_vectors / f"{kind}.json").read_text())
    digest = hashlib.sha256(MODEL.with_stem(kind).read_bytes()).hexdigest()
    if vectors["model"]["sha256"] != digest:
        pytest.fail("the weights have changed: run python examples/vectors/make.py")
    name = vectors["input"]["file"]
    pixels = [np.asarray(Image.open(folder / name)) for folder in (FOLDER, fresh_vectors)]
    np.testing.assert_array_equal(*pixels)
    cells = [[c["cell"] for c in v.get("candidates", [])] for v in (vectors, fresh)]
    assert cells[0] == cells[1]
    for old, new in zip(vectors["faces"], fresh["faces"], strict=True):
        shapes = [list(face.pop("blendshapes").items()) for face in (old, new)]
        assert [n for n, _ in shapes[0]] == [n for n, _ in shapes[1]]
        for name, value in old.items():
            np.testing.assert_allclose(value, new[name], atol=1e-3)


def test_worked_example_of_the_format(face_model):
    """The numbers in the document, worked out again by the oracles."""
    text = (ROOT / "docs" / "reference" / "model-format.md").read_text()
    block = text[text.index("## A worked example") :]
    anchor = np.array([[78.0, 98.0]])
    grid = np.full((9, 9, 5), -20.0)
    grid[3, 4] = [0.2, -0.1, 0.3, 0.1, 2.0]
    [(score, box, _)] = detection.decode(grid, anchor, 32, 0.4)
    identity = np.eye(50)[0]
    expression = np.zeros(46)
    expression[face_model.expression_names.index("jawOpen")] = detection.sigmoid(0.4)
    pose = [0.9, 0.1, -0.3, 0.05, 0.02, 0.1, 0.3, -1.2]
    shape = morphable.landmarks(face_model.reduced, identity, expression)
    focal = detection.sigmoid(pose[7])
    norm = morphable.project(shape, pose[:4], pose[4:7], focal)
    x0, y0, x1, y1 = box
    longer = max(x1 - x0, y1 - y0)
    points = norm * longer + [(x0 + x1) / 2, (y0 + y1) / 2, 0]
    rotation = np.transpose([morphable.rotate(pose[:4], axis) for axis in np.eye(3)])
    np.testing.assert_allclose(euler(rotation), euler_from_rotation(rotation[None])[0], atol=1e-4)
    image = (points[8] - [0, 54, 0]) / 0.225
    numbers = {
        "score": [score],
        "box": box,
        "e(jawOpen)": [expression.max()],
        "shape[8]": shape[8],
        "R": rotation.ravel(),
        "pitch, yaw, roll": euler(rotation),
        "f": [focal],
        "p[8]": norm[8],
        "landmark 8": points[8],
        "landmark 8 in the image": image,
    }
    for name, values in numbers.items():
        line = re.search(rf"^    {re.escape(name)} += (.*)$", block, re.MULTILINE)
        expected = " ".join(f"{v:.4f}" for v in values)
        assert line is not None, f"the document lacks {name} = {expected}"
        assert line[1] == expected, name
