"""The 3DMM and its projection in torch (2019, Eqs. 1 and 2)."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY, NUM_LANDMARKS, FaceModel
from edgeface.types import FloatArray, IntArray


class MorphableModel(nn.Module):
    """The face model as a module that turns raw network outputs into landmarks."""

    tensor: Tensor
    flip: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        tensor = torch.from_numpy(model.reduced)
        # expression first, so that one product contracts it for all faces
        flat = tensor.permute(2, 0, 1).reshape(NUM_EXPRESSIONS + 1, -1)
        self.register_buffer("tensor", flat.contiguous(), persistent=False)
        self.register_buffer("flip", torch.tensor([1.0, -1.0]), persistent=False)

    def landmarks(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Landmarks (F, 68, 3), ``model``, of identity (F, 50) and expression (F, 46) in [0, 1]."""
        neutral = 1.0 - expression.sum(dim=1, keepdim=True)
        weights = torch.cat([neutral, expression], dim=1)
        per_identity = (weights @ self.tensor).reshape(-1, 3 * NUM_LANDMARKS, NUM_IDENTITY)
        return torch.einsum("fri,fi->fr", per_identity, identity).reshape(-1, NUM_LANDMARKS, 3)

    def project(self, identity: Tensor, expression_logits: Tensor, pose: Tensor) -> Tensor:
        """Landmarks (F, 68, 2) in ``face_norm`` of the raw outputs of F faces.

        ``pose`` (F, 8) holds quaternion, translation and the logit of the scale.
        """
        shape = self.landmarks(identity, torch.sigmoid(expression_logits))
        rotation = quaternion_to_rotation(unit_quaternion(pose[:, :4]))
        turned = torch.einsum("fij,flj->fli", rotation, shape) + pose[:, None, 4:7]
        focal = torch.sigmoid(pose[:, 7])[:, None, None]
        return focal * turned[..., :2] * self.flip


class Decoder(nn.Module):
    """Places points of the face by a fusion network's outputs (Wang et al. 2019, Secs. 3.1, 3.2).

    Parameters
    ----------
    model : a face model with harmonics
    vertices : int, shape (L, K); weights : float, shape (L, K)
        Each of the L points is the weighted sum of K vertices of the face model.
    """

    identity: Tensor
    expression: Tensor
    harmonics: Tensor

    def __init__(self, model: FaceModel, vertices: IntArray, weights: FloatArray) -> None:
        super().__init__()
        assert model.harmonics is not None
        at = torch.from_numpy(vertices).long()
        weight = torch.from_numpy(weights)

        def points(basis: FloatArray) -> Tensor:  # (..., V, C) to (..., L, C)
            return torch.einsum("...lkc,lk->...lc", torch.from_numpy(basis)[..., at, :], weight)

        self.register_buffer("identity", points(model.identity), persistent=False)
        self.register_buffer("expression", points(model.expression), persistent=False)
        self.register_buffer("harmonics", points(model.harmonics), persistent=False)

    def shape(self, identity: Tensor, expression: Tensor, correction: Tensor) -> Tensor:
        """Points (F, L, 3), ``model``, of coefficients (F, 50), (F, 46) in [0, 1] and (F, 60)."""
        faces = torch.tensordot(identity, self.identity, dims=1)
        if self.expression.ndim == 3:
            faces = faces + identity[:, :1, None] * torch.tensordot(
                expression, self.expression, dims=1
            )
        else:
            faces = faces + torch.einsum("fi,fk,iklc->flc", identity, expression, self.expression)
        return faces + self.harmonics @ correction.unflatten(1, (-1, 3))

    def project(
        self, identity: Tensor, expression_logits: Tensor, correction: Tensor, pose: Tensor
    ) -> Tensor:
        """Points (F, L, 2) in ``face_norm`` of the raw outputs of F faces.

        ``pose`` (F, 6) holds the logit of the scale, the rotation vector, and the translation in
        ``face_norm``: ``S_T = s S R^T + [t, 0]`` with y turned down.
        """
        return self.posed(identity, expression_logits, correction, pose)[..., :2]

    def posed(
        self, identity: Tensor, expression_logits: Tensor, correction: Tensor, pose: Tensor
    ) -> Tensor:
        """`project` with depth, (F, L, 3)."""
        shape = self.shape(identity, torch.sigmoid(expression_logits), correction)
        turned = shape @ self.rotation(pose).transpose(1, 2)
        placed = self.scale(pose)[:, None] * turned * turned.new_tensor([1.0, -1.0, -1.0])
        return placed + nn.functional.pad(pose[:, None, 4:], (0, 1))

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        """The heads' rotations, (F, 3, 3)."""
        return quaternion_to_rotation(quaternion_from_vector(pose[:, 1:4]))

    @staticmethod
    def scale(pose: Tensor) -> Tensor:
        """The length of a model unit in ``face_norm``, (F, 1)."""
        return torch.sigmoid(pose[:, :1])


def quaternion_from_vector(vector: Tensor) -> Tensor:
    """Unit quaternions (F, 4) of rotation vectors (F, 3) in rad: the exponential map of SO(3)."""
    angle = (vector.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
    return torch.cat([torch.cos(angle / 2), torch.sin(angle / 2) / angle * vector], dim=1)


def unit_quaternion(raw: Tensor) -> Tensor:
    """Raw quaternions (F, 4) scaled to length 1, with w >= 0."""
    unit = nn.functional.normalize(raw, dim=1, eps=1e-6)
    return torch.where(unit[:, :1] < 0, -unit, unit)


def quaternion_to_rotation(q: Tensor) -> Tensor:
    """Rotation matrices (F, 3, 3) of unit quaternions (F, 4), (w, x, y, z)."""
    w, x, y, z = q.unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)
