"""``edgeface info``: what a model file says of itself."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edgeface.backends import backends
from edgeface.cli.options import MODEL_NAMES
from edgeface.metadata import Metadata, file_schema
from edgeface.model import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the model file."""
    parser.add_argument(
        "model",
        nargs="?",
        help=f"{MODEL_NAMES}; without one, the backends are listed that are installed here",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the metadata as it is stored in the file"
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of what model files say of themselves",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the metadata; returns the exit status."""
    if arguments.schema:
        print(json.dumps(file_schema(), indent=1))
        return 0
    if arguments.model is None:
        _print_backends()
        return 0
    model = load(arguments.model)
    metadata = model.metadata
    if arguments.json:
        print(metadata.to_json())
        return 0
    rows: dict[str, Any] = {
        "name": metadata.name,
        "kind": f"{metadata.kind} ({_meaning(metadata)})",
        "input": f"uint8 RGB (batch, {metadata.input_size}, {metadata.input_size}, 3)",
    }
    for name in metadata.output_names:
        shape = ", ".join(str(n) for n in metadata.output_shape(name))
        rows[f"output {name}"] = f"raw logits (batch, {shape})"
    if metadata.detects:
        rows["anchors"] = ", ".join(f"{w:g}x{h:g}" for w, h in metadata.anchors)
        rows["thresholds"] = f"score {metadata.score_threshold:g}, IoU {metadata.iou_threshold:g}"
    else:
        rows["crop"] = f"{metadata.crop_scale:g} x the longer side of the face box"
    mesh = f"{len(model.face_model.mean)} vertices" if metadata.dense_mesh else "landmarks only"
    rows["face model"] = (
        f"{model.face_model.info.get('name', 'unnamed')}, {mesh}, "
        f"sha256 {metadata.face_model_sha256[:12]}"
    )
    rows["kernels"] = model.engine.explain()
    rows["never taught"] = ", ".join(metadata.unseen_expressions) or "nothing"
    rows["licence of the weights"] = metadata.licence
    rows["licence of the code"] = "Apache-2.0"
    rows["precision"] = metadata.precision
    rows["checksums"] = "intact" if metadata.checksummed else "none: a file of an earlier release"
    rows |= {f"training {k}": v for k, v in metadata.training.items()}
    rows |= {f"parity {k}": v for k, v in metadata.parity.items()}
    operators, layers = (metadata.graph.get(k, {}) for k in ("operators", "layer_bytes"))
    if operators:
        rows["operators"] = ", ".join(f"{count} {name}" for name, count in operators.items())
        rows["weights"] = f"{sum(layers.values()):,} bytes, by layer:"
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        print(f"{key:<{width}}  {value}")
    for name, size in layers.items():
        print(f"{size:>12,}  {name}")
    return 0


def _print_backends() -> None:
    for backend in backends():
        state = f"version {backend.version}" if backend.available else f"needs: {backend.install}"
        print(f"{backend.suffix:<12}{backend.engine:<14}{state}")


def _meaning(metadata: Metadata) -> str:
    return "finds all faces of an image" if metadata.detects else "looks at one face crop"
