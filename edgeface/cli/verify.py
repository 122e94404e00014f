"""`edgeface verify`: how much two model files differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.compare import compare
from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.model import DEMO_PHOTO, load


def add_parser(commands: Any) -> None:
    """Declare the command's arguments: two model files and images."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify", help="compare two model files; exit status 1 if B is over its limits"
    )
    parser.add_argument("a", metavar="A", help="model file, mfn, sfn or fusion: the truth")
    parser.add_argument("b", metavar="B", help="model file; its precision sets the limits")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of photos (default: the demo photo)"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print every difference; returns 1 where one is over its limit."""
    with load(arguments.a) as a, load(arguments.b) as b:
        precision = b.metadata.precision
        comparison = compare(a, b, _images(arguments.images), precision)
    for quantity, value in comparison.values.items():
        worst = comparison.worst.get(quantity)
        print(f"{quantity:<20}{value:>12.4g}{f'   {worst}' if worst else ''}")
    over = comparison.exceeded(precision)
    for line in over:
        print(f"over the limits of {precision}: {line}")
    if not over:
        print(f"within the limits of {precision}")
    return 1 if over else 0


def _images(folder: Path | None) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every readable image of a folder; at least one."""
    if folder is None:
        yield "the demo photo", read_image(DEMO_PHOTO)
        return
    if not folder.is_dir():
        raise InvalidInputError(f"no such folder: {folder}")
    count = 0
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        try:
            pixels = read_image(path)
        except InvalidInputError:
            continue  # other files may lie beside the photos
        count += 1
        yield path.name, pixels
    if not count:
        raise InvalidInputError(f"the folder {folder} holds no readable images")
