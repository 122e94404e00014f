"""``edgeface calibrate``: learn a person's range from a take, or by a routine of ten seconds."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from edgeface.cli.options import output_path
from edgeface.cli.tracking import (
    add_tracking_options,
    detector,
    make_tracker,
    open_source,
    refuse_tracking,
)
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.gaze import LIDS
from edgeface.output import check_place, refuse_inputs
from edgeface.recording import nobody_called, read_recording
from edgeface.retarget.reach import PersonRange, learn_range
from edgeface.rotations import quaternion_from_rotation
from edgeface.terminal import printable, told_on
from edgeface.video.pipeline import run_pipeline
from edgeface.video.reader import Frame

ROUTINE = (
    (0.0, "look at the camera, face at rest"),
    (3.0, "blink three times, and shut your eyes"),
    (5.0, "as far as it goes: open the mouth, smile, frown, pucker, raise your brows, scowl"),
)
"""What the person is asked to do from which second on."""
ROUTINE_S, REST_S = 10.0, 2.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the take, the file that keeps the range, and how faces are followed."""
    parser.add_argument(
        "source",
        metavar="TAKE|CAMERA",
        help="a video or recording (.jsonl) of the person, or 'camera', before which the person is "
        "asked to move for ten seconds",
    )
    parser.add_argument(
        "file",
        type=output_path,
        metavar="FILE",
        help="the file that keeps the range, such as me.json; - is standard output",
    )
    parser.add_argument(
        "--person",
        type=int,
        metavar="ID",
        help="the number of the person in the take (default: whoever is seen most)",
    )
    add_tracking_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Learn the range and write it; returns the exit status."""
    networks = (arguments.model, arguments.crop_model)
    refuse_inputs(arguments.file, [arguments.source, *filter(None, networks)])
    check_place(arguments.file)
    told = told_on([arguments.file])
    if Path(arguments.source).suffix.lower() == ".jsonl":
        refuse_tracking(arguments)
        take = read_recording(arguments.source).performance(arguments.person)
        learned = learn_range(take.times_s, take.blendshapes, take.quaternions_wxyz)
    else:
        learned = _watch(arguments, told)
    learned.save(arguments.file)
    if not learned.reach.keys() & set(LIDS):
        print("no blink was seen, so that lids keep their scale", file=told)
    reach = f"the range of {len(learned.reach)} shapes"
    print(printable(f"wrote {arguments.file}: {reach}"), file=told)
    return 0


def _watch(arguments: argparse.Namespace, told: TextIO) -> PersonRange:
    tracker = make_tracker(detector(arguments), arguments)
    with open_source(arguments.source) as video:
        frames: Iterable[Frame] = _guided(video, told) if video.live else video
        results = run_pipeline(frames, lambda f: tracker.update(f.image, f.time_s), live=video.live)
        with contextlib.closing(results):
            seen = [(frame.time_s, faces) for frame, faces in results]
        return _learn(seen, arguments.person, REST_S if video.live else None)


def _guided(video: Iterable[Frame], told: TextIO) -> Iterator[Frame]:
    """The camera's frames for the length of the routine; what to do is told when it is due."""
    due = list(ROUTINE)
    for frame in video:
        while due and frame.time_s >= due[0][0]:
            print(due.pop(0)[1], file=told, flush=True)
        if frame.time_s > ROUTINE_S:
            return
        yield frame


def _learn(
    seen: list[tuple[float, Faces]], person: int | None, rest_s: float | None
) -> PersonRange:
    """The range of one person in tracked frames; by default of whoever is seen in most."""
    ids = [face.track_id for _, faces in seen for face in faces if face.track_id is not None]
    if not ids:
        raise InvalidInputError("nobody was seen, so there is no range to learn")
    if person is None:
        person = max(set(ids), key=ids.count)
    if person not in ids:
        raise nobody_called(person, set(ids))
    rows = [(t, face) for t, faces in seen for face in faces if face.track_id == person]
    return learn_range(
        np.array([t for t, _ in rows]),
        [face.blendshapes for _, face in rows],
        np.stack([quaternion_from_rotation(face.rotation) for _, face in rows]),
        rest_s,
    )
