"""``edgeface run --engine``: all photos below one folder, to a folder of Parquet files."""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from edgeface.addresses import without_secrets
from edgeface.cli.finding import open_closer
from edgeface.corpora import Engine, Summary, run_corpus
from edgeface.errors import InvalidInputError
from edgeface.model import Model, load
from edgeface.progress import ProgressLine
from edgeface.shipped import partner
from edgeface.terminal import INTERRUPTED


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """Declare who works, and on how many cores."""
    parser.add_argument(
        "--engine",
        choices=get_args(Engine),
        help="process all photos below a folder or the address of a bucket, and write Parquet "
        "files to the folder or address --save; a run that was stopped is resumed. plain: in this "
        "process; ray: in --workers processes of Ray, here or in the cluster of RAY_ADDRESS",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="COUNT",
        help="how many processes of Ray look at photos, each on one core (default: 1)",
    )


def execute_corpus(arguments: argparse.Namespace) -> int:
    """Run the corpus; the exit status is 1 if photos failed, 130 after an interrupt."""
    if len(arguments.images) != 1 or arguments.save is None:
        raise InvalidInputError(
            "--engine takes one folder or address of photos, and --save the folder or address that "
            "the files go to"
        )
    if arguments.workers is not None and arguments.engine != "ray":
        raise InvalidInputError("--workers is for --engine ray: leave it out")
    if arguments.out is not None or arguments.format not in (None, "parquet"):
        raise InvalidInputError("--engine writes Parquet files alone: leave --out and --format out")
    line: ProgressLine | None = None

    def show(summary: Summary, total: int) -> None:
        nonlocal line
        if line is None:
            line = ProgressLine(total, "images", sys.stderr)
        line.step(f"{summary.num_faces} faces", summary.num_images - line.count)

    try:
        summary = run_corpus(
            arguments.images[0],
            arguments.save,
            _model(arguments),
            engine=arguments.engine,
            workers=1 if arguments.workers is None else arguments.workers,
            options={
                "score_threshold": arguments.threshold,
                "max_faces": arguments.max_faces,
            },
            progress=show,
        )
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    finally:
        if line is not None:
            line.close()
    print(
        f"{summary.num_images} images, {summary.num_faces} faces, {summary.num_errors} failed; "
        f"{summary.num_before} were done before; wrote {without_secrets(arguments.save)}"
    )
    return int(summary.num_errors > 0)


def _model(arguments: argparse.Namespace) -> Model:
    """The networks, on one thread where Ray's processes fill the cores."""
    threads = 1 if arguments.engine == "ray" else 0
    network = load(arguments.model)
    finder, refine = arguments.model, None
    if open_closer(arguments, network) is not None:
        refine = arguments.refine or partner("sfn", arguments.model, network.face_model)
    elif not network.metadata.detects:
        finder = partner("mfn", arguments.model, network.face_model)
        refine = arguments.model
    return load(
        finder,
        num_threads=threads,
        input_size=arguments.input_size,
        detail=arguments.detail,
        refine=refine,
    )
