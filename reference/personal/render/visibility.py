"""Which triangle each pixel shows."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import torch
from torch import Tensor

from edgeface.reference.personal.render import loops
from edgeface.reference.personal.render.threads import on_own_threads


def visible_triangles(points: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """The front triangle at each pixel's centre, or -1; without a gradient.

    Parameters
    ----------
    points : float, shape (B, V, 3); x and y in image_px, depth along the camera's axis
    triangles : int32, shape (T, 3); counter-clockwise where they show their front
    size : height and width of the image, px

    Returns
    -------
    int32, shape (B, height, width)
    """
    points = points.detach().float()
    if points.device.type == "cpu":
        index = on_own_threads(
            loops.rasterise, points.contiguous().numpy(), triangles.numpy(), *size
        )
        return torch.from_numpy(index)
    return torch.stack([sorted_by_depth(p, triangles, size) for p in points])


def sorted_by_depth(points: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """`visible_triangles` of one image by whole-array operations, for devices without our loops.

    Every triangle lists the pixels of its bounding box; those that it covers compete by the
    nearness ``1 / depth`` for their pixel.
    """
    height, width = size
    corners = points[triangles.long()]
    x, y, depth = corners.unbind(-1)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    low_x = (x.amin(1) - 0.5).ceil().clamp(0, width).long()
    high_x = (x.amax(1) - 0.5).floor().clamp(-1, width - 1).long()
    low_y = (y.amin(1) - 0.5).ceil().clamp(0, height).long()
    high_y = (y.amax(1) - 0.5).floor().clamp(-1, height - 1).long()
    columns = (high_x - low_x + 1).clamp(min=0)
    count = columns * (high_y - low_y + 1).clamp(min=0)
    count = torch.where((area < 0) & (depth > loops.NEAR).all(1), count, 0)
    owner = torch.repeat_interleave(torch.arange(len(triangles), device=points.device), count)
    first = count.cumsum(0) - count
    place = torch.arange(len(owner), device=points.device) - first[owner]
    column = low_x[owner] + place % columns[owner]
    row = low_y[owner] + place // columns[owner]
    sides = _sides(x[owner], y[owner], column + 0.5, row + 0.5)
    nearness = (sides / depth[owner]).sum(1) / area[owner]
    covered = (sides <= 0).all(1)
    pixel = torch.where(covered, row * width + column, height * width)
    nearest = nearness.new_zeros(height * width + 1).scatter_reduce(0, pixel, nearness, "amax")
    wins = covered & (nearness == nearest[pixel])
    none = len(triangles)
    index = torch.full_like(nearest, none, dtype=torch.int32)
    index.scatter_reduce_(0, torch.where(wins, pixel, height * width), owner.int(), "amin")
    index = index[:-1].reshape(height, width)
    return torch.where(index == none, -1, index)


def _sides(x: Tensor, y: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """Twice the signed areas of a point and each opposite side, shape (N, 3)."""
    dx, dy = x - px[:, None], y - py[:, None]
    return dx.roll(-1, 1) * dy.roll(-2, 1) - dy.roll(-1, 1) * dx.roll(-2, 1)
