"""Predictors of known quality through evaluation: the figures must come out as arranged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.faces import Faces
from edgeface.image import read_image
from edgeface.model import DEMO_PHOTO
from edgeface.reference.cli import main
from edgeface.reference.data.expression_sets import extreme
from edgeface.reference.data.labelled import LabelledImage, face_box, labels, neutral_landmarks
from edgeface.reference.evaluation.figures import category_errors, measure
from edgeface.reference.evaluation.predictor import Predictor, open_predictor
from edgeface.reference.evaluation.report_files import to_markdown, write_report
from edgeface.reference.evaluation.run import run
from edgeface.reference.evaluation.worst_faces import WorstFaces
from edgeface.reference.geometry.pose import rotation_from_euler
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork, save_network

YAWS = (0.0, 20.0, -40.0, 50.0, -75.0, 89.0)
PIXELS = np.zeros((200, 240, 3), np.uint8)


def faces_of(image_labels, scores=None, shift=0.0, turn=(0.0, 0.0, 0.0), expression=0.0):
    """What is labelled, with known errors."""
    count = len(image_labels.boxes)
    flat = image_labels.landmarks + np.array([shift, 0], np.float32)
    zeros = np.zeros((count, 68, 1), np.float32)
    rotation = image_labels.rotation @ rotation_from_euler(np.array([turn]))
    return Faces(
        boxes_xyxy=image_labels.boxes,
        scores=np.ones(count, np.float32) if scores is None else np.asarray(scores, np.float32),
        landmarks_3d=np.concatenate([flat, zeros], axis=2).astype(np.float32),
        identity_coeffs=np.zeros((count, 50), np.float32),
        expression_coeffs=(image_labels.expression + expression).astype(np.float32),
        rotation=rotation.astype(np.float32),
        euler_deg=np.zeros((count, 3), np.float32),
        translation=np.zeros((count, 3), np.float32),
        focal=np.ones(count, np.float32),
        expression_names=EXPRESSION_NAMES,
    )


@pytest.fixture
def turned(face_model):
    """One image a yaw angle, its face fully labelled."""
    images = []
    for k, yaw in enumerate(YAWS):
        rotation = rotation_from_euler(np.array([[0, yaw, 0]]))
        points = neutral_landmarks(face_model) @ rotation[0].T
        points = (points[None, :, :2] * [60, -60] + [120, 100]).astype(np.float32)
        known = labels(
            face_box(points.copy()),
            landmarks=points,
            rotation=rotation.astype(np.float32),
            yaw_deg=np.array([yaw], np.float32),
            expression=np.full((1, 46), 0.25, np.float32),
        )
        images.append(LabelledImage(f"{k}.jpg", "turned", PIXELS, known, complete=True))
    return images


def looker(images, face_model, **errors):
    """An SFN that knows the labels; images come in order."""
    remaining = iter(images)
    return Predictor(
        "sfn", face_model, look=lambda pixels, boxes: faces_of(next(remaining).labels, **errors)
    )


def finder(images, face_model, answers):
    remaining = iter(answers)
    return Predictor(
        "mfn", face_model, find=lambda pixels, score: next(remaining), score_threshold=0.5
    )


def evaluated(predictor, images):
    return [result for result, _ in run(predictor, images)]


def test_report_of_known_errors_by_yaw(turned, face_model):
    predictor = looker(turned, face_model, shift=3.0, expression=0.1)
    sections = measure(evaluated(predictor, turned), detects=False)["turned"]
    rows = sections["landmarks"]
    assert {name: row["faces"] for name, row in rows.items()} == {
        "all faces": 6, "yaw 0 to 30": 2, "yaw 30 to 60": 2, "yaw 60 to 90": 2,
        "mean of the yaw groups": 6,
    }  # fmt: skip
    by_hand = []
    for image in turned:
        low, high = image.labels.landmarks[0].min(axis=0), image.labels.landmarks[0].max(axis=0)
        by_hand.append(100 * 3 / np.hypot(*(high - low)))
    assert rows["yaw 30 to 60"]["diagonal 51"] == pytest.approx(np.mean(by_hand[2:4]), rel=1e-4)
    assert rows["all faces"]["diagonal 68"] == pytest.approx(np.mean(by_hand), rel=1e-4)
    curve = np.mean([1 - e / 8 for e in by_hand])
    assert rows["all faces"]["diagonal AUC"] == pytest.approx(curve, rel=1e-4)
    assert sections["expression"]["all faces"]["error"] == pytest.approx(0.1, abs=1e-6)
    assert sections["coefficients"]["jawOpen"]["error"] == pytest.approx(0.1, abs=1e-6)
    assert "detection" not in sections


@pytest.mark.parametrize(
    ("names", "error"), [(EXPRESSION_NAMES[::-1], 0.1), ([f"shape{k}" for k in range(46)], None)]
)
def test_expressions_are_compared_by_their_names(turned, face_model, names, error):
    turned[0].labels.expression[:] = np.linspace(0, 0.9, 46)
    seen = faces_of(turned[0].labels, expression=0.1)
    coefficients = seen.expression_coeffs
    seen = replace(
        seen, expression_names=tuple(names), expression_coeffs=coefficients[:, ::-1].copy()
    )
    predictor = Predictor("sfn", face_model, look=lambda pixels, boxes: seen)
    sections = measure(evaluated(predictor, turned[:1]), detects=False)["turned"]
    told = sections.get("expression", {}).get("all faces", {}).get("error")
    assert told == (error and pytest.approx(error, abs=1e-6))
    assert ("coefficients" in sections) == (error is not None)


def test_mean_of_the_yaw_groups_weighs_them_equally(turned, face_model):
    images = turned[:1] * 8 + turned[2:3] + turned[4:5]
    rows = measure(evaluated(looker(images, face_model, shift=3.0), images), False)["turned"]
    rows = rows["landmarks"]
    groups = [rows[f"yaw {n}"]["box 68"] for n in ("0 to 30", "30 to 60", "60 to 90")]
    assert rows["mean of the yaw groups"]["box 68"] == pytest.approx(np.mean(groups))
    assert rows["all faces"]["box 68"] == pytest.approx(np.average(groups, weights=[8, 1, 1]))


def test_report_of_a_known_turn(turned, face_model):
    images = turned[:1]
    predictor = looker(images, face_model, turn=(6.0, 0.0, 0.0))
    row = measure(evaluated(predictor, images), False)["turned"]["head pose, deg"]["all faces"]
    assert (row["pitch"], row["yaw"], row["roll"]) == pytest.approx((6, 0, 0), abs=1e-3)
    assert row["mean of three"] == pytest.approx(2, abs=1e-3)
    assert row["rotation"] == pytest.approx(6, abs=1e-3)


def test_a_face_that_is_not_found_counts_in_the_curve_alone(turned, face_model):
    answers = [faces_of(i.labels, shift=0.0) for i in turned]
    answers[1] = answers[1].select(np.zeros(0, int))
    answers[2] = replace(answers[2], scores=np.array([0.4], np.float32))  # unsure
    sections = measure(evaluated(finder(turned, face_model, answers), turned), True)["turned"]
    row = sections["landmarks"]["all faces"]
    assert (row["faces"], row["missed"]) == (6, 2)
    assert row["eyes 68"] == 0
    assert row["eyes AUC"] == pytest.approx(4 / 6)
    detection = sections["detection"]["all faces"]
    assert detection["recall"] == pytest.approx(5 / 6)
    assert detection["recall at threshold"] == pytest.approx(4 / 6)
    assert detection["precision at threshold"] == 1
    assert detection["AP50"] == pytest.approx(84 / 101)


def test_detection_by_size_leaves_crowds_out(face_model):
    """Faces of 10 %, 4 % and 1 % of a photo's sides; only the largest is found."""
    boxes = np.array([[0, 0, 24, 30], [50, 50, 60, 58], [100, 100, 103, 104]], np.float32)
    photo = LabelledImage("a", "g", PIXELS, labels(boxes), complete=True)
    crowd = LabelledImage("b", "g", PIXELS, labels(np.tile(boxes[:1], (21, 1))), complete=True)
    answer = faces_of(labels(boxes[:1]))
    nobody = answer.select(np.zeros(0, int))
    predictor = finder([photo, crowd], face_model, [answer, nobody])
    rows = measure(evaluated(predictor, [photo, crowd]), True)["g"]["detection"]
    recalls = {name: (row["faces"], row["recall"]) for name, row in rows.items()}
    assert recalls == {
        "all faces": (3, pytest.approx(1 / 3)),
        "faces from 2% of the photo": (2, 0.5),
        "faces from 5% of the photo": (1, 1),
        "faces from 10% of the photo": (1, 1),
    }
    assert rows["all faces"]["photos"] == 1
    assert measure(evaluated(finder([crowd], face_model, [nobody]), [crowd]), True) == {"g": {}}


def test_false_faces_are_counted_on_photos_without_faces(face_model):
    nobody = labels(np.zeros((0, 4)))
    photos = [LabelledImage(str(k), "n", PIXELS, nobody, complete=True) for k in range(4)]
    box = labels(np.array([[0, 0, 9, 9], [50, 50, 70, 70]]))
    answers = [faces_of(labels(np.zeros((0, 4))))] * 3 + [faces_of(box, scores=[0.6, 0.3])]
    rows = measure(evaluated(finder(photos, face_model, answers), photos), True)["n"]
    assert rows == {"false faces": {"all": {"photos": 4, "false faces per 100": 25}}}


def test_category_errors_are_table_5s_metric():
    truth = np.stack([extreme("jaw left/right"), extreme("smile"), extreme("eye wide")])
    predicted = np.zeros((3, 46), np.float32)
    predicted[0, EXPRESSION_NAMES.index("jawRight")] = 0.9
    predicted[1, EXPRESSION_NAMES.index("mouthSmileLeft")] = 0.8
    predicted[1, EXPRESSION_NAMES.index("mouthSmileRight")] = 0.6
    assert category_errors("jaw left/right", predicted, truth) == pytest.approx([0.1])
    assert category_errors("smile", predicted, truth) == pytest.approx([0.3])
    assert len(category_errors("kiss", predicted, truth)) == 0
    predicted[1] = np.nan  # not found
    assert len(category_errors("smile", predicted, truth)) == 0


def test_run_tracks_an_sfn_through_a_video(turned, face_model):
    """From the second frame on, the box is where the face was seen in the one before."""
    images = [turned[0], replace(turned[0], follows=True), turned[0]]
    asked = []

    def look(pixels, boxes):
        asked.append(boxes)
        return faces_of(turned[0].labels, shift=7.0)

    evaluated(Predictor("sfn", face_model, look=look), images)
    true_box = turned[0].labels.boxes
    np.testing.assert_allclose(asked[0], true_box)
    moved = true_box + np.array([7, 0, 7, 0])
    np.testing.assert_allclose(asked[1], moved, atol=1e-4)
    np.testing.assert_allclose(asked[2], true_box)


def test_run_shows_an_sfn_no_face_with_a_box_alone(turned, face_model):
    bare = LabelledImage("x", "g", PIXELS, labels(np.array([[0, 0, 9, 9]])))
    assert evaluated(looker([], face_model), [bare]) == []


def test_worst_faces_keeps_the_largest_errors(turned, face_model, tmp_path):
    worst = WorstFaces()
    images = turned * 5
    for k, image in enumerate(images):
        predictor = looker([image], face_model, shift=float(k))
        for result, pixels in run(predictor, [image]):
            worst.add(result, pixels)
    assert len(worst.tiles) == 24
    errors = [rank[0] for rank, _ in worst.tiles]
    assert errors == sorted(errors, reverse=True)
    worst.draw(tmp_path / "worst.png")
    with Image.open(tmp_path / "worst.png") as picture:
        assert picture.size == (6 * 192, 4 * 192)


def test_write_report_leaves_tables_json_and_pictures(turned, face_model, tmp_path):
    predictor = finder(turned, face_model, [faces_of(i.labels, shift=1.0) for i in turned])
    worst, results = WorstFaces(), []
    for result, pixels in run(predictor, turned):
        results.append(result)
        worst.add(result, pixels)
    found = measure(results, True)
    write_report(found, results, worst, True, tmp_path / "out")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "report.md", "report.json", "error-curve.png", "precision-recall.png", "worst.png",
    }  # fmt: skip
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["turned"]["landmarks"]["all faces"]["faces"] == 6
    assert "| yaw 30 to 60 " in to_markdown(found)
    widths = {len(line) for line in to_markdown(found).splitlines() if "yaw" in line[:5]}
    assert len(widths) <= 3  # one a table: columns are aligned


@pytest.mark.parametrize("name", ["mfn", "sfn"])
def test_evaluate_prints_figures_of_the_packs(tiny_packs, tmp_path, capsys, name):
    """The shipped networks on pictures of dots: nonsense figures, but all of them."""
    out = str(tmp_path / "out")
    assert main(["evaluate", name, "--data", str(tiny_packs), "--json", "--out", out]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "faces68-300w" in found
    assert "landmarks" in found["multiface-wider (teacher)"]
    if name == "mfn":
        assert set(found["multiface-wider (teacher)"]["detection"]) == {
            "all faces", "faces from 2% of the photo", "faces from 5% of the photo",
            "faces from 10% of the photo",
        }  # fmt: skip
        assert "false faces per 100" in found["negatives"]["false faces"]["all"]
    else:
        assert found["faces68-video (teacher)"]["landmarks"]["all faces"]["missed"] == 0
        assert "detection" not in found["multiface-wider (teacher)"]


@pytest.fixture
def checkpoint(request, face_model, tmp_path):
    """A predictor of an untrained network's checkpoint."""
    torch.manual_seed(3)
    config = CONFIGS[request.param]
    network = build_network(config)
    trained = TrainedNetwork(config, network, face_model, epoch=4, recipe={})
    save_network(trained, tmp_path / "net.ckpt")
    return open_predictor(tmp_path / "net.ckpt")


@pytest.mark.parametrize("checkpoint", ["sfn-single"], indirect=True)
def test_a_checkpoint_looks_where_the_box_is(checkpoint):
    """Boxes and pixels moved together move the landmarks, and scaled together scale them."""
    assert checkpoint.find is None
    assert checkpoint.name == "sfn of net.ckpt, epoch 4"
    pixels = read_image(DEMO_PHOTO)
    box = np.array([[80.0, 90, 480, 590]], np.float32)
    here = checkpoint.look(pixels, box)
    offset = np.array([16, 40], np.float32)
    moved = checkpoint.look(pixels[40:, 16:], box - np.tile(offset, 2))
    np.testing.assert_allclose(moved.landmarks_2d + offset, here.landmarks_2d, atol=0.3)
    twice = checkpoint.look(pixels.repeat(2, axis=0).repeat(2, axis=1), 2 * box)
    np.testing.assert_allclose(twice.landmarks_3d, 2 * here.landmarks_3d, atol=3)
    both = checkpoint.look(pixels, np.concatenate([box, box + 9]))
    np.testing.assert_allclose(both.landmarks_3d[:1], here.landmarks_3d)
    np.testing.assert_allclose(both.boxes_xyxy[1:], box + 9)


@pytest.mark.parametrize("checkpoint", ["mfn-single"], indirect=True)
def test_a_checkpoint_finds_in_image_px(checkpoint):
    assert checkpoint.look is None
    pixels = read_image(DEMO_PHOTO)
    found = checkpoint.find(pixels, 0.0)
    centres = (found.boxes_xyxy[:, :2] + found.boxes_xyxy[:, 2:]) / 2
    assert len(found) > 50
    # an untrained network's boxes fill the letterboxed square, of side 1280
    assert centres.min(axis=0) == pytest.approx([0, -240], abs=150)
    assert centres.max(axis=0) == pytest.approx([1280, 1040], abs=150)


def test_evaluate_explains_wrong_commands(tmp_path, capsys):
    assert main(["evaluate", "sfn", "--set", "nothing"]) == 1
    assert "--set nothing is none of packs, aflw2000" in capsys.readouterr().err
    assert main(["evaluate", "sfn", "--set", "afw"]) == 1
    assert "needs --data" in capsys.readouterr().err
    folds = tmp_path / "FDDB-folds"
    folds.mkdir()
    (folds / "FDDB-fold-01-ellipseList.txt").write_text("a\n1\n4 3 0 9 9 1\n")
    (tmp_path / "originalPics").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "originalPics" / "a.jpg")
    assert main(["evaluate", "sfn", "--set", "fddb", "--data", str(tmp_path)]) == 1
    assert "does not detect" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "no.ckpt"), "--data", str(tmp_path)]) == 1
    assert "no such checkpoint" in capsys.readouterr().err
