"""``edgeface personalise``: a person's own face model from their clip or photos."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from edgeface.addresses import without_secrets
from edgeface.cli.options import output_path
from edgeface.enrol import NUM_FRAMES, enrol
from edgeface.errors import InvalidInputError
from edgeface.output import check_place, refuse_inputs, refuse_twice, write_output
from edgeface.personal.glb import person_glb
from edgeface.personal.model import SUFFIX, PersonalModel
from edgeface.personal.page import FittedFrame, person_page
from edgeface.progress import ProgressLine
from edgeface.terminal import printable, told_on

NUM_LISTED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, outputs and the number of frames."""
    parser.add_argument(
        "source",
        nargs="+",
        metavar="CLIP|PHOTOS|EFP",
        help="a clip or its address, or five or more photos, of one person; of a personal model "
        "(.efp) made before, --glb and --page are made without fitting it anew",
    )
    parser.add_argument(
        "--out",
        type=output_path,
        metavar="EFP",
        help="the personal model to write; - is standard output, as for --glb and --page",
    )
    parser.add_argument(
        "--glb",
        type=output_path,
        metavar="GLB",
        help="write the person's head as glTF, with a morph target for each ARKit shape",
    )
    parser.add_argument(
        "--page",
        type=output_path,
        metavar="HTML",
        help="write a page that shows the model beside the frames that it was fitted to. It holds "
        "pictures of the person",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=NUM_FRAMES,
        metavar="COUNT",
        help="how many frames are fitted, chosen far apart in expression and pose; 5 or more "
        f"(default: {NUM_FRAMES})",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Enrol, report, write; returns the exit status. Nothing is written unless all went well."""
    targets: list[Path] = [p for p in (arguments.out, arguments.glb, arguments.page) if p]
    if not targets:
        raise InvalidInputError("name what to write: --out ME.efp, --glb ME.glb or --page ME.html")
    refuse_twice(targets)
    for target in targets:
        refuse_inputs(target, arguments.source)
        check_place(target)
    for source in arguments.source:
        if os.path.isdir(source):
            raise InvalidInputError(f"{source} is a folder: name the photos in it, as {source}/*")
    told = told_on(targets)
    person, frames = _person(arguments, told)
    contents: dict[Path, Any] = {}
    if arguments.out:
        contents[arguments.out] = person.to_bytes()
    if arguments.glb:
        contents[arguments.glb] = person_glb(person)
    if arguments.page:
        name = Path(without_secrets(arguments.source[0])).name
        contents[arguments.page] = person_page(person, f"Personal model of {name}", frames)
    for path, content in contents.items():
        write_output(path, content)
        print(printable(f"wrote {path}"), file=told)
    return 0


def _person(arguments: argparse.Namespace, told: TextIO) -> tuple[PersonalModel, list[FittedFrame]]:
    source: list[str] = arguments.source
    if Path(source[0]).suffix.lower() == SUFFIX:
        if len(source) > 1 or arguments.out:
            raise InvalidInputError(
                "of a personal model, --glb and --page are made; give it alone, without --out"
            )
        return PersonalModel.load(source[0]), []
    line = _Line()
    try:
        # one file is a clip, several are photos
        enrolment = enrol(
            source[0] if len(source) == 1 else source,
            num_frames=arguments.frames,
            progress=line.show,
        )
    finally:
        line.close()
    print(_summary(enrolment.model), file=told)
    if not arguments.page:
        return enrolment.model, []
    from edgeface.reference.personal.pictures import fitted_frames

    return enrolment.model, fitted_frames(enrolment)


def _summary(person: PersonalModel) -> str:
    report, names = person.report, person.template.expression_names
    lines = [
        f"fitted {report['frames']} of {report['pictures']} pictures in {report['seconds']:.0f} s: "
        f"photometric error {report['photometric_error']:.1f} of 255, landmark error "
        f"{report['landmark_error_percent']:.1f} % of the eyes' distance"
    ]
    if report["refused"]:
        listed = ", ".join(f"{count} {reason}" for reason, count in report["refused"].items())
        lines.append(f"left out: {listed}")
    lines.append(f"{len(names) - len(person.unseen)} of {len(names)} shapes were seen")
    if person.unseen:
        more = (
            f" and {len(person.unseen) - NUM_LISTED} more"
            if len(person.unseen) > NUM_LISTED
            else ""
        )
        lines.append(
            "these stay the template's, show them to make them yours: "
            + ", ".join(person.unseen[:NUM_LISTED])
            + more
        )
    return "\n".join(lines + [f"warning: {text}" for text in report["warnings"]])


class _Line:
    """A line of progress for each step of a run, one after the other."""

    def __init__(self) -> None:
        self._step = ""
        self._shown: ProgressLine | None = None

    def show(self, step: str, done: int, total: int) -> None:
        """Tell of a step how much is done and how much there is; 0 if nobody knows."""
        if self._shown is None or step != self._step:
            self.close()
            self._step, self._shown = step, ProgressLine(total, "steps", sys.stderr)
        self._shown.step(step, done - self._shown.count)

    def close(self) -> None:
        """Clear the line."""
        if self._shown is not None:
            self._shown.close()
