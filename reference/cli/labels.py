"""``edgeface-train labels``: how the landmarks of the packs are biased."""

from __future__ import annotations

import argparse

from edgeface.errors import InvalidInputError
from edgeface.reference.cli.options import Commands, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "labels", help="table how every pack's landmarks differ from its meshes, or from a network"
    )
    add_data(parser)
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="a network of crops (sfn, fusion, a model file or a checkpoint), against which the "
        "landmarks that training takes of each pack are held too",
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
