"""The loss of single faces (2019, Eq. 3), and the loss of copies that must agree."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import FaceModel
from edgeface.reference.geometry.morphable import MorphableModel, unit_quaternion

LANDMARK_WEIGHT = 10.0
"""The weight of the landmark RMSE in ``face_norm``, which tau's terms would drown otherwise."""
LID_WEIGHT = 1.0
"""The weight of the lids' distance beside the landmark RMSE."""
GAZE_WEIGHT = 3.0
"""The weight of the eyes' mean error, rad."""
MIN_TAU = 0.5
"""The least value of Eq. 3's tau = 10/epoch: expressions need a teacher to the end."""


def decay(epoch: int) -> float:
    """Eq. 3's tau for a 0-based epoch."""
    return max(10.0 / (epoch + 1), MIN_TAU)


class FaceLoss(nn.Module):
    """Eq. 3 for faces whose raw outputs are given a row each.

    It is ``tau * (|w_id| / 50 + |w_exp| / 46 + |q| / 4) + RMSE(landmarks) + |lids|``, averaged over
    faces.

    Notes
    -----
    Deviations: identity coefficients are in standard deviations here, so each is weighed by its
    mode's size relative to the largest. The distance of the lids has a term of its own, since eight
    of 68 landmarks that shut by a tenth of an eye hardly move the RMSE. See also LANDMARK_WEIGHT
    and MIN_TAU.
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
        """The terms that tau multiplies, (F,)."""
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
        """The loss of raw outputs (F, 50), (F, 46), (F, 8); landmarks are in ``face_norm``."""
        points = self.morphable.project(identity, expression, pose)
        apart = points - target["landmarks"]
        rmse, lids = root_mean_square(apart), lid_error(apart)
        terms = self.coefficients(identity, expression, pose, target)
        total = (decay(epoch) * terms + LANDMARK_WEIGHT * (rmse + LID_WEIGHT * lids)).mean()
        return total, {
            "landmarks": rmse.mean().detach(),
            "lids": lids.mean().detach(),
            "coefficients": terms.mean().detach(),
        }


def disagreement(
    loss: FaceLoss, outputs: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]
) -> Tensor:
    """How far copies of a face differ in what they share, a scalar.

    The last rows of ``outputs`` are copies of the rows ``copy_of``. All copies have the same
    identity; those that only ``moved`` have the same expression, the others the same pose (2019,
    Sec. 3.2).
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
    """The RMS length (F,) of differences (F, L, 2)."""
    return (difference.square().sum(dim=2).mean(dim=1) + 1e-8).sqrt()


def lid_error(difference: Tensor) -> Tensor:
    """The mean error (F,) of where the upper lids are relative to the lower ones.

    ``difference`` (F, 68, 2) is predicted minus true landmarks.
    """
    right = difference[:, 37:39] - difference[:, 40:42].flip(dims=[1])
    left = difference[:, 43:45] - difference[:, 46:48].flip(dims=[1])
    gaps = torch.cat([right, left], dim=1)
    return (gaps.square().sum(dim=2) + 1e-10).sqrt().mean(dim=1)


def gaze_error(predicted: Tensor, target: Tensor) -> Tensor:
    """The mean length of what eyes' pitches and yaws (F, 4), rad, are off, over those known."""
    off = (predicted - target).reshape(-1, 2)
    known = torch.isfinite(off).all(dim=1)
    length = (torch.where(known[:, None], off, 0.0).square().sum(dim=1) + 1e-6).sqrt()
    return (length * known).sum() / known.sum().clamp(min=1)


class CropLoss(nn.Module):
    """`FaceLoss` of a batch of crops, plus the `disagreement` of the copies in it, and the gaze.

    Parameters
    ----------
    disentangle : the weight of the disagreement
    """

    def __init__(self, model: FaceModel, disentangle: float) -> None:
        super().__init__()
        self.face, self.disentangle = FaceLoss(model), disentangle

    def forward(
        self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor], epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of raw identity, expression, pose and perhaps gaze; each row is a crop."""
        identity, expression, pose, *gaze = outputs
        total, parts = self.face(identity, expression, pose, batch, epoch)
        if "copy_of" in batch:
            apart = disagreement(self.face, (identity, expression, pose), batch)
            total = total + self.disentangle * apart
            parts["disagreement"] = apart.detach()
        if gaze:
            off = gaze_error(gaze[0], batch["gaze"])
            total = total + GAZE_WEIGHT * off
            parts["gaze"] = off.detach()
        return total, parts
