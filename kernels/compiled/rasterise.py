"""Loops of `edgeface.kernels.rasterise`."""

from __future__ import annotations

import math

from edgeface.kernels.jit import jit
from edgeface.kernels.types import Float64Array, IntArray


@jit
def rasterise_loops(
    points: Float64Array,
    triangles: IntArray,
    index: IntArray,
    weights: Float64Array,
    depth: Float64Array,
) -> None:
    """Fill ``index``, ``weights`` and ``depth``, which hold -1, 0 and infinity before."""
    height, width = index.shape
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = points[i, 0], points[i, 1], points[i, 2]
        x1, y1, z1 = points[j, 0], points[j, 1], points[j, 2]
        x2, y2, z2 = points[k, 0], points[k, 1], points[k, 2]
        if (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0) >= 0.0:
            continue
        left = int(min(max(math.ceil(min(x0, x1, x2) - 0.5), 0.0), width))
        right = int(min(max(math.floor(max(x0, x1, x2) - 0.5), -1.0), width - 1))
        top = int(min(max(math.ceil(min(y0, y1, y2) - 0.5), 0.0), height))
        bottom = int(min(max(math.floor(max(y0, y1, y2) - 0.5), -1.0), height - 1))
        for row in range(top, bottom + 1):
            y = row + 0.5
            for column in range(left, right + 1):
                x = column + 0.5
                e0 = (x1 - x) * (y2 - y) - (y1 - y) * (x2 - x)
                e1 = (x2 - x) * (y0 - y) - (y2 - y) * (x0 - x)
                e2 = (x0 - x) * (y1 - y) - (y0 - y) * (x1 - x)
                if e0 > 0.0 or e1 > 0.0 or e2 > 0.0:
                    continue
                total = e0 + e1 + e2
                b0, b1, b2 = e0 / total, e1 / total, e2 / total
                near = b0 * z0 + b1 * z1 + b2 * z2
                if near < depth[row, column]:
                    depth[row, column] = near
                    index[row, column] = t
                    weights[row, column, 0] = b0
                    weights[row, column, 1] = b1
                    weights[row, column, 2] = b2
