"""What a file says of the network that it is made from."""

from __future__ import annotations

import os

from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import SHIPPED, TrainedNetwork
from edgeface.reference.networks.config import CROP_SCALE, NetworkConfig
from edgeface.reference.networks.predict import IOU_THRESHOLD, SCORE_THRESHOLD


def network_metadata(trained: TrainedNetwork) -> Metadata:
    """The metadata of a network, before anything is known of the file."""
    config = trained.config
    detects = config.network_kind.detects
    return Metadata(
        kind=config.kind,
        name=_name(config),
        input_size=config.input_size,
        expression_names=trained.face_model.expression_names,
        face_model_sha256=trained.face_model.sha256,
        licence=trained.licence,
        stride=config.stride,
        cell_range=config.cell_range,
        anchors=config.anchors,
        score_threshold=SCORE_THRESHOLD if detects else 0.0,
        iou_threshold=IOU_THRESHOLD if detects else 0.0,
        crop_scale=0.0 if detects else CROP_SCALE,
        gaze=config.gaze,
        unseen_expressions=trained.unseen_expressions,
        training={"epochs": trained.epoch + 1, "recipe": trained.recipe},
    )


def file_stem(
    checkpoint: str | os.PathLike[str],
    config: NetworkConfig,
    input_size: int | None,
    precision: str,
) -> str:
    """The file name: that of a network that ships, or else ``KIND``.

    It has ``-single``, ``-SIZE`` and ``-PRECISION`` if those are not the usual.
    """
    single = "-single" if config.network_kind.scales and not config.multi_scale else ""
    name = str(checkpoint) if str(checkpoint) in SHIPPED else config.kind + single
    size = "" if input_size is None else f"-{input_size}"
    return name + size + ("" if precision == "fp32" else f"-{precision}")


def _name(config: NetworkConfig) -> str:
    if not config.network_kind.scales:
        return config.kind
    return f"{config.kind} {'multi-scale' if config.multi_scale else 'single-scale'}"
