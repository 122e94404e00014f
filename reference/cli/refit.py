"""``edgeface-train refit``: the last layers of faces, for a network that is trained."""

from __future__ import annotations

import argparse
import logging

from edgeface.output import check_place, refuse_inputs
from edgeface.reference.cli.options import Commands, add_checkpoints, add_command, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "refit",
        "fit the last layers of identity, expression and pose of an sfn or mfn to faces as photos "
        "show them, while everything before stays as it is",
    )
    add_checkpoints(parser)
    add_data(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.networks.checkpoint import load_network, save_network
    from edgeface.reference.training.refit import refit

    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)7d ms  %(message)s")
    refuse_inputs(arguments.out, (arguments.checkpoint,))
    check_place(arguments.out)
    trained = load_network(arguments.checkpoint)
    save_network(refit(trained, data_dir(arguments.data)), arguments.out)
