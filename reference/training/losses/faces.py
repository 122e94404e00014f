"""The training losses (2019, Eqs. 3 and 4, and the YOLO box terms)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import FaceModel
from edgeface.reference.geometry.boxes import corners, decode_boxes, generalised_iou, pairwise_iou
from edgeface.reference.geometry.morphable import MorphableModel, unit_quaternion
from edgeface.reference.networks.config import NetworkConfig

LANDMARK_WEIGHT = 10.0
"""The landmark RMSE counts in tenths of ``face_norm``: in whole ones, tau's terms drown it."""
MIN_TAU = 0.5
"""Eq. 3's tau = 10/epoch does not fall below this: expressions need a teacher to the end."""
MATCH_IOU = 0.5  # an anchor this similar in shape to a face answers for it too
IGNORE_IOU = 0.5  # a candidate this near to a face is not told that it is wrong
BOX_WEIGHT = 2.0
BLUR = 16.0
"""Input px at which a face's shape counts half: labels of small faces are some px off anyway."""


def decay(epoch: int) -> float:
    """Eq. 3's tau for a 0-based epoch."""
    return max(10.0 / (epoch + 1), MIN_TAU)


class FaceLoss(nn.Module):
    """Eq. 3 for faces whose raw outputs are given a row each.

    ``tau * (|w_id| / 50 + |w_exp| / 46 + |q| / 4) + RMSE(landmarks)`` averaged over faces.

    Notes
    -----
    Deviations: identity coefficients are in standard deviations here, so each is weighed by its
    mode's size relative to the largest; see LANDMARK_WEIGHT and MIN_TAU.
    """

    identity_weight: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.morphable = MorphableModel(model)
        shapes = torch.from_numpy(model.reduced[:, :, 0])  # (204, 50)
        size = shapes[:, 1:].square().mean(dim=0).sqrt()
        weight = torch.cat([torch.ones(1), size / size.max()])
        self.register_buffer("identity_weight", weight, persistent=False)

    def coefficients(
        self, identity: Tensor, expression: Tensor, pose: Tensor, target: dict[str, Tensor]
    ) -> Tensor:
        """The terms under tau, (F,)."""
        id_term = ((identity - target["identity"]).abs() * self.identity_weight).mean(dim=1)
        exp_term = (torch.sigmoid(expression) - target["expression"]).abs().mean(dim=1)
        quaternion = unit_quaternion(pose[:, :4])
        # q and -q are one rotation
        turn = torch.minimum(
            (quaternion - target["quaternion"]).abs().mean(dim=1),
            (quaternion + target["quaternion"]).abs().mean(dim=1),
        )
        # keeps the raw quaternion near unit length and unused depth near 0
        tidy = (pose[:, :4].norm(dim=1) - 1).square() * 0.1 + pose[:, 6].square() * 0.1
        return id_term + exp_term + turn + tidy

    def forward(
        self,
        identity: Tensor,
        expression: Tensor,
        pose: Tensor,
        target: dict[str, Tensor],
        epoch: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Raw (F, 50), (F, 46), (F, 8) against targets; landmarks in ``face_norm``."""
        points = self.morphable.project(identity, expression, pose)
        rmse = root_mean_square(points - target["landmarks"])
        terms = self.coefficients(identity, expression, pose, target)
        total = (decay(epoch) * terms + LANDMARK_WEIGHT * rmse).mean()
        return total, {"landmarks": rmse.mean().detach(), "coefficients": terms.mean().detach()}


def disagreement(
    loss: FaceLoss, outputs: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]
) -> Tensor:
    """How far copies of a face differ in what they share, a scalar.

    The last rows of ``outputs`` are copies of rows ``copy_of``: all have the same identity; those
    that only ``moved`` the same expression, the others the same pose (2019, Sec. 3.2).
    """
    identity, expression, pose = outputs
    original, moved = batch["copy_of"], batch["moved"]
    start = len(identity) - len(original)
    turn = unit_quaternion(pose[:, :4])
    same_identity = (identity[start:] - identity[original]).abs() * loss.identity_weight
    expression = torch.sigmoid(expression)
    same_expression = (expression[start:] - expression[original]).abs().mean(dim=1)
    same_turn = (turn[start:] - turn[original]).abs().mean(dim=1)
    return (same_identity.mean(dim=1) + torch.where(moved, same_expression, same_turn)).mean()


def root_mean_square(difference: Tensor) -> Tensor:
    """RMS distance of point sets (F, L, 2), (F,)."""
    return (difference.square().sum(dim=2).mean(dim=1) + 1e-8).sqrt()


def shares(weights: Tensor, group: Tensor) -> Tensor:
    """Weights (F,) scaled so that every group's, numbered by ``group`` (F,), have the same sum.

    All of them sum to one.
    """
    sums = weights.new_zeros(int(group.max()) + 1).index_add(0, group, weights)
    return weights / sums[group] / (sums > 0).sum()


class GridLoss(nn.Module):
    """Eq. 4: box terms over all cells and anchors, Eq. 3 over those that answer for a face.

    Notes
    -----
    Objectness aims at the IoU of the predicted box, as the appendix's ``b_o``. The boxes' squared
    errors of YOLO are replaced by GIoU, which does not depend on the face's size. Landmarks are
    measured where they fall in the image, so that they pull on the boxes too (appendix 7.2). In
    the mean of Eq. 3's terms every image counts alike, lest crowds drown portraits, and in an image
    a face weighs ``side / (side + BLUR)``.
    """

    anchors: Tensor

    def __init__(self, model: FaceModel, config: NetworkConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.face = FaceLoss(model)
        self.register_buffer("anchors", torch.tensor(config.anchors), persistent=False)

    def forward(
        self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor], epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Raw branches against the faces of a batch.

        ``batch`` holds, a row a face: ``image_index`` (F,), ``boxes`` (F, 4) xyxy in input px,
        ``ignore`` (F,), ``has_fit`` (F,), ``landmarks`` (F, 68, 2) in input px and coefficients.
        """
        num_anchors = len(self.anchors)
        shape = (*outputs[0].shape[:3], num_anchors)
        detection, identity, expression, pose = (o.reshape(*shape, -1) for o in outputs)
        boxes = decode_boxes(detection, self.anchors, self.stride)
        face, cell = self._assign(batch, shape[1])
        predicted = corners(boxes)[cell]
        iou, giou = generalised_iou(predicted, batch["boxes"][face])
        objectness = self._objectness(detection[..., 4], corners(boxes).detach(), batch, cell, iou)
        count = max(len(face), 1)
        box_term = (1 - giou).sum() / count
        total = objectness / count + BOX_WEIGHT * box_term
        log = {"objectness": objectness.detach() / count, "boxes": box_term.detach()}
        fitted = batch["has_fit"][face] & (iou.detach() > 0.2)
        if fitted.any():
            face, cell = face[fitted], tuple(index[fitted] for index in cell)
            target = {k: batch[k][face] for k in ("identity", "expression", "quaternion")}
            raw = identity[cell], expression[cell], pose[cell]
            longer = (batch["boxes"][face][:, 2:] - batch["boxes"][face][:, :2]).amax(dim=1)
            own = boxes[cell]
            points = self.face.morphable.project(*raw) * own[:, None, 2:].amax(dim=2, keepdim=True)
            points = points + own[:, None, :2]
            rmse = root_mean_square(points - batch["landmarks"][face]) / longer
            terms = self.face.coefficients(*raw, target)
            weight = shares(longer / (longer + BLUR), batch["image_index"][face])
            total = total + (weight * (decay(epoch) * terms + LANDMARK_WEIGHT * rmse)).sum()
            log |= {"landmarks": rmse.mean().detach(), "coefficients": terms.mean().detach()}
        return total, log

    def _assign(self, batch: dict[str, Tensor], size: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Which (image, row, column, anchor) answers for which face.

        The cell with the face's centre; in it the anchor most alike in shape and every other of
        IoU above MATCH_IOU. Where two faces want one anchor, the later in order has it.
        """
        boxes = batch["boxes"]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centre >= 0) & (centre < size * self.stride)).all(dim=1) & ~batch["ignore"]
        extent = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
        shared = torch.minimum(extent[:, None], self.anchors).prod(dim=2)
        alike = shared / (extent.prod(dim=1)[:, None] + self.anchors.prod(dim=1) - shared)
        wanted = alike > MATCH_IOU
        wanted[torch.arange(len(boxes)), alike.argmax(dim=1)] = True
        face, anchor = (wanted & inside[:, None]).nonzero(as_tuple=True)
        column, row = (centre[face] / self.stride).long().unbind(dim=1)
        image = batch["image_index"][face]
        key = ((image * size + row) * size + column) * len(self.anchors) + anchor
        last = torch.full((int(key.max()) + 1 if len(key) else 1,), -1, dtype=torch.long)
        last[key] = torch.arange(len(key))
        keep = last[key] == torch.arange(len(key))
        return face[keep], (image[keep], row[keep], column[keep], anchor[keep])

    def _objectness(
        self,
        logits: Tensor,
        predicted: Tensor,
        batch: dict[str, Tensor],
        cell: tuple[Tensor, ...],
        iou: Tensor,
    ) -> Tensor:
        """Summed cross-entropy; candidates near a face that others answer for are left alone."""
        target = torch.zeros_like(logits)
        weight = torch.ones_like(logits)
        for image in batch["image_index"].unique().tolist():
            faces = batch["boxes"][batch["image_index"] == image]
            near = pairwise_iou(predicted[image].reshape(-1, 4), faces).amax(dim=1) > IGNORE_IOU
            weight[image][near.reshape(weight[image].shape)] = 0.0
        hidden = batch["boxes"][batch["ignore"]]
        centre = predicted[..., :2].add(predicted[..., 2:]) / 2
        for image, box in zip(batch["image_index"][batch["ignore"]].tolist(), hidden, strict=True):
            inside = ((centre[image] >= box[:2]) & (centre[image] <= box[2:])).all(dim=-1)
            weight[image][inside] = 0.0
        target[cell] = iou.detach().clamp(0, 1)
        weight[cell] = 1.0
        return nn.functional.binary_cross_entropy_with_logits(
            logits, target, weight=weight, reduction="sum"
        )
