"""``edgeface-train personal``: what personal face models are made from."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edgeface.reference.cli.options import Commands


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = commands.add_parser("personal", help="make what personal face models are made from")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser("template", help="derive the template from ICT-FaceKit light")
    action.add_argument("ict_facekit", type=Path, help="ICT-FaceKit light, an .npz file")
    action.add_argument(
        "mesh_map",
        type=Path,
        help="an .npz file that names the vertex at each point of MediaPipe's face mesh",
    )
    action.add_argument(
        "--out", type=Path, required=True, metavar="NPZ", help="the template to write"
    )
    action.add_argument(
        "--portraits",
        type=Path,
        metavar="DIR",
        help="the folder that holds the pack of portraits, from which the mean skin is learned "
        "(default: the skin is one tone)",
    )
    action.set_defaults(execute=_template)


def _template(arguments: argparse.Namespace) -> None:
    from edgeface.output import write_output
    from edgeface.reference.personal.learn_skin import learn_skin
    from edgeface.reference.personal.template import derive_template

    template = derive_template(arguments.ict_facekit, arguments.mesh_map)
    if arguments.portraits is not None:
        skin = learn_skin(template, arguments.portraits, progress=_show)
        info = template.info | {"skin": "mean of portraits of the pack faces-portraits"}
        template = replace(template, albedo=skin, info=info)
    inputs = (arguments.ict_facekit, arguments.mesh_map)
    write_output(arguments.out, template.to_bytes(), inputs)
    print(f"{template}, into {arguments.out}")


def _show(done: int, total: int) -> None:
    """One line that renews itself on a terminal, silent elsewhere."""
    if sys.stderr.isatty():
        end = "\r" if done < total else "\n"
        print(f"portrait {done} of {total}", end=end, file=sys.stderr, flush=True)
