from dataclasses import replace

import numpy as np
import pytest
import torch

from edgeface import kernels
from edgeface.reference.geometry.boxes import corners, decode_boxes, generalised_iou, pairwise_iou
from edgeface.reference.geometry.lids import LID_PAIRS
from edgeface.reference.geometry.morphable import (
    MorphableModel,
    quaternion_to_rotation,
    unit_quaternion,
)
from edgeface.reference.networks import CONFIGS
from edgeface.reference.training.losses.distilled import LARGER, DistilledLoss
from edgeface.reference.training.losses.faces import (
    FaceLoss,
    decay,
    disagreement,
    gaze_error,
    lid_error,
)
from edgeface.reference.training.losses.grid import BLUR, GridLoss, shares
from tests.oracles import detection as oracle
from tests.oracles import grid_loss as grid_oracle
from tests.oracles import morphable as morphable_oracle
from tests.reference.devices import DEVICE, NothingFromTheCpu

CONFIG = CONFIGS["mfn-9x9"]
ANCHORS = CONFIG.anchors


def test_decay_is_ten_over_the_epoch_with_a_floor():
    assert [decay(e) for e in (0, 1, 4, 99)] == [10.0, 5.0, 2.0, 0.5]


def test_morphable_model_agrees_with_oracle_and_kernels(face_model, random):
    identity = random.normal(size=(3, 50)).astype(np.float32)
    logits = random.normal(size=(3, 46)).astype(np.float32)
    pose = random.normal(size=(3, 8)).astype(np.float32)
    morphable = MorphableModel(face_model)
    points = morphable.project(*(torch.from_numpy(a) for a in (identity, logits, pose)))
    expression = 1 / (1 + np.exp(-logits.astype(float)))
    for i in range(3):
        shape = morphable_oracle.landmarks(face_model.reduced, identity[i], expression[i])
        focal = 1 / (1 + np.exp(-pose[i, 7]))
        expected = morphable_oracle.project(shape, pose[i, :4], pose[i, 4:7], focal)
        np.testing.assert_allclose(points[i], expected[:, :2], atol=1e-4)
    rotation = quaternion_to_rotation(unit_quaternion(torch.from_numpy(pose[:, :4])))
    same = kernels.rotation_from_quaternion(kernels.unit_quaternion(pose[:, :4]))
    np.testing.assert_allclose(rotation, same, atol=1e-6)


@pytest.mark.parametrize("cell_range", [1.0, 1.5, 2.0])
def test_decode_boxes_agrees_with_oracle(random, cell_range):
    raw = random.normal(size=(1, 9, 9, 5, 5)).astype(np.float32)
    anchors = np.array(ANCHORS)
    boxes = decode_boxes(torch.from_numpy(raw), torch.tensor(ANCHORS), 32, cell_range)
    boxes = corners(boxes).reshape(-1, 4)
    expected = oracle.decode(raw[0].reshape(9, 9, 25), anchors, 32, 0.0, cell_range)
    np.testing.assert_allclose(boxes, [box for _, box, _ in expected], rtol=1e-4, atol=1e-2)


def test_ious_of_known_boxes():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 1, 1]])
    b = torch.tensor([[1.0, 0, 3, 2], [0, 0, 1, 1], [2, 0, 3, 1]])
    iou, giou = generalised_iou(a, b)
    torch.testing.assert_close(iou, torch.tensor([1 / 3, 1.0, 0.0]))
    torch.testing.assert_close(giou, torch.tensor([1 / 3, 1.0, -1 / 3]))
    torch.testing.assert_close(pairwise_iou(a, b).diagonal(), iou)


def face_target(face_model, random):
    identity = torch.from_numpy(random.normal(size=(2, 50)).astype(np.float32))
    expression = torch.from_numpy(random.uniform(0.05, 0.95, (2, 46)).astype(np.float32))
    quaternion = unit_quaternion(torch.tensor([[1.0, 0.1, 0.2, 0], [0.9, -0.3, 0, 0.1]]))
    pose = torch.cat([quaternion, torch.tensor([[0.1, 0, 0, 0.2], [0, 0.1, 0, 0.1]])], dim=1)
    logits = torch.logit(expression)
    points = MorphableModel(face_model).project(identity, logits, pose)
    target = {"identity": identity, "expression": expression, "quaternion": quaternion}
    return (identity, logits, pose), target | {"landmarks": points}


def test_face_loss_vanishes_on_the_truth_and_ignores_the_quaternions_sign(face_model, random):
    raw, target = face_target(face_model, random)
    loss = FaceLoss(face_model)
    total, _ = loss(*raw, target, 0)
    assert float(total) < 2e-3
    flipped = raw[2] * torch.tensor([-1.0] * 4 + [1.0] * 4)
    assert float(loss(raw[0], raw[1], flipped, target, 0)[0]) < 2e-3


@pytest.mark.parametrize("epoch", [0, 3])
def test_face_loss_is_equation_3(face_model, random, epoch):
    """Shifted outputs cost what Eq. 3 says, by plain arithmetic."""
    (identity, logits, pose), target = face_target(face_model, random)
    moved = target | {
        "landmarks": target["landmarks"] + torch.tensor([0.03, 0.04]),
        "expression": target["expression"] + 0.02,
    }
    total, parts = FaceLoss(face_model)(identity, logits, pose, moved, epoch)
    assert float(parts["landmarks"]) == pytest.approx(0.05, rel=1e-3)
    assert float(total) == pytest.approx(10 / (epoch + 1) * 0.02 + 10 * 0.05, rel=1e-2)


def faces_of_image(index, images):
    rows = [np.flatnonzero(index == i) for i in range(images)]
    most = max((len(r) for r in rows), default=0)
    return torch.tensor([[*r, *[-1] * (most - len(r))] for r in rows], dtype=torch.long)


def grid_batch(boxes, ignore=None, image_index=None):
    count = len(boxes)
    index = np.array(image_index or [0] * count, int)
    return {
        "image_index": torch.from_numpy(index),
        "faces_of_image": faces_of_image(index, max(index, default=0) + 1),
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(count, 4),
        "ignore": torch.tensor(ignore or [False] * count, dtype=torch.bool),
        "has_fit": torch.zeros(count, dtype=torch.bool),
        "landmarks": torch.zeros(count, 68, 2),
        "identity": torch.zeros(count, 50),
        "expression": torch.zeros(count, 46),
        "quaternion": torch.zeros(count, 4),
    }


def raw_grid(images=1):
    return tuple(torch.zeros(images, 9, 9, 5 * w, requires_grad=True) for w in (5, 50, 46, 8))


def facing_grid():
    """Of the mean face, looking straight ahead."""
    outputs = raw_grid()
    with torch.no_grad():
        outputs[1].reshape(-1, 50)[:, 0] = 1
        outputs[3].reshape(-1, 8)[:, 0] = 1
    return outputs


def assigned(loss, batch):
    """Faces that are answered for, and by which (image, row, column, anchor)."""
    face, candidate, answers = loss.assign(batch, 9, 1)
    return face[answers], torch.unravel_index(candidate[answers], (1, 9, 9, len(ANCHORS)))


def test_grid_loss_assigns_the_cell_of_the_centre_and_the_anchor_alike(face_model):
    loss = GridLoss(face_model, CONFIG)
    width, height = ANCHORS[2]
    box = [100 - width / 2, 70 - height / 2, 100 + width / 2, 70 + height / 2]
    face, (image, row, column, anchor) = assigned(loss, grid_batch([box]))
    best = (anchor == 2).nonzero().item()
    assert (face[best], image[best], row[best], column[best]) == (0, 0, 70 // 32, 100 // 32)


def test_grid_loss_gives_one_anchor_to_one_face(face_model):
    loss = GridLoss(face_model, CONFIG)
    box = [80, 80, 110, 118]
    _, cell = assigned(loss, grid_batch([box, box]))
    assert len(set(zip(*(c.tolist() for c in cell), strict=True))) == len(cell[0])


def test_grid_loss_skips_ignored_and_outside_faces(face_model):
    loss = GridLoss(face_model, CONFIG)
    batch = grid_batch([[10, 10, 40, 50], [280, 280, 330, 340]], ignore=[True, False])
    assert len(assigned(loss, batch)[0]) == 0


@pytest.mark.parametrize("boxes", [[], [[10, 10, 40, 50]], [[10, 10, 40, 50], [90, 90, 200, 220]]])
def test_grid_loss_has_finite_gradients(face_model, boxes):
    outputs = raw_grid()
    batch = grid_batch(boxes)
    batch["has_fit"][:] = True
    total, _ = GridLoss(face_model, CONFIG)(outputs, batch, 0)
    total.backward()
    for output in outputs:
        assert output.grad is None or torch.isfinite(output.grad).all()


def crowded_batch(random, face_model):
    """Four images with many faces, some alike, some ignored, one outside, and one with nobody."""
    index = np.array([0, 0, 0, 1, 1, 1, 1, 3, 3])
    count = len(index)
    centre = random.uniform(20, 268, (count, 2))
    side = np.exp(random.uniform(np.log(8), np.log(120), (count, 1))) * [1.0, 1.3]
    centre[1], side[1] = centre[0] + 2, side[0]  # for one cell and anchor
    centre[6] = 290
    boxes = np.concatenate([centre - side / 2, centre + side / 2], axis=1)
    batch = grid_batch(boxes.tolist(), [i in (2, 5) for i in range(count)], index.tolist())
    batch["faces_of_image"] = faces_of_image(index, 4)
    (identity, _, _), target = face_target(face_model, random)
    pick = torch.arange(count) % 2
    points = target["landmarks"][pick] * torch.from_numpy(side.max(1))[:, None, None]
    return batch | {
        "has_fit": torch.arange(count) != 4,
        "identity": identity[pick],
        "expression": target["expression"][pick],
        "quaternion": target["quaternion"][pick],
        "landmarks": (points + torch.from_numpy(centre)[:, None]).float(),
    }


def spread_grid(random, images):
    """Random outputs around those of a face that looks ahead."""
    outputs = [random.normal(0, 0.3, (images, 9, 9, 5, w)) for w in (5, 50, 46, 8)]
    outputs[3][..., 0] += 1
    return tuple(torch.tensor(o).flatten(3).requires_grad_() for o in outputs)


@pytest.mark.parametrize(("seed", "cell_range"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 1.6), (4, 2.0)])
def test_grid_loss_agrees_with_the_loop_over_faces_and_candidates(face_model, seed, cell_range):
    random = np.random.default_rng(seed)
    batch = {k: v.double() if v.is_floating_point() else v
             for k, v in crowded_batch(random, face_model).items()}  # fmt: skip
    ours, theirs = spread_grid(random, 4), None
    theirs = tuple(o.detach().clone().requires_grad_() for o in ours)
    loss = GridLoss(face_model, replace(CONFIG, cell_range=cell_range)).double()
    total, parts = loss(ours, batch, 3)
    expected, named = grid_oracle.grid_loss(
        theirs, batch, ANCHORS, CONFIG.stride, torch.from_numpy(face_model.reduced).double(),
        loss.face.identity_weight, 10 / 4, cell_range,
    )  # fmt: skip
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert {k: v.item() for k, v in parts.items()} == pytest.approx(
        {k: v.item() for k, v in named.items()}, rel=1e-6
    )
    assert named["landmarks"] > 0
    total.backward()
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=1e-9)


def on_device(batch):
    return {name: tensor.to(DEVICE) for name, tensor in batch.items()}


def test_grid_loss_stays_on_the_device_and_never_waits_for_it(face_model, random):
    batch = on_device(crowded_batch(random, face_model))
    loss = GridLoss(face_model, CONFIG).to(DEVICE)
    outputs = tuple(o.detach().float().to(DEVICE).requires_grad_() for o in spread_grid(random, 4))
    with NothingFromTheCpu():
        total, parts = loss(outputs, batch, 0)
        total.backward()
    assert all(o.grad is not None for o in outputs)
    assert {t.device for t in (total, *parts.values())} == {DEVICE}


def test_face_loss_stays_on_the_device_and_never_waits_for_it(face_model, random):
    raw, target = face_target(face_model, random)
    pairs = on_device({"copy_of": torch.tensor([0]), "moved": torch.tensor([True])})
    loss, target = FaceLoss(face_model).to(DEVICE), on_device(target)
    outputs = tuple(o.to(DEVICE).requires_grad_() for o in raw)
    with NothingFromTheCpu():
        total, _ = loss(*outputs, target, 0)
        (total + disagreement(loss, outputs, pairs)).backward()
    assert all(o.grad is not None for o in outputs)


NAMES = ("detection", "identity", "expression", "pose")


def beside(larger):
    """The entries of a batch that a larger network saw."""
    return {LARGER + name: o.detach() for name, o in zip(NAMES, larger, strict=True)}


def seen_by_a_larger_network(random, images):
    """Outputs of which some are sure, and those of a network that has not learned them yet."""
    larger = [o.detach().reshape(images, 9, 9, 5, -1) for o in spread_grid(random, images)]
    larger[0][..., 4] = torch.from_numpy(random.normal(-3.5, 2.0, larger[0].shape[:-1]))
    larger[0][-1, ..., 4] = -4.0 + 0.01 * larger[0][-1, ..., 4]  # nobody
    noise = [torch.from_numpy(random.normal(0, 0.1, o.shape)) for o in larger]
    noise[0][0, :4] *= 10  # boxes too far off for shapes
    outputs = [(o + n).flatten(3).requires_grad_() for o, n in zip(larger, noise, strict=True)]
    return tuple(outputs), tuple(o.flatten(3) for o in larger)


@pytest.mark.parametrize(("seed", "cell_range"), [(0, 1.0), (1, 2.0), (2, 1.0)])
def test_distance_agrees_with_the_loop_over_cells(face_model, seed, cell_range):
    outputs, larger = seen_by_a_larger_network(np.random.default_rng(seed), 3)
    theirs = tuple(o.detach().clone().requires_grad_() for o in outputs)
    config = replace(CONFIG, cell_range=cell_range)
    loss = DistilledLoss(GridLoss(face_model, config), 1.0).double()
    distance = loss.distance(outputs, larger, 3)
    expected = grid_oracle.distance(
        theirs, larger, ANCHORS, CONFIG.stride, torch.from_numpy(face_model.reduced).double(),
        loss.labels.face.identity_weight, 10 / 4, 32, cell_range,
    )  # fmt: skip
    assert distance.item() == pytest.approx(expected.item(), rel=1e-6)
    distance.backward()
    expected.backward()
    for mine, other in zip(outputs, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=1e-9)


def test_distilled_loss_adds_the_distance_to_the_loss_by_labels(face_model, random):
    batch, outputs = crowded_batch(random, face_model), spread_grid(random, 4)
    outputs = tuple(o.detach().float() for o in outputs)
    labels = GridLoss(face_model, CONFIG)
    alone, parts = labels(outputs, batch, 2)
    loss = DistilledLoss(labels, 0.5)
    assert loss(outputs, batch, 2) == (alone, parts)
    larger = tuple(o + 0.1 for o in outputs)
    total, more = loss(outputs, batch | beside(larger), 2)
    assert more["distance"] > 0
    assert total.item() == pytest.approx(alone.item() + 0.5 * more["distance"].item())
    assert more.keys() - parts.keys() == {"distance"}


def test_distance_from_itself_is_nothing_but_the_pull_to_unit_quaternions(face_model):
    larger = facing_grid()
    with torch.no_grad():
        larger[0].reshape(-1, 5)[::7, 4] = 3.0
    distance = DistilledLoss(GridLoss(face_model, CONFIG), 1.0).distance(larger, larger, 0)
    assert abs(float(distance.detach())) < 2e-3


def test_distilled_loss_stays_on_the_device_and_never_waits_for_it(face_model, random):
    batch = on_device(crowded_batch(random, face_model))
    loss = DistilledLoss(GridLoss(face_model, CONFIG), 1.0).to(DEVICE)
    outputs = tuple(o.detach().float().to(DEVICE).requires_grad_() for o in spread_grid(random, 4))
    with NothingFromTheCpu():
        total, _ = loss(outputs, batch | beside(outputs), 0)
        total.backward()
    assert all(o.grad is not None for o in outputs)


def test_grid_loss_learns_shapes_from_large_faces_first(face_model):
    """A wrong landmark pulls on a face of BLUR px half as hard as on an endless one."""
    pulls = []
    for side in (BLUR, 9 * BLUR):
        small = [48 - side / 2, 48 - side / 2, 48 + side / 2, 48 + side / 2]
        large = [144 - 60, 144 - 60, 144 + 60, 144 + 60]
        batch = grid_batch([small, large])
        batch["has_fit"][:] = True
        batch["quaternion"][:, 0] = 1
        batch["landmarks"] = batch["boxes"].reshape(2, 2, 2).mean(1)[:, None].repeat(1, 68, 1)
        outputs = facing_grid()
        loss = GridLoss(face_model, CONFIG)
        face, cell = assigned(loss, batch)
        with torch.no_grad():  # boxes as they are: both faces answer, and with one anchor each
            detection = outputs[0].reshape(1, 9, 9, 5, 5)
            wanted = torch.tensor([[side, side], [120.0, 120.0]])[face]
            detection[(*cell, 2)] = (wanted[:, 0] / loss.anchors[cell[3]][:, 0]).log()
            detection[(*cell, 3)] = (wanted[:, 1] / loss.anchors[cell[3]][:, 1]).log()
        loss(outputs, batch, 0)[0].backward()
        grad = outputs[1].grad.reshape(1, 9, 9, 5, 50)[cell].abs().sum(1)
        pulls.append(float(grad[face == 0].mean() / grad[face == 1].mean()))
    assert pulls[1] / pulls[0] == pytest.approx((9 / 10) / (1 / 2), rel=1e-3)


def test_every_image_has_the_same_share_of_the_loss():
    weights, images = torch.tensor([1.0, 3, 2, 2]), torch.tensor([0, 0, 3, 2])
    found = shares(weights, images, 4)
    np.testing.assert_allclose(found, np.array([1 / 4, 3 / 4, 1, 1]) / 3, rtol=1e-6)


def test_grid_loss_falls_to_the_truth(face_model):
    """Gradient steps on free outputs find a box, its score and its landmarks."""
    torch.manual_seed(0)
    outputs = facing_grid()
    batch = grid_batch([[60, 50, 130, 140]])
    morphable = MorphableModel(face_model)
    identity, pose = torch.eye(50)[:1], torch.tensor([[1.0, 0.1, 0.1, 0, 0, 0, 0, 0.3]])
    points = morphable.project(identity, torch.full((1, 46), -3.0), pose) * 90
    batch |= {
        "has_fit": torch.ones(1, dtype=torch.bool),
        "landmarks": points + torch.tensor([95.0, 95.0]),
        "identity": identity,
        "expression": torch.sigmoid(torch.full((1, 46), -3.0)),
        "quaternion": unit_quaternion(pose[:, :4]),
    }
    loss = GridLoss(face_model, CONFIG)
    optimiser = torch.optim.Adam(outputs, 0.05)
    for step in range(250):
        optimiser.zero_grad()
        total, log = loss(outputs, batch, step // 50)
        total.backward()
        optimiser.step()
    assert float(log["boxes"]) < 0.05
    assert float(log["landmarks"]) < 0.01
    detection = outputs[0].detach()[0].numpy()
    boxes, scores, _ = kernels.decode_candidates(detection, np.array(ANCHORS, np.float32), 32, 0.5)
    kept, _, _ = kernels.suppress(boxes, scores, 0.5)
    assert len(kept) == 1
    np.testing.assert_allclose(boxes[kept[0]], [60, 50, 130, 140], atol=2)


def test_disagreement_compares_what_copies_share(face_model, random):
    """Row 2 is row 0 moved, row 3 is row 1 with another expression."""
    loss = FaceLoss(face_model)
    identity = torch.from_numpy(random.normal(size=(2, 50)).astype(np.float32)).repeat(2, 1)
    expression = torch.from_numpy(random.normal(size=(2, 46)).astype(np.float32)).repeat(2, 1)
    pose = torch.tensor([[1.0, 0.1, 0.2, 0, 0, 0, 0, 0], [0.9, -0.3, 0, 0.1, 0, 0, 0, 0]])
    pose = pose.repeat(2, 1)
    batch = {"copy_of": torch.tensor([0, 1]), "moved": torch.tensor([True, False])}
    assert float(disagreement(loss, (identity, expression, pose), batch)) == pytest.approx(0)
    free_expression, free_pose = expression.clone(), pose.clone()
    free_expression[3] += 1  # the re-expressed copy may differ in expression
    free_pose[2, 1] += 0.5  # and the moved one in pose
    assert float(disagreement(loss, (identity, free_expression, free_pose), batch)) < 1e-6
    free_expression[2] += 1
    apart = (torch.sigmoid(expression[2] + 1) - torch.sigmoid(expression[0])).abs().mean() / 2
    found = disagreement(loss, (identity, free_expression, free_pose), batch)
    assert float(found) == pytest.approx(float(apart), rel=1e-4)
    other = identity.clone()
    other[3] += 1
    assert float(disagreement(loss, (other, expression, pose), batch)) > 0.01


def test_lid_error_is_of_the_gaps_alone(random):
    difference = torch.from_numpy(random.normal(size=(3, 68, 2)).astype("f"))
    gaps = [(difference[:, a] - difference[:, b]).norm(dim=1) for a, b in LID_PAIRS]
    torch.testing.assert_close(lid_error(difference), torch.stack(gaps).mean(dim=0))
    elsewhere = torch.ones(1, 68, 2)  # eyes that moved as a whole are as open as before
    assert float(lid_error(elsewhere)) < 1e-4


def test_gaze_counts_where_it_is_known():
    target = torch.tensor([[0.1, 0.2, torch.nan, torch.nan], [0.0, 0.0, 0.3, -0.1]])
    predicted = target.nan_to_num(5.0) + torch.tensor([[0.3, 0.4, 9.0, 9.0], [0.0, 0.0, 0.0, 0.2]])
    predicted.requires_grad_()
    loss = gaze_error(predicted, target)
    assert float(loss.detach()) == pytest.approx((0.5 + 0.0 + 0.2) / 3, abs=1e-3)
    loss.backward()
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[0, 2:] == 0).all()
    nobody = gaze_error(torch.zeros(2, 4, requires_grad=True), torch.full((2, 4), torch.nan))
    assert float(nobody.detach()) == 0
