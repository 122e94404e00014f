"""Readers of 3D scans of faces and the landmarks beside them.

Only what a face is measured by is read: the scan's vertices, and seven of its landmarks.
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.types import FloatArray

SEVEN_OF_68 = (36, 39, 42, 45, 33, 48, 54)
"""The seven landmarks of NoW among the 68: the corners of the right eye from outside, those of the
left one from inside, the bottom of the nose, the mouth's right corner and its left one."""
LANDMARK_VERTICES = "landmark_vertices.txt"
"""The file that tells which vertices the 68 landmarks of meshes of one topology are, counted from
0, in the mesh's folder or in one of the two above it."""
UNITS_MM = (1.0, 10.0, 100.0, 1000.0)
EYES_MM = (60.0, 140.0)
"""The least and the largest distance of outer eye corners that a face is believed to have."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Scan:
    """A scanned face, mm.

    Attributes
    ----------
    name : the file, in the folder that was read
    points : float64, shape (N, 3), the scan's vertices in its own axes
    landmarks : float64, shape (7, 3), in the order of `SEVEN_OF_68`
    """

    name: str
    points: FloatArray
    landmarks: FloatArray


def scans_in(folder: Path) -> list[Path]:
    """The files of scans in a folder and those below, sorted.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _POINTS and p.is_file())
    if not found:
        raise InvalidInputError(
            f"{folder} holds no scan: expected files that end in {', '.join(_POINTS)}"
        )
    return found


def read_scan(path: Path, name: str | None = None) -> Scan:
    """Read a scan and its landmarks.

    Parameters
    ----------
    path : ``.obj`` (NoW, FaceWarehouse), ``.wrl`` (BU-3DFE), or ``.bs`` (FaceWarehouse's
        blendshapes, of which the neutral face is taken)
    name : what to call it; by default the file's name

    Raises
    ------
    InvalidInputError
        If a file cannot be read or is not what its suffix says, no landmarks lie beside it, or the
        landmarks are those of no face.

    Notes
    -----
    Landmarks lie in a file of the scan's name: the seven of NoW in a ``.pp`` file of MeshLab, the
    83 of BU-3DFE in a ``.bnd`` file, and seven or 68 points in a ``.txt`` (a point a line) or
    ``.npy`` file. NoW keeps them in a folder of its own, ``scans_lmks_onlypp`` beside ``scans``.
    For meshes of one topology, such as FaceWarehouse's, `LANDMARK_VERTICES` names the vertices of
    the 68 instead.

    Of the 83 points no more is taken for granted than what they are grouped in: 0 to 7 the right
    eye, 8 to 15 the left one, 36 to 47 the nose, 48 to 59 the outer lips. An eye's corners are its
    points farthest from the other eye and nearest to it, the mouth's corners those that lie
    farthest apart, and the bottom of the nose is its point nearest to the mouth.

    The unit is mm, cm, 10 cm or m, whichever makes outer eye corners `EYES_MM` apart.
    """
    points = _POINTS[path.suffix.lower()](path)
    if not np.isfinite(points).all():
        raise InvalidInputError(f"{path} has points that are not finite")
    landmarks = _landmarks(path, points)
    apart = float(np.linalg.norm(landmarks[0] - landmarks[3]))
    unit = next((u for u in UNITS_MM if EYES_MM[0] <= u * apart <= EYES_MM[1]), None)
    if unit is None:
        raise InvalidInputError(
            f"the outer eye corners of {path} are {apart:g} apart, which is no face in mm, cm, "
            "10 cm or m: are the landmarks in the right order?"
        )
    return Scan(name or path.name, points * unit, landmarks * unit)


def _landmarks(path: Path, points: FloatArray) -> FloatArray:
    for beside in (path.with_suffix(s) for s in _LANDMARKS):
        for file in (beside, _of_now(beside)):
            if file.is_file():
                found = _LANDMARKS[beside.suffix](file)
                if not np.isfinite(found).all():
                    raise InvalidInputError(f"{file} has landmarks that are not finite")
                return _seven(found, file)
    for folder in path.resolve().parents[:3]:
        if (folder / LANDMARK_VERTICES).is_file():
            return points[_vertices(folder / LANDMARK_VERTICES, len(points))]
    raise InvalidInputError(
        f"{path} has no landmarks: expected a file of its name that ends in "
        f"{', '.join(_LANDMARKS)}, or {LANDMARK_VERTICES} in a folder above it"
    )


def _of_now(beside: Path) -> Path:
    """Where NoW keeps the landmarks of scans/PERSON/FILE: the one .pp file of the person's."""
    person = beside.resolve().parent
    folder = person.parent.parent / "scans_lmks_onlypp" / person.name
    return next(iter(sorted(folder.glob(f"*{beside.suffix}"))), folder / beside.name)


def _seven(landmarks: FloatArray, path: Path) -> FloatArray:
    if landmarks.shape == (7, 3):
        return landmarks
    if landmarks.shape == (68, 3):
        return landmarks[list(SEVEN_OF_68)]
    if landmarks.shape != (83, 3):
        raise InvalidInputError(
            f"{path} has landmarks of the shape {landmarks.shape}, expected 7, 68 or 83 points"
        )
    eyes, lips = (landmarks[:8], landmarks[8:16]), landmarks[48:60]
    corners: list[FloatArray] = []
    for eye, other in (eyes, eyes[::-1]):
        away = np.linalg.norm(eye - other.mean(axis=0), axis=1)
        corners += [eye[away.argmax()], eye[away.argmin()]]
    nose = landmarks[36:48]
    bottom = nose[np.linalg.norm(nose - lips.mean(axis=0), axis=1).argmin()]
    apart = np.linalg.norm(lips[:, None] - lips, axis=2)
    ends = lips[list(divmod(int(apart.argmax()), len(lips)))]
    right = np.linalg.norm(ends - corners[0], axis=1).argmin()
    return np.stack([corners[0], corners[1], corners[3], corners[2], bottom,
                     ends[right], ends[1 - right]])  # fmt: skip


def _obj(path: Path) -> FloatArray:
    """The vertices of a Wavefront file; colours may follow a position."""
    rows = [line.split()[1:4] for line in _text(path).splitlines() if line.startswith("v ")]
    return _points(rows, path, "a Wavefront file")


def _wrl(path: Path) -> FloatArray:
    """The points of the first ``Coordinate`` node of a VRML file."""
    found = re.search(r"Coordinate\s*\{\s*point\s*\[([^\]]*)\]", _text(path))
    if found is None:
        raise InvalidInputError(f"{path} is no VRML file of a face: it has no Coordinate node")
    values = re.findall(_NUMBER, found[1])
    if re.sub(_NUMBER, "", found[1]).strip(", \t\r\n") or len(values) % 3:
        raise InvalidInputError(f"{path} is damaged: its points are no triples of numbers")
    return _points([values[i : i + 3] for i in range(0, len(values), 3)], path, "a VRML file")


def _bs(path: Path) -> FloatArray:
    """The neutral face of FaceWarehouse's blendshapes: three int32, the numbers of shapes besides
    the neutral one, of vertices and of faces, then float32 positions of the neutral face and of
    each shape."""
    data = _bytes(path)
    shapes, vertices, _ = struct.unpack_from("<3i", data.ljust(12, b"\0"))
    expected = 12 + (shapes + 1) * vertices * 12
    if min(shapes, vertices) < 1 or len(data) != expected:
        raise InvalidInputError(
            f"{path} is damaged, or no blendshapes of FaceWarehouse: {shapes} shapes of {vertices} "
            f"vertices would take {expected} bytes, the file has {len(data)}"
        )
    return np.frombuffer(data, "<f4", vertices * 3, 12).reshape(-1, 3).astype(np.float64)


def _pp(path: Path) -> FloatArray:
    """The points of a MeshLab file, in their order."""
    try:
        points = ElementTree.fromstring(_text(path)).findall("point")
    except ElementTree.ParseError as error:
        raise InvalidInputError(f"{path} is no file of picked points: {error}") from error
    return _points([[p.get(c, "") for c in "xyz"] for p in points], path, "a file of picked points")


def _bnd(path: Path) -> FloatArray:
    """The points of a BU-3DFE file: the number of the vertex and its position on each line."""
    rows = [line.split() for line in _text(path).splitlines() if line.strip()]
    if any(len(row) != 4 for row in rows):
        raise InvalidInputError(f"{path} is damaged: expected 'vertex x y z' on each line")
    return _points([row[1:] for row in rows], path, "a file of boundary points")


def _txt(path: Path) -> FloatArray:
    rows = [re.split(r"[,\s]+", line.strip()) for line in _text(path).splitlines() if line.strip()]
    return _points(rows, path, "a file of 'x y z' on each line")


def _npy(path: Path) -> FloatArray:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise InvalidInputError(f"cannot read the landmarks {path}: {error}") from error


def _vertices(path: Path, count: int) -> list[int]:
    words = _text(path).split()
    if len(words) != 68 or not all(w.isdecimal() and int(w) < count for w in words):
        raise InvalidInputError(f"{path} must hold 68 numbers of vertices from 0 to {count - 1}")
    return [int(words[i]) for i in SEVEN_OF_68]


def _points(rows: list[list[str]], path: Path, kind: str) -> FloatArray:
    try:
        points = np.array(rows, np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InvalidInputError(f"{path} is damaged, or not {kind}: {error}") from error
    if not len(points):
        raise InvalidInputError(f"{path} is damaged, or not {kind}: it has no points")
    return points


def _text(path: Path) -> str:
    return _bytes(path).decode("latin-1")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from error


_POINTS: dict[str, Callable[[Path], FloatArray]] = {".obj": _obj, ".wrl": _wrl, ".bs": _bs}
_LANDMARKS: dict[str, Callable[[Path], FloatArray]] = {
    ".pp": _pp, ".bnd": _bnd, ".npy": _npy, ".txt": _txt
}  # fmt: skip
