"""Loops of `edgeface.kernels.morphable` and `pose`."""

from __future__ import annotations

import math

import numpy as np

from edgeface.kernels.jit import jit
from edgeface.kernels.types import FloatArray


@jit
def contract_loops(
    blocks: FloatArray, outer: FloatArray, inner: FloatArray, line: FloatArray, out: FloatArray
) -> None:
    """``out[n] = sum_i outer[n, i] sum_k inner[n, k] blocks[i, k]`` for (I, K, R) blocks.

    The tensor is read from memory once for all faces, block by block, so that each block serves
    them from the cache. Four of its rows are taken at a time, so that sums stay in registers; K is
    a multiple of four. ``line`` is float32 (R,).
    """
    size = blocks.shape[2]
    out[...] = 0.0
    for i in range(blocks.shape[0]):
        for n in range(out.shape[0]):
            for k in range(0, blocks.shape[1], 4):
                a, b, c, d = inner[n, k], inner[n, k + 1], inner[n, k + 2], inner[n, k + 3]
                first, second = blocks[i, k], blocks[i, k + 1]
                third, fourth = blocks[i, k + 2], blocks[i, k + 3]
                if k == 0:
                    for r in range(size):
                        line[r] = (a * first[r] + b * second[r]) + (c * third[r] + d * fourth[r])
                else:
                    for r in range(size):
                        line[r] += (a * first[r] + b * second[r]) + (c * third[r] + d * fourth[r])
            weight = outer[n, i]
            for r in range(size):
                out[n, r] += weight * line[r]


@jit
def sigmoid_loops(logits: FloatArray, out: FloatArray) -> None:
    """Write the logistic function of every value."""
    for n in range(logits.shape[0]):
        for k in range(logits.shape[1]):
            out[n, k] = 1.0 / (1.0 + math.exp(-np.float64(logits[n, k])))


@jit
def rotation_loops(quaternion: FloatArray, out: FloatArray) -> None:
    """Write the rotations (N, 3, 3) of raw quaternions (N, 4 or more); zeros give identities."""
    for n in range(quaternion.shape[0]):
        w, x = np.float64(quaternion[n, 0]), np.float64(quaternion[n, 1])
        y, z = np.float64(quaternion[n, 2]), np.float64(quaternion[n, 3])
        length = math.sqrt(w * w + x * x + y * y + z * z)
        if length > 1e-12:
            w, x, y, z = w / length, x / length, y / length, z / length
        else:
            w, x, y, z = 1.0, 0.0, 0.0, 0.0
        r = out[n]
        r[0, 0] = 1 - 2 * (y * y + z * z)
        r[0, 1] = 2 * (x * y - w * z)
        r[0, 2] = 2 * (x * z + w * y)
        r[1, 0] = 2 * (x * y + w * z)
        r[1, 1] = 1 - 2 * (x * x + z * z)
        r[1, 2] = 2 * (y * z - w * x)
        r[2, 0] = 2 * (x * z - w * y)
        r[2, 1] = 2 * (y * z + w * x)
        r[2, 2] = 1 - 2 * (x * x + y * y)


@jit
def euler_loops(rotation: FloatArray, out: FloatArray) -> None:
    """Write pitch, yaw and roll in degrees of rotations (N, 3, 3)."""
    for n in range(rotation.shape[0]):
        r = rotation[n]
        sine = min(max(np.float64(r[0, 2]), -1.0), 1.0)
        if abs(sine) > 1 - 1e-9:
            pitch, roll = math.atan2(r[2, 1], r[1, 1]), 0.0
        else:
            pitch = math.atan2(-np.float64(r[1, 2]), np.float64(r[2, 2]))
            roll = math.atan2(-np.float64(r[0, 1]), np.float64(r[0, 0]))
        out[n, 0] = math.degrees(pitch)
        out[n, 1] = math.degrees(math.asin(sine))
        out[n, 2] = math.degrees(roll)


@jit
def project_loops(
    shape: FloatArray,
    rotation: FloatArray,
    translation: FloatArray,
    focal: FloatArray,
    boxes: FloatArray,
    placements: FloatArray,
    points: FloatArray,
    out_boxes: FloatArray,
) -> None:
    """Project shapes (N, L, 3) of ``model``, and move boxes of ``input_px``, to ``image_px``.

    A placement is scale x, scale y, offset x, offset y. There is one for all faces, or one for
    each.
    """
    for n in range(shape.shape[0]):
        place = placements[n if placements.shape[0] > 1 else 0]
        sx, sy, ox, oy = place[0], place[1], place[2], place[3]
        x0, y0 = np.float64(boxes[n, 0]), np.float64(boxes[n, 1])
        x1, y1 = np.float64(boxes[n, 2]), np.float64(boxes[n, 3])
        out_boxes[n, 0] = (x0 - ox) / sx
        out_boxes[n, 1] = (y0 - oy) / sy
        out_boxes[n, 2] = (x1 - ox) / sx
        out_boxes[n, 3] = (y1 - oy) / sy
        size = max(x1 - x0, y1 - y0) * focal[n]
        scale_x, scale_y, scale_z = size / sx, -size / sy, -2 * size / (sx + sy)
        cx, cy = ((x0 + x1) / 2 - ox) / sx, ((y0 + y1) / 2 - oy) / sy
        r, t = rotation[n], translation[n]
        for i in range(shape.shape[1]):
            x, y, z = shape[n, i, 0], shape[n, i, 1], shape[n, i, 2]
            points[n, i, 0] = (r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + t[0]) * scale_x + cx
            points[n, i, 1] = (r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + t[1]) * scale_y + cy
            points[n, i, 2] = (r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + t[2]) * scale_z


@jit
def weights_loops(
    identity: FloatArray, expression: FloatArray, shared: bool, outer: FloatArray, inner: FloatArray
) -> None:
    """Write coefficients as `contract_loops` takes them (``kernels/morphable.py``)."""
    num_identity, num_expressions = identity.shape[1], expression.shape[1]
    for n in range(identity.shape[0]):
        inner[n] = 0.0
        if shared:
            outer[n, 0] = 1.0
            for i in range(num_identity):
                inner[n, i] = identity[n, i]
            for k in range(num_expressions):
                inner[n, num_identity + k] = identity[n, 0] * expression[n, k]
        else:
            total = 0.0
            for k in range(num_expressions):
                total += expression[n, k]
                inner[n, 1 + k] = expression[n, k]
            inner[n, 0] = 1.0 - total
            for i in range(num_identity):
                outer[n, i] = identity[n, i]


@jit
def pose_loops(
    boxes: FloatArray,
    identity: FloatArray,
    expression: FloatArray,
    pose: FloatArray,
    blocks: FloatArray,
    shared: bool,
    placements: FloatArray,
    outer: FloatArray,
    inner: FloatArray,
    line: FloatArray,
    shape: FloatArray,
    out_points: FloatArray,
    out_boxes: FloatArray,
    out_expression: FloatArray,
    out_rotation: FloatArray,
    out_euler: FloatArray,
    out_translation: FloatArray,
    out_focal: FloatArray,
) -> None:
    """Go all the way from raw coefficients to landmarks in ``image_px``, for all faces."""
    sigmoid_loops(expression, out_expression)
    rotation_loops(pose, out_rotation)
    euler_loops(out_rotation, out_euler)
    for n in range(pose.shape[0]):
        out_focal[n] = 1.0 / (1.0 + math.exp(-np.float64(pose[n, 7])))
        for axis in range(3):
            out_translation[n, axis] = pose[n, 4 + axis]
    weights_loops(identity, out_expression, shared, outer, inner)
    contract_loops(blocks, outer, inner, line, shape)
    points = shape.reshape(shape.shape[0], shape.shape[1] // 3, 3)
    project_loops(
        points, out_rotation, out_translation, out_focal, boxes, placements, out_points, out_boxes
    )
