"""Database fusion: targets, batches, loss, decoder, training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from edgeface import kernels
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.conventions import read_convention
from edgeface.reference.geometry.alignment import EXPRESSION_MIRROR
from edgeface.reference.geometry.harmonics import with_harmonics
from edgeface.reference.geometry.morphable import (
    Decoder,
    quaternion_from_vector,
    quaternion_to_rotation,
)
from edgeface.reference.networks import CONFIGS
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.training import databases
from edgeface.reference.training.log import read_log
from edgeface.reference.training.losses.unified import UnifiedLoss
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.train import Training, train
from edgeface.reference.training.views.crops import crop_matrix
from edgeface.reference.training.views.unified import (
    EPOCH_FACES,
    Balanced,
    UnifiedBatches,
    read_unified,
    unified_landmarks,
    unified_targets,
)
from tests.reference.conftest import write_pack

EVERY = ("300w+mesh", "video", "expressive", "wider")
pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def recipe(**changes):
    return Recipe(**({"network": "fusion", "epochs": 1, "batch_size": 8, "databases": EVERY}
                     | changes))  # fmt: skip


@pytest.fixture(scope="module")
def model(face_model):
    return with_harmonics(face_model)


@pytest.fixture(scope="module")
def fused(tiny_packs, model):
    return read_unified(tiny_packs, model, EVERY, validation=False)


def outputs(random, count, correction=0.05):
    """Raw outputs of a fusion network, as numpy arrays."""
    identity = np.concatenate([np.ones((count, 1)), random.normal(0, 1, (count, 49))], axis=1)
    pose = np.concatenate([random.normal(0, 0.5, (count, 1)), random.normal(0, 0.7, (count, 3)),
                           random.normal(0, 0.1, (count, 2))], axis=1)  # fmt: skip
    pose[0, 1:4] = 0.0
    arrays = (identity, random.normal(-1, 1.5, (count, 46)),
              random.normal(0, correction, (count, 60)), pose)  # fmt: skip
    return tuple(a.astype(np.float32) for a in arrays)


def test_photos_without_faces_for_a_split_are_named(tiny_packs, model, monkeypatch):
    monkeypatch.setattr(databases, "MIN_FACE_PX", 999.0)
    monkeypatch.setattr(databases, "_read", {})
    with pytest.raises(InvalidInputError, match="validation split has no readable face of"):
        read_unified(tiny_packs, model, ("wider",), validation=True)


def test_rotation_vectors_are_the_exponential_map(random):
    vectors = random.normal(0, 1, (50, 3)).astype(np.float32)
    vectors[0], vectors[1] = 0.0, [np.pi, 0, 0]
    expected = Rotation.from_rotvec(vectors).as_matrix()
    ours = quaternion_to_rotation(quaternion_from_vector(torch.from_numpy(vectors)))
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-6)
    pose = np.concatenate([np.zeros((50, 1)), vectors, np.zeros((50, 2))], axis=1)
    quaternion = kernels.pose_from_vector(pose.astype(np.float32))[:, :4]
    np.testing.assert_allclose(kernels.rotation_from_quaternion(quaternion), expected, atol=2e-6)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("multilinear", [False, True])
def test_decoders_agree_to_a_tenthousandth_of_the_eye_distance(model, random, engine, multilinear):
    if multilinear:
        shared = np.repeat(model.expression[None, :, ::9], 50, axis=0) * 0.1
        shared[0] *= 10
        model = FaceModel(
            model.identity[:, ::9], shared, (model.landmark_vertices // 9).astype(np.int32),
            model.landmark_weights, model.triangles[:0], model.uv[:0],
            harmonics=model.harmonics[::9],
        )  # fmt: skip
    raw = outputs(random, 20)
    decoder = Decoder(model, model.landmark_vertices, model.landmark_weights)
    ours = decoder.posed(*(torch.from_numpy(a) for a in raw)).numpy()
    identity, expression, correction, pose = raw
    basis = kernels.Basis.from_shapes(*model.landmark_shapes, model.landmark_harmonics)
    posed = kernels.pose_faces(
        basis,
        np.tile(np.array([-0.5, -0.5, 0.5, 0.5], np.float32), (20, 1)),
        np.concatenate([identity, correction], axis=1),
        expression,
        kernels.pose_from_vector(pose),
        np.array([[1.0, 1.0, 0.0, 0.0]]),
        engine=engine,
    )
    eyes = np.linalg.norm(ours[:, 45] - ours[:, 36], axis=1)
    apart = np.linalg.norm(posed.landmarks - ours, axis=2) / eyes[:, None]
    assert apart.max() < 1e-4
    # and the face model's own, which the dense mesh is made with
    seen = 1 / (1 + np.exp(-expression))
    shape = model.landmarks(identity, seen, correction)
    np.testing.assert_allclose(
        decoder.shape(*(torch.from_numpy(a) for a in (identity, seen, correction))).numpy(),
        shape, atol=2e-5,
    )  # fmt: skip
    assert np.abs(shape - model.landmarks(identity, seen)).max() > 0.01


NEUTRAL = np.eye(50)[0], np.zeros(46)


@pytest.mark.parametrize(("k", "axis"), [(0, 2), (7, 1), (19, 0)])
def test_a_correction_moves_the_shape_along_its_harmonic(model, k, axis):
    moved = model.vertices(*NEUTRAL, 0.1 * np.eye(60)[3 * k + axis]) - model.vertices(*NEUTRAL)
    expected = np.zeros_like(moved)
    expected[:, axis] = 0.1 * model.harmonics[:, k]
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_corrections_of_another_size_are_refused(model):
    with pytest.raises(InvalidInputError, match=r"takes corrections \(..., 60\)"):
        model.vertices(*NEUTRAL, np.zeros(57))
    with pytest.raises(InvalidInputError, match=r"takes corrections \(..., 0\)"):
        replace(model, harmonics=None).landmarks(*NEUTRAL, np.zeros(60))


def test_targets_are_shared_out_among_the_conventions(fused):
    by_name = dict(zip(EVERY, range(4), strict=True))
    inner = fused.landmarks.columns["68"][17:]
    mesh = fused.landmarks.columns["mesh"][:468]
    np.testing.assert_allclose(fused.weights.sum(axis=1), 1, rtol=1e-5)
    both = fused.weights[fused.database == by_name["300w+mesh"]]
    share = both[:, mesh].sum(axis=1)
    assert set(np.round(share, 3)) <= {0.5, 0.0}  # one face in forty has no mesh
    assert (fused.weights[fused.database == by_name["video"]][:, mesh] == 0).all()
    assert (fused.weights[fused.database == by_name["wider"]][:, inner] == 0).all()
    assert (fused.landmarks.columns["68"][:8] == -1).all()  # outlines slide
    taught = np.isfinite(fused.expression).all(axis=1)
    assert not taught[fused.database == by_name["video"]].any()
    assert taught[fused.database == by_name["expressive"]].all()


def test_batches_carry_the_points_along(fused):
    """The tiny packs have a white dot at every landmark, which must stay under its point."""
    torch.manual_seed(0)
    batches = UnifiedBatches(fused, 128, augment=True)
    rows = np.flatnonzero(fused.database == 0)[:24].tolist()
    batch = batches.__getitems__(rows)
    inner = fused.landmarks.columns["68"][17:]
    near, far = [], []
    for image, points in zip(batch["image"], batch["points"], strict=True):
        grey = image.float().mean(dim=2).numpy()
        place = points[inner].numpy() * 128 / CROP_SCALE + 64
        for shift, found in ((0.0, near), (7.0, far)):
            x, y = np.floor(place.T + shift).astype(int).clip(0, 127)
            found.append(grey[y, x].mean() - np.median(grey))
    assert np.median(near) > 2 * np.median(far)
    plain = UnifiedBatches(fused, 128, augment=False)
    first, second = (plain.__getitems__([3, 5]) for _ in range(2))
    torch.testing.assert_close(first, second, equal_nan=True)


def test_flips_exchange_left_and_right(fused, monkeypatch):
    """Every face flipped and nothing else: twice is nothing."""
    mirror = fused.landmarks.mirror
    plain = UnifiedBatches(fused, 128, augment=False).__getitems__([0, 1])

    class Flip:
        def random(self, count):
            return np.zeros(count)

    monkeypatch.setattr(np.random, "default_rng", lambda *_: Flip())
    for change in ("jitter", "blur"):
        monkeypatch.setattr(
            f"edgeface.reference.training.views.unified.{change}", lambda pixels: pixels
        )
    monkeypatch.setattr(
        "edgeface.reference.training.views.unified.crop_matrix",
        lambda box, size, _: crop_matrix(box, size),
    )
    flipped = UnifiedBatches(fused, 128, augment=True).__getitems__([0, 1])
    expected = plain["points"][:, mirror] * torch.tensor([-1.0, 1.0])
    known = flipped["weights"] > 0
    torch.testing.assert_close(flipped["points"][known], expected[known], atol=2e-5, rtol=0)
    torch.testing.assert_close(flipped["weights"], plain["weights"][:, mirror])
    difference = flipped["image"].int() - plain["image"].flip(2).int()
    assert difference.abs().max() <= 1


def test_a_flip_exchanges_expressions_by_the_models_names(tiny_packs, model):
    order = EXPRESSION_MIRROR[::-1]  # left and right, and all, in other places
    named = replace(
        model,
        expression=model.expression[order],
        expression_names=tuple(model.expression_names[k] for k in order),
    )
    faces = read_unified(tiny_packs, named, ("expressive",), validation=True)
    mirrored = [named.expression_names[k] for k in faces.expression_mirror]
    assert mirrored == [model.expression_names[EXPRESSION_MIRROR[k]] for k in order]


def test_epochs_draw_from_all_databases_alike():
    torch.manual_seed(0)
    database = np.repeat([0, 1, 2, 3], [5000, 30, 2000, 1700])
    sampler = Balanced(database)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == EPOCH_FACES
    assert np.bincount(database[drawn]).tolist() == [EPOCH_FACES // 4] * 4
    times = np.bincount(drawn, minlength=len(database))
    assert times[:5000].max() == 1  # a part of the large one, each face once
    assert set(times[5000:5030]) <= {53, 54}  # the small one as often as it takes
    assert list(sampler) != drawn


def test_loss_is_the_masked_distance_and_the_regularisers(model, random):
    landmarks = unified_landmarks(("300w+mesh",))
    loss = UnifiedLoss(model, landmarks)
    raw = tuple(torch.from_numpy(a) for a in outputs(random, 3))
    points = loss.decoder.project(*raw)
    moved = points + torch.tensor([0.03, 0.04])
    weights = torch.zeros(3, len(landmarks.names))
    weights[:, :51] = 1 / 51
    unknown = torch.full((3, 46), torch.nan)
    target = {"points": moved, "weights": weights, "expression": unknown,
              "depth": torch.full(weights.shape, torch.nan)}  # fmt: skip
    total, parts = loss(raw, target)
    assert parts["landmarks"] == pytest.approx(0.05, rel=1e-3)
    assert parts["teacher"] == 0
    assert parts["depth"] == 0
    # what the mask leaves out changes nothing
    moved[:, 51:] += 100.0
    assert loss(raw, target)[0] == pytest.approx(total.item())
    # an energy that grows with the harmonic; a mean that weighs 1
    identity, expression, correction, pose = raw
    smooth, rough = (torch.zeros(3, 60).index_fill(1, torch.tensor(k), 0.1) for k in (3, 57))
    tidy = [loss((identity, expression, c, pose), target)[1]["tidy"] for c in (smooth, rough)]
    assert tidy[0] < tidy[1]
    other = identity * torch.tensor([1.2] + [1.0] * 49)
    assert loss((other, expression, correction, pose), target)[1]["tidy"] > parts["tidy"] + 0.03
    # depth is compared where it is known, and has no origin
    depth = loss.decoder.posed(*raw)[..., 2] + 7.0
    depth[1:] = torch.nan
    depth[0, 60:] = torch.nan
    assert loss(raw, target | {"depth": depth})[1]["depth"] < 1e-5
    depth[0, :30] += 0.02
    assert loss(raw, target | {"depth": depth})[1]["depth"] == pytest.approx(0.01, rel=1e-3)
    # the teacher's expressions, where there are any
    known = torch.sigmoid(expression) + 0.1
    known[1:] = torch.nan
    parts = loss(raw, target | {"expression": known})[1]
    assert parts["teacher"] == pytest.approx(0.1, rel=1e-4)


@pytest.fixture
def small_network(monkeypatch):
    monkeypatch.setitem(CONFIGS, "fusion", replace(CONFIGS["fusion"], width=0.5))
    monkeypatch.setattr("edgeface.reference.training.views.unified.EPOCH_FACES", 64)


def test_fusion_training_goes_on_where_it_was_killed(tiny_packs, tmp_path, small_network):
    last = train(recipe(turned=0.3), tiny_packs, tmp_path)
    first = load_network(last)
    assert first.recipe["databases"] == list(EVERY)
    assert first.face_model.harmonics.shape == (468, 20)
    train(recipe(turned=0.3, epochs=2, precision="bf16-mixed"), tiny_packs, tmp_path)
    assert load_network(last).epoch == 1
    log = read_log(tmp_path)
    assert list(log["train_loss"]) == [0, 1]


def test_without_the_correction_it_stays_zero(model, fused, small_network):
    training = Training(recipe(correction=False), model)
    training.network.leave_uncorrected()
    optimiser = torch.optim.Adam(training.network.parameters(), 1e-2)
    batch = UnifiedBatches(fused, 128, augment=True).__getitems__(list(range(4)))
    for _ in range(2):
        raw = training.network(batch["image"])
        total, _ = training.loss(raw, batch)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    correction = training.network(batch["image"])[2]
    assert (correction == 0).all()
    assert (raw[0] != training.network(batch["image"])[0]).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"databases": ("300w", "atlantis")}, "'atlantis' is no database: expected one of 300w"),
        ({"databases": ("wflw",)}, "NAME=FOLDER"),
        ({"databases": ()}, "needs databases"),
        ({"network": "sfn"}, "no other takes any"),
        ({"correction": 1}, "correction must be true or false"),
    ],
)
def test_recipes_of_databases_are_checked(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        recipe(**changes)


def test_a_pack_that_changed_is_read_again(tmp_path, model, monkeypatch):
    monkeypatch.setattr(databases, "read_face_pack", lambda *_: object())

    def read(group):
        labels = {"group": np.array([group])}
        write_pack(tmp_path / "faces68-300w.zip", [np.zeros((8, 8, 3), np.uint8)], labels)
        return databases._read_pack("faces68-300w", tmp_path, model, False)

    assert read("a") is read("a")
    assert read("a") is not read("b")


def test_published_databases_join_in(tiny_packs, tmp_path, model, random):
    """WFLW's files of 98 points beside a pack: its own split, its own part of the landmarks."""
    convention = read_convention("98")
    (tmp_path / "WFLW_images").mkdir()
    lines = []
    for i in range(10):
        place = random.uniform(90, 110, 2)
        points = convention.on(model.mean)[:, :2] * [60, -60] + place
        pixels = random.integers(0, 256, (200, 200, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "WFLW_images" / f"{i}.png")
        numbers = [*(points - 0.5).ravel(), 0, 0, 0, 0, *[0] * 6]
        lines.append(" ".join(f"{n:.3f}" for n in numbers) + f" {i}.png")
    lines.append("1 2 3 broken.png")
    (tmp_path / "list_98pt_rect_attr_train.txt").write_text("\n".join(lines))
    names = ("300w", f"wflw={tmp_path}")
    splits = [read_unified(tiny_packs, model, names, v) for v in (False, True)]
    counts = [int((split.database == 1).sum()) for split in splits]
    assert sum(counts) == 10
    assert min(counts) > 0
    fused = splits[0]
    assert len(fused.skipped) == 1
    theirs = fused.weights[fused.database == 1] > 0
    assert (theirs.sum(axis=1) == 64).all()  # 98 without the sliding and the pupils
    chin = fused.landmarks.names.index("chin")
    assert (fused.weights[:, chin] > 0).all()  # a landmark of both
    batch = UnifiedBatches(fused, 128, augment=False).__getitems__([len(fused) - 1])
    # the mean face, straight ahead: what the decoder says at 0
    loss = UnifiedLoss(model, fused.landmarks)
    zero = torch.eye(50)[:1], torch.zeros(1, 46), torch.zeros(1, 60)
    mean = loss.decoder.shape(*zero)[0, :, :2].numpy() * [1, -1]
    known = batch["weights"][0].numpy() > 0
    ours, found = mean[known], batch["points"][0].numpy()[known]
    ours, found = (p - p.mean(axis=0) for p in (ours, found))
    scale = (ours * found).sum() / (ours * ours).sum()
    np.testing.assert_allclose(found, scale * ours, atol=5e-3)
    assert 0.3 < scale < 0.7


def test_faces_without_any_label_are_refused():
    landmarks = unified_landmarks(("300w",))
    points = np.ones((2, 68, 2), np.float32)
    points[1] = np.nan
    with pytest.raises(InvalidInputError, match="1 of 2 faces have no labelled point"):
        unified_targets({"68": points}, landmarks)


def test_depth_is_that_of_the_mesh(fused, model):
    """The tiny packs' meshes are exact: posed by their own fit, depth and points agree."""
    rows = np.flatnonzero(np.isfinite(fused.depth).any(axis=1))[:6].tolist()
    batch = UnifiedBatches(fused, 128, augment=False).__getitems__(rows)
    mesh = fused.landmarks.columns["mesh"][:468]
    flat, depth = batch["points"][:, mesh].numpy(), batch["depth"][:, mesh].numpy()
    points = np.concatenate([flat, depth[..., None]], axis=2) * [1, -1, -1]
    for posed in points:
        # up to identity and expression the mean face, turned and scaled: by Procrustes
        ours, theirs = model.mean - model.mean.mean(axis=0), posed - posed.mean(axis=0)
        u, size, v = np.linalg.svd(theirs.T @ ours)
        assert np.linalg.det(u @ v) > 0
        scale = size.sum() / (ours**2).sum()
        rest = theirs - scale * ours @ (u @ v).T
        assert np.sqrt((rest**2).sum(axis=1).mean()) < 0.12 * scale
    assert np.isnan(fused.depth[fused.database == 1]).all()  # people label no depth
