"""The renderer's inner loops, compiled by numba; images of a batch run side by side.

Points are (x, y, depth): x and y in image_px, depth the distance along the camera's axis.
"""

# numba, which compiles these functions, has no types; docstrings tell them
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportMissingTypeStubs=false

from __future__ import annotations

import numba
import numpy as np

NEAR = 1e-6
"""Triangles that reach nearer to the camera than this are not drawn."""


@numba.njit(parallel=True, cache=True)
def rasterise(points, triangles, height, width):
    """For each pixel's centre, the front triangle that covers it, or -1.

    Parameters
    ----------
    points : float32, shape (B, V, 3)
    triangles : int32, shape (T, 3); corners run counter-clockwise where a triangle shows its front,
        and those that show their back are left out

    Returns
    -------
    int32, shape (B, height, width)

    Notes
    -----
    Between two triangles the smaller depth wins, at equal depths the earlier triangle. Depth is
    interpolated as ``1 / depth``, which is linear on the screen.
    """
    num_images = points.shape[0]
    index = np.full((num_images, height, width), -1, np.int32)
    nearness = np.zeros((num_images, height, width), np.float32)
    for b in numba.prange(num_images):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0, z0 = points[b, i, 0], points[b, i, 1], points[b, i, 2]
            x1, y1, z1 = points[b, j, 0], points[b, j, 1], points[b, j, 2]
            x2, y2, z2 = points[b, k, 0], points[b, k, 1], points[b, k, 2]
            area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
            if not (area < 0.0 and z0 > NEAR and z1 > NEAR and z2 > NEAR):
                continue
            left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
            right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
            top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
            bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
            n0, n1, n2 = 1.0 / (area * z0), 1.0 / (area * z1), 1.0 / (area * z2)
            for row in range(top, bottom + 1):
                y = row + 0.5
                for column in range(left, right + 1):
                    x = column + 0.5
                    e0 = (x1 - x) * (y2 - y) - (y1 - y) * (x2 - x)
                    e1 = (x2 - x) * (y0 - y) - (y2 - y) * (x0 - x)
                    e2 = (x0 - x) * (y1 - y) - (y0 - y) * (x1 - x)
                    if e0 <= 0.0 and e1 <= 0.0 and e2 <= 0.0:
                        near = e0 * n0 + e1 * n1 + e2 * n2
                        if near > nearness[b, row, column]:
                            nearness[b, row, column] = near
                            index[b, row, column] = t
    return index


@numba.njit(parallel=True, cache=True)
def interpolate(points, triangles, index, values, corners):
    """Values of vertices at each pixel, with the perspective's weights.

    Parameters
    ----------
    points : float, shape (B, V, 3); triangles : int32, shape (T, 3)
    index : int32, shape (B, H, W); the triangle at each pixel, or -1
    values : float, shape (B, U, C); corners : int32, shape (T, 3), indices into ``values``

    Returns
    -------
    shape (B, H, W, C); 0 where no triangle is

    Notes
    -----
    With ``e_i`` twice the signed area of the pixel's centre and the side opposite to corner i, the
    weights are ``b_i = (e_i / z_i) / sum_j (e_j / z_j)``.
    """
    num_images, height, width = index.shape
    num_channels = values.shape[2]
    out = np.zeros((num_images, height, width, num_channels), values.dtype)
    for b in numba.prange(num_images):
        for row in range(height):
            y = row + 0.5
            for column in range(width):
                t = index[b, row, column]
                if t < 0:
                    continue
                x = column + 0.5
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                x0, y0 = points[b, i, 0] - x, points[b, i, 1] - y
                x1, y1 = points[b, j, 0] - x, points[b, j, 1] - y
                x2, y2 = points[b, k, 0] - x, points[b, k, 1] - y
                q0 = (x1 * y2 - y1 * x2) / points[b, i, 2]
                q1 = (x2 * y0 - y2 * x0) / points[b, j, 2]
                q2 = (x0 * y1 - y0 * x1) / points[b, k, 2]
                total = q0 + q1 + q2
                b0, b1, b2 = q0 / total, q1 / total, q2 / total
                u0, u1, u2 = corners[t, 0], corners[t, 1], corners[t, 2]
                for c in range(num_channels):
                    out[b, row, column, c] = (
                        b0 * values[b, u0, c] + b1 * values[b, u1, c] + b2 * values[b, u2, c]
                    )
    return out


@numba.njit(parallel=True, cache=True)
def interpolate_backward(points, triangles, index, values, corners, gradient):
    """Gradients of ``sum(gradient * interpolate(...))`` by ``points`` and ``values``.

    Notes
    -----
    With ``s_i`` the product of the pixel's gradient and corner i's values,
    ``dL/dq_i = (s_i - sum_j b_j s_j) / sum_j q_j`` where ``q_i = e_i / z_i``. Which triangle a
    pixel shows is held fixed, so silhouettes have no gradient (Genova et al. 2018).
    """
    num_images, height, width = index.shape
    num_channels = values.shape[2]
    by_points = np.zeros(points.shape, points.dtype)
    by_values = np.zeros(values.shape, values.dtype)
    for b in numba.prange(num_images):
        for row in range(height):
            y = row + 0.5
            for column in range(width):
                t = index[b, row, column]
                if t < 0:
                    continue
                x = column + 0.5
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                x0, y0, z0 = points[b, i, 0] - x, points[b, i, 1] - y, points[b, i, 2]
                x1, y1, z1 = points[b, j, 0] - x, points[b, j, 1] - y, points[b, j, 2]
                x2, y2, z2 = points[b, k, 0] - x, points[b, k, 1] - y, points[b, k, 2]
                q0 = (x1 * y2 - y1 * x2) / z0
                q1 = (x2 * y0 - y2 * x0) / z1
                q2 = (x0 * y1 - y0 * x1) / z2
                total = q0 + q1 + q2
                b0, b1, b2 = q0 / total, q1 / total, q2 / total
                u0, u1, u2 = corners[t, 0], corners[t, 1], corners[t, 2]
                s0, s1, s2 = points.dtype.type(0), points.dtype.type(0), points.dtype.type(0)
                for c in range(num_channels):
                    g = gradient[b, row, column, c]
                    s0 += g * values[b, u0, c]
                    s1 += g * values[b, u1, c]
                    s2 += g * values[b, u2, c]
                    by_values[b, u0, c] += g * b0
                    by_values[b, u1, c] += g * b1
                    by_values[b, u2, c] += g * b2
                mean = b0 * s0 + b1 * s1 + b2 * s2
                d0, d1, d2 = (s0 - mean) / total, (s1 - mean) / total, (s2 - mean) / total
                by_points[b, i, 2] -= d0 * q0 / z0
                by_points[b, j, 2] -= d1 * q1 / z1
                by_points[b, k, 2] -= d2 * q2 / z2
                d0, d1, d2 = d0 / z0, d1 / z1, d2 / z2
                by_points[b, i, 0] += d2 * y1 - d1 * y2
                by_points[b, i, 1] += d1 * x2 - d2 * x1
                by_points[b, j, 0] += d0 * y2 - d2 * y0
                by_points[b, j, 1] += d2 * x0 - d0 * x2
                by_points[b, k, 0] += d1 * y0 - d0 * y1
                by_points[b, k, 1] += d0 * x1 - d1 * x0
    return by_points, by_values


@numba.njit(parallel=True, cache=True)
def normals(vertices, triangles):
    """Sums of the adjoining triangles' cross products at each vertex, shape (B, V, 3)."""
    out = np.zeros(vertices.shape, vertices.dtype)
    for b in numba.prange(vertices.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax = vertices[b, j, 0] - vertices[b, i, 0]
            ay = vertices[b, j, 1] - vertices[b, i, 1]
            az = vertices[b, j, 2] - vertices[b, i, 2]
            bx = vertices[b, k, 0] - vertices[b, i, 0]
            by = vertices[b, k, 1] - vertices[b, i, 1]
            bz = vertices[b, k, 2] - vertices[b, i, 2]
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            for corner in (i, j, k):
                out[b, corner, 0] += nx
                out[b, corner, 1] += ny
                out[b, corner, 2] += nz
    return out


@numba.njit(parallel=True, cache=True)
def normals_backward(vertices, triangles, gradient):
    """Gradient of ``sum(gradient * normals(...))`` by ``vertices``.

    Notes
    -----
    For ``n = a x b`` and the gradient g of n: ``dL/da = b x g`` and ``dL/db = g x a``.
    """
    out = np.zeros(vertices.shape, vertices.dtype)
    for b in numba.prange(vertices.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax = vertices[b, j, 0] - vertices[b, i, 0]
            ay = vertices[b, j, 1] - vertices[b, i, 1]
            az = vertices[b, j, 2] - vertices[b, i, 2]
            bx = vertices[b, k, 0] - vertices[b, i, 0]
            by = vertices[b, k, 1] - vertices[b, i, 1]
            bz = vertices[b, k, 2] - vertices[b, i, 2]
            gx = gradient[b, i, 0] + gradient[b, j, 0] + gradient[b, k, 0]
            gy = gradient[b, i, 1] + gradient[b, j, 1] + gradient[b, k, 1]
            gz = gradient[b, i, 2] + gradient[b, j, 2] + gradient[b, k, 2]
            jx, jy, jz = by * gz - bz * gy, bz * gx - bx * gz, bx * gy - by * gx
            kx, ky, kz = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
            out[b, j, 0] += jx
            out[b, j, 1] += jy
            out[b, j, 2] += jz
            out[b, k, 0] += kx
            out[b, k, 1] += ky
            out[b, k, 2] += kz
            out[b, i, 0] -= jx + kx
            out[b, i, 1] -= jy + ky
            out[b, i, 2] -= jz + kz
    return out
