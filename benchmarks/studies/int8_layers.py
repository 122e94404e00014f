"""What int8 costs layer by layer.

    python -m benchmarks.studies.int8_layers CHECKPOINT PHOTOS

Each layer alone is quantised to int8, as an int8 file would quantise it, and the outputs are held
against the float32 graph's on photos that did not set the ranges. A row a layer, the most harmful
first; the last row has all of them at once.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgeface.converters import to_onnx
from edgeface.converters.images import calibration_inputs, read_images
from edgeface.converters.metadata import network_metadata
from edgeface.converters.pipeline import MAX_CALIBRATION, split
from edgeface.converters.verify import NetworkBackend
from edgeface.errors import EdgeFaceError
from edgeface.model import Model
from edgeface.reference.networks.checkpoint import load_network
from tests.measures.int8_layers import ALL, int8_ratios


def main() -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.int8_layers")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of edgeface-train")
    parser.add_argument("photos", type=Path, help="a folder of real photos")
    arguments = parser.parse_args()
    try:
        print(table(arguments.checkpoint, arguments.photos))
    except EdgeFaceError as error:
        print(f"int8_layers: {error}", file=sys.stderr)
        return 1
    return 0


def table(checkpoint: Path, photos: Path) -> str:
    """Signal-to-noise ratios of every output in dB, as a table in Markdown."""
    trained = load_network(checkpoint)
    metadata = network_metadata(trained)
    model = Model(NetworkBackend(trained, metadata))
    sets = split(read_images(photos, MAX_CALIBRATION))
    calibrating, judging = (calibration_inputs(model, images) for images in sets)
    rows = dict(int8_ratios(to_onnx.FORMAT.export(trained, metadata), calibrating, judging))
    whole = rows.pop(ALL)
    names = metadata.output_names
    lines = [f"| layer | {' | '.join(f'{n} dB' for n in names)} |", "|---|" + "---:|" * len(names)]
    for layer, ratios in [*sorted(rows.items(), key=lambda row: min(row[1])), (ALL, whole)]:
        lines.append(f"| {layer} | " + " | ".join(f"{r:.1f}" for r in ratios) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
