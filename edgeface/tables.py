"""Faces as tables with a row for each, for pandas, Arrow, CSV and JSON lines, and for supervision.

The columns that every table has:

``track_id``
    int64; only if faces were followed.
``score``
    As in `edgeface.Faces.scores`.
``x0``, ``y0``, ``x1``, ``y1``
    The box, ``image_px``.
``pitch_deg``, ``yaw_deg``, ``roll_deg``
    As in `edgeface.Faces.euler_deg`.
``right_eye_pitch_deg``, ``right_eye_yaw_deg``, ``left_eye_pitch_deg``, ``left_eye_yaw_deg``
    As in `edgeface.Faces.gaze_deg`; missing where the gaze is not known.
``eyeBlinkLeft`` to ``tongueOut``
    ARKit's 52 names, in [0, 1]. What the network cannot see is missing: NaN in pandas and numpy,
    null in Arrow and Parquet, empty in CSV, and absent in JSON.

Arrow tables and Parquet files have the arrays, too, as lists of a fixed size: ``landmarks_3d`` (204
numbers, to be reshaped to (68, 3)), ``identity_coeffs`` (50), ``expression_coeffs`` (46),
``rotation`` (9), ``translation`` (3), ``focal``, and where they are there ``correction_coeffs``
(60) and ``velocities`` (2).
"""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import BackendUnavailableError, InvalidInputError, why_broken
from edgeface.face_arrays import FaceArrays, boxes_of
from edgeface.types import AnyArray

CORNERS = ("x0", "y0", "x1", "y1")
ANGLES = ("pitch_deg", "yaw_deg", "roll_deg")
GAZE = ("right_eye_pitch_deg", "right_eye_yaw_deg", "left_eye_pitch_deg", "left_eye_yaw_deg")
NUMBERS = ("score", *CORNERS, *ANGLES, *GAZE, *ARKIT_NAMES)
"""The columns of faces that were not followed."""
ARRAYS = ("landmarks_3d", "identity_coeffs", "expression_coeffs", "rotation", "translation",
          "focal", "correction_coeffs", "velocities")  # fmt: skip


def printable(name: str) -> str:
    """A file's name as tables hold it: bytes that are no UTF-8 are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def numbers_of(faces: FaceArrays, clip: bool = False) -> dict[str, AnyArray]:
    """Make the columns that every table has, each of shape (N,)."""
    boxes = boxes_of(faces, clip)
    columns: dict[str, AnyArray] = {}
    if faces.track_ids is not None:
        columns["track_id"] = faces.track_ids
    columns["score"] = faces.scores
    columns |= dict(zip(CORNERS, boxes.T, strict=True))
    columns |= dict(zip(ANGLES, faces.euler_deg.T, strict=True))
    gaze = np.full((len(faces), 4), np.nan, np.float32)
    if faces.gaze_deg is not None:
        gaze = faces.gaze_deg.reshape(-1, 4)
    columns |= dict(zip(GAZE, gaze.T, strict=True))
    return columns | dict(zip(ARKIT_NAMES, faces.arkit_coeffs.T, strict=True))


def json_of(value: Any) -> str:
    """Write a value of plain numbers, texts, lists and dictionaries as a line of JSON.

    Raises
    ------
    InvalidInputError
        If it holds numbers that are not finite.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise InvalidInputError(
            "JSON holds finite numbers alone, and these faces have others: choose those whose "
            "arrays are finite"
        ) from error


def csv_of(columns: Mapping[str, AnyArray]) -> str:
    """Write columns as CSV, with their names in the first line; NaN is left empty."""
    lines: list[str] = []
    # with these ends of lines, the writer quotes names that hold either part of them
    writer = csv.writer(cast(Any, SimpleNamespace(write=lines.append)), lineterminator="\r\n")
    writer.writerow(columns)
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        writer.writerow(["" if value != value else value for value in row])
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def to_pandas(faces: FaceArrays, clip: bool = False) -> Any:
    """Make a ``pandas.DataFrame`` of `numbers_of`."""
    pandas = needed("pandas", "tables of pandas", "tables")
    return pandas.DataFrame(numbers_of(faces, clip))


def to_arrow(faces: FaceArrays, clip: bool = False) -> Any:
    """Make a ``pyarrow.Table`` of `numbers_of` and of `ARRAYS`."""
    arrow = needed("pyarrow", "tables of Arrow and Parquet files", "tables")
    columns = {
        name: arrow.array(np.array(column), from_pandas=name in (*GAZE, *ARKIT_NAMES))
        for name, column in numbers_of(faces, clip).items()
    }
    for name in ARRAYS:
        array: AnyArray | None = getattr(faces, name)
        if array is not None:
            columns[name] = _lists(arrow, array)
    return arrow.table(columns)


def _lists(arrow: Any, array: AnyArray) -> Any:
    """Turn an array (N, ...) into a column of N lists of one size, or (N,) into numbers."""
    flat = arrow.array(np.array(array).ravel())  # a copy, which Arrow does not make
    size = int(np.prod(array.shape[1:], dtype=int))
    return flat if array.ndim == 1 else arrow.FixedSizeListArray.from_arrays(flat, size)


def parquet_of(table: Any) -> bytes:
    """The bytes of a Parquet file of a ``pyarrow.Table``."""
    parquet = needed("pyarrow.parquet", "Parquet files", "tables")
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def to_supervision(faces: FaceArrays, clip: bool = False) -> Any:
    """Make ``supervision.Detections`` of class 0, ``face``.

    Its ``data`` holds, beside ``class_name``, ``landmarks_2d`` (N, 68, 2), ``euler_deg`` (N, 3)
    and ``arkit_coeffs`` (N, 52).
    """
    supervision = needed("supervision", "Detections of supervision", "supervision")
    count = len(faces)
    return supervision.Detections(
        xyxy=boxes_of(faces, clip).copy(),
        confidence=faces.scores.copy(),
        class_id=np.zeros(count, int),
        tracker_id=None if faces.track_ids is None else faces.track_ids.copy(),
        data={
            "class_name": np.full(count, "face"),
            "landmarks_2d": faces.landmarks_2d.copy(),
            "euler_deg": faces.euler_deg.copy(),
            "arkit_coeffs": faces.arkit_coeffs,
        },
    )


def needed(module: str, what: str, extra: str) -> Any:
    """Import a library of an extra; raises BackendUnavailableError, which names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BackendUnavailableError(
            f"{what} need {module.partition('.')[0]}: pip install 'edgeface[{extra}]'"
            f"{why_broken(error)}"
        ) from error
