"""Loops of `edgeface.kernels.resize`."""

from __future__ import annotations

import numpy as np

from edgeface.kernels.jit import jit
from edgeface.kernels.types import FloatArray, ImageArray, IntArray


@jit
def resize_loops(
    image: ImageArray,
    row_first: IntArray,
    row_count: IntArray,
    row_weight: IntArray,
    column_first: IntArray,
    column_count: IntArray,
    column_weight: IntArray,
    unit: float,
    line: FloatArray,
    canvas: ImageArray,
    top: int,
    left: int,
) -> None:
    """Sum rows into ``line``, a line of the source's width, and then that line's columns.

    ``image`` is (H, W * 3), ``line`` is uint32 (W * 3,), and ``unit`` is one over the product of
    both axes' total weights. Every sum is an exact integer. Those of columns are float64, which is
    faster, and so is ``column_weight``.
    """
    for y in range(row_first.shape[0]):
        weight = row_weight[y, 0]
        row = image[row_first[y]]
        for x in range(line.shape[0]):
            line[x] = weight * np.uint32(row[x])
        for tap in range(1, row_count[y]):
            weight = row_weight[y, tap]
            row = image[row_first[y] + tap]
            for x in range(line.shape[0]):
                line[x] += weight * np.uint32(row[x])
        out = canvas[top + y]
        for j in range(column_first.shape[0]):
            start = 3 * column_first[j]
            red = green = blue = 0.0
            for tap in range(column_count[j]):
                share = column_weight[j, tap]
                red += share * line[start]
                green += share * line[start + 1]
                blue += share * line[start + 2]
                start += 3
            out[left + j, 0] = np.uint8(red * unit + 0.5)
            out[left + j, 1] = np.uint8(green * unit + 0.5)
            out[left + j, 2] = np.uint8(blue * unit + 0.5)
