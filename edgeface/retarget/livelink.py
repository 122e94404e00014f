"""Writing Apple Live Link Face's CSV, which its app exports, and Unreal and Blender import."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import cast

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import InvalidInputError
from edgeface.kernels import euler_from_rotation
from edgeface.output import write_output
from edgeface.recording import Performance, Recording
from edgeface.retarget.datagrams import eye_radians, require_arkit
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter, given_retargeter
from edgeface.rotations import rotation_from_quaternion
from edgeface.timecode import Timecode, timecode_text
from edgeface.values import Whole, instance, option, shown

ROTATIONS = ("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
             "RightEyeYaw", "RightEyePitch", "RightEyeRoll")  # fmt: skip
DEFAULT_FPS = 60
"""The app's own rate, in whose frames its timecodes count."""


def export_livelink(path: Path, recording: Recording, options: ExportOptions) -> None:
    """Write the chosen performance of a recording as Live Link Face CSV."""
    write_livelink(path, *options.calibrated(recording), timecode=recording.timecode)


def write_livelink(
    path: str | os.PathLike[str],
    performance: Performance,
    retargeter: Retargeter | None = None,
    *,
    fps: int = DEFAULT_FPS,
    timecode: Timecode | None = None,
) -> None:
    """Write a performance as a CSV file of Apple's Live Link Face.

    Parameters
    ----------
    path : the .csv file to write
    performance : what one person did
    retargeter : calibrates, scales and mirrors the performance; None leaves it as it is. Its names
        must be ARKit's, since the format has no others.
    fps : the frames per second that the timecode counts. Rows keep their own times, as fractions of
        these frames.
    timecode : the timecode of the clip's first frame; None begins at 0

    Raises
    ------
    InvalidInputError
        If the file cannot be written, the retargeter has other names than ARKit's, or ``fps`` is no
        whole number from 1 to 1,000.

    Notes
    -----
    - Angles are in radians about the axes of ARKit's face anchor, which is our ``model`` frame: yaw
      about y, pitch about x, roll about z. They go on past half a turn, because programs
      interpolate between rows.
    - The angles of the eyes are relative to the head. Their roll is 0.
    - Shapes that the network cannot see are 0, and so are the eyes if the gaze is not seen.
    """
    retargeter = given_retargeter(retargeter)
    performance = instance("performance", performance, Performance)
    if timecode is not None and not isinstance(cast(object, timecode), Timecode):
        raise InvalidInputError(
            f"timecode must be an edgeface.timecode.Timecode, got {shown(timecode)}"
        )
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
