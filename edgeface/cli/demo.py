"""``edgeface demo``: the camera or a clip, live in the browser, beside the head in 3D."""

from __future__ import annotations

import argparse
import contextlib
import webbrowser
from typing import Any

from edgeface.cli.track import add_tracking_options, detector, make_tracker, open_source
from edgeface.errors import InvalidInputError
from edgeface.video.live import LiveView, paced
from edgeface.video.pipeline import run_pipeline

DEFAULT_PORT = 8765


def add_parser(commands: Any) -> None:
    """Declare the command's arguments: source, port, mode and smoothing."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo", help="show the camera and the head it drives, live in the browser"
    )
    parser.add_argument(
        "source",
        nargs="?",
        default="camera",
        metavar="CAMERA|VIDEO",
        help="'camera' (default), 'camera:1', a file, an address; 'demo' needs none of them",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the page; 0: any free")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    add_tracking_options(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Show frames until the video ends or Ctrl-C; returns the exit status."""
    model = detector(arguments)
    tracker = make_tracker(model, arguments)
    try:
        video = open_source(arguments.source, loop=True)
    except InvalidInputError as error:
        if arguments.source != "camera":
            raise
        raise InvalidInputError(f"{error}. 'edgeface demo demo' needs no camera") from error
    with (
        video,
        contextlib.closing(LiveView(model.face_model, arguments.source, arguments.port)) as (view),
    ):
        print(f"showing {arguments.source} at {view.url} (Ctrl-C ends)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(view.url)
        frames = video if video.live else paced(video)
        results = run_pipeline(frames, lambda f: tracker.update(f.image, f.time_s), live=True)
        with contextlib.suppress(KeyboardInterrupt), contextlib.closing(results):
            for frame, faces in results:
                view.show(frame, faces)
    return 0
