"""``edgeface-train plot``: draw the log of a training."""

from __future__ import annotations

import argparse

from edgeface.reference.cli.options import Commands, add_command, add_picture
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "plot", "draw the losses of a training over its epochs")
    parser.add_argument(
        "folder", type=named_path, help="the folder that the training was told to write to"
    )
    add_picture(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.training.log import plot_run

    plot_run(arguments.folder, arguments.out)
