"""Converters from the PyTorch reference to files that the runtime runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.converters.to_onnx import convert_to_onnx
from edgeface.errors import InvalidInputError
from edgeface.image import ImageLike, letterbox, read_image
from edgeface.metadata import Metadata
from edgeface.reference.checkpoint import TrainedNetwork, load_network
from edgeface.reference.data.crops import CROP_SCALE
from edgeface.reference.predict import IOU_THRESHOLD, SCORE_THRESHOLD

__all__ = ["convert", "convert_to_onnx", "describe"]

LICENCE = "research use only (trained on 300-W and WIDER FACE)"
UNSEEN = (
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward", "noseSneerLeft",
    "noseSneerRight",
)  # fmt: skip
"""Expressions that the teacher of the shipped weights never scores above zero."""


def convert(
    checkpoint: str | os.PathLike[str], out: str | os.PathLike[str], images: list[ImageLike]
) -> Metadata:
    """Convert a training checkpoint to the format that ``out``'s suffix names.

    Parameters
    ----------
    checkpoint : of ``edgeface-train``
    out : an ``.onnx`` file
    images : real images on which the file must agree with the network

    Returns
    -------
    Metadata
        As written.

    Raises
    ------
    InvalidInputError, ModelFormatError, ConversionError, ParityError
    """
    if Path(out).suffix != ".onnx":
        raise InvalidInputError(f"cannot convert to {out}: expected a name that ends in .onnx")
    if not images:
        raise InvalidInputError("parity needs at least one image")
    trained = load_network(checkpoint)
    size = trained.config.input_size
    samples: NDArray[Any] = np.stack([letterbox(read_image(i), size)[0] for i in images])
    return convert_to_onnx(trained, describe(trained), out, samples)


def describe(trained: TrainedNetwork) -> Metadata:
    """What a file made from this network shall say of itself."""
    config = trained.config
    is_mfn = config.kind == "mfn"
    scales = "multi-scale" if config.multi_scale else "single-scale"
    return Metadata(
        kind=config.kind,
        name=f"{config.kind} {scales}",
        input_size=config.input_size,
        expression_names=trained.face_model.expression_names,
        face_model_sha256=trained.face_model.sha256,
        licence=LICENCE,
        stride=config.stride,
        anchors=config.anchors,
        score_threshold=SCORE_THRESHOLD if is_mfn else 0.0,
        iou_threshold=IOU_THRESHOLD if is_mfn else 0.0,
        crop_scale=0.0 if is_mfn else CROP_SCALE,
        unseen_expressions=UNSEEN,
        training={"epochs": trained.epoch + 1, "recipe": trained.recipe},
    )
