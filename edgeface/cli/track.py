"""``edgeface track``: follow the faces of a video or camera."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from edgeface.cli.options import INTERRUPTED, add_input_size
from edgeface.errors import InvalidInputError
from edgeface.model import Model, load
from edgeface.output import refuse_inputs, refuse_twice
from edgeface.retarget.formats import FORMATS, STREAMS, check_export, export, format_of
from edgeface.retarget.options import ExportOptions
from edgeface.video.outputs import Outputs
from edgeface.video.pipeline import run_pipeline
from edgeface.video.progress import Progress
from edgeface.video.reader import VideoReader, open_video
from edgeface.video.smoothing import STRENGTHS
from edgeface.video.tracker import Tracker

MODES = ("auto", "detect", "crops")
NO_LIMIT = 1000


def add_parser(commands: Any) -> None:
    """Declare the command's arguments: source, outputs, mode and smoothing."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "track", help="follow the faces of a video or camera"
    )
    parser.add_argument(
        "source",
        metavar="VIDEO|CAMERA",
        help="a file, an address, 'camera', 'camera:1'; 'demo' moves over the photo that ships; a "
        "recording (.jsonl) is only converted",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write an overlay: .mp4, .mkv")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what was seen: " + ", ".join(f"{f.suffix} ({n})" for n, f in FORMATS.items()),
    )
    parser.add_argument("--to", choices=FORMATS, help="format of --record, whatever its suffix")
    for protocol in STREAMS:
        parser.add_argument(
            f"--{protocol}",
            metavar="HOST:PORT",
            help=f"stream one person to an avatar by {protocol.upper()} as it goes",
        )
    parser.add_argument("--character", type=Path, metavar="GLB", help="what a glTF export animates")
    parser.add_argument("--mapping", type=Path, metavar="JSON", help="mapping file of a character")
    parser.add_argument(
        "--calibrate",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="take the first seconds of a performance as the neutral face",
    )
    parser.add_argument("--person", type=int, metavar="ID", help="whose performance to export")
    parser.add_argument("--mesh", action="store_true", help="draw the mesh into the overlay")
    add_tracking_options(parser)
    parser.set_defaults(execute=execute)


def add_tracking_options(parser: argparse.ArgumentParser) -> None:
    """Declare how faces are followed: smoothing, mode, networks."""
    parser.add_argument("--smooth", choices=("off", *STRENGTHS), default="light")
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="detect: find all faces anew in every frame. crops: follow each face's own crop and "
        "detect now and then. auto (default): crops while there are few faces",
    )
    parser.add_argument("--model", default="mfn", help="model file that detects (default: mfn)")
    parser.add_argument(
        "--crop-model", default="sfn", help="sfn (default), fusion or a model file, for crops"
    )
    add_input_size(parser)
    parser.add_argument("--threshold", type=float, metavar="SCORE", help="least score of a face")
    parser.add_argument("--threads", type=int, default=0, help="of networks and encoder; 0: all")


def execute(arguments: argparse.Namespace) -> int:
    """Track, write, report; returns the exit status: 130 after an interrupt."""
    options = ExportOptions(
        arguments.person, arguments.character, arguments.mapping, arguments.calibrate
    )
    target: Path | None = arguments.record
    name = "jsonl" if target is None else format_of(target, arguments.to)
    check_export(name, options)
    _check_files(arguments)
    model = detector(arguments)
    if Path(arguments.source).suffix.lower() == ".jsonl":
        if target is None:
            raise InvalidInputError("a recording is converted: name its goal with --record FILE")
        export(arguments.source, target, name, model.face_model, options)
        print(f"wrote {target}")
        return 0
    tracker = make_tracker(model, arguments)
    with open_source(arguments.source) as video:
        outputs = Outputs(video, model, arguments.threads)
        if arguments.out is not None:
            outputs.draw_to(arguments.out, mesh=arguments.mesh)
        if target is not None:
            outputs.record_to(target, name, options)
        for protocol in STREAMS:
            if getattr(arguments, protocol) is not None:
                outputs.stream_to(protocol, getattr(arguments, protocol), options)
        return _run(video, tracker, outputs)


def _check_files(arguments: argparse.Namespace) -> None:
    """Raise if an output is an input, or both outputs are one file."""
    inputs = [arguments.source, arguments.model, arguments.crop_model]
    inputs += [path for path in (arguments.character, arguments.mapping) if path is not None]
    outputs = [path for path in (arguments.out, arguments.record) if path is not None]
    refuse_twice(outputs)
    for path in outputs:
        refuse_inputs(path, inputs)


def detector(arguments: argparse.Namespace) -> Model:
    """The model that finds the faces, as the options have it."""
    return load(arguments.model, num_threads=arguments.threads, input_size=arguments.input_size)


def make_tracker(model: Model, arguments: argparse.Namespace) -> Tracker:
    """The tracker that ``--mode``, ``--smooth`` and the model files ask for."""
    if arguments.mode == "detect":
        return Tracker(model, smoothing=arguments.smooth, score_threshold=arguments.threshold)
    crops = load(arguments.crop_model, num_threads=arguments.threads)
    limit = {"max_crops": NO_LIMIT} if arguments.mode == "crops" else {}
    return Tracker(
        model,
        crop_model=crops,
        smoothing=arguments.smooth,
        score_threshold=arguments.threshold,
        **limit,
    )


def open_source(source: str, *, loop: bool = False) -> Any:
    """A `VideoReader`, or the clip that ships, which can go on and on."""
    if source == "demo":
        from edgeface.video.demo_clip import NUM_FRAMES, DemoClip

        return DemoClip(1000 * NUM_FRAMES if loop else NUM_FRAMES)
    return open_video(source)


def _run(video: VideoReader, tracker: Tracker, outputs: Outputs) -> int:
    progress = Progress(video.num_frames, sys.stderr)
    status = 0
    try:
        results = run_pipeline(video, lambda f: tracker.update(f.image, f.time_s), live=video.live)
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
    print(progress.summary() + (" (stopped)" if status else ""))
    for path in written:
        print(f"wrote {path}")
    return status
