"""One landmark convention: its file, read and checked."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.types import Float32Array, FloatArray, IntArray

Place = dict[int, float]
"""The weight of each vertex that a point is made of; the weights sum to 1."""

NAMES: tuple[str, ...] = ("21", "29", "68", "68-fixed", "74", "98", "106", "mesh")
"""The conventions that ship with the project."""
POINT_KINDS = ("fixed", "sliding", "unrepresentable")
MIRROR_TOLERANCE = 0.02
"""How far a point may lie from its partner's mirror image, in outer eye distances."""
_FOLDER = Path(__file__).parent
_POINT_KEYS = {"name", "kind", "at"}
_FILE_KEYS = {"name", "title", "source", "base", "count", "points", "mirror"}


@dataclass(frozen=True)
class Convention:
    """The P landmarks of a convention, and where they lie on the face model.

    Attributes
    ----------
    name : str
    title : str, the databases that use the convention
    source : str, where the order of its points is published
    points : tuple of P str
        The points' names, each once. The same name in two conventions is the same landmark.
    kind : tuple of P str
        "fixed" if the point stays on the surface; "sliding" if it moves over it with the view, as
        the outline of 300-W does; "unrepresentable" if it is not on the face model, as pupils and
        the middle of the mouth.
    mirror : int, shape (P,)
        For each point, the index of the one that takes its place in a mirror.
    vertices : int32, shape (P, K); weights : float32, shape (P, K)
        Each point is a weighted sum of the face model's vertices; rows of weights sum to 1. A
        sliding point lies so on a frontal face, and an unrepresentable one is drawn there.
    """

    name: str
    points: tuple[str, ...]
    kind: tuple[str, ...]
    mirror: IntArray
    vertices: IntArray
    weights: Float32Array
    title: str = ""
    source: str = ""

    def on(self, vertices: FloatArray) -> Float32Array:
        """The points (..., P, C) of shapes (..., V, C)."""
        near = vertices[..., self.vertices, :]
        return np.einsum("...pkc,pk->...pc", near, self.weights).astype(np.float32)


def read_convention(source: str | os.PathLike[str]) -> Convention:
    """Read and check a convention.

    Parameters
    ----------
    source : one of `NAMES`, or the path of a JSON file

    Raises
    ------
    InvalidInputError
        If the file is no JSON, has an unknown or missing key, a wrong count, a name twice, an
        unknown vertex, weights that do not sum to 1, or nothing to learn from; or if its mirror is
        no permutation of pairs, or pairs points that are no mirror images on the mean face. The
        message names the file and the point.

    Examples
    --------
    >>> convention = read_convention("98")
    >>> len(convention.points), convention.points[16]
    (98, 'chin')
    """
    if str(source) in NAMES:
        return _shipped(str(source))
    return _read(Path(source), _model())


@cache
def _shipped(name: str) -> Convention:
    return _read(_FOLDER / f"{name}.json", _model())


@cache
def _model() -> FaceModel:
    return default_face_model()


def _read(path: Path, model: FaceModel) -> Convention:
    content = _load(path)
    rows = content["points"]
    names = tuple(str(row["name"]) for row in rows)
    if len(rows) != content["count"]:
        _refuse(path, f"it says count {content['count']!r} and lists {len(rows)} points")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        _refuse(path, f"the point {twice[0]!r} is listed twice; names must be unique")
    known = _known_places(content, model, path)
    places: list[Place] = []
    for row in rows:
        places.append(_place(row, known, len(model.mean), path))
        known[str(row["name"])] = places[-1]
    width = max(len(place) for place in places)
    vertices = np.zeros((len(rows), width), np.int32)
    weights = np.zeros((len(rows), width), np.float32)
    for i, place in enumerate(places):
        vertices[i, : len(place)] = list(place)
        weights[i, : len(place)] = list(place.values())
    kind = tuple(str(row.get("kind", "fixed")) for row in rows)
    convention = Convention(
        name=str(content["name"]),
        points=names,
        kind=kind,
        mirror=_mirror(content["mirror"], names, kind, path),
        vertices=vertices,
        weights=weights,
        title=str(content["title"]),
        source=str(content["source"]),
    )
    _check_mirror_images(convention, model, path)
    if "fixed" not in kind:
        _refuse(path, "no point is fixed, so its mask would be all zeros")
    return convention


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{path} is no landmark convention: {error}; expected one of {', '.join(NAMES)} or a "
            "JSON file as docs/reference/conventions.md describes it"
        ) from error
    if not _is_object(content) or not isinstance(content.get("points"), list):
        _refuse(path, "expected a JSON object with a list 'points'")
    if not content["points"] or not isinstance(content.get("base", []), list):
        _refuse(path, "'points' must list at least one point, and 'base' be a list if it is there")
    missing = _FILE_KEYS - {"base"} - set(content)
    unknown = set(content) - _FILE_KEYS
    if missing or unknown:
        _refuse(path, f"missing keys {sorted(missing)}, unknown keys {sorted(unknown)}")
    for i, row in enumerate(content["points"]):
        if not _is_object(row) or "name" not in row or set(row) - _POINT_KEYS:
            _refuse(path, f"point {i} must be an object of name, kind and at, got {row!r}")
        if row.get("kind", "fixed") not in POINT_KINDS:
            _refuse(path, f"point {i} has the kind {row['kind']!r}, expected one of {POINT_KINDS}")
    return content


def _known_places(content: dict[str, Any], model: FaceModel, path: Path) -> dict[str, Place]:
    """By its name, where each point of the base conventions lies."""
    known: dict[str, Place] = {}
    for base in content.get("base", []):
        if base == "face model":
            known |= _landmark_places(content, model, path)
        elif base in NAMES:
            other = _shipped(base)
            for name, vertices, weights in zip(
                other.points, other.vertices.tolist(), other.weights.tolist(), strict=True
            ):
                known[name] = {v: w for v, w in zip(vertices, weights, strict=True) if w != 0}
        else:
            _refuse(path, f"its base {base!r} is no shipped convention: {', '.join(NAMES)}")
    return known


def _landmark_places(content: dict[str, Any], model: FaceModel, path: Path) -> dict[str, Place]:
    """The face model's own map of the 68 landmarks, in the order of the file's points."""
    rows = content["points"]
    if len(rows) != len(model.landmark_vertices):
        _refuse(path, f"the face model maps {len(model.landmark_vertices)} points, not {len(rows)}")
    return {
        str(row["name"]): dict(zip(vertices, weights, strict=True))
        for row, vertices, weights in zip(
            rows, model.landmark_vertices.tolist(), model.landmark_weights.tolist(), strict=True
        )
    }


def _place(row: dict[str, Any], known: dict[str, Place], num_vertices: int, path: Path) -> Place:
    """Where a point lies by its ``at``, in which a name stands for the place of that point."""
    name = row["name"]
    if "at" not in row:
        if name not in known:
            _refuse(path, f"the point {name!r} has no 'at', and no base convention places it")
        return known[name]
    place: Place = {}
    if not _is_object(row["at"]):
        _refuse(path, f"'at' of {name!r} must be weights by vertex or point, got {row['at']!r}")
    for key, share in row["at"].items():
        if not isinstance(share, int | float):
            _refuse(path, f"'at' of {name!r} gives {key!r} the weight {share!r}, expected a number")
        if not key.isdecimal() and key not in known:
            _refuse(path, f"'at' of {name!r} names {key!r}: no vertex, no point above or of a base")
        for vertex, weight in (known[key] if key in known else {int(key): 1.0}).items():
            place[vertex] = place.get(vertex, 0.0) + share * weight
    outside = [vertex for vertex in place if not 0 <= vertex < num_vertices]
    if outside:
        _refuse(
            path,
            f"{name!r} names the unknown vertex {outside[0]}; the face model's are 0 to "
            f"{num_vertices - 1}",
        )
    if not abs(sum(place.values()) - 1) < 1e-3:
        _refuse(path, f"the weights of {name!r} sum to {sum(place.values()):g}, expected 1")
    if name in known and not _same(place, known[name]):
        _refuse(path, f"{name!r} is placed by a base convention too: one name, one place")
    return place


def _same(a: Place, b: Place) -> bool:
    return all(abs(a.get(v, 0) - b.get(v, 0)) < 1e-3 for v in a.keys() | b.keys())


def _mirror(listed: Any, names: tuple[str, ...], kind: tuple[str, ...], path: Path) -> IntArray:
    count = len(names)
    numbers = _is_list(listed) and all(isinstance(i, int) for i in listed)
    if not numbers or sorted(listed) != list(range(count)):
        _refuse(path, f"'mirror' must hold each of 0 to {count - 1} once")
    for i, partner in enumerate(listed):
        if listed[partner] != i:
            _refuse(
                path,
                f"'mirror' takes {i} ({names[i]}) to {partner} ({names[partner]}), and that to "
                f"{listed[partner]}: partners must swap",
            )
        if kind[i] != kind[partner]:
            _refuse(path, f"{names[i]!r} is {kind[i]}, its mirror {names[partner]!r} is not")
    return np.array(listed, np.intp)


def _check_mirror_images(convention: Convention, model: FaceModel, path: Path) -> None:
    points = convention.on(model.mean)
    eyes = np.linalg.norm(np.diff(model.landmarks(np.eye(50)[0], np.zeros(46))[[36, 45]], axis=0))
    images = points[convention.mirror] * [-1, 1, 1]
    distance = np.linalg.norm(points - images, axis=1) / eyes
    worst = int(np.argmax(distance))
    if distance[worst] > MIRROR_TOLERANCE:
        partner = convention.points[int(convention.mirror[worst])]
        _refuse(
            path,
            f"{convention.points[worst]!r} and its mirror {partner!r} are no mirror images on the "
            f"mean face: {distance[worst]:.3f} outer eye distances off",
        )


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _refuse(path: Path, what: str) -> NoReturn:
    raise InvalidInputError(f"landmark convention {path}: {what}")
