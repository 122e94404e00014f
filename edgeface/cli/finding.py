"""How `run` finds the faces of an image: the options, and the networks that they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import get_args

from edgeface.cli.options import MODEL_NAMES, add_input_size, add_threshold
from edgeface.crops import MAX_REFINED, check_refiner
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.model import Model, load
from edgeface.run_options import MAX_FACES, Detail, suppression_of, thresholds
from edgeface.shipped import partner
from edgeface.types import ImageArray

NOBODY = "none"
"""What ``--refine`` is where no network shall look again."""


def add_finding_options(parser: argparse.ArgumentParser) -> None:
    """Declare the networks, how closely they look, and which faces are reported."""
    parser.add_argument(
        "--model",
        default="mfn",
        help=f"{MODEL_NAMES} (default: mfn). A crop network, such as sfn or fusion, is run on the "
        "faces that mfn finds",
    )
    parser.add_argument(
        "--detail",
        choices=get_args(Detail),
        default="auto",
        help="fast: one pass over the whole image. auto (default): further passes at a higher "
        "resolution if the first one suggests small faces. full: the whole image at a high "
        "resolution, for crowds in large photos",
    )
    parser.add_argument(
        "--refine",
        metavar="MODEL",
        help="the crop network that is run on each face that an mfn finds, for exact landmarks, on "
        f"the {MAX_REFINED} largest faces of an image at most: sfn (default; sfn-free for "
        f"mfn-free), fusion, a model file, or {NOBODY}",
    )
    parser.add_argument(
        "--max-faces",
        type=int,
        default=MAX_FACES,
        metavar="COUNT",
        help=f"the largest number of faces to report of an image (default: {MAX_FACES})",
    )
    add_threshold(parser)
    add_input_size(parser)


@dataclass(frozen=True)
class Finder:
    """The networks that the options ask for.

    Attributes
    ----------
    model : finds the faces
    closer : looks again at those found, or None
    most_refined : at how many of an image, the largest ones; None is all
    """

    model: Model
    closer: Model | None
    most_refined: int | None
    arguments: argparse.Namespace

    def find(self, image: ImageArray) -> Faces:
        """The faces of an image."""
        faces = self.model.run(
            image,
            score_threshold=self.arguments.threshold,
            detail=self.arguments.detail,
            max_faces=self.arguments.max_faces,
        )
        if self.closer is None:
            return faces
        return self.closer.refine(image, faces, max_faces=self.most_refined)


def open_finder(arguments: argparse.Namespace) -> Finder:
    """Load the networks. A network of crops that ``--model`` names looks at all faces."""
    model = load(arguments.model, input_size=arguments.input_size)
    # what is wrong for every image is said once, before the first
    suppression_of(arguments.max_faces, None)
    thresholds(model.metadata, arguments.threshold, None)
    closer = open_closer(arguments, model)
    if model.metadata.detects:
        return Finder(model, closer, MAX_REFINED, arguments)
    return Finder(load(partner("mfn", arguments.model, model.face_model)), model, None, arguments)


def open_closer(arguments: argparse.Namespace, model: Model) -> Model | None:
    """Load the network that looks again at the faces that ``--model`` finds, or None.

    The default one is left out where the model has a face model of its own.
    """
    if not model.metadata.detects:
        if arguments.refine not in (None, NOBODY):
            raise InvalidInputError(
                f"--model {arguments.model} is a crop network, so no other looks again: leave "
                "--refine out, or name an mfn by --model"
            )
        return None
    if arguments.refine == NOBODY:
        return None
    closer = load(arguments.refine or partner("sfn", arguments.model, model.face_model))
    if arguments.refine is None and closer.face_model.sha256 != model.face_model.sha256:
        return None
    check_refiner(model, closer)
    return closer
