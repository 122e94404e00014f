"""The loss over unified landmarks (Wang et al. 2019, Eq. 1)."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import FaceModel
from edgeface.reference.conventions import UnifiedLandmarks
from edgeface.reference.geometry.harmonics import manifold_harmonics
from edgeface.reference.geometry.morphable import Decoder

LANDMARK_WEIGHT = 10.0
"""The weight of distances in ``face_norm``, as in the other networks' losses."""
IDENTITY_WEIGHT = 2e-4
MEAN_WEIGHT = 1.0  # of the squared deviation of the mean's own weight from 1
EXPRESSION_WEIGHT = 1e-3
CORRECTION_WEIGHT = 0.3
"""It is large beside that of identities, since the correction is for what they cannot reach."""
DEPTH_WEIGHT = 5.0  # of the teacher's depth, where a face has it
TEACHER_WEIGHT = 1.0  # of the teacher's expressions, where a face has them


class UnifiedLoss(nn.Module):
    """Eq. 1 for the raw outputs of F faces.

    Notes
    -----
    Deviations: a landmark counts by its distance and not by the square, whose pull fades as errors
    get small. Expression coefficients also follow the teacher's where there are any, so that they
    keep the meaning of their names. So does the depth of the mesh, which 2D points do not tell.
    Identities are in standard deviations, so their W is 1. The W of a correction is its harmonic's
    eigenvalue, the energy of a smooth field; that of the constant, which is 0, is replaced by the
    next one.

    Parameters
    ----------
    corrects : whether the correction learns; if not, it gets no gradient and stays what it is
    """

    energy: Tensor

    def __init__(
        self, model: FaceModel, landmarks: UnifiedLandmarks, corrects: bool = True
    ) -> None:
        super().__init__()
        self.corrects = corrects
        self.decoder = Decoder(model, landmarks.vertices, landmarks.weights)
        assert model.harmonics is not None
        values = manifold_harmonics(model.mean, model.triangles, model.harmonics.shape[1])[0]
        values[0] = values[1]
        energy = torch.from_numpy(values).float().repeat_interleave(3)
        self.register_buffer("energy", energy, persistent=False)

    def forward(
        self, outputs: tuple[Tensor, ...], target: dict[str, Tensor], epoch: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of raw outputs (F, 50), (F, 46), (F, 60), (F, 6); points are in ``face_norm``.

        The weights of the terms are the same in every ``epoch``.
        """
        identity, expression, correction, pose = outputs
        if not self.corrects:
            correction = correction.detach()
        placed = self.decoder.posed(identity, expression, correction, pose)
        distance = ((placed[..., :2] - target["points"]).square().sum(dim=2) + 1e-8).sqrt()
        landmarks = (target["weights"] * distance).sum(dim=1).mean()
        seen = torch.sigmoid(expression)
        taught = torch.isfinite(target["expression"])
        apart = torch.where(taught, seen - torch.nan_to_num(target["expression"]), 0.0).abs()
        teacher = apart.sum() / taught.sum().clamp(min=1)
        depth = apart_in_depth(placed[..., 2], target["depth"])
        tidy = (
            IDENTITY_WEIGHT * identity[:, 1:].square().sum(dim=1)
            + MEAN_WEIGHT * (identity[:, 0] - 1).square()
            + EXPRESSION_WEIGHT * seen.square().sum(dim=1)
            + CORRECTION_WEIGHT * (self.energy * correction.square()).sum(dim=1)
        ).mean()
        total = LANDMARK_WEIGHT * landmarks + DEPTH_WEIGHT * depth + TEACHER_WEIGHT * teacher + tidy
        return total, {
            "landmarks": landmarks.detach(),
            "depth": depth.detach(),
            "teacher": teacher.detach(),
            "tidy": tidy.detach(),
        }


def apart_in_depth(depth: Tensor, target: Tensor) -> Tensor:
    """The mean distance in depth of points (F, L) from targets, which may be NaN.

    Depth has no origin in an image, so the mean over a face's known points is subtracted.
    """
    known = torch.isfinite(target)
    count = known.sum(dim=1, keepdim=True).clamp(min=1)
    apart = torch.where(known, depth - torch.nan_to_num(target), 0.0)
    centred = torch.where(known, apart - apart.sum(dim=1, keepdim=True) / count, 0.0)
    per_face = centred.abs().sum(dim=1, keepdim=True) / count
    return per_face.sum() / known.any(dim=1).sum().clamp(min=1)
