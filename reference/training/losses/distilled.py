"""Learning from a larger network, which looks at the same views."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from edgeface.reference.geometry.boxes import corners, decode_boxes, generalised_iou
from edgeface.reference.geometry.morphable import unit_quaternion
from edgeface.reference.training.losses.faces import (
    LID_WEIGHT,
    decay,
    lid_error,
    root_mean_square,
)
from edgeface.reference.training.losses.grid import (
    BLUR,
    BOX_WEIGHT,
    LANDMARK_WEIGHT,
    SHAPE_IOU,
    GridLoss,
    shares,
)
from edgeface.reference.training.views.plan import Batch

LARGER = "larger_"
"""What the names of the larger network's outputs begin with in a batch."""
SURE = 0.5
"""The least score at which the larger network's boxes and shapes are followed."""
MOST = 32
"""The number of candidates of a view whose boxes and shapes are compared, the surest ones."""


class DistilledLoss(nn.Module):
    """The loss of whole images by their labels, plus the distance from a larger network's outputs.

    Parameters
    ----------
    labels : the loss by labels; it alone is left of a batch that the larger network did not see
    weight : the weight of the distance

    Notes
    -----
    The distance is made of the terms of `GridLoss`, and the larger network's outputs take the place
    of labels: everywhere for objectness, whose least possible value is subtracted; for boxes and
    shapes only at the `MOST` surest candidates of a view, by its score. So it tells also of faces
    that have no labels.
    """

    def __init__(self, labels: GridLoss, weight: float) -> None:
        super().__init__()
        self.labels, self.weight = labels, weight

    def forward(
        self, outputs: tuple[Tensor, ...], batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the raw branches, and its parts for the log (see `GridLoss`)."""
        total, parts = self.labels(outputs, batch, epoch)
        larger = tuple(v for name, v in batch.items() if name.startswith(LARGER))
        if not larger:
            return total, parts
        distance = self.distance(outputs, larger, epoch)
        return total + self.weight * distance, parts | {"distance": distance.detach()}

    def distance(
        self, outputs: tuple[Tensor, ...], larger: tuple[Tensor, ...], epoch: int
    ) -> Tensor:
        """How far raw branches (B, S, S, A * n) are from the larger network's."""
        images, size = outputs[0].shape[:2]
        anchors, stride = self.labels.anchors, self.labels.stride
        cell_range = self.labels.cell_range
        mine, theirs = (
            [branch.reshape(images, size * size * len(anchors), -1) for branch in branches]
            for branches in (outputs, larger)
        )
        logits = theirs[0][..., 4]
        scores = torch.sigmoid(logits)
        apart = binary_cross_entropy_with_logits(mine[0][..., 4], scores, reduction="sum")
        least = binary_cross_entropy_with_logits(logits, scores, reduction="sum")

        place = logits.topk(min(MOST, logits.shape[1]), dim=1).indices[..., None]
        sure = scores.take_along_dim(place[..., 0], 1).flatten()
        sure = torch.where(sure > SURE, sure, 0.0)
        own, target = (
            decode_boxes(
                b[0].reshape(images, size, size, len(anchors), -1), anchors, stride, cell_range
            )
            .reshape(images, -1, 4).take_along_dim(place, 1).flatten(0, 1)
            for b in (mine, theirs)
        )  # fmt: skip
        iou, giou = generalised_iou(corners(own), corners(target))
        count = sure.sum().clamp(min=1)

        raw, truth = (
            [branch.take_along_dim(place, 1).flatten(0, 1) for branch in b[1:]]
            for b in (mine, theirs)
        )
        longer = target[:, 2:].amax(dim=1)
        points = self.labels.place(own, *raw) - self.labels.place(target, *truth)
        landmarks = root_mean_square(points) + LID_WEIGHT * lid_error(points)
        identity, expression, pose = raw
        terms = self.labels.face.coefficients(identity, expression, pose, _as_labels(*truth))
        each = decay(epoch) * terms + LANDMARK_WEIGHT * landmarks / longer
        view = torch.arange(images, device=place.device).repeat_interleave(place.shape[1])
        near = torch.where(iou.detach() > SHAPE_IOU, sure, 0.0)
        weight = shares(near * longer / (longer + BLUR), view, images)
        boxes = (sure * (1 - giou)).sum()
        return (apart - least + BOX_WEIGHT * boxes) / count + (weight * each).sum()


def _as_labels(identity: Tensor, expression: Tensor, pose: Tensor) -> dict[str, Tensor]:
    return {
        "identity": identity,
        "expression": torch.sigmoid(expression),
        "quaternion": unit_quaternion(pose[:, :4]),
    }
