"""``edgeface run``: find the faces of images."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from edgeface.ahead import read_ahead
from edgeface.cli.corpus import add_corpus_options, execute_corpus
from edgeface.cli.finding import Finder, add_finding_options, open_finder
from edgeface.cli.options import output_name
from edgeface.cli.records import FORMATS, Records
from edgeface.cli.sources import Source, find_sources, overlay_paths
from edgeface.drawing import encoded_picture
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.faces import Faces
from edgeface.output import (
    PathLike,
    folder_of,
    make_folder,
    refuse_twice,
    whole_file,
    write_output,
)
from edgeface.progress import ProgressLine
from edgeface.terminal import INTERRUPTED, named_path, printable, told_on
from edgeface.types import ImageArray
from edgeface.values import path_of

IMAGES_AHEAD = 4
"""Images that are read while the network looks at another."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare images, outputs, and how faces are found."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files, folders, patterns like 'photos/**/*.jpg', http(s) addresses; - is one "
        "image from standard input, the word 'demo' the photo that ships with edgeface",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="search folders with the folders in them"
    )
    parser.add_argument(
        "--out",
        type=named_path,
        metavar="DIR",
        help="write the images with their faces drawn to this folder",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="what is reported: text for people (default); json, one array; jsonl, one object for "
        "each image; csv, a row for each face; parquet, the same with landmarks and coefficients",
    )
    parser.add_argument(
        "--json", action="store_const", dest="format", const="jsonl", help="the same as jsonl"
    )
    parser.add_argument(
        "--save",
        type=output_name,
        metavar="FILE",
        help="write the report to a file instead of standard output; its suffix says the format, "
        "unless --format does",
    )
    add_corpus_options(parser)
    add_finding_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run every image; a bad one is reported and the others go on. Returns the exit status."""
    if arguments.engine is not None:
        return execute_corpus(arguments)
    if arguments.workers is not None:
        raise InvalidInputError("--workers is for --engine ray: name that, too")
    sources = find_sources(arguments.images, arguments.recursive)
    chosen = _format_of(arguments)
    finder = open_finder(arguments)
    overlays: Sequence[Path | None] = [None] * len(sources)
    if arguments.out is not None:
        overlays = overlay_paths(folder_of("--out", arguments.out), sources)
    target = None if arguments.save is None else path_of("--save", arguments.save)
    networks = (name for name in (arguments.model, arguments.refine) if name is not None)
    inputs = [*networks, *("-" if s.image is None else s.image for s in sources)]
    if target is not None:
        refuse_twice([target, *filter(None, overlays)])
    with _report(chosen, target, inputs) as records:
        run = _Run(finder, records, chosen == "text" and arguments.save is None, len(sources))
        status = run.over(sources, overlays)
    if target is not None:
        print(printable(f"wrote {arguments.save}"), file=told_on([target]))
    return status


def _format_of(arguments: argparse.Namespace) -> str:
    """The format that the options ask for."""
    target: str | None = arguments.save
    if arguments.format is None and target is not None:
        name = Path(target).suffix.lower().removeprefix(".")
        if name not in FORMATS:
            known = ", ".join(f".{known}" for known in FORMATS if known != "text")
            raise InvalidInputError(
                f"{target}: its suffix says no format: take one of {known}, or say --format"
            )
        return name
    chosen = arguments.format or "text"
    if FORMATS[chosen].binary and target is None and sys.stdout.isatty():
        raise InvalidInputError(f"{chosen} is nothing to read on a terminal: name a file by --save")
    return chosen


@contextlib.contextmanager
def _report(
    chosen: str, target: Path | None, inputs: Sequence[PathLike]
) -> Generator[Records, None, None]:
    """Where results go: standard output or a file, which takes its name when it is whole."""
    kind = FORMATS[chosen]
    with contextlib.ExitStack() as stack:
        stream: Any
        if target is None:
            stream = sys.stdout.buffer if kind.binary else sys.stdout
        else:
            stream = stack.enter_context(whole_file(target, inputs))
            if not kind.binary:
                stream = io.TextIOWrapper(stream, "utf-8", "backslashreplace", newline="")
                stack.callback(stream.flush)
        records = kind(stream)
        yield records
        records.close()


class _Run:
    """One run over many images: what was found, what failed, how far it is."""

    def __init__(self, finder: Finder, records: Records, lines: bool, total: int) -> None:
        self._finder, self._records, self._lines = finder, records, lines
        shown = total > 1 and not (lines and sys.stdout.isatty())
        self._progress = ProgressLine(total, "images", sys.stderr if shown else None)
        self._num_faces = self._num_failed = 0

    def over(self, sources: Sequence[Source], overlays: Sequence[Path | None]) -> int:
        """Look at all images in turn; the exit status."""
        status = 0
        try:
            images = read_ahead(sources, Source.read, IMAGES_AHEAD)
            with contextlib.closing(images):
                for source, target, (_, pixels) in zip(sources, overlays, images, strict=True):
                    self._one(source, target, pixels)
        except KeyboardInterrupt:
            status = INTERRUPTED
        self._progress.close()
        if len(sources) > 1:
            print(self._summary(status), file=sys.stderr)
        return status or int(self._num_failed > 0)

    def _one(self, source: Source, target: Path | None, pixels: ImageArray | EdgeFaceError) -> None:
        try:
            if isinstance(pixels, EdgeFaceError):
                raise pixels
            faces = self._finder.find(pixels)
            self._records.add(source.name, faces)
            self._num_faces += len(faces)
            if target is not None:
                _write_overlay(target, faces, pixels)
                if self._lines:
                    print(printable(f"  overlay: {target}"))
        except EdgeFaceError as error:
            self._progress.close()
            name = "" if error is pixels else f"{source.name}: "  # which reading it has named
            print(printable(f"edgeface: {name}{error}"), file=sys.stderr)
            self._num_failed += 1
        self._progress.step(f"{self._num_faces} faces")

    def _summary(self, status: int) -> str:
        progress = self._progress
        return (
            f"{progress.count} images in {progress.seconds:.1f} s ({progress.rate:.1f} a second), "
            f"{self._num_faces} faces, {self._num_failed} failed" + (" (stopped)" if status else "")
        )


def _write_overlay(target: Path, faces: Faces, pixels: ImageArray) -> None:
    make_folder(target.parent)
    write_output(target, encoded_picture(faces.draw(pixels), ".png"))
