"""``edgeface-train personal``: what personal face models are made from."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace

from edgeface.reference.cli.options import Commands, add_command, add_data, add_runs, add_start
from edgeface.terminal import named_path


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = add_command(
        commands,
        "personal",
        "make the template of personal models, train and measure their networks",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = add_command(actions, "template", "derive the template from ICT-FaceKit light")
    action.add_argument("ict_facekit", type=named_path, help="ICT-FaceKit light, an .npz file")
    action.add_argument(
        "mesh_map",
        type=named_path,
        help="an .npz file that names the vertex at each point of MediaPipe's face mesh",
    )
    action.add_argument(
        "--out", type=named_path, required=True, metavar="NPZ", help="the template to write"
    )
    action.add_argument(
        "--portraits",
        type=named_path,
        metavar="DIR",
        help="the folder that holds the pack of portraits, from which the mean skin is learned "
        "(default: the skin is one tone)",
    )
    action.set_defaults(execute=_template)

    action = add_command(
        actions,
        "skull",
        "take skull, ears, neck and shoulders of the head that ships from ICT-FaceKit",
    )
    action.add_argument("ict_facekit", type=named_path, help="ICT-FaceKit light, an .npz file")
    action.add_argument(
        "--out", type=named_path, required=True, metavar="NPZ", help="the file to write"
    )
    action.set_defaults(execute=_skull)

    action = add_command(
        actions, "train", "train TrackNet and ModelNet together, or resume a training"
    )
    action.add_argument(
        "recipe",
        nargs="?",
        default="personal",
        help="a recipe: a .toml file, or the name of one that ships (default: personal)",
    )
    add_runs(action)
    add_start(action, "; those of an sfn go into TrackNet and ModelNet's encoder")
    action.set_defaults(execute=_train)

    action = add_command(
        actions, "truth", "measure the fit of rendered people, whose true face is known"
    )
    _add_people(action, 20)
    action.set_defaults(execute=_truth)

    action = add_command(
        actions,
        "scans",
        "measure how far the template and people's models lie from 3D scans of them",
    )
    action.add_argument(
        "folder",
        type=named_path,
        help="scans as NoW, BU-3DFE and FaceWarehouse have them, with their landmarks, and the "
        "models of the people beside them",
    )
    action.set_defaults(execute=_scans)

    action = add_command(
        actions,
        "held-out",
        "fit people of a data pack to half of their frames and measure the other half",
    )
    add_data(action)
    action.add_argument(
        "--pack", default="faces68-video", help="the data pack (default: faces68-video)"
    )
    _add_people(action, 10)
    action.add_argument(
        "--ablation",
        action="store_true",
        help="make six fits instead of two, to measure each correction and two of the losses",
    )
    action.add_argument(
        "--seed", type=int, default=0, help="the seed by which people are drawn (default: 0)"
    )
    action.add_argument(
        "--in-halves",
        action="store_true",
        help="fit the first half of the frames and measure the second half, not every other one",
    )
    action.add_argument(
        "--modelnet",
        type=named_path,
        metavar="CKPT",
        help="a trained modelnet: measure its estimate, too, on people that it was not trained on",
    )
    action.set_defaults(execute=_held_out)


def _template(arguments: argparse.Namespace) -> None:
    from edgeface.output import check_place, refuse_inputs, write_output
    from edgeface.reference.personal.learn_skin import SKIN_OF, learn_skin
    from edgeface.reference.personal.template import derive_template

    inputs = (arguments.ict_facekit, arguments.mesh_map)
    refuse_inputs(arguments.out, inputs)
    check_place(arguments.out)
    template = derive_template(arguments.ict_facekit, arguments.mesh_map)
    if arguments.portraits is not None:
        skin = learn_skin(template, arguments.portraits, progress=_show)
        info = template.info | {"skin": SKIN_OF}
        template = replace(template, albedo=skin, info=info)
    write_output(arguments.out, template.to_bytes(), inputs)
    print(f"{template}, into {arguments.out}")


def _skull(arguments: argparse.Namespace) -> None:
    from edgeface.output import write_output
    from edgeface.reference.personal.skull import skull_file

    content = skull_file(arguments.ict_facekit)
    write_output(arguments.out, content, (arguments.ict_facekit,))
    print(f"{len(content)} bytes, into {arguments.out}")


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
    action.add_argument(
        "--keep",
        type=named_path,
        metavar="FILE",
        help="keep each person's figures in this file, and take those that are there from it",
    )


def _truth(arguments: argparse.Namespace) -> None:
    from edgeface.reference.personal.evaluate import known_truth
    from edgeface.reference.personal.kept import Kept

    names = ("neutral before", "neutral", "posed", "blendshapes before", "blendshapes")
    print("errors in mm\n" + "  ".join(("person", *names)))
    rows: list[list[float]] = []
    for truth in known_truth(arguments.people, kept=Kept(arguments.keep)):
        rows.append([getattr(truth, name.replace(" ", "_")) for name in names])
        _print_row(str(len(rows)), rows[-1], names)
    if rows:
        _print_row("mean", [sum(column) / len(rows) for column in zip(*rows, strict=True)], names)


def _scans(arguments: argparse.Namespace) -> None:
    from edgeface.reference.personal.scans import Distance, measure_scans

    found: list[tuple[Distance, Distance]] = []
    for number, (name, before, after) in enumerate(measure_scans(arguments.folder)):
        if number == 0:
            print("from the scan to the face, mm: median and mean")
            print(f"{'scan':<32}{'template':>16}{'person':>16}{'of the scan %':>15}")
        person = "-" if after is None else _median_and_mean([after])
        covered = 100 * (after or before).share
        print(f"{name:<32}{_median_and_mean([before]):>16}{person:>16}{covered:>15.1f}", flush=True)
        if after is not None:
            found.append((before, after))
    if found:
        means = (_median_and_mean(rows) for rows in zip(*found, strict=True))
        print(f"{'mean of those with a model':<32}" + "".join(f"{cell:>16}" for cell in means))


def _median_and_mean(rows: Sequence[object]) -> str:
    return f"{_mean(rows, 'median'):.3f} {_mean(rows, 'mean'):.3f}"


def _held_out(arguments: argparse.Namespace) -> None:
    from edgeface.personal.template import default_template
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.personal.evaluate import GUESSES, VARIANTS, HeldOut, held_out
    from edgeface.reference.personal.guess import Guesser
    from edgeface.reference.personal.kept import Kept

    first, whole = "modes, static skin", "+ dynamic skin: all"
    chosen = VARIANTS if arguments.ablation else {name: VARIANTS[name] for name in (first, whole)}
    guesser = None
    if arguments.modelnet is not None:
        guesser, chosen = Guesser(arguments.modelnet, default_template()), chosen | GUESSES
    print("photometric error of 255 and NME-51 in %, in the order of the table below")
    found: dict[str, list[HeldOut]] = {name: [] for name in chosen}
    folder, kept = data_dir(arguments.data), Kept(arguments.keep)
    people = held_out(
        folder,
        arguments.pack,
        arguments.people,
        chosen,
        seed=arguments.seed,
        in_halves=arguments.in_halves,
        kept=kept,
        guesser=guesser,
    )
    for person, figures in people:
        for name in chosen:
            found[name].append(figures[name])
        cells = (f"{figures[n].photometric:7.2f}{figures[n].nme51:6.2f}" for n in chosen)
        print(f"{person:<28}" + "".join(cells), flush=True)
    if found[first]:
        titles = ("photo", "change %", "NME-51", "change %", "own nearest %", "least cosine")
        print(f"{'mean':<28}" + "".join(f"{title:>14}" for title in titles))
        for name, rows in found.items():
            photo, nme = _mean(rows, "photometric"), _mean(rows, "nme51")
            values = (
                photo, 100 * photo / _mean(found[first], "photometric") - 100,
                nme, 100 * nme / _mean(found[first], "nme51") - 100,
                100 * _mean(rows, "own_nearest"), min(row.least_cosine for row in rows),
            )  # fmt: skip
            print(f"{name:<28}" + "".join(f"{value:14.2f}" for value in values))


def _mean(rows: Sequence[object], name: str) -> float:
    return sum(getattr(row, name) for row in rows) / len(rows)


def _print_row(label: str, values: list[float], names: tuple[str, ...]) -> None:
    cells = (f"{v:>{len(name)}.2f}" for v, name in zip(values, names, strict=True))
    print("  ".join((f"{label:>6}", *cells)), flush=True)
