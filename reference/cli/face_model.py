"""``edgeface-train face-model``: learn the default face model, and draw face models."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from edgeface.output import check_place
from edgeface.reference.cli.options import Commands, add_command, add_data, add_picture
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = add_command(
        commands, "face-model", "learn the default face model from the packs, or draw one"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = add_command(actions, "learn", "learn the default face model from the packs")
    add_data(action)
    action.add_argument(
        "--out", type=named_path, required=True, metavar="NPZ", help="the face model to write"
    )
    action.set_defaults(execute=_learn)

    action = add_command(actions, "draw", "draw every shape of a face model into one picture")
    action.add_argument("model", type=named_path, help="the face model, an .npz file")
    add_picture(action)
    action.set_defaults(execute=_draw)

    action = add_command(
        actions, "harmonics", "draw the eight smoothest functions on the default mean face"
    )
    add_picture(action)
    action.set_defaults(execute=_harmonics)


def _learn(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.face_model.learn import learn
    from edgeface.reference.face_model.residuals import report_on

    check_place(arguments.out)
    folder = data_dir(arguments.data)
    model = learn(folder)
    model = replace(model, info=model.info | {"report": report_on(model, folder)})
    model.save(arguments.out)
    print(json.dumps(model.info, indent=2))


def _draw(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import FaceModel
    from edgeface.reference.face_model.picture import draw_shapes

    draw_shapes(FaceModel.load(arguments.model), arguments.out)


def _harmonics(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import default_face_model
    from edgeface.reference.face_model.picture import draw_harmonics

    draw_harmonics(default_face_model(), arguments.out)
