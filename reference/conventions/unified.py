"""The determined landmarks over several conventions: the targets of database fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.reference.conventions.convention import Convention
from edgeface.types import BoolArray, Float32Array, FloatArray, IntArray


@dataclass(frozen=True)
class UnifiedLandmarks:
    """The L landmarks that any of several conventions fixes on the face.

    Attributes
    ----------
    names : tuple of L str
    vertices : int32, shape (L, K); weights : float32, shape (L, K)
        Each landmark is a weighted sum of the face model's vertices, as in `Convention`.
    mirror : int, shape (L,)
        For each landmark, the index of the one that takes its place in a mirror.
    columns : dict from a convention's name to int, shape (P,)
        For each of its points, the index of the landmark that it is; -1 where it was left out.
    """

    names: tuple[str, ...]
    vertices: IntArray
    weights: Float32Array
    mirror: IntArray
    columns: dict[str, IntArray]

    def targets(self, convention: str, points: FloatArray) -> tuple[Float32Array, BoolArray]:
        """Unified targets and masks of faces labelled in one convention.

        Parameters
        ----------
        convention : the name of one of the unified conventions
        points : float, shape (N, P, 2)
            They are NaN where a point is not labelled.

        Returns
        -------
        targets : float32, shape (N, L, 2), 0 where the mask is
        mask : bool, shape (N, L), the paper's 0/1 vector
            Empty input gives empty output.

        Raises
        ------
        InvalidInputError
            If the convention is none of those unified, the number of points is not its own, or the
            mask of a face is all zeros.
        """
        if convention not in self.columns:
            raise InvalidInputError(
                f"the convention {convention!r} is none of those unified: {', '.join(self.columns)}"
            )
        column = self.columns[convention]
        if points.ndim != 3 or points.shape[1:] != (len(column), 2):
            raise InvalidInputError(
                f"points of the convention {convention!r} must have the shape (N, {len(column)}, "
                f"2), got {points.shape}"
            )
        kept = np.flatnonzero(column >= 0)
        targets = np.zeros((len(points), len(self.names), 2), np.float32)
        mask = np.zeros((len(points), len(self.names)), bool)
        labelled = np.asarray(np.isfinite(points[:, kept]).all(axis=2))
        targets[:, column[kept]] = np.where(labelled[..., None], points[:, kept], 0)
        mask[:, column[kept]] = labelled
        empty = np.flatnonzero(~mask.any(axis=1))
        if len(empty):
            raise InvalidInputError(
                f"the mask of {len(empty)} of {len(points)} faces is all zeros (the first is "
                f"number {empty[0]}): none of their {convention!r} points that stay on the surface "
                "is labelled; leave them out"
            )
        return targets, mask


def unify(conventions: Sequence[Convention]) -> UnifiedLandmarks:
    """The determined landmarks of several conventions, in order of first appearance.

    Raises
    ------
    InvalidInputError
        If there is no convention, if two have the same name, or if two place or mirror the same
        landmark differently.

    Notes
    -----
    The three rules of Wang et al. 2019, Sec. 3.4: points that are fixed on the surface are kept;
    points that move over it are removed, and so are those that it can hardly represent.
    """
    if not conventions or len({c.name for c in conventions}) != len(conventions):
        raise InvalidInputError(
            "expected one or more conventions of different names, got "
            f"{[c.name for c in conventions]}"
        )
    places: dict[str, tuple[Convention, int]] = {}
    for convention in conventions:
        for i, (name, kind) in enumerate(zip(convention.points, convention.kind, strict=True)):
            if kind != "fixed":
                continue
            if name in places:
                _check_same(name, places[name], (convention, i))
            else:
                places[name] = (convention, i)
    index = {name: i for i, name in enumerate(places)}
    width = max(c.vertices.shape[1] for c in conventions)
    vertices = np.zeros((len(places), width), np.int32)
    weights = np.zeros((len(places), width), np.float32)
    mirror = np.zeros(len(places), np.intp)
    for name, (convention, i) in places.items():
        row = convention.vertices[i]
        vertices[index[name], : len(row)] = row
        weights[index[name], : len(row)] = convention.weights[i]
        mirror[index[name]] = index[convention.points[convention.mirror[i]]]
    columns: dict[str, IntArray] = {
        c.name: np.array(
            [
                index[name] if kind == "fixed" else -1
                for name, kind in zip(c.points, c.kind, strict=True)
            ],
            np.intp,
        )
        for c in conventions
    }
    return UnifiedLandmarks(tuple(places), vertices, weights, mirror, columns)


def _check_same(name: str, first: tuple[Convention, int], second: tuple[Convention, int]) -> None:
    (a, i), (b, j) = first, second
    if a.points[a.mirror[i]] != b.points[b.mirror[j]]:
        raise InvalidInputError(f"{a.name!r} and {b.name!r} mirror {name!r} differently")
    if _sparse(a, i) != _sparse(b, j):
        raise InvalidInputError(
            f"{a.name!r} and {b.name!r} place {name!r} differently: one name, one place"
        )


def _sparse(convention: Convention, point: int) -> dict[int, float]:
    row = zip(convention.vertices[point].tolist(), convention.weights[point].tolist(), strict=True)
    return {vertex: weight for vertex, weight in row if weight != 0}
