"""``edgeface-train``: train, evaluate and describe the reference networks."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.output import ended_by_signals, refuse_inputs
from edgeface.reference.networks.config import CONFIGS
from edgeface.reference.training.recipe import NAMES, read_recipe

INTERRUPTED = 130
"""Exit status after Ctrl-C, SIGTERM and SIGHUP, as shells have it."""
WORKERS = "processes that plan batches (default: none)"


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    arguments = _parser().parse_args(argv)
    try:
        with ended_by_signals():
            arguments.run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EdgeFaceError as error:
        print(f"edgeface-train: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeface-train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("describe", help="size and cost of the networks")
    command.set_defaults(run=_describe)

    command = commands.add_parser("train", help="train a network, or go on after a kill")
    command.add_argument("recipe", help=f".toml file, or one of {', '.join(NAMES)}")
    command.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    command.add_argument("--out", type=Path, required=True, help="run folder; resumed if it exists")
    command.add_argument("--epochs", type=int, help="instead of the recipe's")
    command.add_argument("--from", dest="start", type=Path, help="checkpoint to begin with")
    command.add_argument("--workers", type=int, default=0, help=WORKERS)
    command.add_argument(
        "--minutes", type=float, help="of learning, instead of epochs; the rate follows the clock"
    )
    command.add_argument("--compile", action="store_true", help="fuse operators by torch.compile")
    command.set_defaults(run=_train)

    command = commands.add_parser("anchors", help="cluster the faces of the packs, for a recipe")
    command.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    command.add_argument("--size", type=int, default=288, help="of the network's input, px")
    command.add_argument("--count", type=int, default=5)
    command.set_defaults(run=_anchors)

    command = commands.add_parser("ablate", help="equal, short trainings of variants, as a table")
    command.add_argument("variants", nargs="*", help="default: all of the table")
    command.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    command.add_argument("--out", type=Path, required=True, help="folder of the runs; resumed")
    command.add_argument("--epochs", type=int, default=6, help="of each variant")
    command.add_argument("--workers", type=int, default=0, help=WORKERS)
    command.set_defaults(run=_ablate)

    command = commands.add_parser(
        "fusion-table", help="what fusing databases and correcting shapes are worth"
    )
    command.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    command.add_argument("--out", type=Path, required=True, help="folder of the runs; resumed")
    command.add_argument("--epochs", type=int, default=6, help="of each training")
    command.add_argument("--workers", type=int, default=0, help=WORKERS)
    command.set_defaults(run=_fusion_table)

    command = commands.add_parser("harmonics", help="draw the first eight over the mean face")
    command.add_argument("--out", type=Path, required=True, help="the .png to write")
    command.set_defaults(run=_harmonics)

    command = commands.add_parser("plot", help="draw a run's losses")
    command.add_argument("folder", type=Path, help="run folder")
    command.add_argument("--out", type=Path, required=True, help="the .png to write")
    command.set_defaults(run=_plot)

    command = commands.add_parser("strip", help="a checkpoint's weights alone, a quarter the size")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--out", type=Path, required=True, help="the .ckpt to write")
    command.set_defaults(run=_strip)

    command = commands.add_parser("evaluate", help="measure a model on labelled faces")
    command.add_argument("model", help="mfn, sfn, fusion, a model file, or a checkpoint (.ckpt)")
    command.add_argument(
        "--set",
        default="packs",
        metavar="SET",
        help="packs (their unseen split, the default), aflw2000, 300w, 300vw, lfw, afw, fddb, "
        "wider, facewarehouse or expressions; see docs/evaluation.md",
    )
    command.add_argument("--data", help="folder of the set (packs: default $EDGEFACE_DATA)")
    command.add_argument("--out", type=Path, help="folder for the report, curves and worst faces")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("conventions", help="check and draw landmark conventions")
    command.add_argument("convention", nargs="*", help="name or .json file (default: all shipped)")
    command.add_argument("--draw", type=Path, metavar="PNG", help="draw them over the mean face")
    command.set_defaults(run=_conventions)

    command = commands.add_parser("database", help="what can be read of a published database")
    command.add_argument("name", help="300w, 300w-lp, ls3d-w, facewarehouse, lfw-74, wflw ...")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=_database)
    return parser


def _describe(_: argparse.Namespace) -> None:
    from edgeface.reference.networks.cost import count

    print(f"{'network':<12}{'input':>7}{'parameters':>13}{'MB fp32':>9}{'multiply-adds':>17}")
    for name, config in CONFIGS.items():
        parameters, products = count(config)
        print(
            f"{name:<12}{config.input_size:>7}{parameters:>13,}{parameters * 4e-6:>9.2f}"
            f"{products:>17,}"
        )


def _train(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.training.train import train

    recipe = read_recipe(arguments.recipe)
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    train(
        recipe,
        data_dir(arguments.data),
        arguments.out,
        arguments.start,
        workers=arguments.workers,
        compiled=arguments.compile,
        minutes=arguments.minutes,
    )


def _anchors(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.training.anchors import find_anchors

    found = find_anchors(data_dir(arguments.data), arguments.size, arguments.count)
    for width, height in found:
        print(f"{width:6.1f} x {height:5.1f} px")


def _ablate(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.studies.ablation import VARIANTS, ablate

    names = arguments.variants or list(VARIANTS)
    folder = data_dir(arguments.data)
    print(ablate(names, arguments.epochs, folder, arguments.out, workers=arguments.workers))


def _fusion_table(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.studies.fusion_table import fusion_table

    folder = data_dir(arguments.data)
    print(fusion_table(arguments.epochs, folder, arguments.out, workers=arguments.workers))


def _harmonics(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import default_face_model
    from edgeface.reference.face_model.picture import draw_harmonics

    draw_harmonics(default_face_model(), arguments.out)


def _plot(arguments: argparse.Namespace) -> None:
    from edgeface.reference.training.log import plot_run

    plot_run(arguments.folder, arguments.out)


def _strip(arguments: argparse.Namespace) -> None:
    from edgeface.reference.networks.checkpoint import load_network, save_network

    refuse_inputs(arguments.out, (arguments.checkpoint,))
    save_network(load_network(arguments.checkpoint), arguments.out)


def _evaluate(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.evaluation.evaluate import SETS, open_predictor, run
    from edgeface.reference.evaluation.report import report
    from edgeface.reference.evaluation.report_files import (
        WorstFaces,
        to_json,
        to_markdown,
        write_report,
    )

    if arguments.set not in SETS:
        raise InvalidInputError(f"--set {arguments.set} is none of {', '.join(SETS)}")
    if arguments.set != "packs" and not arguments.data:
        raise InvalidInputError(f"--set {arguments.set} needs --data, the set's folder")
    predictor = open_predictor(arguments.model)
    images = SETS[arguments.set](data_dir(arguments.data), predictor.face_model)
    results, worst = [], WorstFaces()
    for result, pixels in run(predictor, images):
        results.append(result)
        worst.add(result, pixels)
    if not results:
        raise InvalidInputError(
            f"{predictor.name} does not detect, and {arguments.set} labels nothing but boxes"
        )
    detects = predictor.find is not None
    found = report(results, detects)
    if arguments.out:
        write_report(found, results, worst, detects, arguments.out)
    print(json.dumps(to_json(found), indent=1) if arguments.json else to_markdown(found))


def _conventions(arguments: argparse.Namespace) -> None:
    from edgeface.face_model import default_face_model
    from edgeface.reference.conventions import NAMES as SHIPPED
    from edgeface.reference.conventions import read_convention, unify
    from edgeface.reference.conventions.convention import KINDS

    conventions = [read_convention(c) for c in arguments.convention or SHIPPED]
    print(f"{'convention':<12}{'points':>7}" + "".join(f"{kind:>17}" for kind in KINDS))
    for convention in conventions:
        kinds = "".join(f"{convention.kind.count(kind):>17}" for kind in KINDS)
        print(f"{convention.name:<12}{len(convention.points):>7}{kinds}")
    print(f"{len(unify(conventions).names)} landmarks in all")
    if arguments.draw:
        from edgeface.reference.conventions.picture import draw_conventions

        draw_conventions(conventions, default_face_model(), arguments.draw)


def _database(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.published import open_database

    print(open_database(arguments.name, arguments.folder).summary())


if __name__ == "__main__":
    sys.exit(main())
