"""``edgeface-train free``: packs and a face model from sources that anyone may use."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeface.reference.cli.options import Commands, add_data


def add_parser(commands: Commands) -> None:
    """Declare the command and its sub-commands."""
    parser = commands.add_parser(
        "free", help="make what free weights are learned from, of sources that anyone may use"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser(
        "portraits", help="label free portraits with MediaPipe and write their packs"
    )
    _add_folder(action, "--webmorph", "a checkout of github.com/debruine/webmorphR.stim")
    _add_folder(action, "--photos", "001.jpg to 062.jpg of github.com/cjdowner/interfaces")
    _add_file(action, "--portraits", "the pack faces-portraits.zip; the ledger says which images")
    _add_file(action, "--teacher", "MediaPipe's face_landmarker.task")
    _add_folder(action, "--out", "the folder for the packs")
    action.set_defaults(execute=_portraits)

    action = actions.add_parser(
        "face-model", help="learn the free face model from those packs and ICT-FaceKit"
    )
    add_data(action)
    _add_file(action, "--out", "the face model to write")
    action.set_defaults(execute=_face_model)

    action = actions.add_parser("people", help="render people and write their pack")
    add_data(action)
    action.add_argument(
        "--count", type=int, default=700, metavar="N", help="how many people (default: 700)"
    )
    action.set_defaults(execute=_people)


def _add_folder(action: argparse.ArgumentParser, name: str, meaning: str) -> None:
    action.add_argument(name, type=Path, required=True, metavar="DIR", help=meaning)


def _add_file(action: argparse.ArgumentParser, name: str, meaning: str) -> None:
    action.add_argument(name, type=Path, required=True, metavar="FILE", help=meaning)


def _portraits(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.ledger import free_ledger
    from edgeface.reference.free.portraits import write_people_pack, write_portraits_pack
    from edgeface.reference.free.teacher import Teacher

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

    from edgeface.reference.data.packs import FREE, data_dir
    from edgeface.reference.face_model.learn import learn, report_on

    folder = data_dir(arguments.data)
    model = learn(folder, FREE)
    model = replace(model, info=model.info | {"report": report_on(model, folder, FREE)})
    model.save(arguments.out)
    print(model.info)


def _people(arguments: argparse.Namespace) -> None:
    from edgeface.reference.data.ledger import free_ledger
    from edgeface.reference.data.packs import FREE_HUMAN_PACK, data_dir, open_pack
    from edgeface.reference.face_model.own import FREE, read_face_model
    from edgeface.reference.free.ict import FILE, read_head
    from edgeface.reference.free.people import RENDERED_PACK, write_rendered_pack
    from edgeface.reference.free.skins import read_skins

    folder = data_dir(arguments.data)
    head = read_head(folder / FILE, free_ledger(), read_face_model(FREE))
    portraits = open_pack(folder, FREE_HUMAN_PACK, free=True)
    names = tuple(portraits.labels["blendshape_names"].tolist())
    skins = read_skins(portraits, head)
    write_rendered_pack(head, skins, range(arguments.count), names, folder / f"{RENDERED_PACK}.zip")
