"""``edgeface-train study``: trainings side by side, as tables."""

from __future__ import annotations

import argparse

from edgeface.output import folder_of
from edgeface.reference.cli.options import Commands, add_command, add_runs


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = add_command(
        commands, "study", "train variants of a network and print a table of their errors"
    )
    studies = parser.add_subparsers(required=True, metavar="STUDY")

    study = add_command(
        studies, "ablation", "measure what each part of the papers' networks and training is worth"
    )
    study.add_argument(
        "variants", nargs="*", help="the variants to train, by name (default: all of them)"
    )
    _add_epochs(study)
    study.set_defaults(execute=_ablation)

    study = add_command(
        studies, "databases", "measure the gain from several databases, and from correcting shapes"
    )
    _add_epochs(study)
    study.set_defaults(execute=_databases)


def _add_epochs(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument(
        "--epochs",
        type=int,
        default=6,
        metavar="N",
        help="for how many epochs each network is trained (default: 6)",
    )


def _ablation(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.studies.ablation import VARIANTS, ablate

    folder_of("--out", arguments.out)
    names = arguments.variants or list(VARIANTS)
    folder = data_dir(arguments.data)
    print(ablate(names, arguments.epochs, folder, arguments.out, workers=arguments.workers))


def _databases(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.studies.databases import compare_databases

    folder = data_dir(arguments.data)
    print(compare_databases(arguments.epochs, folder, arguments.out, workers=arguments.workers))
