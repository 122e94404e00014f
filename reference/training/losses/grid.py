"""The loss of whole images (2019, Eq. 4, and the YOLO box terms), without loops.

Every face is paired with every anchor of its cells, and pairs that do not answer for a face weigh
nothing. So no shape depends on a value, and a GPU never waits for the CPU to ask what a tensor
holds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import FaceModel
from edgeface.reference.geometry.boxes import corners, decode_boxes, generalised_iou, pairwise_iou
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.training.losses.faces import (
    LID_WEIGHT,
    FaceLoss,
    decay,
    lid_error,
    root_mean_square,
)

MATCH_IOU = 0.4  # an anchor this similar in shape to a face answers for it too
IGNORE_IOU = 0.5  # a candidate this near to a face is not told that it is wrong
SHAPE_IOU = 0.2  # a candidate further from its face is taught its box before the face's shape
NEIGHBOUR = 0.8
"""How much of its range beyond itself a cell answers in; its end would need infinite logits."""
BOX_WEIGHT = 4.0
"""Small faces are found; what they lack is an exact box."""
LANDMARK_WEIGHT = 20.0
"""Twice that of crops, since here landmarks are off by as much as the face's place is, too."""
BLUR = 16.0
"""The side, input px, at which a face's shape counts half: small faces' labels are off anyway."""
FAR = -1e6  # px; where boxes lie that only fill up


class GridLoss(nn.Module):
    """Eq. 4: box terms over all cells and anchors, Eq. 3 over those that answer for a face.

    Notes
    -----
    The target of objectness is the IoU of the predicted box, as that of the appendix's ``b_o``.
    GIoU takes the place of YOLO's squared errors of boxes, since it does not depend on the face's
    size. Landmarks are measured where they fall in the image, so that they pull on the boxes too
    (appendix 7.2). In the mean of Eq. 3's terms every image counts alike, or crowds would drown
    portraits, and within an image a face weighs ``side / (side + BLUR)``.
    """

    anchors: Tensor

    def __init__(self, model: FaceModel, config: NetworkConfig) -> None:
        super().__init__()
        self.stride, self.cell_range = config.stride, config.cell_range
        self.face = FaceLoss(model)
        self.register_buffer("anchors", torch.tensor(config.anchors), persistent=False)

    def forward(
        self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor], epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the raw branches, and its parts for the log.

        A row of ``batch`` is a face: ``image_index`` (F,), ``boxes`` (F, 4), xyxy, input px,
        ``ignore`` (F,), ``has_fit`` (F,), ``landmarks`` (F, 68, 2), input px, and coefficients. In
        ``faces_of_image`` (B, M), a row is an image, and its values are its faces' rows, or -1.
        """
        images, size = outputs[0].shape[:2]
        anchors = len(self.anchors)
        detection, identity, expression, pose = (
            branch.reshape(images * size * size * anchors, -1) for branch in outputs
        )
        grid = detection.reshape(images, size, size, anchors, -1)
        boxes = decode_boxes(grid, self.anchors, self.stride, self.cell_range).reshape(-1, 4)
        face, candidate, answers = self.assign(batch, size, images)
        own = boxes[candidate]
        target = batch["boxes"][face]
        iou, giou = generalised_iou(corners(own), target)
        count = answers.sum().clamp(min=1)
        box_term = torch.where(answers, 1 - giou, 0.0).sum() / count
        sure = self._objectness(detection[:, 4], boxes.detach(), batch, candidate, answers, iou)
        total = sure / count + BOX_WEIGHT * box_term
        log = {"objectness": sure.detach() / count, "boxes": box_term.detach()}

        fitted = answers & batch["has_fit"][face] & (iou.detach() > SHAPE_IOU)
        raw = identity[candidate], expression[candidate], pose[candidate]
        longer = (target[:, 2:] - target[:, :2]).amax(dim=1).clamp(min=1e-3)
        apart = self.place(own, *raw) - batch["landmarks"][face]
        rmse, lids = root_mean_square(apart) / longer, lid_error(apart) / longer
        truth = {k: batch[k][face] for k in ("identity", "expression", "quaternion")}
        terms = self.face.coefficients(*raw, truth)
        weight = shares(fitted * longer / (longer + BLUR), batch["image_index"][face], images)
        each = decay(epoch) * terms + LANDMARK_WEIGHT * (rmse + LID_WEIGHT * lids)
        total = total + (weight * torch.where(fitted, each, 0.0)).sum()
        known = fitted.sum().clamp(min=1)
        log |= {
            "landmarks": torch.where(fitted, rmse, 0.0).sum().detach() / known,
            "lids": torch.where(fitted, lids, 0.0).sum().detach() / known,
            "coefficients": torch.where(fitted, terms, 0.0).sum().detach() / known,
        }
        return total, log

    def place(self, boxes: Tensor, identity: Tensor, expression: Tensor, pose: Tensor) -> Tensor:
        """Landmarks (N, 68, 2), input px, of raw outputs and boxes (N, 4), centre and size."""
        points = self.face.morphable.project(identity, expression, pose)
        return points * boxes[:, None, 2:].amax(dim=2, keepdim=True) + boxes[:, None, :2]

    def assign(
        self, batch: dict[str, Tensor], size: int, images: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Which candidate answers for which face.

        In the cells that answer for the face, these are the anchor most alike in shape and every
        other one whose IoU is above MATCH_IOU. If two faces want one candidate, the one whose own
        cell it is in gets it, or else the later one.

        Returns
        -------
        For every triple of one of K cells, a face and an anchor, (K * F * A,): the face, the
        candidate as its place in the flattened ``(image, row, column, anchor)``, and whether it
        answers for the face.
        """
        boxes, anchors = batch["boxes"], len(self.anchors)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centre >= 0) & (centre < size * self.stride)).all(dim=1) & ~batch["ignore"]
        extent = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
        shared = torch.minimum(extent[:, None], self.anchors).prod(dim=2)
        alike = shared / (extent.prod(dim=1)[:, None] + self.anchors.prod(dim=1) - shared)
        best = alike.argmax(dim=1, keepdim=True)
        number = torch.arange(anchors, device=boxes.device)
        wanted = ((alike > MATCH_IOU) | (number == best)) & inside[:, None]
        cell, answering = self._cells(centre, size)
        answers = (answering[..., None] & wanted).flatten()
        cell = (batch["image_index"] * size + cell[..., 1]) * size + cell[..., 0]
        candidate = (cell[..., None] * anchors + number).flatten()
        order = torch.arange(len(candidate), device=boxes.device)
        claims = torch.where(answers, order, -1)
        last = torch.full((images * size * size * anchors,), -1, device=boxes.device)
        last = last.scatter_reduce(0, candidate, claims, "amax")
        face = order // anchors % max(len(boxes), 1)
        return face, candidate, answers & (last[candidate] == order)

    def _cells(self, centre: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The K cells of each face that may answer for it, and whether they do.

        If cells reach beyond themselves, these are the nearest one in y, the nearest in x, and the
        one with the face's centre; the last comes last, so that others do not take it away.

        Parameters
        ----------
        centre : (F, 2), of the faces, input px

        Returns
        -------
        The column and row of each, (K, F, 2), and whether it answers, (K, F).
        """
        place = centre / self.stride
        own = place.long().clamp(0, size - 1)
        if self.cell_range == 1:
            return own[None], torch.ones_like(own[None, :, 0], dtype=torch.bool)
        aside = place - own - 0.5  # of the cell's middle, x and y
        beside = (
            torch.where(aside < 0, -1, 1)[None]
            * torch.eye(2, dtype=own.dtype, device=own.device).flip(0)[:, None]
        )
        others = own + beside
        apart = (0.5 - aside.abs()).T.flip(0)
        answers = (apart < NEIGHBOUR * (self.cell_range - 1) / 2) & (
            (others >= 0) & (others < size)
        ).all(dim=2)
        cells = torch.cat([others.clamp(0, size - 1), own[None]])
        return cells, torch.cat([answers, torch.ones_like(answers[:1])])

    def _objectness(
        self,
        logits: Tensor,
        boxes: Tensor,
        batch: dict[str, Tensor],
        candidate: Tensor,
        answers: Tensor,
        iou: Tensor,
    ) -> Tensor:
        """The summed cross-entropy; candidates near a face that others answer for do not count."""
        # the last row is what -1 finds: nobody, far away
        faces = nn.functional.pad(batch["boxes"], (0, 0, 0, 1), value=FAR)[batch["faces_of_image"]]
        hidden = nn.functional.pad(batch["ignore"], (0, 1))[batch["faces_of_image"]]
        boxes = boxes.reshape(len(faces), -1, 4)
        near = (pairwise_iou(corners(boxes), faces) > IGNORE_IOU).any(dim=2)
        centre = boxes[:, :, None, :2]
        within = (centre >= faces[:, None, :, :2]) & (centre <= faces[:, None, :, 2:])
        spared = near | (within.all(dim=3) & hidden[:, None]).any(dim=2)
        # pairs that do not answer write to one more place, which is left out
        place = torch.where(answers, candidate, len(logits))
        target = logits.new_zeros(len(logits) + 1)
        target = target.index_copy(0, place, iou.detach().clamp(0, 1).to(target.dtype))[:-1]
        weight = nn.functional.pad((~spared).flatten().to(logits.dtype), (0, 1))
        weight = weight.index_fill(0, place, 1.0)[:-1]
        return nn.functional.binary_cross_entropy_with_logits(
            logits, target, weight=weight, reduction="sum"
        )


def shares(weights: Tensor, group: Tensor, groups: int) -> Tensor:
    """Scale weights (F,) so that the sum of each group, numbered by ``group`` (F,), is the same.

    All weights sum to one, unless all are zero.
    """
    sums = weights.new_zeros(groups).index_add(0, group, weights)
    return weights / sums[group].clamp(min=1e-12) / (sums > 0).sum().clamp(min=1)
