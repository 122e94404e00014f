"""``edgeface convert``: a training checkpoint to a model file."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from edgeface.errors import BackendUnavailableError
from edgeface.model import DEMO_PHOTO


def add_parser(commands: Any) -> None:
    """Declare the command's arguments: checkpoint, output and sample images."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "convert", help="turn a training checkpoint into a model file"
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        default=[DEMO_PHOTO],
        metavar="IMAGE",
        help="real images on which file and network must agree (default: the demo photo)",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Convert and print the parity report; returns the exit status."""
    try:
        converters: Any = importlib.import_module("edgeface.converters")
    except ImportError as error:
        raise BackendUnavailableError(
            f"converting needs PyTorch and ONNX ({error.name}): pip install 'edgeface[convert]'"
        ) from error
    metadata = converters.convert(arguments.checkpoint, arguments.out, arguments.images)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size / 1e6:.1f} MB)")
    for name, difference in metadata.parity["max_abs_difference"].items():
        print(f"  {name}: largest difference {difference:.1e}")
    return 0
