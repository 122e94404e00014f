"""Checking the options of a run and the outputs of a network before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from edgeface import kernels
from edgeface.errors import InvalidInputError
from edgeface.image import MAX_COORDINATE
from edgeface.metadata import Metadata
from edgeface.types import Float32Array, ImageArray
from edgeface.values import Choice, Flag, Number, Whole, array_of, option, shown

MIN_SIDE_PX = 0.01
"""The least side of boxes that a network looks at, image_px."""
MAX_FACES = 1000
"""How many faces `Model.run` reports at most, unless told otherwise."""

Detail = Literal["auto", "fast", "full"]
"""How closely an image is looked at (`edgeface.load`)."""


OF_DETECTION = (
    "score_threshold", "iou_threshold", "max_faces", "suppression", "look_again", "detail",
)  # fmt: skip
"""The options of `edgeface.Model.run` that `detection_options` checks."""


@dataclass(frozen=True)
class DetectionOptions:
    """The checked options of `edgeface.Model.run` of a network that detects.

    ``limit_is_default`` says that nobody asked for ``max_faces``.
    """

    score_threshold: float
    iou_threshold: float
    max_faces: int
    suppression: kernels.Suppression
    look_again: bool
    detail: Detail
    limit_is_default: bool

    @property
    def max_looked_at(self) -> int:
        """How many faces are looked at again: not all that are asked for may hold up."""
        return max(self.max_faces, MAX_FACES)


def detection_options(
    metadata: Metadata,
    detail: Detail,
    *,
    score_threshold: float | None = None,
    iou_threshold: float | None = None,
    max_faces: int | None = None,
    suppression: kernels.Suppression | None = None,
    look_again: bool | None = None,
) -> DetectionOptions:
    """Check what was asked for, and fill in defaults; raises InvalidInputError."""
    score, iou = thresholds(metadata, score_threshold, iou_threshold)
    limit, method = suppression_of(max_faces, suppression)
    again = True if look_again is None else option("look_again", look_again, Flag())
    return DetectionOptions(
        score, iou, limit, method, again, checked_detail(detail),
        limit_is_default=max_faces is None,
    )  # fmt: skip


def checked_detail(detail: Detail) -> Detail:
    """Check the word; raises InvalidInputError for any other."""
    option("detail", detail, Choice(get_args(Detail)))
    return detail


def refuse_foreign_options(metadata: Metadata, **options: object) -> None:
    """Raise for options of `Model.run` that networks of this kind do not have."""
    detects, kind = metadata.detects, metadata.kind
    given = [name for name, value in options.items() if value is not None]
    foreign = [name for name in given if (name == "boxes_xyxy") == detects]
    if not foreign:
        return
    if detects:
        raise InvalidInputError(
            f"a network of the kind {kind} finds its own boxes; boxes_xyxy is for crop "
            "networks, such as an sfn"
        )
    raise InvalidInputError(
        f"a network of the kind {kind} does not detect: it has no {', '.join(foreign)}"
    )


def check_gives_faces(metadata: Metadata) -> None:
    """Raise InvalidInputError for a network that does not say where a face is: ModelNet."""
    if not metadata.network_kind.gives_faces:
        raise InvalidInputError(
            f"a network of the kind {metadata.kind} gives no Faces: Model.infer gives its raw "
            "outputs, and edgeface.personalise makes a personal model"
        )


def thresholds(
    metadata: Metadata, score_threshold: float | None, iou_threshold: float | None
) -> tuple[float, float]:
    """Check both thresholds of a detection; by default, they are those that the file names."""
    score = metadata.score_threshold if score_threshold is None else score_threshold
    iou = metadata.iou_threshold if iou_threshold is None else iou_threshold
    fraction = Number(0, 1)
    return option("score_threshold", score, fraction), option("iou_threshold", iou, fraction)


def check_heads(metadata: Metadata, heads: Mapping[str, Float32Array]) -> None:
    """Raise InvalidInputError unless these are a network's outputs for one image."""
    if not isinstance(cast(object, heads), Mapping):
        raise InvalidInputError(f"expected the outputs by name, got {shown(heads)}")
    for name in metadata.output_names:
        head: Any = heads.get(name)
        shape = metadata.output_shape(name)
        got = getattr(head, "dtype", type(head).__name__), getattr(head, "shape", None)
        if not isinstance(head, np.ndarray) or got != (np.float32, shape):
            raise InvalidInputError(
                f"expected an output {name!r} of float32 {shape}, got {got[0]} {got[1]}"
            )


def suppression_of(
    max_faces: int | None, method: kernels.Suppression | None
) -> tuple[int, kernels.Suppression]:
    """Check how many faces are reported at most, and what suppression does to the others."""
    limit = MAX_FACES if max_faces is None else option("max_faces", max_faces, Whole(0, 10**6))
    if method is None:
        return limit, "weighted"
    option("suppression", method, Choice(get_args(kernels.Suppression)))
    return limit, method


def face_boxes(boxes_xyxy: ArrayLike | None, pixels: ImageArray, crop_scale: float) -> Float32Array:
    """Check boxes (N, 4); without any, take the one whose crop just holds the whole image."""
    height, width = pixels.shape[:2]
    if boxes_xyxy is None:
        half = max(height, width) / crop_scale / 2
        cx, cy = width / 2, height / 2
        return np.array([[cx - half, cy - half, cx + half, cy + half]], np.float32)
    boxes = array_of("boxes_xyxy", boxes_xyxy, "(N, 4)")
    if boxes.size == 0:
        return np.zeros((0, 4), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InvalidInputError(f"boxes_xyxy must have the shape (N, 4), got {boxes.shape}")
    if np.abs(boxes).max() > MAX_COORDINATE:
        raise InvalidInputError(
            f"boxes_xyxy must lie within {MAX_COORDINATE:,} pixels of the image's corner, got "
            f"{boxes.flat[np.abs(boxes).argmax()]:g}"
        )
    boxes = boxes.astype(np.float32)
    if (boxes[:, 2:] - boxes[:, :2] < MIN_SIDE_PX).any():
        raise InvalidInputError(
            f"boxes_xyxy must have x1 > x0 and y1 > y0, by {MIN_SIDE_PX} pixels at least"
        )
    return boxes
