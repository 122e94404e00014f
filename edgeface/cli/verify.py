"""`edgeface verify`: how much two model files differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from edgeface.cli.options import MODEL_NAMES, add_images
from edgeface.compare import compare
from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.image_files import images_in
from edgeface.model import DEMO_PHOTO, load
from edgeface.types import ImageArray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare two model files and images."""
    parser.add_argument("a", metavar="A", help=f"{MODEL_NAMES}; its results count as the truth")
    parser.add_argument(
        "b", metavar="B", help="the model to judge; the precision of its file sets the limits"
    )
    add_images(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Print every difference; returns 1 where one is over its limit."""
    with load(arguments.a) as a, load(arguments.b) as b:
        precision, gives_faces = b.metadata.precision, a.metadata.network_kind.gives_faces
        comparison = compare(a, b, _images(arguments.images), precision)
    for quantity, value in comparison.values.items():
        worst = comparison.worst.get(quantity)
        print(f"{quantity:<20}{value:>12.4g}{f'   {worst}' if worst else ''}")
    over = comparison.exceeded(precision)
    if not over and gives_faces and not comparison.values["faces"]:
        raise InvalidInputError(
            f"{arguments.a} finds no face in the images, so nothing could differ: choose photos of "
            "people"
        )
    for line in over:
        print(f"over the limits of {precision}: {line}")
    if not over:
        print(f"within the limits of {precision}")
    return 1 if over else 0


def _images(folder: Path | None) -> Iterator[tuple[str, ImageArray]]:
    """Every readable image of a folder; at least one."""
    if folder is None:
        yield "the demo photo", read_image(DEMO_PHOTO)
        return
    count = 0
    for path in images_in(folder):
        try:
            pixels = read_image(path)
        except InvalidInputError:
            continue  # a damaged photo does not keep the others from being compared
        count += 1
        yield path.name, pixels
    if not count:
        raise InvalidInputError(f"the folder {folder} holds no readable images")
