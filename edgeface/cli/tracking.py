"""What following faces takes on the command line: options of `track`, `demo`, `calibrate`."""

from __future__ import annotations

import argparse
from typing import Any

from edgeface.cli.options import add_input_size, add_threshold
from edgeface.errors import InvalidInputError
from edgeface.model import Model, load
from edgeface.personal.model import PersonalModel
from edgeface.shipped import partner
from edgeface.video.reader import open_video
from edgeface.video.smoothing import STRENGTHS
from edgeface.video.tracker import Tracker

MODES = ("auto", "detect", "crops")
NO_LIMIT = 1000


def add_tracking_options(parser: argparse.ArgumentParser, threads: int = 0) -> None:
    """Declare how faces are followed: smoothing, mode, networks; ``threads`` is their default."""
    parser.add_argument(
        "--smooth",
        choices=("off", *STRENGTHS),
        default="light",
        help="how much faces are smoothed over time (default: light)",
    )
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="detect: find all faces anew in every frame. crops: follow each face's own crop and "
        "detect now and then. auto (default): crops while there are few faces",
    )
    parser.add_argument(
        "--model", default="mfn", help="the network that finds faces: mfn (default) or a model file"
    )
    parser.add_argument(
        "--crop-model",
        metavar="MODEL",
        help="the crop network that follows faces: sfn (default; sfn-free for mfn-free), fusion or "
        "a model file",
    )
    add_input_size(parser)
    add_threshold(parser)
    parser.add_argument(
        "--threads",
        type=int,
        default=threads,
        metavar="COUNT",
        help="the number of threads of the networks and of the video's encoder; 0 leaves the "
        f"choice to them (default: {threads})",
    )


def refuse_tracking(arguments: argparse.Namespace) -> None:
    """Raise if options say how faces are to be followed, of a recording, where they are already.

    ``--threads`` changes no result, and may be given.
    """
    parser = argparse.ArgumentParser()
    add_tracking_options(parser)
    for name, usual in vars(parser.parse_args([])).items():
        if name != "threads" and getattr(arguments, name) != usual:
            raise InvalidInputError(
                f"--{name.replace('_', '-')} is for tracking, and the faces of a recording are "
                "tracked already: leave it out, or name a video"
            )


def add_personal(parser: argparse.ArgumentParser) -> None:
    """Declare ``--personal``."""
    parser.add_argument(
        "--personal",
        metavar="EFP",
        help="a personal model, written by 'edgeface personalise': videos show that person beside "
        "the picture, and pages show that person's head, moved by each face",
    )


def detector(arguments: argparse.Namespace) -> Model:
    """The model that finds the faces, as the options have it."""
    return load(arguments.model, num_threads=arguments.threads, input_size=arguments.input_size)


def load_personal(arguments: argparse.Namespace) -> PersonalModel | None:
    """The personal model that ``--personal`` names."""
    return None if arguments.personal is None else PersonalModel.load(arguments.personal)


def make_tracker(
    model: Model, arguments: argparse.Namespace, personal: PersonalModel | None = None
) -> Tracker:
    """The tracker that ``--mode``, ``--smooth`` and the model files ask for."""
    crops = None
    if arguments.mode == "detect" and arguments.crop_model is not None:
        raise InvalidInputError("--mode detect follows no crops: leave --crop-model out")
    if arguments.mode != "detect":
        name = arguments.crop_model or partner("sfn", arguments.model, model.face_model)
        crops = load(name, num_threads=arguments.threads)
    limit: dict[str, Any] = {"max_crops": NO_LIMIT} if arguments.mode == "crops" else {}
    return Tracker(
        model,
        crop_model=crops,
        smoothing=arguments.smooth,
        score_threshold=arguments.threshold,
        personal=personal,
        **limit,
    )


def open_source(source: str) -> Any:
    """A `VideoReader`, or the clip that ships."""
    if source == "demo":
        from edgeface.video.demo_clip import DemoClip

        return DemoClip()
    return open_video(source)
