"""``edgeface-train labels``: how the landmarks of the packs are biased."""

from __future__ import annotations

import argparse

from edgeface.errors import InvalidInputError
from edgeface.reference.cli.options import Commands, add_command, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "labels",
        "print how the landmarks of each pack differ from its meshes, or from a network's",
    )
    add_data(parser)
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="a crop network (sfn, fusion, a model file or a checkpoint), with whose landmarks the "
        "training targets of each pack are compared, too",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import default_face_model
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.evaluation.labels import check_labels
    from edgeface.reference.evaluation.predictor import open_predictor

    look = open_predictor(arguments.model).look if arguments.model else None
    if arguments.model and look is None:
        raise InvalidInputError(
            f"{arguments.model} finds faces in whole images; expected a network of crops, an sfn"
        )
    print(check_labels(data_dir(arguments.data), default_face_model(), look))
