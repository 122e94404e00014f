"""``edgeface demo``: the camera or a clip, live in the browser, beside the head in 3D."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import webbrowser
from pathlib import Path

from edgeface.addresses import without_secrets
from edgeface.cli.tracking import (
    add_personal,
    add_tracking_options,
    detector,
    load_personal,
    make_tracker,
    open_source,
)
from edgeface.errors import InvalidInputError
from edgeface.video.live import LiveView
from edgeface.video.pipeline import run_pipeline
from edgeface.video.reader import VideoReader
from edgeface.video.unending import unending

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
        help="the port at which the page is served; 0 takes any that is free (default: "
        f"{DEFAULT_PORT})",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address and open no browser"
    )
    # more threads wait for work by spinning, and the browser needs the other cores
    add_tracking_options(parser, threads=1)
    add_personal(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Show frames until Ctrl-C: clips again and again, a lost camera once it is back."""
    model = detector(arguments)
    tracker = make_tracker(model, arguments, load_personal(arguments))
    sources = [] if arguments.source == "demo" else cameras()
    view = LiveView(model, arguments.source, arguments.port, [*sources, "demo"], tracker.personal)
    shown, told = "", threading.Event()

    def open_wanted() -> VideoReader:
        nonlocal shown
        shown = view.stage.source
        video = _open(shown)
        if not told.is_set():
            # the browser starts while the first pictures are looked at
            told.set()
            threading.Thread(target=_announce, args=(arguments, view.url), daemon=True).start()
        return video

    with contextlib.closing(view):
        frames = unending(open_wanted, view.tell, lambda: view.stage.source == shown)
        results = run_pipeline(frames, lambda f: tracker.update(f.image, f.time_s), live=True)
        with contextlib.suppress(KeyboardInterrupt), contextlib.closing(results):
            for frame, faces in results:
                view.show(frame, faces)
    return 0


def cameras() -> list[str]:
    """The cameras that may be chosen: those that Linux lists, elsewhere the first two."""
    if sys.platform == "linux":
        numbers = [path.name.removeprefix("video") for path in Path("/dev").glob("video*")]
        found = sorted(int(number) for number in numbers if number.isdigit())
    else:
        found = [0, 1]
    return [f"camera:{number}" for number in found]


def _open(source: str) -> VideoReader:
    try:
        return open_source(source)
    except InvalidInputError as error:
        if source != "camera":
            raise
        raise InvalidInputError(f"{error}. 'edgeface demo demo' needs no camera") from error


def _announce(arguments: argparse.Namespace, url: str) -> None:
    print(f"showing {without_secrets(arguments.source)} at {url} (Ctrl-C ends)", flush=True)
    if not arguments.no_browser:
        webbrowser.open(url)
