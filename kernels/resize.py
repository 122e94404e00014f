"""Resizing a uint8 image: the average over an area when it shrinks, bilinear when it grows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.types import FloatArray, ImageArray, IntArray

MAX_SIDE = 65_535
"""The longest side of an image; the numpy implementation's float32 sums are exact up to 2^24."""
BAND = 12
"""How many target values a matrix product of the numpy implementation makes at a time."""
BANDS_AT_ONCE = 4
MAX_PRODUCT = 262_144
"""The number of multiply-adds up to which OpenBLAS stays on the calling thread. Its other threads
gain nothing on matrices this small, and if the cores are busy they turn 2 ms into a second."""


class Taps(NamedTuple):
    """How one axis of the target is made from the source, by integer weights with exact sums.

    Attributes
    ----------
    first, length : int64, shape (T,), the run of source cells that each target cell sees
    weight : uint32, shape (T, K), the weights of these cells
    total : the sum of a target cell's weights, which is the same for all
    key : the source size and the target size
    """

    first: IntArray
    length: IntArray
    weight: IntArray
    total: int
    key: tuple[int, int]


@lru_cache(maxsize=32)
def axis_taps(source: int, target: int) -> Taps:
    """Compute the weights of one axis, from ``source`` to ``target`` cells.

    Notes
    -----
    With s source and t target cells, a shrinking axis is counted in units of 1/t of a source cell:
    target cell j covers [j s, (j + 1) s), and the weights are the overlaps, whose total is s. On a
    growing axis, the weights are those of the two source centres around the target's, which lies at
    ((2 j + 1) s - t) / 2 t; the ends are clamped, and the total is 2 t.
    """
    key = (source, target)
    j: IntArray = np.arange(target)
    if source > target:
        low, high = j * source, (j + 1) * source
        first = low // target
        count = -(-high // target) - first
        cells: IntArray = first[:, None] + np.arange(int(count.max()))
        end: IntArray = np.minimum((cells + 1) * target, high[:, None])
        overlap: IntArray = end - np.maximum(cells * target, low[:, None])
        return Taps(first, count, np.maximum(overlap, 0).astype(np.uint32), source, key)
    position = (2 * j + 1) * source - target
    first = np.clip(position // (2 * target), 0, max(source - 2, 0))
    second = np.clip(position - first * 2 * target, 0, 2 * target)
    weight = np.stack([2 * target - second, second], axis=1)
    if source == 1:
        weight = np.full((target, 1), 2 * target)
    count = np.full(target, weight.shape[1])
    return Taps(first, count, weight.astype(np.uint32), 2 * target, key)


def resize_into(
    image: ImageArray,
    canvas: ImageArray,
    corner: tuple[int, int],
    size: tuple[int, int],
    engine: Engine = "numpy",
) -> None:
    """Resize an image into a rectangle of a canvas.

    Parameters
    ----------
    image : uint8, shape (H, W, 3)
    canvas : uint8, shape (.., .., 3), C-contiguous; the rectangle is overwritten
    corner : the top and left edge of the rectangle, px of the canvas
    size : the height and width of the rectangle, px
    engine : "numba" or "numpy"; both give the same pixels

    Raises
    ------
    ValueError
        If a dtype, a shape or the size is another, or the rectangle leaves the canvas.

    Notes
    -----
    No float copy of the image is made. Values are rounded half up.

    Examples
    --------
    >>> image = np.array([[[0], [10]], [[20], [50]]], np.uint8).repeat(3, axis=2)
    >>> canvas = np.zeros((1, 1, 3), np.uint8)
    >>> resize_into(image, canvas, (0, 0), (1, 1))
    >>> canvas.tolist()
    [[[20, 20, 20]]]
    """
    _validate(image, canvas, corner, size)
    height, width = image.shape[:2]
    rows, columns = axis_taps(height, size[0]), axis_taps(width, size[1])
    unit = 1.0 / (rows.total * columns.total)
    # numba compiles a read-only array (as PIL's are) apart from others: a copy is cheaper
    needs = ("C", "W") if engine == "numba" else ("C",)
    flat = np.require(image, requirements=needs).reshape(height, width * 3)
    if engine == "numpy":
        top, left = corner
        target = canvas[top : top + size[0], left : left + size[1]]
        resize_numpy(flat, rows, columns, unit, target)
        return
    line = np.empty(width * 3, np.uint32)
    shares = columns.weight.astype(np.float64)
    loops("resize").resize_loops(
        flat, *rows[:3], columns.first, columns.length, shares, unit, line, canvas, *corner
    )


def _validate(
    image: ImageArray, canvas: ImageArray, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    for name, array in (("image", image), ("canvas", canvas)):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise ValueError(
                f"{name}: expected uint8 (H, W, 3), got {array.dtype} of shape {array.shape}"
            )
    if max(image.shape) > MAX_SIDE:
        raise ValueError(f"expected an image of at most {MAX_SIDE} a side, got {image.shape}")
    if not (canvas.flags.c_contiguous and canvas.flags.writeable):
        raise ValueError("canvas must be C-contiguous and writeable")
    for low, extent, side in zip(corner, size, canvas.shape, strict=False):
        if low < 0 or extent < 1 or low + extent > side:
            raise ValueError(
                f"the rectangle at {corner} of size {size} leaves the canvas {canvas.shape}"
            )


def resize_numpy(
    image: ImageArray, rows: Taps, columns: Taps, unit: float, target: ImageArray
) -> None:
    """Resize ``image`` (H, W * 3) into uint8 (h, w, 3) by matrix products over bands.

    A target cell sees few neighbours, so a whole weight matrix would be nearly empty; a band has
    few target cells. Some rows are made at a time, in the same small buffers, since fresh memory
    costs more than the arithmetic.
    """
    lines = np.zeros((BAND * BANDS_AT_ONCE, image.shape[1]))
    out = np.empty((len(lines), len(columns.first) * 3))
    row_bands, column_bands = _bands(rows.key, 1), _bands(columns.key, 3)
    for i in range(0, len(row_bands), BANDS_AT_ONCE):
        top = row_bands[i][0].start
        for cells, sources, weight in row_bands[i : i + BANDS_AT_ONCE]:
            # integers below 2^24 are exact in float32, whatever the order of summation
            exact, part = weight.astype(np.float32), image[sources].astype(np.float32)
            into = lines[cells.start - top : cells.stop - top]
            step: int = max(1, MAX_PRODUCT // exact.size)
            for start in range(0, image.shape[1], step):
                run = slice(start, start + step)
                into[:, run] = exact @ part[:, run]
        for cells, sources, weight in column_bands:
            np.matmul(lines[:, sources], weight.T, out=out[:, cells])
        out *= unit
        out += 0.5
        part = target[top : top + len(out)]
        part[...] = out[: len(part)].reshape(len(part), -1, 3)


@lru_cache(maxsize=16)
def _bands(axis: tuple[int, int], channels: int) -> list[tuple[slice, slice, FloatArray]]:
    """Bands of an axis: target cells, the source cells that they see, and float64 weights.

    With interleaved channels, slices count values, and the weights keep channels apart.
    """
    taps = axis_taps(*axis)
    band = BAND // channels
    bands: list[tuple[slice, slice, FloatArray]] = []
    for start in range(0, len(taps.first), band):
        first, count = taps.first[start : start + band], taps.length[start : start + band]
        low, high = int(first[0]), int((first + count).max())
        weight = np.zeros((len(first), high - low))
        for j in range(len(first)):
            run = slice(int(first[j]) - low, int(first[j]) - low + int(count[j]))
            weight[j, run] = taps.weight[start + j, : count[j]]
        cells = slice(start * channels, (start + len(first)) * channels)
        sources = slice(low * channels, high * channels)
        bands.append((cells, sources, np.kron(weight, np.eye(channels))))
    return bands
