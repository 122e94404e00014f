"""The second look, on a network whose answers are known, and on the demo photo turned."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import InvalidInputError
from edgeface.appearance import appearance, contrast
from edgeface.faces import concatenate
from edgeface.second_look import CROP_SCALE, TILES, hold_up

SIZE = 288
TILE = SIZE // TILES


@pytest.fixture(scope="module")
def model():
    return edgeface.load("mfn")


@pytest.fixture(scope="module")
def photo():
    return edgeface.read_image(edgeface.DEMO_PHOTO)


@pytest.fixture(scope="module")
def found(model, photo):
    return model.run(photo)


@pytest.fixture
def doubted(found):
    """The first of them, as doubtful as can be: on a picture of one shade."""
    return replace(found.select(np.array([0])), scores=np.array([0.6], np.float32))


BLANK = np.full((600, 600, 3), 128, np.uint8)


def cut(photo, box, factor):
    centre, side = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * factor
    low = np.maximum(centre - side / 2, 0).astype(int)
    high = (centre + side / 2).astype(int)
    return photo[low[1] : high[1], low[0] : high[0]]


def in_tiles(face, scores, turned_landmarks=True):
    """What a network sees of a face in the four tiles of the first row.

    ``turned_landmarks`` says whether landmarks turn with the tile, as of a face truly seen, or are
    those of the face as it was reported.
    """
    seen = []
    centre = (face.boxes_xyxy[0, :2] + face.boxes_xyxy[0, 2:]) / 2
    side = float((face.boxes_xyxy[0, 2:] - face.boxes_xyxy[0, :2]).max())
    points = (face.landmarks_2d[0] - centre) * TILE / (CROP_SCALE * side)
    for turns, score in enumerate(scores):
        turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turns if turned_landmarks else 0)
        middle = np.array([(turns + 0.5) * TILE, TILE / 2])
        landmarks = np.zeros((1, 68, 3), np.float32)
        landmarks[0, :, :2] = points @ turn.T + middle
        box = np.concatenate([middle - TILE / 4, middle + TILE / 4])[None].astype(np.float32)
        seen.append(
            replace(
                face, scores=np.array([score], np.float32), boxes_xyxy=box, landmarks_3d=landmarks
            )
        )
    seen = [part for part, score in zip(seen, scores, strict=True) if score > 0]
    return concatenate(seen, face.select(np.zeros(0, int)))


@pytest.mark.parametrize(
    ("scores", "same_face", "upright"),
    [
        ((0.8, 0.1, 0.1, 0.1), False, True),
        ((0.4, 0.0, 0.9, 0.0), False, False),  # better on its head, with other landmarks
        ((0.4, 0.0, 0.9, 0.0), True, True),  # with the same ones: found however it lies
        ((0.4, 0.9, 0.0, 0.0), False, False),
        ((0.4, 0.0, 0.0, 0.9), False, False),
        ((0.5, 0.0, 0.55, 0.0), False, False),
        ((0.05, 0.0, 0.0, 0.0), False, False),  # nothing there at all
        ((0.0, 0.0, 0.0, 0.0), False, False),
    ],
)
def test_a_face_that_is_better_seen_turned_is_refused(doubted, scores, same_face, upright):
    answer = in_tiles(doubted, scores, turned_landmarks=same_face)
    assert hold_up(BLANK, doubted, SIZE, lambda _: answer).tolist() == [upright]


@pytest.mark.parametrize(("roll", "upright"), [(-45, True), (45, False), (0, False)])
def test_a_tilted_face_is_found_a_quarter_further_too(doubted, roll, upright):
    """Turned counter-clockwise, one that tips to its own left comes up as far on the other side."""
    tilted = replace(doubted, euler_deg=np.array([[0, 0, roll]], np.float32))
    answer = in_tiles(tilted, (0.5, 0.55, 0.0, 0.0), turned_landmarks=False)
    assert hold_up(BLANK, tilted, SIZE, lambda _: answer).tolist() == [upright]


def test_turning_counter_clockwise_adds_to_the_roll(model, photo, found):
    image = Image.fromarray(cut(photo, found[0].box_xyxy, 3))
    rolls = [model.run(image.rotate(d, expand=True)).euler_deg[0, 2] for d in (-30, 0, 30)]
    assert rolls[0] + 20 < rolls[1] < rolls[2] - 20


def test_a_face_is_as_it_lies_if_its_best_view_says_so(doubted):
    """A tilted one may be seen best a quarter further, with the landmarks that were reported."""
    wrong = in_tiles(doubted, (0.4, 0.0, 0.6, 0.0), turned_landmarks=False)
    right = in_tiles(doubted, (0.0, 0.0, 0.0, 0.8), turned_landmarks=True)
    assert hold_up(BLANK, doubted, SIZE, lambda _: concatenate([wrong, right], right)).all()
    assert not hold_up(BLANK, doubted, SIZE, lambda _: wrong).any()


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [("boxes_xyxy", 0, "boxes are not empty"), ("boxes_xyxy", np.nan, "boxes_xyxy must be finite"),
     ("landmarks_3d", np.inf, "landmarks_3d must be finite")],
)  # fmt: skip
def test_what_lies_nowhere_is_not_looked_at(model, photo, doubted, name, number, message):
    nowhere = replace(doubted, **{name: np.full_like(getattr(doubted, name), number)})
    with pytest.raises(InvalidInputError, match=message):
        model.hold_up(photo, nowhere)


@pytest.mark.parametrize("score", [0.95, 0.15])
def test_faces_beyond_doubt_and_mere_candidates_cost_nothing(photo, found, score):
    def no_pass(_):
        raise AssertionError("looked again")

    all_alike = replace(found, scores=np.full(len(found), score, np.float32))
    assert hold_up(photo, all_alike, SIZE, no_pass).all()
    assert hold_up(photo, found.select(np.zeros(0, int)), SIZE, no_pass).shape == (0,)


@pytest.mark.parametrize(("holds", "passes"), [(True, 1), (False, 3)])
def test_a_crowd_costs_one_pass_unless_some_are_refused(doubted, holds, passes):
    crowd = concatenate([doubted] * 9, doubted)
    row = in_tiles(doubted, (0.8 if holds else 0.05, 0, 0, 0))
    calls = []

    def detect(_):
        calls.append(1)
        rows = [
            replace(
                row,
                boxes_xyxy=row.boxes_xyxy + np.array([0, r * TILE] * 2, np.float32),
                landmarks_3d=row.landmarks_3d + np.array([0, r * TILE, 0], np.float32),
            )
            for r in range(TILES)
        ]
        return concatenate(rows, row)

    assert hold_up(BLANK, crowd, SIZE, detect).tolist() == [holds] * 9
    assert len(calls) == passes


def test_tiles_show_the_face_as_it_lies_and_turned(doubted):
    image = np.random.default_rng(0).integers(0, 255, (600, 600, 3)).astype(np.uint8)
    inputs = []

    def detect(tensor):
        inputs.append(tensor)
        return doubted.select(np.zeros(0, int))

    hold_up(image, doubted, SIZE, detect)
    (canvas,) = inputs
    tiles = [canvas[:TILE, k * TILE : (k + 1) * TILE] for k in range(4)]
    for turns in range(1, 4):
        np.testing.assert_array_equal(tiles[turns], np.rot90(tiles[0], turns))
    assert (canvas[TILE:] == canvas[-1, -1]).all()


def test_turned_faces_are_found_as_they_lie(model, photo, found):
    """Of the photo's faces, each cut out twice and turned nine times."""
    seen = {"right": 0, "wrong": 0}
    for face in found:
        for factor in (2, 3):
            image = Image.fromarray(cut(photo, face.box_xyxy, factor))
            for degrees in range(100, 270, 20):
                turned = image.rotate(degrees, Image.Resampling.BILINEAR, expand=True)
                # PIL turns counter-clockwise, as roll does; the face itself may lean, too
                rolls = model.run(turned).euler_deg[:, 2] - degrees - face.euler_deg[2]
                off = np.abs((rolls + 180) % 360 - 180)
                seen["right"] += int((off < 30).any())
                seen["wrong"] += int((off >= 30).sum())
    assert seen["right"] >= 85
    assert seen["wrong"] == 0


def test_upright_faces_are_all_kept(model, photo):
    once = model.run(photo, look_again=False)
    assert len(model.run(photo)) == len(once) == 5
    assert model.hold_up(photo, once).all()


def test_a_batch_is_looked_at_as_single_images_are(model, photo):
    upside_down = np.ascontiguousarray(photo[::-1, ::-1])
    images = [photo, upside_down]
    for faces, image in zip(model.run_batch(images), images, strict=True):
        np.testing.assert_allclose(faces.scores, model.run(image).scores, atol=1e-5)


def test_max_faces_counts_the_faces_that_hold_up(photo, monkeypatch):
    model = edgeface.load("mfn")
    monkeypatch.setattr(
        model._detector, "hold_up", lambda _, faces, __: faces.scores < faces.scores.max(initial=0)
    )
    every, best = model.run(photo), model.run(photo, max_faces=2)
    assert (len(every), every.truncated, best.truncated) == (4, False, True)
    assert best == every[:2]


def test_crop_networks_have_no_second_look(photo):
    sfn = edgeface.load("sfn")
    with pytest.raises(InvalidInputError, match="look_again"):
        sfn.run(photo, look_again=True)
    with pytest.raises(InvalidInputError, match="does not detect"):
        sfn.hold_up(photo, sfn.run(photo))


def test_a_look_does_not_depend_on_place_size_or_light(photo, found):
    face = found.landmarks_2d[:1]
    look = appearance(photo, face)
    assert look.shape == (1, 85)
    assert look.sum() == pytest.approx(0, abs=1e-4)
    assert np.linalg.norm(look) == pytest.approx(1)
    shifted = np.pad(photo, ((30, 0), (50, 0), (0, 0)))
    np.testing.assert_array_equal(appearance(shifted, face + np.float32([50, 30])), look)
    large = np.asarray(Image.fromarray(photo).resize((2 * photo.shape[1], 2 * photo.shape[0])))
    assert float((appearance(large, 2 * face) @ look.T).item()) > 0.97
    dim = (photo * 0.4 + 20).astype(np.uint8)
    assert float((appearance(dim, face) @ look.T).item()) > 0.999
    wall = np.full_like(photo, 90)
    assert (appearance(wall, face) == 0).all()
    outside = face + np.float32([10_000, -10_000])
    assert np.isfinite(appearance(photo, outside)).all()


def test_most_upright_faces_have_bright_cheeks(photo, found):
    looks = appearance(photo, found.landmarks_2d)
    on_their_heads = appearance(photo, 2 * found.landmarks_2d.mean(axis=1, keepdims=True)
                                - found.landmarks_2d)  # fmt: skip
    # teeth and shadows make exceptions
    assert (contrast(looks) > contrast(on_their_heads) + 0.5).sum() >= 4
