"""Values of vertices at each pixel, and vertex normals, both differentiable."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edgeface.reference.personal.render import loops
from edgeface.reference.personal.render.threads import on_own_threads


def interpolate(
    points: Tensor, triangles: Tensor, index: Tensor, values: Tensor, corners: Tensor | None = None
) -> Tensor:
    """Perspective-correct interpolation of vertex values over the image.

    Parameters
    ----------
    points : float, shape (B, V, 3); x and y in image_px, depth along the camera's axis
    triangles : int32, shape (T, 3)
    index : int32, shape (B, H, W); from `visible_triangles`
    values : float, shape (B, U, C) or (1, U, C), of the points' dtype
    corners : int32, shape (T, 3), the values of each triangle's corners where they are not those of
        its vertices (U = V)

    Returns
    -------
    float, shape (B, H, W, C); 0 where no triangle is

    Notes
    -----
    ``b_i = (e_i / z_i) / sum_j (e_j / z_j)``, ``e_i`` twice the signed area between the pixel's
    centre and the side opposite to corner i. Points and values have gradients; which triangle a
    pixel shows has none.
    """
    corners = triangles if corners is None else corners
    values = values.expand(len(points), -1, -1)
    if points.device.type == "cpu":
        return _Interpolation.apply(points, values, triangles, index, corners)  # type: ignore[no-any-return]
    return gathered(points, triangles, index, values, corners)


class _Interpolation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: Tensor, values: Tensor, triangles: Tensor, index: Tensor, corners: Tensor
    ) -> Tensor:
        ctx.save_for_backward(points, values, triangles, index, corners)
        arrays = (
            t.detach().contiguous().numpy() for t in (points, triangles, index, values, corners)
        )
        return torch.from_numpy(on_own_threads(loops.interpolate, *arrays))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        points, values, triangles, index, corners = ctx.saved_tensors
        tensors = (points, triangles, index, values, corners, gradients[0])
        arrays = (t.detach().contiguous().numpy() for t in tensors)
        by_points, by_values = on_own_threads(loops.interpolate_backward, *arrays)
        return torch.from_numpy(by_points), torch.from_numpy(by_values), None, None, None


def gathered(
    points: Tensor, triangles: Tensor, index: Tensor, values: Tensor, corners: Tensor
) -> Tensor:
    """`interpolate` by whole-array operations, for devices without our loops."""
    num_images, height, width = index.shape
    covered = index >= 0
    shown = index.clamp(min=0).long()
    image = torch.arange(num_images, device=points.device)[:, None, None, None]
    corner = points[image, triangles.long()[shown]]
    rows = torch.arange(height, device=points.device, dtype=points.dtype) + 0.5
    columns = torch.arange(width, device=points.device, dtype=points.dtype) + 0.5
    x = corner[..., 0] - columns[None, None, :, None]
    y = corner[..., 1] - rows[None, :, None, None]
    sides = x.roll(-1, -1) * y.roll(-2, -1) - y.roll(-1, -1) * x.roll(-2, -1)
    q = torch.where(covered[..., None], sides / corner[..., 2], 1.0)
    weights = q / q.sum(-1, keepdim=True)
    mixed = (weights[..., None] * values[image, corners.long()[shown]]).sum(-2)
    return torch.where(covered[..., None], mixed, 0.0)


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals at the vertices: the adjoining triangles' cross products, summed.

    Parameters
    ----------
    vertices : float, shape (B, V, 3); triangles : int32, shape (T, 3)

    Returns
    -------
    float, shape (B, V, 3); outward where corners run counter-clockwise seen from outside
    """
    if vertices.device.type == "cpu":
        sums = _NormalSums.apply(vertices, triangles)
    else:
        corner = vertices[:, triangles.long()]
        cross = torch.linalg.cross(
            corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0]
        )
        sums = torch.zeros_like(vertices)
        for c in range(3):
            sums = sums.index_add(1, triangles[:, c].long(), cross)
    return torch.nn.functional.normalize(sums, dim=-1, eps=1e-12)


class _NormalSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, triangles: Tensor) -> Tensor:
        ctx.save_for_backward(vertices, triangles)
        sums = on_own_threads(
            loops.normals, vertices.detach().contiguous().numpy(), triangles.numpy()
        )
        return torch.from_numpy(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vertices, triangles = ctx.saved_tensors
        arrays = (t.detach().contiguous().numpy() for t in (vertices, triangles, gradients[0]))
        return torch.from_numpy(on_own_threads(loops.normals_backward, *arrays)), None
