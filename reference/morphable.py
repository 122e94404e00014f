"""The 3DMM and its projection in torch (2019, Eqs. 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY, NUM_LANDMARKS, FaceModel


class MorphableModel(nn.Module):
    """Landmarks of raw network outputs.

    Parameters
    ----------
    model : FaceModel
    """

    tensor: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        tensor = torch.from_numpy(model.reduced)
        # expression first, so that one product contracts it for all faces
        flat = tensor.permute(2, 0, 1).reshape(NUM_EXPRESSIONS + 1, -1)
        self.register_buffer("tensor", flat.contiguous(), persistent=False)

    def landmarks(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Identity (F, 50) and expression (F, 46) in [0, 1] to (F, 68, 3), ``model`` frame."""
        neutral = 1.0 - expression.sum(dim=1, keepdim=True)
        weights = torch.cat([neutral, expression], dim=1)
        per_identity = (weights @ self.tensor).reshape(-1, 3 * NUM_LANDMARKS, NUM_IDENTITY)
        return torch.einsum("fri,fi->fr", per_identity, identity).reshape(-1, NUM_LANDMARKS, 3)

    def project(self, identity: Tensor, expression_logits: Tensor, pose: Tensor) -> Tensor:
        """Raw outputs of F faces to landmarks (F, 68, 2) in ``face_norm``.

        ``pose`` (F, 8) holds quaternion, translation and the logit of the scale.
        """
        shape = self.landmarks(identity, torch.sigmoid(expression_logits))
        rotation = quaternion_to_rotation(unit_quaternion(pose[:, :4]))
        turned = torch.einsum("fij,flj->fli", rotation, shape) + pose[:, None, 4:7]
        focal = torch.sigmoid(pose[:, 7])[:, None, None]
        return focal * turned[..., :2] * turned.new_tensor([1.0, -1.0])


def unit_quaternion(raw: Tensor) -> Tensor:
    """Raw quaternions (F, 4) scaled to length 1, with w >= 0."""
    unit = nn.functional.normalize(raw, dim=1, eps=1e-6)
    return torch.where(unit[:, :1] < 0, -unit, unit)


def quaternion_to_rotation(q: Tensor) -> Tensor:
    """Unit quaternions (F, 4) as (w, x, y, z) to rotation matrices (F, 3, 3)."""
    w, x, y, z = q.unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)
