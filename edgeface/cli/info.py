"""``edgeface info``: what a model file says of itself."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from typing import Any

from edgeface.backends import backends
from edgeface.metadata import Metadata, file_schema
from edgeface.model import Model, load
from edgeface.shipped import BUNDLED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the model file."""
    parser.add_argument(
        "model",
        nargs="?",
        help=f"a network that ships ({', '.join(BUNDLED)}) or a model file; without it, the "
        "backends that are installed here are listed",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the metadata as JSON, without the checksums"
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="show the rest, too: outputs, operators, layers, training and parity figures",
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of the metadata of model files",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the metadata; returns the exit status."""
    if arguments.schema:
        print(json.dumps(file_schema(), indent=1))
        return 0
    if arguments.model is None:
        print(*version_lines(), sep="\n")
        return 0
    model = load(arguments.model)
    metadata = model.metadata
    if arguments.json:
        print(metadata.to_json())
        return 0
    rows = _short(model)
    if arguments.layers:
        rows |= _rest(metadata)
    else:
        rows["more"] = "--layers shows outputs, operators, layers, training and parity figures"
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        print(f"{key:<{width}}  {value}")
    if arguments.layers:
        for name, size in _layers(metadata).items():
            print(f"{size:>12,}  {name}")
    return 0


def _short(model: Model) -> dict[str, Any]:
    """What most people ask for."""
    metadata = model.metadata
    rows: dict[str, Any] = {
        "name": metadata.name,
        "kind": f"{metadata.kind} ({_meaning(metadata)})",
        "input": f"uint8 RGB (batch, {metadata.input_size}, {metadata.input_size}, 3)",
    }
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
    layers = _layers(metadata)
    if layers:
        rows["weights"] = f"{sum(layers.values()):,} bytes in {len(layers)} layers"
    return rows


def _rest(metadata: Metadata) -> dict[str, Any]:
    """Everything else that the file says."""
    rows: dict[str, Any] = {}
    for name in metadata.output_names:
        shape = ", ".join(str(n) for n in metadata.output_shape(name))
        rows[f"output {name}"] = f"raw logits (batch, {shape})"
    rows |= {f"training {k}": v for k, v in metadata.training.items()}
    rows |= {f"parity {k}": v for k, v in metadata.parity.items()}
    operators = metadata.graph.get("operators", {})
    if operators:
        rows["operators"] = ", ".join(f"{count} {name}" for name, count in operators.items())
        rows["layers"] = "bytes of the weights of each:"
    return rows


def _layers(metadata: Metadata) -> dict[str, int]:
    return metadata.graph.get("layer_bytes", {})


def version_lines() -> list[str]:
    """A line a backend: its library's version, or what installs it; then numba's."""
    lines: list[str] = []
    for backend in backends():
        state = f"version {backend.version}" if backend.available else f"needs: {backend.install}"
        lines.append(f"{backend.suffix:<12}{backend.engine:<14}{state}")
    return [*lines, f"{'kernels':<12}{'numba':<14}{_numba()}"]


def _numba() -> str:
    try:
        return f"version {importlib.metadata.version('numba')}"
    except importlib.metadata.PackageNotFoundError:
        return "not installed, numpy runs them: pip install 'edgeface[fast]'"


def _meaning(metadata: Metadata) -> str:
    if not metadata.network_kind.gives_faces:
        return "estimates a person from one face crop"
    return "finds all faces of an image" if metadata.detects else "analyses one face crop"
