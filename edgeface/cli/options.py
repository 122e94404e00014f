"""Options that several commands take, each declared once."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeface.terminal import named_path

MODEL_NAMES = "a network that ships (mfn, sfn, fusion, mfn-free, sfn-free) or a model file"

LARGEST_NUMBER = 1024
"""Of threads and faces: the most threads that `edgeface.load` takes."""


def output_name(text: str) -> str:
    """The name of a file to write: ``-`` is standard output, as it is standard input to read."""
    named_path(text)  # for its check alone, since an address is no path
    return "/dev/stdout" if text == "-" else text


def output_path(text: str) -> Path:
    """`output_name` as a path."""
    return Path(output_name(text))


def add_input_size(parser: argparse.ArgumentParser) -> None:
    """Declare ``--input-size``."""
    parser.add_argument(
        "--input-size",
        type=int,
        metavar="PX",
        help="the side of an mfn's square input, a multiple of 32: a smaller one is faster, a "
        "larger one finds smaller faces (default: the size that the network was trained for)",
    )


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Declare ``--threshold``."""
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="SCORE",
        help="faces with a lower score are not reported (default: the one in the model file)",
    )


def add_images(parser: argparse.ArgumentParser) -> None:
    """Declare ``--images``."""
    parser.add_argument(
        "--images",
        type=named_path,
        metavar="DIR",
        help="a folder of photos to use (default: the demo photo that ships with edgeface)",
    )


def add_thread_counts(parser: argparse.ArgumentParser) -> None:
    """Declare ``--threads`` of commands that measure with several numbers of them."""
    parser.add_argument(
        "--threads",
        type=numbers,
        default=[1],
        metavar="1,2",
        help="measure with each of these numbers of threads (default: 1)",
    )


def numbers(text: str) -> list[int]:
    """Whole numbers from 0 to `LARGEST_NUMBER`, given like ``1,2``."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers like 1,2, got {text!r}") from error
    if not 0 <= min(values) <= max(values) <= LARGEST_NUMBER:
        raise argparse.ArgumentTypeError(
            f"expected numbers from 0 to {LARGEST_NUMBER}, got {text!r}"
        )
    return values


def words(text: str) -> list[str]:
    """Words given like ``onnx,tflite``."""
    return text.split(",")
