"""``edgeface-train conventions``: check and draw landmark conventions."""

from __future__ import annotations

import argparse

from edgeface.reference.cli.options import Commands, add_command
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "conventions", "check landmark conventions and draw them")
    parser.add_argument(
        "convention",
        nargs="*",
        help="the name of a convention that ships, or a .json file (default: all that ship)",
    )
    parser.add_argument(
        "--draw",
        type=named_path,
        metavar="PNG",
        help="a picture to write, of them on the mean face",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import default_face_model
    from edgeface.reference.conventions import NAMES, read_convention, unify
    from edgeface.reference.conventions.convention import POINT_KINDS

    conventions = [read_convention(c) for c in arguments.convention or NAMES]
    print(f"{'convention':<12}{'points':>7}" + "".join(f"{kind:>17}" for kind in POINT_KINDS))
    for convention in conventions:
        kinds = "".join(f"{convention.kind.count(kind):>17}" for kind in POINT_KINDS)
        print(f"{convention.name:<12}{len(convention.points):>7}{kinds}")
    print(f"{len(unify(conventions).names)} landmarks in all")
    if arguments.draw:
        from edgeface.reference.conventions.picture import draw_conventions

        draw_conventions(conventions, default_face_model(), arguments.draw)
