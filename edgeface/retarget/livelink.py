"""Writing Apple Live Link Face's CSV, which its app exports, and Unreal and Blender import."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.face_model import FaceModel
from edgeface.kernels import euler_from_rotation
from edgeface.output import write_output
from edgeface.recording import Performance, Recording
from edgeface.retarget.datagrams import eye_radians, require_arkit
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import rotation_from_quaternion
from edgeface.timecode import Timecode, timecode_text
from edgeface.values import Whole, option

ROTATIONS = ("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
             "RightEyeYaw", "RightEyePitch", "RightEyeRoll")  # fmt: skip
DEFAULT_FPS = 60
"""The app's own rate, in whose frames its timecodes count."""


def export_livelink(
    path: Path, recording: Recording, face_model: FaceModel, options: ExportOptions
) -> None:
    """Write the chosen performance of a recording as Live Link Face CSV."""
    del face_model  # names and values are all that the format holds
    write_livelink(path, *options.calibrated(recording), timecode=recording.timecode)


def write_livelink(
    path: str | os.PathLike[str],
    performance: Performance,
    retargeter: Retargeter | None = None,
    *,
    fps: int = DEFAULT_FPS,
    timecode: Timecode | None = None,
) -> None:
    """Write a performance as Live Link Face CSV.

    Parameters
    ----------
    path : the .csv file to write
    performance : what one person did
    retargeter : calibrates, scales and mirrors the performance. One with targets of its own is
        refused, since the format has ARKit's names only.
    fps : the number of frames a second that the timecode counts. Rows keep their own times, as
        fractions of these frames.
    timecode : that of the clip's first frame; without one, the clip's timecodes begin at 0

    Raises
    ------
    InvalidInputError
        If the file cannot be written, the retargeter has other names, or ``fps`` is no whole number
        from 1 to 1,000.

    Notes
    -----
    Angles are radians about ARKit's face anchor, which is our ``model`` frame: y for yaw, x for
    pitch, z for roll. Past half a turn they go on, since curves are interpolated. The eyes turn in
    the head, without roll. Shapes that the network cannot see, and eyes whose gaze it does not
    tell, are 0.
    """
    retargeter = retargeter or Retargeter()
    require_arkit(retargeter, "Live Link Face")
    fps = option("fps", fps, Whole(1, 1000))
    header = ["Timecode", "BlendShapeCount", *(n[0].upper() + n[1:] for n in ARKIT_NAMES)]
    count = len(ARKIT_NAMES) + len(ROTATIONS)
    frames = [
        retargeter(shapes, quaternion)
        for shapes, quaternion in zip(
            performance.blendshapes, performance.quaternions_wxyz, strict=True
        )
    ]
    turns = rotation_from_quaternion(np.stack([head for _, head in frames]))
    angles = np.unwrap(np.deg2rad(euler_from_rotation(turns)), axis=0)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*header, *ROTATIONS])
    for time_s, (weights, _), (pitch, yaw, roll), shapes in zip(
        performance.times_s, frames, angles, performance.blendshapes, strict=True
    ):
        eyes = eye_radians(retargeter, shapes)
        values = [*(weights.get(n, 0.0) for n in ARKIT_NAMES), yaw, pitch, roll, *eyes]
        clock_s = float(time_s) if timecode is None else timecode.at(float(time_s))
        row = [timecode_text(clock_s, fps), count, *(f"{v:.8f}" for v in values)]
        writer.writerow(row)
    write_output(path, table.getvalue())
