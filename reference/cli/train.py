"""``edgeface-train train``: train a network."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace

from edgeface.reference.cli.options import Commands, add_command, add_runs, add_start


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "train", "train a network, or resume a training that was stopped"
    )
    parser.add_argument(
        "recipe",
        help="a recipe: a .toml file, or the name of one that ships, such as sfn or mfn",
    )
    add_runs(parser)
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="train for so many epochs, whatever the recipe says"
    )
    add_start(parser, ", where name and shape agree")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="let torch.compile fuse the network's operators first, which takes some minutes",
    )
    parser.add_argument(
        "--face-model",
        metavar="NPZ",
        help="the face model to which the network's coefficients belong: a file that "
        "FaceModel.save wrote, or default for the one that ships (default: what the recipe says)",
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.training.recipe import read_recipe
    from edgeface.reference.training.train import train

    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)7d ms  %(message)s")
    recipe = read_recipe(arguments.recipe)
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    if arguments.face_model is not None:
        recipe = replace(recipe, face_model=arguments.face_model)
    train(
        recipe,
        data_dir(arguments.data),
        arguments.out,
        arguments.start,
        workers=arguments.workers,
        compiled=arguments.compile,
        minutes=arguments.minutes,
    )
