"""A recording as one HTML file: a head in 3D beside the curves of its expression."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.output import write_output
from edgeface.personal.glb import person_glb
from edgeface.recording import Performance, Recording
from edgeface.retarget.character import named_bones
from edgeface.retarget.gltf_parts import read_parts
from edgeface.retarget.head import head_glb
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter
from edgeface.types import AnyArray, FloatArray

VIEWER = Path(__file__).parents[1] / "assets" / "viewer.html"
LIVE = VIEWER.parent / "live"
SCRIPTS = ("three.js", "puppet.js")
"""What of the live page draws the head here, too."""
PLACE = "/*DATA*/"
MIN_FRAMES = 5
"""A person seen in fewer frames has no curve worth showing, if anybody has one."""


def export_viewer(path: Path, recording: Recording, options: ExportOptions) -> None:
    """Write the page of everybody in a recording, which needs no server and no other file.

    If the options name a person, it is the page of that one alone. Everybody moves the head that
    ships, or that of the options' personal model. The options' character is left aside, and so is
    the mapping, which is a character's.

    Raises
    ------
    InvalidInputError
        If the range of the person cannot be read, nobody has the number ``track_id``, or the file
        cannot be written.
    """
    shown = _shown(recording, options.track_id)
    source = str(recording.header.get("source", ""))
    head = head_glb() if options.personal is None else person_glb(options.personal)
    bones = _bones(head)
    options = replace(options, character=None, mapping=Path("arkit"))
    people: list[dict[str, Any]] = []
    for performance in shown:
        _, retargeter = replace(options, track_id=performance.track_id).calibrated(recording)
        people.append(_person(performance, retargeter, bones))
    values = {
        "source": source if "://" in source else Path(source).name,
        "duration": max((float(p.times_s[-1]) for p in shown), default=0.0),
        "fps": recording.header.get("fps"),
        "timecode": recording.header.get("timecode"),
        "names": ARKIT_NAMES,
        "bones": bones,
        "people": people,
        "parts": _parts(head),
        "licences": (LIVE / "LICENSES.txt").read_text(encoding="utf-8"),
    }
    write_output(path, fill(values))


def _shown(recording: Recording, track_id: int | None) -> list[Performance]:
    """Whom the page shows: one person, or without a number everybody who does not just pass by."""
    if track_id is not None:
        return [recording.performance(track_id)]
    everybody = sorted(recording.performances.values(), key=lambda p: -len(p.frames))
    return [p for p in everybody if len(p.frames) >= MIN_FRAMES] or everybody


def fill(values: dict[str, Any], page: Path = VIEWER) -> str:
    """A page with its data in it."""
    # "<" would let a source's name end the script that holds it
    text = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return page.read_text(encoding="utf-8").replace(PLACE, text)


def _parts(head: bytes) -> dict[str, str]:
    """The head and what draws it, each as base64 of gzip."""
    contents = {name: (LIVE / name).read_bytes() for name in SCRIPTS} | {"head.glb": head}
    return {
        name: base64.b64encode(gzip.compress(content, mtime=0)).decode()
        for name, content in contents.items()
    }


def _bones(head: bytes) -> dict[str, int]:
    """The numbers of the nodes of a binary glTF file that turn, by the names of the bones."""
    description, _ = read_parts(head)
    return named_bones(str(node["name"]) for node in description["nodes"])


def _person(
    performance: Performance, retargeter: Retargeter, bones: dict[str, int]
) -> dict[str, Any]:
    weights = np.zeros((len(performance.frames), len(ARKIT_NAMES)))
    heads: list[FloatArray] = []
    turns: defaultdict[str, list[FloatArray]] = defaultdict(list)
    for row, seen, quaternion in zip(
        weights, performance.blendshapes, performance.quaternions_wxyz, strict=True
    ):
        shapes, head = retargeter(seen, quaternion)
        row[:] = [shapes.get(name, 0.0) for name in ARKIT_NAMES]
        heads.append(head)
        each = retargeter.bone_turns(head, bones) | retargeter.eye_turns(seen)
        for bone in each:
            if bone in bones:
                turns[bone].append(each[bone])
    return {
        "id": performance.track_id,
        "times": packed(performance.times_s, np.float32),
        "weights": packed(np.round(255 * weights), np.uint8),
        "quaternions": packed(np.stack(heads), np.float32),
        "turns": {bone: packed(np.stack(rows), np.float32) for bone, rows in turns.items()},
        "gaps": performance.gaps_s.round(4).tolist(),
    }


def packed(array: AnyArray, dtype: Any) -> str:
    """An array as base64 of its little-endian bytes."""
    values = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(values.tobytes()).decode()
