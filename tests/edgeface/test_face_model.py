import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation

import edgeface
from edgeface import FaceModel, InvalidInputError, ModelFormatError, face_model_import
from edgeface.face_model import EXPRESSION_NAMES
from tests.oracles import morphable as oracle

# index of the mirror image of each landmark that lies beside the midline, a few of them
MIRRORED = {0: 16, 36: 45, 39: 42, 17: 26, 31: 35, 48: 54, 60: 64}
NEUTRAL, REST = np.eye(50)[0], np.zeros(46)


def shape(model, name, weight=1.0):
    return model.landmarks(NEUTRAL, weight * np.eye(46)[model.expression_names.index(name)])


def test_face_models_are_compared_by_what_coefficients_mean(face_model):
    again = FaceModel.from_bytes(face_model.to_bytes())
    assert again == face_model
    assert len({again, face_model, face_model.landmark_basis()}) == 2
    assert face_model != replace(face_model, identity=face_model.identity * 2)
    smooth = np.ones((len(face_model.mean), 1), np.float32)
    assert face_model != replace(face_model, harmonics=smooth)
    assert face_model != "mfn"


def test_default_face_model_has_the_documented_frame(face_model):
    points = face_model.landmarks(NEUTRAL, REST)
    assert np.linalg.norm(points[45] - points[36]) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=2e-3)
    assert points[45, 0] > points[36, 0]  # x to the face's own left
    assert points[27, 1] > points[8, 1]  # y up
    assert points[30, 2] > points[[0, 16], 2].max()  # z out of the face


def test_default_face_model_is_mirror_symmetric(face_model):
    points = face_model.landmarks(NEUTRAL, REST)
    for right, left in MIRRORED.items():
        np.testing.assert_allclose(points[right] * [-1, 1, 1], points[left], atol=2e-3)


@pytest.mark.parametrize("name", [n for n in EXPRESSION_NAMES if n.endswith("Left")])
def test_left_shapes_mirror_right_ones(face_model, name):
    left = shape(face_model, name)
    right = shape(face_model, name.replace("Left", "Right"))
    for a, b in MIRRORED.items():
        np.testing.assert_allclose(left[a] * [-1, 1, 1], right[b], atol=3e-3)


def test_shapes_do_what_their_names_say(face_model):
    rest = face_model.landmarks(NEUTRAL, REST)

    def opening(points, upper, lower):
        return points[upper, 1] - points[lower, 1]

    assert opening(shape(face_model, "jawOpen"), 62, 66) > opening(rest, 62, 66) + 0.2
    assert opening(shape(face_model, "eyeBlinkLeft"), 44, 46) < 0.5 * opening(rest, 44, 46)
    assert opening(shape(face_model, "eyeBlinkRight"), 37, 41) < 0.5 * opening(rest, 37, 41)
    assert opening(shape(face_model, "eyeWideLeft"), 44, 46) > opening(rest, 44, 46)
    assert shape(face_model, "mouthSmileLeft")[54, 1] > rest[54, 1] + 0.02
    assert shape(face_model, "mouthFrownRight")[48, 1] < rest[48, 1]
    assert shape(face_model, "browOuterUpLeft")[25, 1] > rest[25, 1] + 0.02
    assert shape(face_model, "browDownRight")[19, 1] < rest[19, 1]
    assert shape(face_model, "jawLeft")[8, 0] > rest[8, 0] + 0.02
    assert shape(face_model, "mouthRight")[57, 0] < rest[57, 0] - 0.02
    puckered = shape(face_model, "mouthPucker")
    assert np.ptp(puckered[[48, 54], 0]) < np.ptp(rest[[48, 54], 0])


def test_landmarks_agree_with_the_reduced_tensor(face_model, random):
    identity = np.concatenate([[1.0], random.normal(size=49)])
    expression = random.uniform(0, 0.3, 46)
    expected = oracle.landmarks(face_model.reduced, identity, expression)
    np.testing.assert_allclose(face_model.landmarks(identity, expression), expected, atol=1e-4)


def test_landmarks_and_vertices_take_batches(face_model, random):
    identity, expression = random.normal(size=(2, 3, 50)), random.uniform(0, 1, (2, 3, 46))
    assert face_model.landmarks(identity, expression).shape == (2, 3, 68, 3)
    dense = face_model.vertices(identity, expression)
    np.testing.assert_allclose(
        dense[1, 2], face_model.vertices(identity[1, 2], expression[1, 2]), atol=1e-5
    )


def test_vertices_reject_other_lengths(face_model):
    with pytest.raises(InvalidInputError, match=r"identity \(..., 50\)"):
        face_model.vertices(np.zeros(49), np.zeros(46))


def test_save_and_load_round_trip(face_model, tmp_path):
    face_model.save(tmp_path / "model.npz")
    again = FaceModel.load(tmp_path / "model.npz")
    assert again.sha256 == face_model.sha256
    assert again.expression_names == face_model.expression_names
    assert again.info == face_model.info
    np.testing.assert_array_equal(again.identity, face_model.identity)


@pytest.fixture(scope="module")
def basis(face_model):
    """The landmark basis as a file gives it back."""
    return FaceModel.from_bytes(face_model.landmark_basis().to_bytes())


def test_landmark_basis_gives_the_same_landmarks(face_model, basis, random):
    assert basis.sha256 == face_model.sha256
    assert len(basis.to_bytes()) < len(face_model.to_bytes()) / 2
    for ours, whole in zip(basis.landmark_shapes, face_model.landmark_shapes, strict=True):
        np.testing.assert_array_equal(ours, whole)
    np.testing.assert_array_equal(basis.reduced, face_model.reduced)
    identity, expression = random.normal(size=(3, 50)), random.uniform(0, 1, (3, 46))
    np.testing.assert_allclose(
        basis.landmarks(identity, expression), face_model.landmarks(identity, expression), atol=1e-6
    )
    assert basis.landmark_basis() is basis


def test_landmark_basis_of_a_multilinear_model_with_harmonics(random):
    whole = FaceModel(
        identity=random.normal(size=(50, 100, 3)).astype(np.float32),
        expression=random.normal(size=(50, 46, 100, 3)).astype(np.float32),
        landmark_vertices=random.integers(0, 100, (68, 2), np.int32),
        landmark_weights=random.random((68, 2), np.float32),
        triangles=np.zeros((0, 3), np.int32),
        uv=np.zeros((0, 2), np.float32),
        harmonics=random.normal(size=(100, 20)).astype(np.float32),
    )
    basis = FaceModel.from_bytes(whole.landmark_basis().to_bytes())
    np.testing.assert_array_equal(basis.reduced, whole.reduced)
    np.testing.assert_array_equal(basis.landmark_harmonics, whole.landmark_harmonics)


def test_landmark_basis_has_no_dense_mesh(face_model, basis):
    assert not basis.is_dense
    with pytest.raises(InvalidInputError, match="without the dense mesh: take a file"):
        basis.vertices(NEUTRAL, REST)
    assert face_model.is_dense
    face_model.require_dense()


def test_boxes_need_no_dense_mesh(face_model, basis, random):
    """Around 200 faces at random, turned by up to 60 degrees."""
    identity = np.concatenate([np.ones((200, 1)), random.normal(size=(200, 49))], axis=1)
    expression = random.uniform(0, 1, (200, 46)) * (random.random((200, 46)) < 0.2)
    turns = Rotation.from_euler("xyz", random.uniform(-60, 60, (200, 3)), degrees=True)

    def boxes(model):
        points = model.face_points(identity, expression) @ turns.as_matrix().transpose(0, 2, 1)
        return np.stack([points[..., :2].min(axis=1), points[..., :2].max(axis=1)], axis=1)

    whole, ours = boxes(face_model), boxes(basis)
    size = (whole[:, 1] - whole[:, 0]).max(axis=1)
    off = np.abs(whole - ours).max(axis=(1, 2)) / size
    assert np.quantile(off, 0.95) < 0.01
    assert off.max() < 0.05


def test_boxes_leave_the_rest_of_a_head_out(face_model, data_folder):
    """ICT-FaceKit has shoulders; its face is as large as the default's, seen from the front."""
    head = edgeface.from_ict_facekit(data_folder / "ict_facekit_light.npz")
    extents = [
        np.ptp(model.face_points(NEUTRAL, REST)[:, :2], axis=0) for model in (head, face_model)
    ]
    np.testing.assert_allclose(*extents, rtol=0.05)
    assert len(face_model.face_vertices) == len(face_model.mean)
    assert np.ptp(head.mean[:, 1]) > 1.5 * extents[0][1]


def test_repr_tells_sizes_not_arrays(face_model, basis):
    assert "468 vertices" in repr(face_model)
    assert "landmarks only" in repr(basis)
    assert max(len(repr(model)) for model in (face_model, basis)) < 200


def with_header(model, **changes):
    with np.load(io.BytesIO(model.to_bytes())) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes()) | changes
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "something"}, "no edgeface face model"),
        ({"version": [2, 0]}, r"version \[2, 0\]"),
        ({"version": None}, "version None"),
        ({"sha256": "0" * 64}, "do not match its hash"),
        ({"expression_names": ["a"]}, "expression_names must be a list of 46 items"),
        ({"dense": False}, "do not match its hash"),
    ],
)
def test_load_rejects_altered_headers(face_model, changes, message):
    with pytest.raises(ModelFormatError, match=message):
        FaceModel.from_bytes(with_header(face_model, **changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no zip at all",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-100],
    ],
)
def test_load_rejects_damaged_files(face_model, damage):
    with pytest.raises(ModelFormatError, match="damaged"):
        FaceModel.from_bytes(damage(face_model.to_bytes()))


def test_load_rejects_changed_and_absent_files(face_model, tmp_path):
    flipped = bytearray(face_model.to_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    with pytest.raises(ModelFormatError):
        FaceModel.from_bytes(bytes(flipped))
    with pytest.raises(InvalidInputError, match="cannot read"):
        FaceModel.load(tmp_path / "absent.npz")


def test_face_model_rejects_arrays_that_do_not_fit(face_model):
    with pytest.raises(InvalidInputError, match="points outside"):
        replace(face_model, triangles=np.array([[0, 1, 468]], np.int32))
    with pytest.raises(InvalidInputError, match="not finite"):
        replace(face_model, identity=face_model.identity * np.nan)
    with pytest.raises(InvalidInputError, match="expression has the shape"):
        replace(face_model, expression=face_model.expression[:45])


def test_from_ict_facekit_reads_the_real_one(data_folder):
    model = edgeface.from_ict_facekit(data_folder / "ict_facekit_light.npz")
    assert model.mean.shape == (11248, 3)
    assert model.triangles.shape == (2 * 11144, 3)
    rest = model.landmarks(NEUTRAL, REST)
    assert np.linalg.norm(rest[45] - rest[36]) == pytest.approx(1.0, abs=1e-4)
    assert rest[45, 0] > rest[36, 0]
    assert rest[30, 2] > rest[0, 2]
    opened = shape(model, "jawOpen")
    assert opened[66, 1] < rest[66, 1] - 0.1
    assert abs(shape(model, "eyeBlinkLeft")[44, 1] - rest[44, 1]) > 0.02
    np.testing.assert_allclose(shape(model, "eyeBlinkLeft")[38], rest[38], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("neutral", lambda a: a[0, 0]),
        ("neutral", lambda a: a * 0),
        ("neutral", lambda a: a * np.nan),
        ("neutral", lambda a: a.astype(str)),
        ("identity_delta", lambda a: a[:3]),
        ("identity_delta", lambda a: a * 1j),
        ("expression_delta", lambda a: a[:, :5]),
        ("expression_names", lambda a: a[0]),
        ("quads", lambda a: a + 10**6),
        ("quads", lambda a: a[:, :3]),
        ("quads", lambda a: a + 0.5),
        ("quads_uv", lambda a: a + 10**6),
        ("uv", lambda a: a[:, :1, None]),
        ("landmarks68", lambda a: a + 10**6),
        ("landmarks68", lambda a: a.astype("U")[:3] + np.str_("x")),
    ],
)
def test_damaged_ict_facekits_are_errors(tmp_path, random, name, damage):
    arrays = {
        "neutral": random.normal(size=(70, 3)),
        "identity_delta": random.normal(size=(49, 70, 3)),
        "expression_delta": random.normal(size=(46, 70, 3)),
        "expression_names": np.array(EXPRESSION_NAMES),
        "quads": np.arange(68).reshape(17, 4),
        "quads_uv": np.arange(68).reshape(17, 4),
        "uv": random.uniform(size=(68, 2)),
        "landmarks68": np.arange(68),
    }
    np.savez(tmp_path / "ict.npz", **arrays)
    assert len(edgeface.from_ict_facekit(tmp_path / "ict.npz").mean) == 70
    np.savez(tmp_path / "ict.npz", **arrays | {name: damage(arrays[name])})
    with pytest.raises(ModelFormatError, match=r"ict\.npz is no ICT-FaceKit"):
        edgeface.from_ict_facekit(tmp_path / "ict.npz")


@pytest.mark.parametrize("dtype", ["U1", "M8[s]", complex, bool])
def test_tensors_of_no_numbers_are_errors(tmp_path, dtype):
    np.save(tmp_path / "odd.npy", np.zeros((204, 50, 47)).astype(dtype))
    with pytest.raises(ModelFormatError, match="expected one tensor"):
        edgeface.from_facewarehouse(tmp_path / "odd.npy")


def fake_tensor(random, num_vertices):
    return random.normal(size=(3 * num_vertices, 50, 47)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
def test_from_facewarehouse_reads_the_reduced_tensor(random, tmp_path, suffix):
    tensor = fake_tensor(random, 68)
    path = tmp_path / f"reduced{suffix}"
    if suffix == ".npy":
        np.save(path, tensor)
    elif suffix == ".npz":
        np.savez(path, other=np.zeros(3), tensor=tensor)
    else:
        savemat(path, {"tensor": tensor})
    model = edgeface.from_facewarehouse(path)
    np.testing.assert_allclose(model.reduced, tensor, atol=1e-5)
    identity, expression = random.normal(size=50), random.uniform(0, 0.1, 46)
    expected = oracle.landmarks(tensor, identity, expression)
    np.testing.assert_allclose(model.landmarks(identity, expression), expected, atol=1e-3)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, suffix, monkeypatch):
    path, zeros = tmp_path / f"zeros{suffix}", np.zeros(10**6)
    if suffix == ".npz":
        np.savez_compressed(path, one=zeros, two=zeros)
    else:
        savemat(path, {"one": zeros, "two": zeros}, do_compression=True)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(face_model_import, "MAX_BYTES", 10**7)
    with pytest.raises(ModelFormatError, match="unpacked it has"):
        edgeface.from_facewarehouse(path)


def test_from_facewarehouse_picks_landmark_vertices(random, tmp_path):
    tensor = fake_tensor(random, 80).reshape(80, 3, 50, 47)
    np.save(tmp_path / "full.npy", tensor)
    ids = random.permutation(80)[:68]
    model = edgeface.from_facewarehouse(tmp_path / "full.npy", landmark_vertices=ids)
    np.testing.assert_allclose(model.landmarks(NEUTRAL, REST), tensor[ids, :, 0, 0], atol=1e-5)
    with pytest.raises(InvalidInputError, match="80 vertices: give landmark_vertices"):
        edgeface.from_facewarehouse(tmp_path / "full.npy")


def test_importers_reject_other_files(tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((4, 4)))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ModelFormatError, match=r"expected one tensor"):
        edgeface.from_facewarehouse(tmp_path / "other.npy")
    with pytest.raises(ModelFormatError, match="cannot read"):
        edgeface.from_ict_facekit(tmp_path / "text.npz")
    with pytest.raises(ModelFormatError, match="no ICT-FaceKit"):
        edgeface.from_ict_facekit(tmp_path / "other.npy")
    with pytest.raises(InvalidInputError, match="no such file"):
        edgeface.from_ict_facekit(tmp_path / "absent.npz")
