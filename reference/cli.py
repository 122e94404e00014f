"""``edgeface-train``: train, evaluate and describe the reference networks."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeface.errors import EdgeFaceError
from edgeface.reference.config import CONFIGS
from edgeface.reference.recipe import NAMES, read_recipe


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
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
    command.set_defaults(run=_train)

    command = commands.add_parser("plot", help="draw a run's losses")
    command.add_argument("folder", type=Path, help="run folder")
    command.add_argument("--out", type=Path, required=True, help="the .png to write")
    command.set_defaults(run=_plot)

    command = commands.add_parser("evaluate", help="measure a model on the unseen split")
    command.add_argument("model", help="model file, mfn or sfn")
    command.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_evaluate)
    return parser


def _describe(_: argparse.Namespace) -> None:
    from edgeface.reference.describe import count

    print(f"{'network':<12}{'input':>7}{'parameters':>13}{'MB fp32':>9}{'multiply-adds':>17}")
    for name, config in CONFIGS.items():
        parameters, products = count(config)
        print(
            f"{name:<12}{config.input_size:>7}{parameters:>13,}{parameters * 4e-6:>9.2f}"
            f"{products:>17,}"
        )


def _train(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.train import train

    recipe = read_recipe(arguments.recipe)
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    train(recipe, data_dir(arguments.data), arguments.out, arguments.start)


def _plot(arguments: argparse.Namespace) -> None:
    from edgeface.reference.plot import plot_run

    plot_run(arguments.folder, arguments.out)


def _evaluate(arguments: argparse.Namespace) -> None:
    from edgeface.model import load
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.evaluate import evaluate_detection, evaluate_mfn_faces, evaluate_sfn

    model = load(arguments.model)
    folder = data_dir(arguments.data)
    report: dict[str, dict[str, float]] = {}
    if model.metadata.kind == "mfn":
        threshold = model.metadata.score_threshold

        def find(image: Any, score: float) -> Any:
            return model.run(image, score_threshold=score)

        report["photos, faces of at least 5 %"] = evaluate_detection(
            find, folder, model.face_model, threshold
        )
        report |= evaluate_mfn_faces(find, folder, model.face_model, threshold)
    else:
        report |= evaluate_sfn(
            lambda image, boxes: model.run(image, boxes_xyxy=boxes), folder, model.face_model
        )
    if arguments.json:
        print(json.dumps(report, indent=1))
        return
    for part, figures in report.items():
        print(part)
        for name, value in figures.items():
            print(f"  {name:<36}{value:10.3f}")


if __name__ == "__main__":
    sys.exit(main())
