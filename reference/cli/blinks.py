"""``edgeface-train blinks``: eyes that shut, for a network that is trained otherwise."""

from __future__ import annotations

import argparse
import logging

from edgeface.output import check_place, refuse_inputs
from edgeface.reference.cli.options import Commands, add_checkpoints, add_command, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "blinks",
        "stretch the eyeBlink of an sfn or mfn, so that shut eyes are drawn as far shut as people "
        "place their lids",
    )
    add_checkpoints(parser)
    add_data(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.evaluation.blinks import learn_blinks
    from edgeface.reference.networks.checkpoint import save_network

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    refuse_inputs(arguments.out, (arguments.checkpoint,))
    check_place(arguments.out)
    save_network(learn_blinks(arguments.checkpoint, data_dir(arguments.data)), arguments.out)
