"""Drawing triangles by casting a ray through each pixel's centre (Moeller and Trumbore 1997)."""

from __future__ import annotations

import numpy as np


def cast(vertices, triangles, size, focal):
    """Front triangle (H, W), -1 for none, and its corners' weights (H, W, 3) at each pixel.

    The camera is in the origin and looks along z; x right, y down; the principal point is the
    middle. Triangles whose corners do not run counter-clockwise, as seen, are left out.
    """
    height, width = size
    index = np.full(size, -1)
    weights = np.zeros((*size, 3))
    for row in range(height):
        for column in range(width):
            ray = np.array(
                [(column + 0.5 - width / 2) / focal, (row + 0.5 - height / 2) / focal, 1.0]
            )
            nearest = np.inf
            for t, (i, j, k) in enumerate(triangles):
                a, b, c = vertices[i], vertices[j], vertices[k]
                normal = np.cross(b - a, c - a)
                if normal @ ray >= 0:
                    continue
                u, v, distance = np.linalg.solve(np.stack([a - b, a - c, ray], axis=1), a)
                if u >= 0 and v >= 0 and u + v <= 1 and 0 < distance < nearest:
                    nearest = distance
                    index[row, column] = t
                    weights[row, column] = 1 - u - v, u, v
    return index, weights
