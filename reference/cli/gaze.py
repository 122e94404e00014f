"""``edgeface-train gaze``: where eyes look, for a network that is trained otherwise."""

from __future__ import annotations

import argparse
import logging

from edgeface.output import check_place, refuse_inputs
from edgeface.reference.cli.options import Commands, add_checkpoints, add_command, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "gaze",
        "teach an sfn where eyes look, while all its other outputs stay exactly as they are",
    )
    add_checkpoints(parser)
    add_data(parser)
    parser.add_argument(
        "--passes",
        type=int,
        default=2,
        metavar="N",
        help="the number of differently warped copies of each face (default: 2)",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.networks.checkpoint import load_network, save_network
    from edgeface.reference.training.gaze import learn_gaze
    from edgeface.values import Whole, option

    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)7d ms  %(message)s")
    refuse_inputs(arguments.out, (arguments.checkpoint,))
    check_place(arguments.out)
    passes = option("--passes", arguments.passes, Whole(1, 1000))
    trained = load_network(arguments.checkpoint)
    save_network(learn_gaze(trained, data_dir(arguments.data), passes), arguments.out)
