"""``edgeface-train anchors``: the typical shapes of faces, for a network that detects."""

from __future__ import annotations

import argparse

from edgeface.metadata import MAX_INPUT_SIZE, SIZE_STEP
from edgeface.reference.cli.options import Commands, add_command, add_data
from edgeface.values import Whole, option

MAX_ANCHORS = 100


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "anchors", "find the typical widths and heights of faces in the packs"
    )
    add_data(parser)
    parser.add_argument(
        "--size",
        type=int,
        default=288,
        metavar="PX",
        help="the side of the network's input (default: 288)",
    )
    parser.add_argument(
        "--count", type=int, default=5, metavar="N", help="how many shapes to find (default: 5)"
    )
    parser.add_argument(
        "--face-model",
        default="default",
        metavar="NPZ",
        help="the face model whose faces are measured (default: the one that ships)",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.face_model.own import read_face_model
    from edgeface.reference.training.anchors import find_anchors

    size = option("--size", arguments.size, Whole(SIZE_STEP, MAX_INPUT_SIZE, SIZE_STEP))
    count = option("--count", arguments.count, Whole(1, MAX_ANCHORS))
    model = read_face_model(arguments.face_model)
    folder = data_dir(arguments.data)
    for width, height in find_anchors(folder, size, count, face_model=model):
        print(f"{width:6.1f} x {height:5.1f} px")
