"""``edgeface-train free``: packs and a face model from sources that anyone may use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.output import check_place, folder_of, refuse_twice
from edgeface.reference.cli.options import Commands, add_command, add_data
from edgeface.terminal import named_path
from edgeface.values import Whole, option

if TYPE_CHECKING:
    from edgeface.reference.free.ict import Head
    from edgeface.types import FloatArray

FIRST_HARD = 100_000
"""The number of the first person of the hard pack, and the most that a pack may have."""


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = add_command(
        commands, "free", "make the data of the free weights from sources that anyone may use"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = add_command(
        actions, "portraits", "label free portraits with MediaPipe and write their packs"
    )
    _add_folder(action, "--webmorph", "a checkout of github.com/debruine/webmorphR.stim")
    _add_folder(action, "--photos", "001.jpg to 062.jpg of github.com/cjdowner/interfaces")
    _add_file(
        action,
        "--portraits",
        "the pack faces-portraits.zip; only its images in the ledger are used",
    )
    _add_file(action, "--teacher", "MediaPipe's face_landmarker.task")
    _add_folder(action, "--out", "the folder for the packs")
    action.set_defaults(execute=_portraits)

    action = add_command(
        actions, "face-model", "learn the free face model from those packs and ICT-FaceKit"
    )
    add_data(action)
    _add_file(action, "--out", "the face model to write")
    action.add_argument(
        "--head",
        type=named_path,
        metavar="FILE",
        help="the same model on the 11,248 vertices of ICT-FaceKit's head, to write too",
    )
    action.set_defaults(execute=_face_model)

    action = add_command(actions, "people", "render people and write their pack")
    add_data(action)
    action.add_argument(
        "--count", type=int, default=700, metavar="N", help="how many people (default: 700)"
    )
    action.add_argument(
        "--hard",
        action="store_true",
        help="render strong expressions, turned heads, light from a side and children, for a pack "
        "of their own",
    )
    action.set_defaults(execute=_people)

    action = add_command(
        actions, "crowds", "render crowds and scenes without faces and write their packs"
    )
    add_data(action)
    action.add_argument(
        "--count",
        type=int,
        default=1200,
        metavar="N",
        help="the number of photos of crowds (default: 1200); there are a quarter more scenes "
        "without faces",
    )
    action.set_defaults(execute=_crowds)


def _add_folder(action: argparse.ArgumentParser, name: str, meaning: str) -> None:
    action.add_argument(name, type=named_path, required=True, metavar="DIR", help=meaning)


def _add_file(action: argparse.ArgumentParser, name: str, meaning: str) -> None:
    action.add_argument(name, type=named_path, required=True, metavar="FILE", help=meaning)


def _portraits(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.ledger import free_ledger
    from edgeface.reference.free.portraits import write_people_pack, write_portraits_pack
    from edgeface.reference.free.teacher import Teacher

    folder_of("--out", arguments.out)
    ledger = free_ledger()
    ledger.read(arguments.teacher)
    teacher = Teacher(arguments.teacher)
    try:
        write_people_pack(arguments.webmorph, ledger, teacher, arguments.out)
        write_portraits_pack(arguments.portraits, arguments.photos, ledger, teacher, arguments.out)
    finally:
        teacher.close()


def _face_model(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from edgeface.face_model_import import from_ict_facekit
    from edgeface.reference.data.packs import FREE, data_dir
    from edgeface.reference.face_model.dense import on_head
    from edgeface.reference.face_model.learn import learn
    from edgeface.reference.face_model.residuals import report_on
    from edgeface.reference.free.ict import FILE

    targets = [path for path in (arguments.out, arguments.head) if path]
    refuse_twice(targets)
    for target in targets:
        check_place(target)
    folder = data_dir(arguments.data)
    model = learn(folder, FREE)
    model = replace(model, info=model.info | {"report": report_on(model, folder, FREE)})
    model.save(arguments.out)
    if arguments.head:
        on_head(model, from_ict_facekit(folder / FILE)).save(arguments.head)
    print(model.info)


def _people(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.free.people import HARD_PACK, RENDERED_PACK, write_rendered_pack

    count = option("--count", arguments.count, Whole(1, FIRST_HARD))
    folder, hard = data_dir(arguments.data), arguments.hard
    path = folder / f"{HARD_PACK if hard else RENDERED_PACK}.zip"
    check_place(path)
    head, skins, names = _cast(folder)
    first = FIRST_HARD if hard else 0  # people whom the other pack does not have
    people = range(first, first + count)
    write_rendered_pack(head, skins, people, names, path, hard)


def _crowds(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.packs import data_dir
    from edgeface.reference.free.crowds import write_crowds
    from edgeface.reference.free.scraps import read_scraps

    count = option("--count", arguments.count, Whole(1, FIRST_HARD))
    folder = folder_of("--data", data_dir(arguments.data))
    head, skins, names = _cast(folder)
    write_crowds(head, skins, read_scraps(folder), count, names, folder)


def _cast(folder: Path) -> tuple[Head, FloatArray, tuple[str, ...]]:
    """The head and the skins that people are made up of, and the names of the teacher's scores."""
    from edgeface.reference.data.ledger import free_ledger
    from edgeface.reference.data.packs import FREE_HUMAN_PACK, open_pack
    from edgeface.reference.face_model.own import FREE, read_face_model
    from edgeface.reference.free.ict import FILE, read_head
    from edgeface.reference.free.skins import read_skins

    head = read_head(folder / FILE, free_ledger(), read_face_model(FREE))
    portraits = open_pack(folder, FREE_HUMAN_PACK, free=True)
    names = tuple(portraits.labels["blendshape_names"].tolist())
    return head, read_skins(portraits, head), names
