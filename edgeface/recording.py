"""Recordings: JSON lines of what was seen, and one person's performance out of them.

The first line describes the recording, each further line is a frame::

    {"format": "edgeface-recording", "version": [1, 1], "source": ..., "size": [height, width],
     "fps": ..., "timecode": ..., "model": ..., "face_model_sha256": ..., "expression_names": [...]}
    {"frame": 0, "time_s": 0.0, "faces": [{"track_id": 1, "box_xyxy": [...], "score": ...,
      "quaternion_wxyz": [...], "euler_deg": [...], "translation": [...], "focal": ...,
      "velocity": [...], "blendshapes": {...}, "expression_coeffs": [...],
      "identity_coeffs": [...], "landmarks_2d": [...], "gaze_deg": [[...], [...]],
      "iris_centres": [[...], [...]]}]}

The last two are absent where the gaze is not known.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from edgeface.addresses import without_secrets
from edgeface.errors import InvalidInputError
from edgeface.face import Face
from edgeface.face_model_file import EXPRESSION_LIST
from edgeface.face_shapes import NUM_EXPRESSIONS, NUM_IDENTITY
from edgeface.faces import Faces
from edgeface.growing_file import GrowingFile
from edgeface.metadata import Metadata
from edgeface.rotations import quaternion_from_rotation
from edgeface.strict_json import text_of
from edgeface.timecode import Timecode
from edgeface.types import Float64Array, FloatArray, IntArray
from edgeface.values import (
    SHA256,
    Mapped,
    Number,
    Record,
    Several,
    Text,
    Version,
    Whole,
    array_of,
    option,
    path_of,
    shown,
)

FORMAT = "edgeface-recording"
VERSION = (1, 1)


class RecordingWriter:
    """Writes frames as they come; every line is on disk before the next frame.

    Parameters
    ----------
    path : the file to write
    metadata : of the network that sees the faces
    source : what the user calls the video
    fps : its average number of frames a second, if it is known
    timecode : that of its first frame, ``HH:MM:SS:FF``, if it has one

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        metadata: Metadata,
        source: str,
        fps: float | None,
        timecode: str | None = None,
    ) -> None:
        self._file = GrowingFile(path, inputs=(source,))
        self._header = {
            "format": FORMAT,
            "version": list(VERSION),
            "source": without_secrets(source),
            "fps": fps,
            "timecode": timecode,
            "model": metadata.name,
            "face_model_sha256": metadata.face_model_sha256,
            "expression_names": list(metadata.expression_names),
        }

    def write(self, frame: int, time_s: float, size: tuple[int, int], faces: Faces) -> None:
        """Append a frame of an image of ``size`` (height, width)."""
        if self._header:
            self._line(self._header | {"size": list(size)})
            self._header = {}
        rows = [_row(face) for face in faces]
        self._line({"frame": frame, "time_s": round(time_s, 6), "faces": rows})
        self._file.show()

    def _line(self, values: dict[str, Any]) -> None:
        line = json.dumps(values, separators=(",", ":")) + "\n"
        try:
            self._file.write(line.encode())
        except OSError as error:
            self._file.fail()
            raise InvalidInputError(f"cannot write {self._file.path}: {error.strerror}") from error

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _row(face: Face) -> dict[str, Any]:
    faces, i = face.faces, face.index
    looking: dict[str, Any] = {}
    if face.gaze_deg is not None and np.isfinite(face.gaze_deg).all():
        looking["gaze_deg"] = _rounded(face.gaze_deg, 2)
        looking["iris_centres"] = _rounded(face.iris_centres, 2)
    quaternion = quaternion_from_rotation(face.rotation)
    return {
        "track_id": face.track_id,
        "box_xyxy": _rounded(face.box_xyxy, 2),
        "score": round(face.score, 3),
        "quaternion_wxyz": _rounded(quaternion, 5),
        "euler_deg": _rounded(face.euler_deg, 2),
        "translation": _rounded(faces.translation[i], 4),
        "focal": round(float(faces.focal[i]), 5),
        "velocity": None if face.velocity is None else _rounded(face.velocity, 1),
        "blendshapes": {name: round(v, 4) for name, v in face.blendshapes.items()},
        "expression_coeffs": _rounded(face.expression_coeffs, 4),
        "identity_coeffs": _rounded(face.identity_coeffs, 3),
        "landmarks_2d": _rounded(face.landmarks_2d, 2),
        **looking,
    }


def _rounded(array: FloatArray, digits: int) -> list[Any]:
    return np.asarray(array, np.float64).round(digits).tolist()


MAX_LINE = 1 << 24
"""The longest line, 16 MiB; a frame with a thousand faces takes 7."""
MAX_TIME_S = 1e8
"""The longest take; what is later counts from elsewhere, as the system's clock does."""
MAX_VALUE = 1e12
"""The largest magnitude of a number in a recording."""
_NUMBER = Number(-MAX_VALUE, MAX_VALUE)
_ARRAYS = ("quaternion_wxyz", "expression_coeffs", "identity_coeffs")
_HEADER = Record(
    required={},
    optional={
        "expression_names": EXPRESSION_LIST,
        "face_model_sha256": SHA256,
        "fps": Number(0, 1e6, above=True),
        "size": Several(Whole(1, 10**6), 2, 2),
        "timecode": Text(),
    },
)


@dataclass(frozen=True, eq=False)
class Performance:
    """One person in a recording, over the T frames in which they were seen.

    Attributes
    ----------
    track_id : the person's number
    times_s : the time at which each frame is shown, shape (T,), seconds; of a recording, since its
        first frame
    frames : the number of each frame, shape (T,)
    quaternions_wxyz : the rotation of the head in each frame, shape (T, 4), ``model`` frame
    expression_coeffs : the expression in each frame, shape (T, 46)
    identity_coeffs : the person's identity, shape (50,): the last mean over frames, the best one
    blendshapes : the expression in each frame by ARKit's names, T dictionaries
    gaps_s : from when till when the person was not seen, though the recording has frames of that
        time: the times of the frames before and after each gap, shape (G, 2), seconds

    Raises
    ------
    InvalidInputError
        If there is no frame, something of a frame is missing, an array has another shape, or the
        times do not rise from 0 on.
    """

    track_id: int
    times_s: Float64Array
    frames: IntArray
    quaternions_wxyz: Float64Array
    expression_coeffs: Float64Array
    identity_coeffs: Float64Array
    blendshapes: list[dict[str, float]]
    gaps_s: Float64Array = field(default_factory=lambda: np.zeros((0, 2)))

    def __post_init__(self) -> None:
        parts: tuple[Any, ...] = (
            self.times_s, self.frames, self.quaternions_wxyz, self.expression_coeffs,
            self.blendshapes, self.gaps_s,
        )  # fmt: skip
        if not all(hasattr(part, "__len__") for part in parts):
            raise InvalidInputError("a performance is made of arrays and lists")
        counts = {len(part) for part in parts[:-1]}
        if len(counts) > 1 or 0 in counts:
            raise InvalidInputError(
                "a performance has one or more frames, and everything of each frame: got "
                f"{' and '.join(map(str, sorted(counts)))} of them"
            )
        count, num_gaps = len(self.times_s), len(self.gaps_s)
        shapes = {
            "times_s": (count,),
            "frames": (count,),
            "quaternions_wxyz": (count, 4),
            "expression_coeffs": (count, NUM_EXPRESSIONS),
            "identity_coeffs": (NUM_IDENTITY,),
            "gaps_s": (num_gaps, 2),
        }
        for name, shape in shapes.items():
            array = array_of(name, getattr(self, name), str(shape))
            if array.shape != shape and (array.size or name != "gaps_s"):
                raise InvalidInputError(f"{name} must have the shape {shape}, got {array.shape}")
            object.__setattr__(self, name, array.reshape(shape))
        object.__setattr__(self, "frames", self.frames.astype(np.int64))
        shapes_of_frames: list[Any] = self.blendshapes
        if not all(isinstance(shapes, Mapping) for shapes in shapes_of_frames):
            raise InvalidInputError("blendshapes must be a list of dictionaries")
        times = self.times_s
        if not ((np.diff(times) > 0).all() and times[0] >= 0 and times[-1] <= MAX_TIME_S):
            raise InvalidInputError(
                "times_s must rise, and count seconds from the beginning of the take, got "
                f"{shown(times)}"
            )


@dataclass(frozen=True, eq=False)
class Recording:
    """What `read_recording` read: the header, and a performance for each track."""

    header: dict[str, Any]
    performances: dict[int, Performance]
    num_frames: int

    @property
    def timecode(self) -> Timecode | None:
        """The timecode of the first frame, if the video had one."""
        text, fps = self.header.get("timecode"), self.header.get("fps")
        return None if text is None or fps is None else Timecode(text, fps)

    def performance(self, track_id: int | None = None) -> Performance:
        """The performance of one person; by default, of the one seen in most frames.

        Raises
        ------
        InvalidInputError
            If nobody was seen, or nobody with that number.
        """
        if not self.performances:
            raise InvalidInputError("nobody was seen in this recording")
        if track_id is None:
            return max(self.performances.values(), key=lambda p: len(p.frames))
        if track_id not in self.performances:
            raise nobody_called(track_id, self.performances)
        return self.performances[track_id]


def nobody_called(track_id: int, known: Iterable[int]) -> InvalidInputError:
    """The error that nobody has a track id, with those that people have."""
    listed = ", ".join(map(str, sorted(known)))
    return InvalidInputError(f"nobody has the track id {track_id}; the ids are {listed}")


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a recording; a last line that was cut off is left out.

    Raises
    ------
    InvalidInputError
        If the file is absent, empty, no recording, or of a newer major version.
    """
    lines = _lines(path)
    first = next(lines, None)
    if not _is_header(first):
        raise InvalidInputError(f"{path} is no edgeface recording")
    header = cast(dict[str, Any], first)
    option(f"{path}: version", header.get("version"), Version(VERSION[0]))
    option(f"{path}: header", {k: v for k, v in header.items() if v is not None}, _HEADER)
    frames: list[dict[str, Any]] = []
    for row in lines:
        with _explained(path):
            frames.append(_frame(row))
    with _explained(path):
        performances = _performances(frames)
        if header.get("timecode") is not None:
            Timecode(header["timecode"], 1.0)
        for performance in performances.values():
            _check(performance)
        return Recording(header, performances, len(frames))


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str]) -> Generator[None, None, None]:
    """Say of an error in the content that the file is damaged, since a line may hold anything."""
    try:
        yield
    except KeyError as error:
        raise InvalidInputError(f"{path} is damaged: it lacks {error}") from error
    except Exception as error:
        raise InvalidInputError(f"{path} is damaged: {error!r}") from error


def _is_header(row: Any) -> bool:
    return isinstance(row, dict) and cast(dict[str, Any], row).get("format") == FORMAT


def _lines(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yield what is in each line that is not empty, but not a last one that was cut off."""
    cut, begun = None, False
    try:
        with path_of("path", path).open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
                if len(line) > MAX_LINE:
                    raise InvalidInputError(
                        f"{path}, line {number} is no frame: it has more than {MAX_LINE:,} bytes"
                    )
                if not line.strip():
                    continue
                if cut is not None:
                    raise cut
                try:
                    row = json.loads(text_of(line))
                except (ValueError, RecursionError) as error:
                    cut = InvalidInputError(f"{path}, line {number} is no JSON: {error}")
                    if number == 1:
                        raise cut from error
                else:
                    if begun and _is_header(row):
                        raise InvalidInputError(
                            f"{path}, line {number} begins another recording: make a file of each"
                        )
                    yield row
                    begun = True
    except InvalidInputError:
        raise
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read the recording {path}: {error}") from error


def _frame(row: Any) -> dict[str, Any]:
    """What performances are made of in a frame, small enough to keep those of hours."""
    faces = [
        {
            "track_id": Whole(0, 10**9).check(face["track_id"], "track_id"),
            "blendshapes": {sys.intern(n): value for n, value in face["blendshapes"].items()},
            **{name: _numbers(name, face[name]) for name in _ARRAYS},
        }
        for face in row["faces"]
    ]
    number = Whole(-(10**12), 10**12).check(row["frame"], "frame")
    time_s = _NUMBER.check(row["time_s"], "time_s")
    return {"frame": number, "time_s": time_s, "faces": faces}


def _numbers(name: str, values: Any) -> Float64Array:
    """A list of numbers as an array; ValueError of texts, which numpy would read, and of bools."""
    array = np.array(values)
    if array.dtype.kind not in "if":
        raise ValueError(f"{name} must be numbers, got {shown(values)}")
    return array.astype(np.float64)


def _check(performance: Performance) -> None:
    """Raise ValueError unless shapes and numbers are possible and times rise."""
    count = len(performance.times_s)
    arrays = {
        "time_s": (performance.times_s, (count,)),
        "frame": (performance.frames, (count,)),
        "quaternion_wxyz": (performance.quaternions_wxyz, (count, 4)),
        "expression_coeffs": (performance.expression_coeffs, (count, NUM_EXPRESSIONS)),
        "identity_coeffs": (performance.identity_coeffs, (NUM_IDENTITY,)),
    }
    for name, (array, shape) in arrays.items():
        if array.shape != shape or not (np.abs(array) < MAX_VALUE).all():
            raise ValueError(f"{name} must be finite numbers of shape {shape}")
    if not (np.linalg.norm(performance.quaternions_wxyz, axis=1) > 0.1).all():
        raise ValueError("quaternion_wxyz must be of length 1")
    for shapes in performance.blendshapes:
        Mapped(_NUMBER).check(shapes, "blendshapes")


def _performances(frames: list[dict[str, Any]]) -> dict[int, Performance]:
    seen: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    for number, frame in enumerate(frames):
        for face in frame["faces"]:
            seen.setdefault(face["track_id"], []).append((number, face))
    return {track_id: _performance(track_id, rows, frames) for track_id, rows in seen.items()}


def _performance(
    track_id: int, rows: list[tuple[int, dict[str, Any]]], frames: list[dict[str, Any]]
) -> Performance:
    """One person's, of their faces, each with the number of the line that it is on."""
    lines = np.array([number for number, _ in rows])
    times = np.array([frames[number]["time_s"] for number, _ in rows], np.float64)
    times -= float(frames[0]["time_s"])  # which live takes, and clocks of the day, do not begin at
    if (np.diff(times, prepend=0.0) < 0).any():
        raise ValueError("time_s must not fall")
    before = np.flatnonzero(np.diff(lines) > 1)
    gaps_s = np.stack([times[before], times[before + 1]], axis=1)
    # of a person who is in one moment twice, the last counts: animations need times that rise
    kept = np.append(np.diff(times) != 0, True)
    rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    return Performance(
        track_id=track_id,
        times_s=times[kept],
        frames=np.array([frames[number]["frame"] for number, _ in rows], np.int64),
        quaternions_wxyz=np.stack([face["quaternion_wxyz"] for _, face in rows]),
        expression_coeffs=np.stack([face["expression_coeffs"] for _, face in rows]),
        identity_coeffs=rows[-1][1]["identity_coeffs"],
        blendshapes=[face["blendshapes"] for _, face in rows],
        gaps_s=gaps_s,
    )
