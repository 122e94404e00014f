"""Which triangle of a mesh each pixel shows."""

from __future__ import annotations

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.types import Float64Array, FloatArray, IntArray


def rasterise(
    points: FloatArray,
    triangles: IntArray,
    size: tuple[int, int],
    engine: Engine = "numpy",
) -> tuple[IntArray, Float64Array]:
    """The front triangle at each pixel's centre, and where in it the centre lies.

    Parameters
    ----------
    points : float, shape (V, 3), image_px with depth, which grows away from the camera
    triangles : int32, shape (T, 3); corners run counter-clockwise where a triangle shows its front
        to someone who sees y point down, and those that show their back are left out
    size : the height and width of the image, px
    engine : "numba" or "numpy"; both give the same numbers

    Returns
    -------
    index : int32, shape (height, width); -1 where no triangle is
    weights : float64, shape (height, width, 3), of the triangle's corners; 0 where none is

    Raises
    ------
    ValueError
        If shapes or indices do not fit, or a point is not finite.

    Notes
    -----
    The projection is parallel, so values are linear on the screen: with ``e_i`` twice the signed
    area of the pixel's centre and the side opposite to corner i, the weights are ``e_i / sum e``.
    Of two triangles the nearer wins, at equal depths the earlier.
    """
    places = np.ascontiguousarray(points, np.float64)
    corners = np.ascontiguousarray(triangles, np.int32)
    if places.ndim != 2 or places.shape[1] != 3 or not np.isfinite(places).all():
        raise ValueError(f"points must be finite, of the shape (V, 3), got {places.shape}")
    if corners.ndim != 2 or corners.shape[1] != 3:
        raise ValueError(f"triangles must have the shape (T, 3), got {corners.shape}")
    if corners.size and not 0 <= corners.min() <= corners.max() < len(places):
        raise ValueError(f"triangles point outside the {len(places)} points")
    height, width = size
    if min(height, width) < 1:
        raise ValueError(f"expected a size of at least one pixel, got {size}")
    if engine == "numpy":
        return rasterise_numpy(places, corners, height, width)
    index = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3))
    depth = np.full((height, width), np.inf)
    loops("rasterise").rasterise_loops(places, corners, index, weights, depth)
    return index, weights


def rasterise_numpy(
    points: Float64Array, triangles: IntArray, height: int, width: int
) -> tuple[IntArray, Float64Array]:
    """Every triangle lists the pixels of its bounding box; those that it covers compete."""
    index = np.full(height * width, -1, np.int32)
    weights = np.zeros((height * width, 3))
    x, y, z = np.moveaxis(points[triangles], 2, 0)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    left, right = _cells(x, width)
    top, bottom = _cells(y, height)
    columns = right - left + 1
    count = np.where((area < 0) & (columns > 0), columns * np.maximum(bottom - top + 1, 0), 0)
    owner = np.repeat(np.arange(len(triangles)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    column = left[owner] + place % np.maximum(columns[owner], 1)
    row = top[owner] + place // np.maximum(columns[owner], 1)
    dx, dy = x[owner] - (column + 0.5)[:, None], y[owner] - (row + 0.5)[:, None]
    sides = np.stack(
        [
            dx[:, 1] * dy[:, 2] - dy[:, 1] * dx[:, 2],
            dx[:, 2] * dy[:, 0] - dy[:, 2] * dx[:, 0],
            dx[:, 0] * dy[:, 1] - dy[:, 0] * dx[:, 1],
        ],
        axis=1,
    )
    inside = (sides <= 0).all(axis=1)
    owner, sides, pixel = owner[inside], sides[inside], (row * width + column)[inside]
    total = sides[:, 0] + sides[:, 1] + sides[:, 2]
    share = sides / total[:, None]
    depth = share[:, 0] * z[owner, 0] + share[:, 1] * z[owner, 1] + share[:, 2] * z[owner, 2]
    order = np.lexsort((owner, depth, pixel))
    first = order[np.unique(pixel[order], return_index=True)[1]]
    index[pixel[first]], weights[pixel[first]] = owner[first], share[first]
    return index.reshape(height, width), weights.reshape(height, width, 3)


def _cells(values: Float64Array, extent: int) -> tuple[IntArray, IntArray]:
    """The first and last pixel whose centre lies within each triangle's range, clipped."""
    first = np.ceil(values.min(axis=1) - 0.5).clip(0, extent)
    last = np.floor(values.max(axis=1) - 0.5).clip(-1, extent - 1)
    return first.astype(np.int64), last.astype(np.int64)
