"""``edgeface track``: follow the faces of a video or camera."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

from edgeface.cli.options import output_path
from edgeface.cli.tracking import (
    add_personal,
    add_tracking_options,
    detector,
    load_personal,
    make_tracker,
    open_source,
    refuse_tracking,
)
from edgeface.errors import InvalidInputError
from edgeface.output import check_place, folder_of, refuse_inputs, refuse_twice
from edgeface.recording import read_recording
from edgeface.retarget.formats import FORMATS, STREAMS, check_export, export, format_of
from edgeface.retarget.gltf_file import files_of
from edgeface.retarget.mapping import preset_names
from edgeface.retarget.options import ExportOptions
from edgeface.terminal import INTERRUPTED, named_path, printable, told_on
from edgeface.video.outputs import Outputs, take_files
from edgeface.video.pipeline import run_pipeline
from edgeface.video.progress import Progress
from edgeface.video.reader import Frame, VideoReader
from edgeface.video.tracker import Tracker
from edgeface.video.unending import paced

STREAM_HELP = {
    "vmc": "stream one person to VSeeFace, Warudo and the like by VMC while tracking",
    "livelink": "the same to Unreal by Live Link Face",
    "ifacialmocap": "the same to VTube Studio and the like by iFacialMocap's text",
    "vrchat": "the same to VRChat by OSC",
    "websocket": "serve JSON to web pages and programs, a message a frame",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, outputs, and how faces are followed."""
    parser.add_argument(
        "source",
        metavar="VIDEO|CAMERA",
        help="a file, an address, 'camera' or 'camera:1', or - for standard input; 'demo' moves "
        "over the photo that ships with edgeface; a recording (.jsonl) is converted without "
        "tracking",
    )
    parser.add_argument(
        "--out",
        type=named_path,
        metavar="FILE",
        help="write the video with its faces drawn: .mp4, .mkv",
    )
    suffixes = ", ".join(f"{known.suffix} ({name})" for name, known in FORMATS.items())
    parser.add_argument(
        "--record",
        type=output_path,
        metavar="FILE",
        help=f"write what was seen: {suffixes}; - is standard output, with --to",
    )
    parser.add_argument(
        "--to", choices=FORMATS, help="the format of --record, if its suffix does not say it"
    )
    parser.add_argument(
        "--take",
        type=named_path,
        metavar="DIR",
        help="write a folder with the overlay, the recording and every export of it",
    )
    for protocol in STREAMS:
        parser.add_argument(
            f"--{protocol}",
            action="append",
            default=[],
            metavar="HOST:PORT",
            help=f"{STREAM_HELP[protocol]}; given again, the next person goes to the next address",
        )
    parser.add_argument(
        "--character",
        type=named_path,
        metavar="GLB|VRM",
        help="the character that a glTF export animates, or that --vmc or --websocket moves; "
        "prints what of it will be driven (default: 'head', which ships). Other outputs have "
        "ARKit's names, whatever the character",
    )
    parser.add_argument(
        "--mapping",
        type=named_path,
        metavar="NAME|JSON",
        help=f"how ARKit's shapes move the character's: {', '.join(preset_names())}, or a mapping "
        "file (default: the one that suits the character)",
    )
    parser.add_argument(
        "--derive",
        action="store_true",
        help="compute cheekSquint and noseSneer, which no network estimates, from shapes that "
        "usually move with them",
    )
    parser.add_argument(
        "--mirror",
        action="store_true",
        help="move the character as a mirror image would, left for right",
    )
    parser.add_argument(
        "--calibrate",
        default="0",
        metavar="SECONDS|FILE",
        help="take the first seconds of a performance as the neutral face, or the range of the "
        "person that 'edgeface calibrate' wrote (default: 0)",
    )
    parser.add_argument(
        "--person",
        type=int,
        metavar="ID",
        help="the number of the person to export or stream (default: whoever is seen most; in a "
        "page, everybody)",
    )
    parser.add_argument(
        "--mesh", action="store_true", help="draw the faces' dense meshes into the video, too"
    )
    add_tracking_options(parser)
    add_personal(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Track, write, report; returns the exit status: 130 after an interrupt."""
    seconds, person = _calibration(arguments.calibrate)
    options = ExportOptions(
        arguments.person,
        arguments.character,
        arguments.mapping,
        calibrate_s=seconds,
        mirror=arguments.mirror,
        person=person,
        derive=arguments.derive,
        personal=load_personal(arguments),
    )
    name = "jsonl" if arguments.record is None else format_of(arguments.record, arguments.to)
    if arguments.take is not None:
        _check_take(arguments)
    _check_files(arguments)
    if arguments.character is not None and arguments.record is not None:
        refuse_inputs(arguments.record, files_of(arguments.character))
    if Path(arguments.source).suffix.lower() == ".jsonl":
        return _convert(arguments, name, options)
    return _track(arguments, name, options)


def _convert(arguments: argparse.Namespace, name: str, options: ExportOptions) -> int:
    """Make a file of a recording; returns the exit status."""
    _check_conversion(arguments, name)
    target: Path | None = arguments.record
    if target is None:
        raise InvalidInputError("a recording is converted: name its goal with --record FILE")
    told = told_on([target])
    recording = read_recording(arguments.source)
    if options.character is not None:
        seen = set[str]().union(*recording.performance(options.track_id).blendshapes)
        print(printable(options.report(seen)), file=told)
    export(recording, target, name, options)
    print(printable(f"wrote {target}"), file=told)
    return 0


def _track(arguments: argparse.Namespace, name: str, options: ExportOptions) -> int:
    """Follow the faces of a video; returns the exit status."""
    _check_effects(arguments, name)
    check_export(name, options)
    model = detector(arguments)
    tracker = make_tracker(model, arguments, options.personal)
    if options.character is not None:
        told = told_on([] if arguments.record is None else [arguments.record])
        print(printable(options.report(tracker.seen_shapes)), file=told)
    with open_source(arguments.source) as video:
        outputs = Outputs(video, model, arguments.threads)
        try:
            if arguments.out is not None:
                outputs.draw_to(arguments.out, mesh=arguments.mesh, personal=tracker.personal)
            if arguments.record is not None:
                outputs.record_to(arguments.record, name, options)
            if arguments.take is not None:
                outputs.take_to(arguments.take, options, mesh=arguments.mesh)
            for protocol in STREAMS:
                outputs.stream_to(protocol, getattr(arguments, protocol), options)
        except BaseException:
            outputs.close()
            raise
        streams = any(getattr(arguments, protocol) for protocol in STREAMS)
        # who watches an avatar sees the clip's own speed, however fast it could be tracked
        frames = paced(video) if streams and not video.live else video
        return _run(video, frames, tracker, outputs)


def _calibration(given: str) -> tuple[float, Path | None]:
    """Seconds at rest, or the file of a person's range."""
    try:
        return float(given), None
    except ValueError:
        return 0.0, Path(given)


def _check_take(arguments: argparse.Namespace) -> None:
    """Raise if a folder is to be written beside files, or of a recording."""
    if arguments.out is not None or arguments.record is not None:
        raise InvalidInputError("--take writes overlay and recording itself: leave out --out and "
                                "--record")  # fmt: skip
    if Path(arguments.source).suffix.lower() == ".jsonl":
        raise InvalidInputError("--take needs a video; --record FILE converts a recording")
    folder_of("--take", arguments.take)


def _check_effects(arguments: argparse.Namespace, name: str) -> None:
    """Raise if an option would do nothing, since what it is about is not asked for."""
    if arguments.to is not None and arguments.record is None:
        raise InvalidInputError("--to is the format of --record FILE: name that, too")
    if arguments.mesh and arguments.out is None and arguments.take is None:
        raise InvalidInputError("--mesh is drawn into a video: name one by --out or --take")
    _check_personal(arguments, name)
    others = (arguments.take, arguments.character, *(getattr(arguments, p) for p in STREAMS))
    if name != "jsonl" or any(others):
        return
    usual = {"person": None, "mapping": None, "mirror": False, "derive": False, "calibrate": "0"}
    for option, value in usual.items():
        if getattr(arguments, option) != value:
            raise InvalidInputError(
                f"--{option} is for exports and streams, and none is asked for: add --record "
                "FILE.glb, --take DIR or --vmc HOST:PORT"
            )


def _check_conversion(arguments: argparse.Namespace, name: str) -> None:
    """Raise if what only a video can give is asked for of a recording."""
    asked = [name for name in ("out", "mesh", *STREAMS) if getattr(arguments, name)]
    if asked:
        raise InvalidInputError(f"--{asked[0]} needs a video; --record FILE converts a recording")
    refuse_tracking(arguments)
    if arguments.record is not None:
        _check_personal(arguments, name)


def _check_personal(arguments: argparse.Namespace, name: str) -> None:
    """Raise if nothing that is written shows the person of ``--personal``."""
    shown = name == "html" or arguments.out is not None or arguments.take is not None
    if arguments.personal is not None and not shown:
        raise InvalidInputError(
            "--personal is shown in videos and pages: add --out FILE.mp4 or --record FILE.html. "
            "For a .glb, 'edgeface personalise ME.efp --glb ME.glb' makes a --character"
        )


def _check_files(arguments: argparse.Namespace) -> None:
    """Raise if an output is an input or cannot be written, or both outputs are one file."""
    named = (
        arguments.source, arguments.model, arguments.crop_model, arguments.character,
        arguments.mapping, arguments.calibrate, arguments.personal,
    )  # fmt: skip
    inputs = [path for path in named if path is not None]
    outputs = [path for path in (arguments.out, arguments.record) if path is not None]
    refuse_twice(outputs)
    if arguments.take is not None:
        outputs += take_files(arguments.take)
    for path in outputs:
        refuse_inputs(path, inputs)
        if path.parent != arguments.take or path.parent.is_dir():  # that is made if it is absent
            check_place(path)


def _run(video: VideoReader, frames: Iterable[Frame], tracker: Tracker, outputs: Outputs) -> int:
    progress = Progress(video.num_frames, sys.stderr)
    status = 0
    try:
        results = run_pipeline(frames, lambda f: tracker.update(f.image, f.time_s), live=video.live)
        with contextlib.closing(results):
            for frame, faces in results:
                outputs.write(frame, faces)
                progress.step(faces)
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        # whatever ended it, what was tracked is kept; a second interrupt must not lose it
        progress.close()
        written = outputs.close()
    said = [progress.summary() + (" (stopped)" if status else "")]
    said += [printable(f"wrote {path}") for path in written]
    print(*said, sep="\n", file=told_on(written))
    return status
