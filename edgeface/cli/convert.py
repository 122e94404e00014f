"""`edgeface convert`: a training checkpoint to model files."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from edgeface.cli.options import add_input_size
from edgeface.errors import BackendUnavailableError
from edgeface.terminal import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare checkpoint, formats, precisions and folders."""
    parser.add_argument(
        "checkpoint",
        help="a checkpoint of edgeface-train, or the name of a network that ships",
    )
    parser.add_argument(
        "--to",
        default="onnx",
        metavar="FORMATS",
        help="the formats to write, of onnx,tflite,coreml,pt2 (default: onnx)",
    )
    parser.add_argument(
        "--precision",
        default="fp32",
        metavar="PRECISIONS",
        help="the precisions to write, of fp32,fp16,int8,w8,palette (default: fp32); a format is "
        "written in those of them that it has",
    )
    parser.add_argument(
        "--out",
        type=named_path,
        required=True,
        metavar="DIR",
        help="the folder that the files go to",
    )
    parser.add_argument(
        "--calibration",
        type=named_path,
        metavar="DIR",
        help="a folder of real photos: int8 needs it to set its ranges, and a part of the photos "
        "verifies every file",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave a file that fails its verification in place"
    )
    add_input_size(parser)
    parser.add_argument(
        "--dense",
        action=argparse.BooleanOptionalAction,
        help="whether the files carry the dense mesh of the face model, which only meshes and "
        "viewers need (default: they do if it takes no more than 1 MB)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Convert, showing each step, and print the table of what was written."""
    try:
        from edgeface import converters
    except ImportError as error:
        raise BackendUnavailableError(
            f"converting needs {error.name}: pip install 'edgeface[convert]'"
        ) from error
    formats, precisions = arguments.to.split(","), arguments.precision.split(",")
    written = converters.convert(
        arguments.checkpoint,
        arguments.out,
        formats,
        precisions,
        calibration=arguments.calibration,
        keep=arguments.keep,
        input_size=arguments.input_size,
        dense=arguments.dense,
        progress=_show,
    )
    if sys.stderr.isatty():
        _show("")
        print(end="\r", file=sys.stderr, flush=True)
    _print_table(written)
    done = {(w.format, w.precision) for w in written}
    missing = [f"{f} {p}" for f in formats for p in precisions if (f, p) not in done]
    if missing:
        print(f"no such thing, so not written: {', '.join(missing)}")
    return 0


def _show(step: str) -> None:
    """One line that renews itself on a terminal, a line a step elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{step}", end="", file=sys.stderr, flush=True)
    else:
        print(step, file=sys.stderr, flush=True)


def _print_table(written: list[Any]) -> None:
    """Raw differences, and what users see of them: of faces, or of a guessed person."""
    gives_faces = all(row.metadata.network_kind.gives_faces for row in written)
    seen = ("landmarks %", "faces") if gives_faces else ("person mm", "person skin")
    print(
        f"{'file':<24}{'MB':>7}{'operators':>11}{'raw max':>10}{'least dB':>10}"
        f"{seen[0]:>13}{seen[1]:>13}{'ms':>8}"
    )
    for row in written:
        values = row.comparison.values
        raw = max(v for q, v in values.items() if q.endswith(" max"))
        decibel = min(v for q, v in values.items() if q.endswith(" dB"))
        latency = "-" if math.isnan(row.latency_ms) else f"{row.latency_ms:.2f}"
        first = f"{values[seen[0]]:.4f}" if seen[0] in values else "-"  # no face was found
        second = f"{values[seen[1]]:.{0 if gives_faces else 4}f}"
        print(
            f"{row.path.name:<24}{row.num_bytes / 1e6:>7.2f}"
            f"{sum(row.metadata.graph['operators'].values()):>11}{raw:>10.1e}{decibel:>10.1f}"
            f"{first:>13}{second:>13}{latency:>8}"
        )
    told = seen[0] if gives_faces else f"{seen[0]}, {seen[1]} (of 255)"
    print(f"raw max, least dB, {told}: largest difference from PyTorch; ms: one thread here")
