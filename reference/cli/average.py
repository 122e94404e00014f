"""``edgeface-train average``: the mean of two trainings of a network."""

from __future__ import annotations

import argparse

from edgeface.output import refuse_inputs
from edgeface.reference.cli.options import Commands, add_checkpoint_to_write, add_command
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "average", "write the mean of a network's weights before and after a training"
    )
    parser.add_argument("first", type=named_path, help="the checkpoint before the training")
    parser.add_argument("second", type=named_path, help="the checkpoint that it led to")
    parser.add_argument(
        "--share",
        type=float,
        default=0.5,
        metavar="S",
        help="how much of the second the mean holds, from 0 to 1 (default: 0.5)",
    )
    add_checkpoint_to_write(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.networks.average import average
    from edgeface.reference.networks.checkpoint import load_network, save_network

    refuse_inputs(arguments.out, (arguments.first, arguments.second))
    first, second = (load_network(path) for path in (arguments.first, arguments.second))
    save_network(average(first, second, arguments.share), arguments.out)
