"""``edgeface-train evaluate``: measure a network on labelled faces."""

from __future__ import annotations

import argparse
import json

from edgeface.errors import InvalidInputError
from edgeface.output import folder_of
from edgeface.reference.cli.options import Commands, add_command
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "evaluate", "measure a network on labelled faces")
    parser.add_argument(
        "model",
        help="the network: the name of one that ships (mfn, sfn, fusion ...), a model file, or a "
        "checkpoint (.ckpt)",
    )
    parser.add_argument(
        "--set",
        default="packs",
        metavar="SET",
        help="the labelled set: packs (their split that training never sees, the default), "
        "aflw2000, 300w, 300vw, lfw, afw, fddb, wider, facewarehouse or expressions; "
        "docs/how-to/evaluate.md describes them",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="the folder that holds the set (default for packs: the environment variable "
        "EDGEFACE_DATA names it)",
    )
    parser.add_argument(
        "--out",
        type=named_path,
        metavar="DIR",
        help="a folder to write the report, its curves and the worst faces to",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.evaluation.figures import measure
    from edgeface.reference.evaluation.predictor import open_predictor
    from edgeface.reference.evaluation.report_files import to_json, to_markdown, write_report
    from edgeface.reference.evaluation.run import SETS, ImageResult, run
    from edgeface.reference.evaluation.worst_faces import WorstFaces

    if arguments.set not in SETS:
        raise InvalidInputError(f"--set {arguments.set} is none of {', '.join(SETS)}")
    if arguments.set != "packs" and not arguments.data:
        raise InvalidInputError(f"--set {arguments.set} needs --data, the set's folder")
    if arguments.out:
        folder_of("--out", arguments.out)
    predictor = open_predictor(arguments.model)
    images = SETS[arguments.set](data_dir(arguments.data), predictor.face_model)
    results: list[ImageResult] = []
    worst = WorstFaces()
    for result, pixels in run(predictor, images):
        results.append(result)
        worst.add(result, pixels)
    if not results:
        raise InvalidInputError(
            f"{predictor.name} does not detect, and {arguments.set} labels nothing but boxes"
        )
    detects = predictor.find is not None
    figures = measure(results, detects)
    if arguments.out:
        write_report(figures, results, worst, detects, arguments.out)
    print(json.dumps(to_json(figures), indent=1) if arguments.json else to_markdown(figures))
