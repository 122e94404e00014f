"""The losses of personalised models (2020, Sec. 3.4), each by itself; weights are the caller's."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

LIGHT_SIZE = 0.02
"""What the size of a light weighs beside its distance to a white one."""


def photometric_loss(image: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """Eq. 4: the mean over covered pixels of the colour difference's length, mean over images.

    Parameters
    ----------
    image, rendered : float, shape (B, H, W, 3), values in [0, 1]; mask : shape (B, H, W), in [0, 1]
    """
    return _masked_mean(_length(image - rendered), mask)


def image_gradient_loss(image: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """Eq. 4 on differences between neighbouring pixels, where both are covered."""
    difference = image - rendered
    right = difference[:, :, 1:] - difference[:, :, :-1]
    down = difference[:, 1:] - difference[:, :-1]
    return _masked_mean(_length(right), mask[:, :, 1:] * mask[:, :, :-1]) + _masked_mean(
        _length(down), mask[:, 1:] * mask[:, :-1]
    )


def parsing_loss(labels: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """Eq. 5: the length of the difference of two parsing maps, as `photometric_loss` takes means.

    ``L_pa = sum_n ||I_n^pa - R(S_n, n_n, T)||``

    Parameters
    ----------
    labels : float, shape (B, H, W, P), how much of each pixel is of each of P parts
    rendered : the same of the face: the template's map ``T`` of the parts, drawn by ``uv``
    mask : shape (B, H, W), in [0, 1]

    Notes
    -----
    The paper compares hard labels. Edges of hard labels have no gradient, so both maps are to be
    soft; see `soft_parts`.
    """
    return _masked_mean(_length(labels - rendered), mask)


def soft_parts(regions: Tensor, num_regions: int, spread: int) -> Tensor:
    """Labels (B, H, W), 0 for none, as soft maps (B, num_regions - 1, H, W).

    Each map is a part's share of what is labelled in squares of ``2 spread + 1``, twice, so that an
    edge between two parts is a slope that far to either side. An edge to nothing stays where it is,
    since it is where something was left out of the labels.
    """
    hard = torch.nn.functional.one_hot(regions.long(), num_regions)[..., 1:].permute(0, 3, 1, 2)
    soft = hard.float()
    for _ in range(2):
        soft = torch.nn.functional.avg_pool2d(soft, 2 * spread + 1, 1, spread)
    return soft / soft.sum(1, keepdim=True).clamp(min=1e-6)


def point_loss(predicted: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The mean squared distance of points (B, P, 2), px^2, under weights (P,) or (B, P)."""
    squared = (predicted - labels).square().sum(-1)
    weights = weights.expand_as(squared)
    return (squared * weights).sum() / weights.sum().clamp(min=1e-6)


def coefficient_loss(weights: Tensor) -> Tensor:
    """``L_reg^w``: the mean of coefficients (B, K) in [0, 1], which makes them sparse."""
    return weights.abs().mean()


def light_loss(light: Tensor) -> Tensor:
    """Eq. 8 of light (B, 9, 3): its distance to a white one, and its size by `LIGHT_SIZE`."""
    white = light.mean(dim=-1, keepdim=True)
    coloured = torch.linalg.vector_norm((light - white).flatten(1) + 1e-8, dim=1)
    return (coloured + LIGHT_SIZE * torch.linalg.vector_norm(light.flatten(1), dim=1)).mean()


def symmetry_loss(maps: Tensor, axis_flips: Tensor) -> Tensor:
    """How far maps (C, R, R) in UV differ from their mirror image; ``axis_flips`` (C,) is 1 or -1.

    The x of a mirrored shape changes its sign; colours, y and z do not.
    """
    mirrored = maps.flip(-1) * axis_flips[:, None, None]
    return (maps - mirrored).square().mean()


def total_variation(maps: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring texels of maps (..., R, R)."""
    right = (maps[..., 1:] - maps[..., :-1]).abs().mean()
    return right + (maps[..., 1:, :] - maps[..., :-1, :]).abs().mean()


def quadratic_form(form: Tensor, offsets: Tensor) -> Tensor:
    """``sum x' Q x`` over the columns of vertex offsets (..., V, 3), by a sparse form (V, V)."""
    columns = offsets.movedim(-2, 0).flatten(1)
    return (columns * (form @ columns)).sum()


def smoothness_form(triangles: NDArray[Any], num_vertices: int) -> Tensor:
    """The form of Eq. 6: squared differences over the edges of each vertex, mean over vertices."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    rows = np.arange(len(edges)).repeat(2)
    values = np.tile([1.0, -1.0], len(edges))
    shape = (len(edges), num_vertices)
    difference = scipy.sparse.csr_matrix((values, (rows, edges.ravel())), shape)
    # Eq. 6 visits every edge from both of its ends
    return _sparse(2 * difference.T @ difference / num_vertices)


def gradient_form(neutral: NDArray[Any], triangles: NDArray[Any]) -> Tensor:
    """The form of Eq. 7: squared changes of the deformation gradient, mean over triangles.

    The gradient of a mesh b with respect to a, in a triangle's plane, is the matrix that takes the
    sides of a's triangle to those of b's. It is linear in b, so what a correction of a blendshape
    changes is linear in the correction, and does not depend on the blendshape. The motion along the
    normal that Sumner and Popovic add is left out, since it follows from the sides.
    """
    corners = neutral[triangles].astype(np.float64)
    sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=-1)
    inverse = np.linalg.pinv(sides)  # (T, 2, 3)
    weights = np.stack([-inverse.sum(axis=1), inverse[:, 0], inverse[:, 1]], axis=-1)  # (T, 3, 3)
    num_triangles = len(triangles)
    rows = np.arange(3 * num_triangles).repeat(3)
    columns = np.repeat(triangles[:, None], 3, axis=1).ravel()
    shape = (3 * num_triangles, len(neutral))
    gradient = scipy.sparse.csr_matrix((weights.ravel(), (rows, columns)), shape)
    return _sparse(gradient.T @ gradient / num_triangles)


def _sparse(matrix: Any) -> Tensor:
    matrix = matrix.tocoo()
    places = torch.from_numpy(np.stack([matrix.row, matrix.col]).astype(np.int64))
    values = torch.from_numpy(matrix.data.astype(np.float32))
    return torch.sparse_coo_tensor(places, values, matrix.shape, check_invariants=True).coalesce()


def _length(colours: Tensor) -> Tensor:
    """Lengths of colours (..., 3); torch's own norm takes ten times as long over three values."""
    return (colours.square().sum(-1) + 1e-12).sqrt()


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over each image's mask, then over the images."""
    mask = mask.to(values.dtype)
    each = (values * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1.0)
    return each.mean()
