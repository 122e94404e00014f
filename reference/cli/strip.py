"""``edgeface-train strip``: a checkpoint's weights alone."""

from __future__ import annotations

import argparse

from edgeface.output import refuse_inputs
from edgeface.reference.cli.options import Commands, add_checkpoints, add_command


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "strip", "write the weights alone, without what only a resumed training needs"
    )
    add_checkpoints(parser)
    parser.add_argument(
        "--no-gaze",
        action="store_true",
        help="leave out the head that tells where eyes look; the other outputs stay as they are",
    )
    parser.add_argument(
        "--face-model",
        metavar="MODEL",
        help="move the network to this face model, of the same mesh: default, free or an .npz",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.face_model.own import read_face_model
    from edgeface.reference.networks.checkpoint import load_network, save_network
    from edgeface.reference.networks.rebase import on_face_model
    from edgeface.reference.training.gaze import without_gaze

    refuse_inputs(arguments.out, (arguments.checkpoint,))
    trained = load_network(arguments.checkpoint)
    if arguments.face_model:
        trained = on_face_model(trained, read_face_model(arguments.face_model))
    save_network(without_gaze(trained) if arguments.no_gaze else trained, arguments.out)
