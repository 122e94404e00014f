"""How far a face lies from a scan of the same person, after Sanyal et al. 2019 (NoW)."""

# SciPy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from edgeface.errors import InvalidInputError
from edgeface.personal.model import SUFFIX, PersonalModel
from edgeface.personal.template import Template, default_template
from edgeface.reference.data.scans import SEVEN_OF_68, Scan, read_scan, scans_in
from edgeface.reference.geometry.alignment import similarity
from edgeface.types import BoolArray, FloatArray, IntArray

MOST_STEPS, STILL_MM = 100, 1e-4
"""Of the alignment; it ends where its points move by less in the mean."""
ALIGNED_POINTS = 4000
"""As many points of a scan are aligned, evenly spread in their order; all are measured."""
CANDIDATES = 8
"""Triangles whose centres lie nearest to a point, among which the nearest triangle is sought."""
WORST_MEDIAN_MM = 6.0
"""Farther from any face, a scan was aligned by wrong landmarks: in another order, of a mirror."""


@dataclass(frozen=True)
class Distance:
    """From points of a scan to a surface, mm.

    Attributes
    ----------
    median, mean, deviation : of the distances
    share : of the scan's points near the face and outside the eyes, how many lie on the surface;
        the others are beyond its rim
    """

    median: float
    mean: float
    deviation: float
    share: float


def measure_scans(folder: Path) -> Iterator[tuple[str, Distance, Distance | None]]:
    """Measure every scan of a folder against the template and the person's model.

    Parameters
    ----------
    folder : scans as `read_scan` takes them. Beside a scan or in its folder lies the person's
        model, an ``.efp`` file of the scan's name or the only one there is. Scores by ARKit's names
        in a ``.json`` file of the scan's name pose both faces; without it they are neutral.

    Yields
    ------
    The scan's name, the distance to the template's mean face, and that to the person's, or None
    where there is no model.
    """
    template = default_template()
    for path in scans_in(folder):
        scan = read_scan(path, str(path.relative_to(folder)))
        scores = _scores(path.with_suffix(".json"))
        weights = np.array([scores.get(n, 0.0) for n in template.arkit_names], np.float32)
        mean = template.neutral + np.tensordot(weights, template.expression, axes=1)
        model = _model_of(path)
        person = None if model is None else PersonalModel.load(model, template).shape(weights)
        yield (
            scan.name,
            distance_to_scan(template, mean, scan),
            None if person is None else distance_to_scan(template, person, scan),
        )


def _model_of(scan: Path) -> Path | None:
    own, all_ = scan.with_suffix(SUFFIX), sorted(scan.parent.glob(f"*{SUFFIX}"))
    if own in all_ or not all_:
        return own if all_ else None
    if len(all_) > 1:
        raise InvalidInputError(
            f"which of {len(all_)} models is that of {scan}? Name it {own.name}"
        )
    return all_[0]


def _scores(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    try:
        return {str(name): float(score) for name, score in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"{path} holds no scores of blendshapes: {error}") from error


def distance_to_scan(template: Template, vertices: FloatArray, scan: Scan) -> Distance:
    """The distances from a scan to a face of the template's topology.

    Parameters
    ----------
    template : Template
    vertices : float, shape (V, 3), units do not matter
    scan : Scan

    Raises
    ------
    InvalidInputError
        If no point of the scan is near its landmarks, or the face does not fit it at all.

    Notes
    -----
    As in NoW, the scan is cut to a sphere about the face, the face is moved to the scan by the
    similarity between seven landmarks, and the similarity is refined by the scan's points and the
    points of the face nearest to them. Unlike in NoW, points between the corners of an eye do not
    count, nor do those whose nearest place lies on the rim of the face: the template has holes for
    eyes and mouth, and ends at the forehead.
    """
    seven = vertices[template.landmark_vertices[list(SEVEN_OF_68)]].astype(np.float64)
    placed = _moved(vertices.astype(np.float64), seven, scan.landmarks)
    points = _near_face(scan)
    some = points[:: max(1, len(points) // ALIGNED_POINTS)]
    surface = NearestPlaces(template)
    for _ in range(MOST_STEPS):
        nearest, inside = surface.nearest(placed, some)
        moved = _moved(placed, nearest[inside], some[inside])
        still = float(np.linalg.norm(moved - placed, axis=1).mean()) < STILL_MM
        placed = moved
        if still:
            break
    nearest, inside = surface.nearest(placed, points)
    distances = np.linalg.norm(nearest - points, axis=1)[inside]
    if np.median(distances) > WORST_MEDIAN_MM:
        raise InvalidInputError(
            f"{scan.name} is {np.median(distances):.0f} mm off any face: are its landmarks in the "
            "right order?"
        )
    return Distance(
        float(np.median(distances)), float(distances.mean()), float(distances.std()),
        float(inside.mean()),
    )  # fmt: skip


def _near_face(scan: Scan) -> FloatArray:
    """The points in a sphere about the face, by the landmarks as NoW has it, but for the eyes."""
    right, inner_right, inner_left, left, nose = scan.landmarks[:5]
    bridge = (inner_right + inner_left) / 2
    centre = nose + 0.3 * (bridge - nose)
    radius = 0.7 * float(np.linalg.norm(right - left) + np.linalg.norm(bridge - nose))
    points = _within(scan.points, centre, radius, True)
    for outer, inner in ((right, inner_right), (left, inner_left)):
        width = float(np.linalg.norm(outer - inner))
        points = _within(points, (outer + inner) / 2, width / 2, False)
    if len(points) < 3:
        raise InvalidInputError(f"{scan.name} has no points near its landmarks")
    return points


def _within(points: FloatArray, centre: FloatArray, radius: float, keep: bool) -> FloatArray:
    """The points in a sphere, or those outside it."""
    near: BoolArray = np.linalg.norm(points - centre, axis=1) <= radius
    return points[near if keep else ~near]


def _moved(points: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    """Points by the similarity that takes ``source`` to ``target`` best."""
    if len(source) < 3:
        raise InvalidInputError("the face and the scan do not meet: are the landmarks right?")
    scale, rotation, translation = similarity(source[None], target, np.ones(len(source)))
    return scale[0] * points @ rotation[0].T + translation[0]


class NearestPlaces:
    """Finds the places of the template's surface that lie nearest to points."""

    def __init__(self, template: Template) -> None:
        self.triangles: IntArray = template.triangles.astype(np.int64)
        edges = np.sort(self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        edges, count = np.unique(edges, axis=0, return_counts=True)
        self.rim: BoolArray = np.zeros(len(template.neutral), bool)
        self.rim[edges[count == 1]] = True

    def nearest(self, vertices: FloatArray, points: FloatArray) -> tuple[FloatArray, BoolArray]:
        """For each point the nearest one of the surface, and whether it lies off the rim."""
        corners = vertices[self.triangles]
        count = min(CANDIDATES, len(corners))
        _, near = KDTree(corners.mean(axis=1)).query(points, count)
        near = near.reshape(len(points), count)
        best = np.full(len(points), np.inf)
        found, inside = np.zeros_like(points), np.zeros(len(points), bool)
        for candidates in near.T:
            weights = nearest_in_triangles(points, corners[candidates])
            places = np.einsum("pk,pkc->pc", weights, corners[candidates])
            off = np.square(places - points).sum(axis=1)
            better = off < best
            best[better], found[better] = off[better], places[better]
            known = ~self.rim[self.triangles[candidates]]
            off_rim: BoolArray = np.any(known & (weights > 1e-9), axis=1)
            inside[better] = off_rim[better]
        return found, inside


def nearest_in_triangles(points: FloatArray, corners: FloatArray) -> FloatArray:
    """The weights (P, 3) of the corners (P, 3, 3) at the places of triangles nearest to points.

    The place is a point's foot on the triangle's plane where that lies within, and else the nearest
    of the places on the three sides.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    best = np.full(len(points), np.inf)
    weights = np.zeros((len(points), 3))
    for first, second in ((0, 1), (1, 2), (2, 0)):
        start, side = corners[:, first], corners[:, second] - corners[:, first]
        length = np.square(side).sum(axis=1)
        share = ((points - start) * side).sum(axis=1) / np.where(length > 0, length, 1.0)
        share = share.clip(0, 1)
        off = np.square(start + share[:, None] * side - points).sum(axis=1)
        nearer = off < best
        best[nearer] = off[nearer]
        weights[nearer] = 0.0
        weights[nearer, first], weights[nearer, second] = 1 - share[nearer], share[nearer]
    u, v, w = b - a, c - a, points - a
    normal = np.cross(u, v)
    area = np.square(normal).sum(axis=1)
    safe = np.where(area > 0, area, 1.0)
    second = (np.cross(w, v) * normal).sum(axis=1) / safe
    third = (np.cross(u, w) * normal).sum(axis=1) / safe
    foot = np.stack([1 - second - third, second, third], axis=1)
    within = (foot >= 0).all(axis=1) & (area > 0)
    weights[within] = foot[within]
    return weights
