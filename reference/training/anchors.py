"""Finding the MFN's anchors, the typical shapes of the faces that it learns from."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.reference.training.views.prepared import Wanted, prepare
from edgeface.reference.training.views.scenes import SceneBatches
from edgeface.types import FloatArray

VIEWS = 1500
ROUNDS = 100


def find_anchors(
    folder: Path, input_size: int, count: int, face_model: FaceModel | None = None
) -> FloatArray:
    """Find anchors (count, 2), width and height in ``input_px``, for the packs of a folder.

    Faces are as large as ``face_model`` makes them; by default, it is the one that ships.
    """
    model = face_model or default_face_model()
    found = prepare(folder, model, Wanted(validation=False, photos=True))
    views = SceneBatches(found, model, (input_size,), fixed=False)
    torch.manual_seed(0)
    batch = views.__getitems__(list(range(VIEWS)))
    boxes = batch["boxes"][~batch["ignore"]].numpy()
    return k_means(boxes[:, 2:] - boxes[:, :2], count)


def k_means(extents: FloatArray, count: int, seed: int = 0) -> FloatArray:
    """Cluster widths and heights (N, 2) and return the centres (count, 2), smallest area first.

    Raises
    ------
    InvalidInputError
        If there are fewer boxes than clusters.

    Notes
    -----
    As in Redmon and Farhadi 2017, Sec. 2, the distance is ``1 - IoU`` of boxes with a common
    corner, so that large boxes do not count more than small ones. A centre is the mean of its
    boxes.
    """
    if len(extents) < count:
        raise InvalidInputError(f"{count} anchors need as many boxes, got {len(extents)}")
    random = np.random.default_rng(seed)
    centres = extents[random.choice(len(extents), count, replace=False)].astype(np.float64)
    nearest = np.full(len(extents), -1)
    for _ in range(ROUNDS):
        shared = np.minimum(extents[:, None], centres).prod(axis=2)
        iou = shared / (extents.prod(axis=1)[:, None] + centres.prod(axis=1) - shared)
        if np.array_equal(nearest, nearest := iou.argmax(axis=1)):
            break
        for i in np.unique(nearest):
            centres[i] = extents[nearest == i].mean(axis=0)
    return centres[np.argsort(centres.prod(axis=1))]
