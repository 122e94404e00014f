"""Resizing by definition: exact area averages by counting, bilinear by interpolating each axis."""

from __future__ import annotations

import numpy as np


def shrink_axis(image, target):
    """Sums over each target cell along axis 0; every source cell is first cut into ``target``."""
    pieces = np.repeat(image.astype(np.int64), target, axis=0)
    return pieces.reshape(target, image.shape[0], *image.shape[1:]).sum(axis=1)


def area(image, height, width):
    """float (height, width, 3) before rounding, both smaller: the mean over the area."""
    total = image.shape[0] * image.shape[1]
    sums = shrink_axis(shrink_axis(image, height).swapaxes(0, 1), width).swapaxes(0, 1)
    return sums / total


def bilinear(image, height, width):
    """float (height, width, 3) before rounding: centres to centres, clamped at the edges."""

    def axis(values, target):
        source = values.shape[0]
        centres = (np.arange(target) + 0.5) * source / target - 0.5
        flat = values.reshape(source, -1).astype(float)
        columns = [np.interp(centres, np.arange(source), column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(target, *values.shape[1:])

    return axis(axis(image, height).swapaxes(0, 1), width).swapaxes(0, 1)
