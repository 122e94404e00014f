"""``edgeface demo``: the camera or a clip, live in the browser, beside the head in 3D."""

from __future__ import annotations

import argparse
import contextlib
import webbrowser

from edgeface.cli.tracking import add_tracking_options, detector, make_tracker, open_source
from edgeface.errors import InvalidInputError
from edgeface.video.live import LiveView, paced
from edgeface.video.pipeline import run_pipeline

DEFAULT_PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, port, and how faces are followed."""
    parser.add_argument(
        "source",
        nargs="?",
        default="camera",
        metavar="CAMERA|VIDEO",
        help="'camera' (default), 'camera:1', a file or an address; 'demo' shows a clip that ships "
        "with edgeface and needs none of them",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="port at which the page is served; 0 takes any that is free (default: "
        f"{DEFAULT_PORT})",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address and open no browser"
    )
    add_tracking_options(parser)


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
