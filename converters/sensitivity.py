"""What int8 costs layer by layer: ``python -m edgeface.converters.sensitivity CHECKPOINT PHOTOS``.

Each layer alone is quantised to int8, as an int8 file would quantise it, and the outputs are held
against the float32 graph's on photos that did not set the ranges. A row a layer, the most harmful
first; the last row has all of them at once.
"""

# the libraries here tell no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from edgeface.compare import decibels
from edgeface.converters import to_onnx
from edgeface.converters.images import calibration_inputs, read_images
from edgeface.converters.metadata import network_metadata
from edgeface.converters.pipeline import MAX_CALIBRATION, split
from edgeface.converters.verify import NetworkBackend
from edgeface.errors import EdgeFaceError
from edgeface.model import Model
from edgeface.reference.networks.checkpoint import load_network
from edgeface.types import Float32Array, ImageArray

Outputs = list[Float32Array]
ALL = "all layers"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m edgeface.converters.sensitivity")
    parser.add_argument("checkpoint", type=Path, help="of edgeface-train")
    parser.add_argument("photos", type=Path, help="folder of real photos")
    arguments = parser.parse_args(argv)
    try:
        print(table(arguments.checkpoint, arguments.photos))
    except EdgeFaceError as error:
        print(f"sensitivity: {error}", file=sys.stderr)
        return 1
    return 0


def table(checkpoint: Path, photos: Path) -> str:
    """Signal-to-noise ratios of every output in dB, as a table in Markdown."""
    trained = load_network(checkpoint)
    metadata = network_metadata(trained)
    model = Model(NetworkBackend(trained, metadata))
    sets = split(read_images(photos, MAX_CALIBRATION))
    calibrating, judging = (calibration_inputs(model, images) for images in sets)
    rows = dict(sensitivity(to_onnx.FORMAT.export(trained, metadata), calibrating, judging))
    whole = rows.pop(ALL)
    names = metadata.output_names
    lines = [f"| layer | {' | '.join(f'{n} dB' for n in names)} |", "|---|" + "---:|" * len(names)]
    for layer, ratios in [*sorted(rows.items(), key=lambda row: min(row[1])), (ALL, whole)]:
        lines.append(f"| {layer} | " + " | ".join(f"{r:.1f}" for r in ratios) + " |")
    return "\n".join(lines)


def sensitivity(
    model: onnx.ModelProto, calibrating: ImageArray, judging: ImageArray
) -> Iterator[tuple[str, list[float]]]:
    """Each layer's name, and the outputs' signal-to-noise ratios in dB when it is int8."""
    truth = _run(model, judging)
    layers = to_onnx.layers(model)
    for name, nodes in [*((layer, [layer]) for layer in layers), (ALL, layers)]:
        found = _run(to_onnx.quantize(model, calibrating, nodes), judging)
        yield (
            name,
            [decibels(_energy(a), _energy(a - b)) for a, b in zip(truth, found, strict=True)],
        )


def _run(model: onnx.ModelProto, images: ImageArray) -> Outputs:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    parts = [session.run(None, {to_onnx.INPUT: image[None]}) for image in images]
    return [np.concatenate(branch) for branch in zip(*parts, strict=True)]


def _energy(values: Float32Array) -> float:
    return float(np.square(values, dtype=np.float64).sum())


if __name__ == "__main__":
    sys.exit(main())
