"""Drawing the faces about which a network was most wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from edgeface.boxes import iou_matrix
from edgeface.output import whole_file
from edgeface.reference.evaluation.detection import size_share
from edgeface.reference.evaluation.metrics import nme
from edgeface.reference.evaluation.run import ImageResult, expressions_by_name
from edgeface.types import FloatArray, ImageArray

NUM_WORST = 24
WORST_COLUMNS = 6
TILE = 192
SMALLEST = 0.05
"""The least share of the image that a face shown among the worst fills."""
TRUE_COLOUR, PREDICTED_COLOUR = (64, 255, 128), (255, 64, 64)


@dataclass
class WorstFaces:
    """The faces with the largest errors so far, each as a small picture."""

    tiles: list[tuple[tuple[float, float], Image.Image]] = field(default_factory=lambda: [])

    def add(self, result: ImageResult, pixels: ImageArray) -> None:
        """Keep faces that are worse than the best one kept; of equals, the larger one."""
        shares = size_share(result.labels.boxes, result.size_hw)
        errors = face_errors(result)
        for i in np.flatnonzero(~np.isnan(errors) & (shares >= SMALLEST)):
            rank = (float(errors[i]), float(shares[i]))
            if len(self.tiles) < NUM_WORST or rank > self.tiles[-1][0]:
                self.tiles.append((rank, _tile(result, int(i), rank[0], pixels)))
                self.tiles.sort(key=lambda entry: entry[0], reverse=True)
                del self.tiles[NUM_WORST:]

    def draw(self, path: Path) -> None:
        """Draw all faces into one picture, if there are any."""
        if not self.tiles:
            return
        rows = -(-len(self.tiles) // WORST_COLUMNS)
        sheet = Image.new("RGB", (WORST_COLUMNS * TILE, rows * TILE))
        for k, (_, tile) in enumerate(self.tiles):
            sheet.paste(tile, (k % WORST_COLUMNS * TILE, k // WORST_COLUMNS * TILE))
        with whole_file(path) as file:
            sheet.save(file, "PNG")


def face_errors(result: ImageResult) -> FloatArray:
    """How wrong a network was about each labelled face (N,), in percent.

    It is the 68-point error over the box if landmarks are labelled, otherwise the mean error of the
    labelled expressions, otherwise 1 - IoU. It is infinite for faces that were not found, and NaN
    for those to be ignored.
    """
    labels = result.labels
    errors = np.full(len(labels.boxes), np.inf)
    rows = np.flatnonzero(result.found)
    faces = result.faces
    by_box = 100 * (1 - np.diag(iou_matrix(faces.boxes_xyxy, labels.boxes[rows])))
    difference = np.abs(expressions_by_name(faces) - labels.expression[rows])
    labelled = np.isfinite(difference)
    by_expression = 100 * np.where(labelled, difference, 0).sum(1) / np.maximum(labelled.sum(1), 1)
    by_landmarks = nme(faces.landmarks_2d, labels.landmarks[rows], "box")
    errors[rows] = np.where(labelled.any(axis=1), by_expression, by_box)
    known = np.isfinite(by_landmarks)
    errors[rows[known]] = by_landmarks[known]
    errors[labels.ignore] = np.nan
    return errors


def _tile(result: ImageResult, i: int, error: float, pixels: ImageArray) -> Image.Image:
    """Draw a face in its surroundings; the label is green, the prediction red."""
    low, high = result.labels.boxes[i, :2], result.labels.boxes[i, 2:]
    side = 1.8 * float((high - low).max())
    corner = (low + high) / 2 - side / 2
    scale = TILE / side
    # PIL maps pixel centres as (x + 0.5, y + 0.5), like image_px
    tile = Image.fromarray(pixels).transform(
        (TILE, TILE), Image.Transform.AFFINE,
        (1 / scale, 0, float(corner[0]), 0, 1 / scale, float(corner[1])),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    pen = ImageDraw.Draw(tile)
    pen.rectangle([*((low - corner) * scale), *((high - corner) * scale)], outline=TRUE_COLOUR)
    _dots(pen, (result.labels.landmarks[i] - corner) * scale, TRUE_COLOUR)
    if result.found[i]:
        row = int(result.found[:i].sum())
        _dots(pen, (result.faces.landmarks_2d[row] - corner) * scale, PREDICTED_COLOUR)
    caption = "not found" if math.isinf(error) else f"{error:.1f}%"
    pen.text((4, 3), f"{caption} {result.name[-24:]}", fill=(255, 255, 255), stroke_width=1,
             stroke_fill=(0, 0, 0))  # fmt: skip
    return tile


def _dots(pen: ImageDraw.ImageDraw, points: FloatArray, colour: tuple[int, int, int]) -> None:
    for x, y in points[np.isfinite(points).all(axis=1)].tolist():
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=colour)
