from types import SimpleNamespace

import numpy as np
import pytest

import edgeface
from edgeface import InferenceError, InvalidInputError, Tracker
from edgeface.face_shapes import EXPRESSION_NAMES
from edgeface.video.geometry import boxes_around
from edgeface.video.outputs import Outputs
from edgeface.video.track import MAX_OUTLIERS, IdentityAverage
from tests.fakes import SIZE, Person, Scene, frame_image

BOTH_MODES = pytest.mark.parametrize("sfn", [False, True])


@BOTH_MODES
def test_ids_stay_with_people_who_move(track_ids, sfn):
    people = [Person((60, 80), (2, 0), seed=1), Person((220, 150), (-1, 0.5), seed=2)]
    assert track_ids(people, 30, sfn=sfn) == [[1, 2]] * 30


@pytest.mark.parametrize(("smoothing", "shut"), [("off", 0.6), ("light", 1.0)])
def test_lids_go_as_far_as_their_persons_do(face_model, smoothing, shut):
    """Three blinks that are read as 0.6: the last shuts the eye, in shapes and landmarks."""
    scene = Scene("mfn", face_model, [Person((100, 100), side=90)])
    tracker = Tracker(scene, smoothing=smoothing)
    column = list(EXPRESSION_NAMES).index("eyeBlinkLeft")
    make, read, gaps = scene.faces, [], []
    for number in range(150):
        value = 0.6 if number % 50 in (25, 26, 27) else 0.1

        def blinking(*given, value=value):
            faces = make(*given)
            faces.expression_coeffs[:, column] = value
            return faces

        scene.faces = blinking
        (face,) = tracker.update(frame_image(number), number / 30)
        read.append(face.blendshapes["eyeBlinkLeft"])
        upper, lower = face.landmarks_2d[[43, 44]], face.landmarks_2d[[47, 46]]
        gaps.append(np.linalg.norm(lower - upper, axis=1).mean())
    assert max(read[125:128]) == pytest.approx(shut, abs=0.05)
    assert read[100] == pytest.approx(0.1, abs=0.01)
    assert (min(gaps[125:128]) < 0.6 * min(gaps[25:28])) == (smoothing == "light")


@BOTH_MODES
def test_people_who_cross_keep_their_ids(track_ids, face_model, sfn):
    """The nearer one hides the other while they pass."""
    near = Person((40, 110), (6, 0), side=70, seed=1)
    far = Person((280, 110), (-6, 0), side=55, seed=2, hidden=frozenset(range(17, 24)))
    people = [near, far]
    tracker = Tracker(
        Scene("mfn", face_model, people),
        crop_model=Scene("sfn", face_model, people) if sfn else None,
    )
    for i in range(38):
        faces = tracker.update(frame_image(i), i / 30)
    where = {face.track_id: face.box_xyxy[0] for face in faces}
    assert set(where) == {1, 2}
    assert where[1] > where[2]


@BOTH_MODES
def test_a_short_occlusion_keeps_the_id_and_a_long_one_does_not(track_ids, sfn):
    short = Person((100, 100), (1, 0), hidden=frozenset(range(10, 25)))
    assert track_ids([short], 60, sfn=sfn)[-1] == [1]
    long = Person((100, 100), hidden=frozenset(range(10, 70)))
    assert track_ids([long], 80, sfn=sfn)[-1] == [2]


def test_somebody_else_in_the_same_place_gets_another_id(track_ids):
    first = Person((100, 100), seed=1, hidden=frozenset(range(10, 99)))
    second = Person((100, 100), seed=2, hidden=frozenset(range(20)))
    ids = track_ids([first, second], 30)
    assert ids[5] == [1]
    assert ids[-1] == [2]


def test_a_single_flash_is_no_person(track_ids):
    flash = Person((200, 60), hidden=frozenset(range(60)) - {12})
    ids = track_ids([Person((100, 140)), flash], 30)
    assert all(i == [1] for i in ids)


def test_a_face_missed_for_a_moment_moves_on(face_model):
    person = Person((60, 100), (4, 0), hidden=frozenset({20, 21, 30, 31, 32, 33, 34, 35}))
    tracker = Tracker(Scene("mfn", face_model, [person]), smoothing="off")
    reported = {}
    for i in range(36):
        faces = tracker.update(frame_image(i), i / 30)
        if len(faces):
            reported[i] = faces.boxes_xyxy[0]
    assert sorted(reported) == list(range(33))
    for i in (20, 21):
        np.testing.assert_allclose(reported[i], person.box(i), atol=2.5)


@BOTH_MODES
def test_a_part_of_a_face_is_nobody(track_ids, sfn):
    """A box inside a face, too small to be suppressed by IoU."""
    part = Person((105, 110), side=45, seed=3, hidden=frozenset(range(5)), score=0.8)
    assert track_ids([Person((100, 100), side=90, seed=1), part], 20, sfn=sfn) == [[1]] * 20


def test_weak_detections_only_continue(track_ids):
    assert track_ids([Person((100, 100), score=0.4)], 6) == [[]] * 6
    fading = [Person((100, 100), hidden=frozenset(range(5, 30))),
              Person((100, 100), score=0.4, hidden=frozenset(range(5)))]  # fmt: skip
    assert track_ids(fading, 20) == [[1]] * 20


def test_crops_are_followed_after_detecting_at_first_after_a_loss_and_at_the_interval(face_model):
    people = [Person((100, 100), hidden=frozenset({20, 21, 22}))]
    mfn, sfn = Scene("mfn", face_model, people), Scene("sfn", face_model, people)
    tracker = Tracker(mfn, crop_model=sfn, detect_every=8)
    calls = []
    for i in range(19):
        before = mfn.calls
        tracker.update(frame_image(i))
        calls.append(mfn.calls - before)
    assert [i for i, c in enumerate(calls) if c] == [0, 8, 16]
    assert sfn.calls == 19


def test_crops_hand_over_to_the_detector_above_max_crops(face_model):
    people = [Person((60 + 90 * i, 120), seed=i) for i in range(3)]
    sfn = Scene("sfn", face_model, people)
    tracker = Tracker(Scene("mfn", face_model, people), crop_model=sfn, max_crops=2)
    for i in range(6):
        assert len(tracker.update(frame_image(i))) == 3
    assert sfn.calls == 0


def test_tracking_needs_no_dense_mesh(face_model):
    """Boxes of the next frame come from the crops; with the landmark basis they stay the same."""
    people = [Person((60, 100), (2, 0), seed=1), Person((230, 140), seed=4)]
    boxes = []
    for carried in (face_model, face_model.landmark_basis()):
        detector, crops = Scene("mfn", face_model, people), Scene("sfn", face_model, people)
        detector.face_model = crops.face_model = carried
        tracker = Tracker(detector, crop_model=crops, detect_every=8)
        for i in range(12):
            faces = tracker.update(frame_image(i), i / 30)
        assert faces.track_ids.tolist() == [1, 2]
        boxes.append(faces.boxes_xyxy)
    np.testing.assert_allclose(*boxes, atol=0.5)


def test_a_mesh_that_is_not_there_is_refused_before_the_first_frame(face_model, tmp_path):
    model = SimpleNamespace(face_model=face_model.landmark_basis())
    outputs = Outputs(SimpleNamespace(), model)
    with pytest.raises(InvalidInputError, match="without the dense mesh"):
        outputs.draw_to(tmp_path / "overlay.mp4", mesh=True)
    assert list(tmp_path.iterdir()) == []


@BOTH_MODES
def test_a_change_of_resolution_keeps_ids(face_model, sfn):
    people = [Person((100, 100)), Person((230, 140), seed=4)]
    crops = Scene("sfn", face_model, people) if sfn else None
    tracker = Tracker(Scene("mfn", face_model, people), crop_model=crops)
    for i in range(12):
        size = SIZE if i < 5 else (2 * SIZE[0], 2 * SIZE[1])
        faces = tracker.update(frame_image(i, size))
        assert faces.track_ids.tolist() == [1, 2]
    np.testing.assert_allclose(faces.boxes_xyxy[0], people[0].box(0) * 2, atol=3)


def test_velocity_is_in_pixels_a_second(face_model):
    tracker = Tracker(Scene("mfn", face_model, [Person((60, 100), (3, -1))]))
    for i in range(30):
        faces = tracker.update(frame_image(i), i / 25)
    np.testing.assert_allclose(faces[0].velocity, [75, -25], rtol=0.05)
    assert faces[0].to_dict()["track_id"] == 1


def test_identity_gets_steadier_and_landmarks_follow_it(face_model):
    person = Person((100, 100), seed=9)
    tracker = Tracker(Scene("mfn", face_model, [person], noise=0.3), smoothing="off")
    errors = []
    for i in range(60):
        face = tracker.update(frame_image(i))[0]
        errors.append(np.linalg.norm(face.identity_coeffs - person.identity()))
    assert errors[-1] < errors[0] / 4
    shape = face_model.landmarks(face.identity_coeffs, face.expression_coeffs)
    scene = Scene("mfn", face_model, [])
    flat = (shape + scene.centre)[:, :2] * [1, -1] * scene.focal * person.side
    flat += person.box(0).reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(face.landmarks_2d, flat, atol=0.05)


def test_identity_average_rejects_outliers_until_they_stay(random, face_model):
    average = IdentityAverage(face_model.reduced)
    usual = random.normal(0, 0.1, (40, 50))
    assert all(average.add(row) for row in usual)
    before = average.mean
    assert not average.add(np.full(50, 3.0))
    np.testing.assert_array_equal(average.mean, before)
    for _ in range(MAX_OUTLIERS):
        average.add(np.full(50, 3.0))
    np.testing.assert_allclose(average.mean, 3.0)


def test_boxes_around_meshes_are_those_the_networks_were_taught(face_model):
    fit = pytest.importorskip("edgeface.reference.geometry.fit")
    faces = Scene("mfn", face_model, []).faces(0, [Person((90, 90))], [Person((90, 90)).box(0)])
    points = faces.vertices(face_model)
    low, high = points[0, :, :2].min(axis=0), points[0, :, :2].max(axis=0)
    raised = low[1] - fit.FOREHEAD * (high - low)[1]
    np.testing.assert_allclose(boxes_around(points)[0], [low[0], raised, *high], atol=1e-3)


def test_nobody_at_all_is_an_empty_result(face_model):
    tracker = Tracker(Scene("mfn", face_model, []))
    faces = tracker.update(frame_image(0))
    assert len(faces) == 0
    assert faces.track_ids.shape == (0,)
    assert faces.velocities.shape == (0, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": "soft"}, "smoothing must be one of off, light, strong"),
        ({"detect_every": 0}, "detect_every must be a whole number from 1"),
        ({"score_threshold": 2.0}, "score_threshold must lie"),
    ],
)
def test_bad_arguments_are_named(face_model, options, message):
    with pytest.raises(InvalidInputError, match=message):
        Tracker(Scene("mfn", face_model, []), **options)


def test_networks_of_the_wrong_kind_are_named(face_model):
    mfn, sfn = Scene("mfn", face_model, []), Scene("sfn", face_model, [])
    with pytest.raises(InvalidInputError, match=r"^crop_model: .* expected a crop network"):
        Tracker(mfn, crop_model=mfn)
    with pytest.raises(InvalidInputError, match="expected an mfn"):
        Tracker(sfn)


def test_times_that_go_back_are_named(face_model):
    tracker = Tracker(Scene("mfn", face_model, []))
    tracker.update(frame_image(0), 1.0)
    with pytest.raises(InvalidInputError, match="reset"):
        tracker.update(frame_image(0), 0.5)
    with pytest.raises(InvalidInputError, match="got nan"):
        tracker.update(frame_image(0), float("nan"))
    tracker.reset()
    tracker.update(frame_image(0), 0.5)


def test_frames_may_come_faster_than_a_clock_ticks(face_model):
    scene = Scene("mfn", face_model, [Person((100, 100))])
    tracker = Tracker(scene)
    times = [0.0, 0.0, 0.0, 0.0, 0.0156, 0.0156, 0.0156]
    ids = [tracker.update(frame_image(k), t).track_ids.tolist() for k, t in enumerate(times)]
    assert ids == [[1]] * 7


def test_a_frame_in_which_a_network_fails_is_as_if_it_had_not_come(face_model, monkeypatch):
    people = [Person((100, 100), seed=1), Person((230, 140), seed=2)]
    finder, crops = Scene("mfn", face_model, people), Scene("sfn", face_model, people)
    tracker = Tracker(finder, crop_model=crops)

    def lost(*_):
        raise InferenceError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr(crops, "refine", lost)
        with pytest.raises(InferenceError):
            tracker.update(frame_image(0), 0.0)
    assert tracker.update(frame_image(0), 0.0).track_ids.tolist() == [1, 2]


def test_tracker_is_public():
    assert edgeface.Tracker is Tracker
