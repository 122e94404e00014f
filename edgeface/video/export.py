"""Recordings to what other programs read, by the name of the file."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.video.recording import Performance, read_recording

FORMATS = {"jsonl": ".jsonl", "livelink": ".csv", "gltf": ".glb", "html": ".html"}
"""What `edgeface track --to` names, and the suffix that stands for it."""


@dataclass(frozen=True)
class ExportOptions:
    """What to make of a recording.

    Attributes
    ----------
    track_id : whose performance; None for whoever was seen in most frames
    character : .glb that a glTF export animates
    mapping : mapping file of the character
    calibrate_s : neutral seconds at the beginning of the performance
    """

    track_id: int | None = None
    character: Path | None = None
    mapping: Path | None = None
    calibrate_s: float = 0.0


def format_of(path: Path, named: str | None) -> str:
    """The format of an output file.

    Raises
    ------
    InvalidInputError
        If neither the suffix nor ``named`` says.
    """
    if named is not None:
        return named
    for name, suffix in FORMATS.items():
        if path.suffix == suffix:
            return name
    known = ", ".join(f"{suffix} ({name})" for name, suffix in FORMATS.items())
    raise InvalidInputError(f"{path}: the suffix names no format; known are {known}. Or use --to")


def check_export(kind: str, options: ExportOptions) -> Any:
    """The retargeter of the options; errors before any frame is tracked.

    Raises
    ------
    InvalidInputError
        If a file is absent, or a glTF export lacks its character.
    """
    if kind == "gltf" and options.character is None:
        raise InvalidInputError("a glTF export needs --character FILE.glb, which it animates")
    if options.character is not None and not options.character.is_file():
        raise InvalidInputError(f"no such character: {options.character}")
    if options.calibrate_s < 0:
        raise InvalidInputError(f"--calibrate takes seconds >= 0, got {options.calibrate_s}")
    retarget: Any = importlib.import_module("edgeface.retarget")
    mapping = None if options.mapping is None else retarget.read_mapping(options.mapping)
    return retarget.Retargeter(mapping)


def export(
    source: str | os.PathLike[str],
    path: Path,
    kind: str,
    face_model: FaceModel,
    options: ExportOptions,
) -> None:
    """Turn a recording into another format.

    Raises
    ------
    InvalidInputError
        If nobody was seen, or a file cannot be read or written.
    """
    retargeter = check_export(kind, options)
    recording = read_recording(source)
    retarget: Any = importlib.import_module("edgeface.retarget")
    if kind == "html":
        report: Any = importlib.import_module("edgeface.video.report")
        report.write_report(path, recording, face_model)
        return
    performance = recording.performance(options.track_id)
    retargeter.rest = _rest(performance, options.calibrate_s)
    if kind == "livelink":
        retarget.write_livelink(path, performance, retargeter)
    elif kind == "gltf":
        retarget.write_gltf(path, options.character, performance, retargeter)


def _rest(performance: Performance, calibrate_s: float) -> Any:
    retarget: Any = importlib.import_module("edgeface.retarget")
    if calibrate_s == 0:
        return retarget.RestPose()
    count = int((performance.times_s - performance.times_s[0] <= calibrate_s).sum())
    return retarget.calibrate(performance.blendshapes[:count], performance.quaternions_wxyz[:count])
