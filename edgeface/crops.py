"""`CropLooker` tells what a network that looks at crops sees in the boxes of an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeface import kernels
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces, concatenate
from edgeface.heads import HeadDecoder
from edgeface.image import crop
from edgeface.metadata import Metadata
from edgeface.network import Heads, Network
from edgeface.passes import longer_sides
from edgeface.run_options import check_gives_faces
from edgeface.types import Float32Array, ImageArray, IntArray

MAX_REFINED = 100
"""So many faces of an image, the largest ones, are looked at again by ``load(refine=)``: 0.2 s on
one core with the `sfn`."""
CROPS_AT_ONCE = 32
"""How many crops are a batch at most, so that the network's memory has a bound."""


class CropLooker:
    """Looks at crops by a network that does not detect.

    Parameters
    ----------
    metadata : what the network's file says of itself
    decoder : makes faces of the network's outputs
    infer : runs the network on a batch of inputs, `edgeface.network.Network.infer`
    """

    def __init__(
        self, metadata: Metadata, decoder: HeadDecoder, infer: Callable[[ImageArray], Heads]
    ) -> None:
        self._metadata, self._decoder, self._infer = metadata, decoder, infer

    def look(self, pixels: ImageArray, boxes: Float32Array, engine: kernels.Engine) -> Faces:
        """Look at the N faces of checked boxes (N, 4), image_px."""
        starts = range(0, max(len(boxes), 1), CROPS_AT_ONCE)
        looks = [self._batch(pixels, boxes[i : i + CROPS_AT_ONCE], engine) for i in starts]
        return looks[0] if len(looks) == 1 else concatenate(looks, looks[0])

    def _batch(self, pixels: ImageArray, boxes: Float32Array, engine: kernels.Engine) -> Faces:
        size, scale = self._metadata.input_size, self._metadata.crop_scale
        crops = [crop(pixels, box, scale, size) for box in boxes]
        tensors = np.array([c[0] for c in crops], np.uint8).reshape(-1, size, size, 3)
        placements = [c[1] for c in crops]
        return self._decoder.cropped(self._infer(tensors), boxes, placements, engine)


def largest_first(faces: Faces) -> IntArray:
    """The order (N,) of N faces by their size; equal ones keep theirs."""
    return np.argsort(-longer_sides(faces.boxes_xyxy), kind="stable")


def check_refiner(finder: Network, refiner: Network, name: str = "refine") -> None:
    """Raise unless the second network can look closer at what the first one finds.

    ``name`` is the argument that names it, for messages.
    """
    if not finder.metadata.detects:
        raise InvalidInputError(
            f"{name}: a network of the kind {finder.metadata.kind} finds no faces to refine"
        )
    if refiner.metadata.detects:
        raise InvalidInputError(
            f"{name}: a network of the kind {refiner.metadata.kind} finds its own faces; expected "
            "a crop network, such as an sfn"
        )
    check_gives_faces(refiner.metadata)
    if refiner.face_model.sha256 != finder.face_model.sha256:
        raise InvalidInputError(f"{name}: the two networks speak of different face models")
