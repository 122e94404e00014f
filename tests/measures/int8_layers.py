"""What int8 costs layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime

from edgeface.compare import decibels
from edgeface.converters import to_onnx

ALL = "all layers"


def int8_ratios(
    model: onnx.ModelProto, calibrating: np.ndarray, judging: np.ndarray
) -> Iterator[tuple[str, list[float]]]:
    """Each layer's name, and the outputs' signal-to-noise ratios in dB when it alone is int8.

    The last row has all layers at once. Images are uint8 (N, S, S, 3); those that judge did not set
    the ranges.
    """
    truth = _run(model, judging)
    layers = to_onnx.layers(model)
    for name, nodes in [*((layer, [layer]) for layer in layers), (ALL, layers)]:
        found = _run(to_onnx.quantize(model, calibrating, nodes), judging)
        ratios = [decibels(_energy(a), _energy(a - b)) for a, b in zip(truth, found, strict=True)]
        yield name, ratios


def _run(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    parts = [session.run(None, {to_onnx.INPUT: image[None]}) for image in images]
    return [np.concatenate(branch) for branch in zip(*parts, strict=True)]


def _energy(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float64).sum())
