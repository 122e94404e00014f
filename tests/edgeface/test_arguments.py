"""Every public function on arguments that are none: an error of the project's own, always."""

import numpy as np
import pytest

import edgeface
from edgeface import EdgeFaceError, InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import letterbox
from edgeface.output import write_output
from edgeface.personal.model import PersonalModel
from edgeface.personal.template import Template
from edgeface.recording import read_recording
from edgeface.retarget.mapping import read_mapping
from edgeface.retarget.reach import PersonRange, read_range

IMAGE = np.zeros((60, 60, 3), np.uint8)
JUNK = [None, True, False, -1, 1.5, "2", b"2", [1], {}, float("nan"), float("inf"), 10**400, 1j,
        np.array([1, 2]), np.ma.masked_array([1], [True]), object(), "\0", "\ud800"]  # fmt: skip
NO_TIMES = [
    True,
    "2",
    b"2",
    [1],
    {},
    float("nan"),
    float("inf"),
    10**400,
    1j,
    np.array([1]),
    object(),
]
BOXES = {
    "huge": [[0, 0, 1e38, 1e38]],
    "beyond floats": [[0, 0, 1e300, 1e300]],
    "beyond integers": [[0, 0, 10**400, 5]],
    "tiny": [[5, 5, 5 + 1e-30, 6]],
    "text": [["0", "0", "5", "5"]],
    "bools": [[False, False, True, True]],
    "complex": [[0, 0, 5j, 5]],
    "ragged": [[0, 0, 5, 5], [1]],
    "masked": np.ma.masked_array([[0.0, 0, 5, 5]], [[True, False, False, False]]),
    "objects": np.array([[0, 0, 5, None]], object),
    "dates": np.zeros((1, 4), "M8[s]"),
    "nested": [[[0, 0, 5, 5]]],
    "nan": [[0, 0, np.nan, 5]],
    "scalar": 5,
    "backwards": [[5, 5, 0, 0]],
    "text alone": "boxes",
}


@pytest.fixture(scope="module")
def mfn():
    return edgeface.load("mfn")


@pytest.fixture(scope="module")
def sfn():
    return edgeface.load("sfn")


@pytest.fixture(scope="module")
def faces(mfn):
    return mfn.run(edgeface.DEMO_PHOTO)


def refused(function, *arguments, **options):
    """Whether it raises the project's own error; warnings are errors here, as in every test."""
    try:
        function(*arguments, **options)
    except EdgeFaceError:
        return True
    return False


def every(values):
    """Parameters with names that can be printed."""
    return [pytest.param(v, id=f"{i}-{type(v).__name__}") for i, v in enumerate(values)]


GIVEN = every(JUNK[1:])


@pytest.mark.parametrize("junk", GIVEN)
@pytest.mark.parametrize("option", ["num_threads", "device", "kernels", "input_size"])
def test_options_of_load(option, junk):
    assert refused(edgeface.load, "mfn", **{option: junk})


@pytest.mark.parametrize("junk", every(JUNK))
@pytest.mark.parametrize(
    "function",
    [edgeface.load, edgeface.read_image, edgeface.FaceModel.load, edgeface.FaceModel.from_bytes,
     edgeface.from_ict_facekit, edgeface.from_facewarehouse, edgeface.Tracker],
)  # fmt: skip
def test_what_is_no_file_or_model(function, junk):
    assert refused(function, junk)


@pytest.mark.parametrize(
    "path", ["", ".", "/", "a" * 5000 + ".onnx", "no/such/file.tflite", "x.pt2"]
)
def test_names_that_no_model_has(path):
    assert refused(edgeface.load, path)


@pytest.mark.parametrize("junk", GIVEN)
@pytest.mark.parametrize("option", ["score_threshold", "iou_threshold", "max_faces", "suppression",
                                    "boxes_xyxy"])  # fmt: skip
def test_options_of_run(mfn, option, junk):
    assert refused(mfn.run, IMAGE, **{option: junk})


def test_flags_are_true_or_false(mfn):
    for junk in (0, 1, "no", []):
        assert refused(mfn.run, IMAGE, look_again=junk)
    assert len(mfn.run(IMAGE, look_again=False)) == 0


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES)
def test_boxes_that_are_none(sfn, boxes):
    assert refused(sfn.run, IMAGE, boxes_xyxy=boxes)


def test_boxes_at_the_limits_give_finite_faces(sfn):
    boxes = [[-1e6, -1e6, 1e6, 1e6], [5, 5, 5.02, 5.02], [0, 0, 1e6, 0.02], [9e5, 9e5, 1e6, 1e6]]
    faces = sfn.run(IMAGE, boxes_xyxy=boxes)
    assert len(faces) == 4
    for name in ("landmarks_3d", "rotation", "euler_deg", "expression_coeffs", "boxes_xyxy"):
        assert np.isfinite(getattr(faces, name)).all()
    faces.draw(IMAGE)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_numpy_scalars_are_taken_as_pythons(mfn, kind):
    expected = mfn.run(edgeface.DEMO_PHOTO, score_threshold=0.5, max_faces=3)
    found = mfn.run(edgeface.DEMO_PHOTO, score_threshold=kind(0.5), max_faces=np.int16(3))
    np.testing.assert_array_equal(found.landmarks_3d, expected.landmarks_3d)


@pytest.mark.parametrize("kind", [np.int32, np.uint64])
def test_numpy_integers_are_taken_by_load(kind):
    model = edgeface.load("mfn", num_threads=kind(1), input_size=kind(224))
    assert type(model.metadata.input_size) is int
    assert model.clone().metadata.input_size == 224


BOX = np.array([[10.0, 5.0, 40.0, 50.0]])


@pytest.mark.parametrize(
    "boxes",
    [BOX.tolist(), BOX.astype(">f4"), BOX.astype(">f8"), BOX.astype(np.int64), BOX.astype(">i2"),
     np.repeat(BOX, 2, axis=1)[:, ::2], BOX[::-1], np.asfortranarray(BOX), BOX.astype(np.float16)],
)  # fmt: skip
def test_boxes_of_every_layout(sfn, boxes):
    expected = sfn.run(IMAGE, boxes_xyxy=BOX).landmarks_3d
    np.testing.assert_array_equal(sfn.run(IMAGE, boxes_xyxy=boxes).landmarks_3d, expected)


def test_images_of_every_layout(mfn, noise):
    read_only = noise.copy()
    read_only.flags.writeable = False
    views = [read_only, np.asfortranarray(noise), np.repeat(noise, 2, axis=0)[::2],
             noise[:, ::-1][:, ::-1], np.concatenate([noise, noise], axis=2)[:, :, :3]]  # fmt: skip
    expected = mfn.run(noise, score_threshold=0.0, max_faces=5).landmarks_3d
    for view in views:
        found = mfn.run(view, score_threshold=0.0, max_faces=5).landmarks_3d
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "junk",
    every(
        [
            *JUNK,
            np.zeros((1, 288, 288, 3)),
            np.zeros((288, 288, 3), np.uint8),
            np.ma.zeros((1, 288, 288, 3), np.uint8),
            [[1], [1, 2]],
        ]
    ),
)
def test_inputs_of_infer(mfn, junk):
    assert refused(mfn.infer, junk)


@pytest.mark.parametrize("junk", every([*JUNK, IMAGE, "photo.jpg", [None], [IMAGE, "no"]]))
def test_images_of_run_batch(mfn, junk):
    assert refused(mfn.run_batch, junk)


@pytest.mark.parametrize("junk", every(JUNK))
def test_outputs_of_decode(mfn, junk):
    _, placement = letterbox(IMAGE, 288)
    assert refused(mfn.decode, junk, placement, 0.5, 0.5)
    heads = {
        n: np.zeros(mfn.metadata.output_shape(n), np.float32) for n in mfn.metadata.output_names
    }
    assert refused(mfn.decode, heads | {"pose": junk}, placement, 0.5, 0.5)
    if junk is not None:
        assert refused(mfn.decode, heads, placement, junk, 0.5)


@pytest.mark.parametrize("junk", every(JUNK))
def test_faces_of_refine(sfn, mfn, faces, junk):
    assert refused(sfn.refine, IMAGE, junk)
    assert refused(mfn.refine, IMAGE, faces)


@pytest.mark.parametrize("junk", GIVEN)
@pytest.mark.parametrize(
    "option", ["crop_model", "smoothing", "detect_every", "max_crops", "score_threshold"]
)
def test_options_of_the_tracker(mfn, option, junk):
    assert refused(edgeface.Tracker, mfn, **{option: junk})


@pytest.mark.parametrize("junk", every(NO_TIMES))
def test_times_of_the_tracker(mfn, junk):
    assert refused(edgeface.Tracker(mfn).update, IMAGE, time_s=junk)


@pytest.mark.parametrize("junk", every(JUNK))
def test_coefficients_of_the_face_model(face_model, junk):
    assert refused(face_model.vertices, junk, np.zeros(46))
    assert refused(face_model.landmarks, np.zeros(50), junk)
    if junk is not None:
        assert refused(face_model.vertices, np.zeros(50), np.zeros(46), junk)


@pytest.mark.parametrize("junk", GIVEN)
@pytest.mark.parametrize("option", ["landmark_vertices", "key", "expression_names"])
def test_options_of_the_importer(tmp_path, option, junk):
    np.save(tmp_path / "reduced.npy", np.zeros((204, 50, 47), np.float32))
    assert refused(edgeface.from_facewarehouse, tmp_path / "reduced.npy", **{option: junk})


def test_a_foreign_kind_of_network_is_named():
    with pytest.raises(InvalidInputError, match=r"model must be a loaded model, .* got 'mfn'"):
        edgeface.Tracker("mfn")


@pytest.mark.parametrize("path", [None, 5, True, b"x", ["a"], "a\0b", "\ud800", "x" * 5000])
def test_every_reader_and_writer_refuses_names_that_no_file_has(path):
    for work in (
        read_recording,
        read_mapping,
        read_range,
        PersonRange().save,
        PersonalModel.load,
        Template.load,
        FaceModel.load,
        lambda path: write_output(path, b""),
    ):
        with pytest.raises(EdgeFaceError):
            work(path)


@pytest.mark.parametrize("faces", [None, "faces", np.zeros((1, 4))], ids=["None", "text", "boxes"])
def test_what_is_no_faces_is_not_looked_at(faces):
    finder = edgeface.load("mfn", num_threads=1)
    for look in (finder.vertices, lambda given: finder.hold_up(IMAGE, given)):
        with pytest.raises(InvalidInputError, match="takes faces that were found"):
            look(faces)
