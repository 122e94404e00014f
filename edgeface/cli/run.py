"""``edgeface run``: find the faces of images."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from edgeface.cli.finding import add_finding_options, open_finder
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.faces import Faces
from edgeface.image import read_image
from edgeface.model import DEMO_PHOTO
from edgeface.output import distinct_name, refuse_inputs, write_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare images, outputs, and how faces are found."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files; the word 'demo' stands for the photo that ships with edgeface",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the images with their faces drawn to this folder",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each image instead of text"
    )
    add_finding_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run every image; a bad one is reported and the others go on. Returns the exit status."""
    finder = open_finder(arguments)
    status = 0
    paths = [DEMO_PHOTO if name == "demo" else Path(name) for name in arguments.images]
    targets: list[Path | None] = [None] * len(paths)
    if arguments.out is not None:
        targets = [*_overlay_paths(arguments.out, paths)]
    for name, path, target in zip(arguments.images, paths, targets, strict=True):
        try:
            image = read_image(path)
            faces = finder.find(image)
        except (InvalidInputError, BackendUnavailableError) as error:
            print(f"edgeface: {error}", file=sys.stderr)
            status = 1
            continue
        if arguments.json:
            found = {"image": name, "faces": faces.to_dict(), "truncated": faces.truncated}
            print(json.dumps(found))
        else:
            _print_faces(name, faces)
        if target is not None:
            _write_overlay(target, faces.draw(image), quiet=arguments.json)
    return status


def _print_faces(name: str, faces: Faces) -> None:
    plural = "face" if len(faces) == 1 else "faces"
    more = ", and there are more: raise --max-faces" if faces.truncated else ""
    print(f"{name}: {len(faces)} {plural}{more}")
    for number, face in enumerate(faces, start=1):
        print(f"  {number:2d}  {face}")


def _overlay_paths(folder: Path, images: list[Path]) -> list[Path]:
    """Where each overlay goes: no two to one file, and none to one of the images."""
    taken: set[str] = set()
    targets: list[Path] = []
    for image in images:
        target: Path | None = None
        while target is None:
            named = folder / f"{distinct_name(f'{image.stem}-faces', taken)}.png"
            with contextlib.suppress(InvalidInputError):
                refuse_inputs(named, images)
                target = named
        targets.append(target)
    return targets


def _write_overlay(target: Path, overlay: Any, quiet: bool) -> None:
    from PIL import Image

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {target}: {error}") from error
    content = io.BytesIO()
    Image.fromarray(overlay).save(content, "PNG")
    write_output(target, content.getbuffer())
    if not quiet:
        print(f"  overlay: {target}")
