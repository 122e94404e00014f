"""``edgeface-train personal``: what personal face models are made from."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

from edgeface.reference.cli.options import Commands, add_data, add_runs


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = commands.add_parser("personal", help="make what personal face models are made from")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser("template", help="derive the template from ICT-FaceKit light")
    action.add_argument("ict_facekit", type=Path, help="ICT-FaceKit light, an .npz file")
    action.add_argument(
        "mesh_map",
        type=Path,
        help="an .npz file that names the vertex at each point of MediaPipe's face mesh",
    )
    action.add_argument(
        "--out", type=Path, required=True, metavar="NPZ", help="the template to write"
    )
    action.add_argument(
        "--portraits",
        type=Path,
        metavar="DIR",
        help="the folder that holds the pack of portraits, from which the mean skin is learned "
        "(default: the skin is one tone)",
    )
    action.set_defaults(execute=_template)

    action = actions.add_parser(
        "train", help="train TrackNet and ModelNet together, or go on with a training"
    )
    action.add_argument(
        "recipe",
        nargs="?",
        default="personal",
        help="a recipe: a .toml file, or the name of one that ships (default: personal)",
    )
    add_runs(action)
    action.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CKPT",
        help="a checkpoint: a new training begins with its weights; those of an sfn go into "
        "TrackNet and ModelNet's encoder",
    )
    action.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="train for so many minutes instead of epochs; the learning rate follows the clock",
    )
    action.set_defaults(execute=_train)

    action = actions.add_parser("truth", help="fit rendered people, whose truth is known")
    _add_people(action, 20)
    action.set_defaults(execute=_truth)

    action = actions.add_parser(
        "held-out", help="fit people of a data pack to half of their frames and look at the rest"
    )
    add_data(action)
    action.add_argument(
        "--pack", default="faces68-video", help="the data pack (default: faces68-video)"
    )
    _add_people(action, 10)
    action.add_argument(
        "--ablation",
        action="store_true",
        help="fit in five ways, from the template's modes to all corrections, instead of two",
    )
    action.set_defaults(execute=_held_out)


def _template(arguments: argparse.Namespace) -> None:
    from edgeface.output import write_output
    from edgeface.reference.personal.learn_skin import learn_skin
    from edgeface.reference.personal.template import derive_template

    template = derive_template(arguments.ict_facekit, arguments.mesh_map)
    if arguments.portraits is not None:
        skin = learn_skin(template, arguments.portraits, progress=_show)
        info = template.info | {"skin": "mean of portraits of the pack faces-portraits"}
        template = replace(template, albedo=skin, info=info)
    inputs = (arguments.ict_facekit, arguments.mesh_map)
    write_output(arguments.out, template.to_bytes(), inputs)
    print(f"{template}, into {arguments.out}")


def _train(arguments: argparse.Namespace) -> None:
    print("loading PyTorch and the people ...", file=sys.stderr, flush=True)
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.personal.train_networks import train_networks
    from edgeface.reference.training.recipe import read_recipe

    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)7d ms  %(message)s")
    paths = train_networks(
        read_recipe(arguments.recipe),
        data_dir(arguments.data),
        arguments.out,
        arguments.start,
        workers=arguments.workers,
        minutes=arguments.minutes,
    )
    print(*paths, sep="\n")


def _show(done: int, total: int) -> None:
    """One line that renews itself on a terminal, silent elsewhere."""
    if sys.stderr.isatty():
        end = "\r" if done < total else "\n"
        print(f"portrait {done} of {total}", end=end, file=sys.stderr, flush=True)


def _add_people(action: argparse.ArgumentParser, default: int) -> None:
    action.add_argument(
        "--people",
        type=int,
        default=default,
        metavar="COUNT",
        help=f"how many people (default: {default})",
    )


def _truth(arguments: argparse.Namespace) -> None:
    from edgeface.reference.personal.evaluate import known_truth

    names = ("neutral before", "neutral", "posed", "blendshapes before", "blendshapes")
    print("errors in mm\n" + "  ".join(("person", *names)))
    rows: list[list[float]] = []
    for truth in known_truth(arguments.people):
        rows.append([getattr(truth, name.replace(" ", "_")) for name in names])
        _print_row(str(len(rows)), rows[-1], names)
    if rows:
        _print_row("mean", [sum(column) / len(rows) for column in zip(*rows, strict=True)], names)


def _held_out(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.personal.evaluate import VARIANTS, held_out

    chosen = VARIANTS
    if not arguments.ablation:
        ends = ("modes, static skin", "+ dynamic skin: all")
        chosen = {name: VARIANTS[name] for name in ends}
    print("photometric error of 255, and NME-51 in %\n" + "  ".join(("person", *chosen)))
    rows: list[list[float]] = []
    folder = data_dir(arguments.data)
    for person, found in held_out(folder, arguments.pack, arguments.people, chosen):
        rows.append([v for name in chosen for v in (found[name].photometric, found[name].nme51)])
        print(f"{person:<28}" + "".join(f"{value:9.2f}" for value in rows[-1]), flush=True)
    if rows:
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        print(f"{'mean':<28}" + "".join(f"{value:9.2f}" for value in mean))


def _print_row(label: str, values: list[float], names: tuple[str, ...]) -> None:
    cells = (f"{v:>{len(name)}.2f}" for v, name in zip(values, names, strict=True))
    print("  ".join((f"{label:>6}", *cells)), flush=True)
