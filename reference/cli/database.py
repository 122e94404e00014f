"""``edgeface-train database``: what can be read of a published database."""

from __future__ import annotations

import argparse

from edgeface.reference.cli.options import Commands, add_command
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "database", "print what can be read of a published database, and what can not"
    )
    parser.add_argument(
        "name", help="the database: 300w, 300w-lp, ls3d-w, facewarehouse, lfw-74, wflw or wflw-test"
    )
    parser.add_argument("folder", type=named_path, help="the folder that holds it")
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.published import open_database

    print(open_database(arguments.name, arguments.folder).summary())
