"""Making vowels of mouth shapes: a character's poses that together come nearest to the person's.

A VRM character has five mouth shapes, A I U E O, where ARKit has thirty that overlap. If each were
weighed on its own, "oh" would open the mouth twice. So all weights w are found together::

    w = argmin over 0 <= w <= 1 of | D (P w - x) |^2

- x, shape (52,), are the person's shapes.
- P, shape (52, K), has the pose of each of the character's K shapes, in ARKit's shapes.
- D, shape (60, 52), is how far each of ARKit's shapes moves the 20 landmarks of the lips on the
  shipped face model.

So only the visible movement of the lips counts: a jaw that opens behind closed lips opens no mouth.
What the poses cannot explain is left out.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.face_model import default_face_model
from edgeface.types import Float64Array, FloatArray

LIPS = slice(48, 68)
"""The landmarks of the lips."""
MAX_SWEEPS, SETTLED = 400, 1e-5
"""Coordinate descent ends after so many sweeps, or when no weight moves by more than the second."""


class PoseFit:
    """Finds how much of each of K poses a face shows.

    Parameters
    ----------
    poses : for the name of each pose, the values of ARKit's shapes at which it is 1

    Examples
    --------
    >>> fit = PoseFit({"A": {"jawOpen": 0.7}, "U": {"mouthPucker": 1.0}})
    >>> {name: round(w, 2) for name, w in fit({"jawOpen": 0.35}).items()}
    {'A': 0.5, 'U': 0.0}
    """

    def __init__(self, poses: dict[str, dict[str, float]]) -> None:
        # shapes of one pose, as of a face and its teeth, have one weight
        self._rows: dict[tuple[float, ...], list[str]] = {}
        for name, pose in poses.items():
            row = tuple(pose.get(shape, 0.0) for shape in ARKIT_NAMES)
            self._rows.setdefault(row, []).append(name)
        self._poses = np.array([*self._rows]).reshape(len(self._rows), len(ARKIT_NAMES))
        self._weighted = self._poses @ metric()
        self._gram = self._weighted @ self._poses.T

    def __call__(self, blendshapes: dict[str, float]) -> dict[str, float]:
        """Find the weight of each pose in [0, 1]; absent ones of ARKit's shapes count as 0."""
        target = np.array([blendshapes.get(name, 0.0) for name in ARKIT_NAMES])
        weights = box_least_squares(self._gram, self._weighted @ target)
        found = zip(self._rows.values(), weights.tolist(), strict=True)
        return {name: weight for names, weight in found for name in names}


def box_least_squares(gram: FloatArray, products: FloatArray) -> Float64Array:
    """Find the w in [0, 1] that minimises ``w G w / 2 - b w``, by coordinate descent.

    Parameters
    ----------
    gram : G, shape (K, K), symmetric and positive semidefinite
    products : b, shape (K,)

    Returns
    -------
    float64, shape (K,)
    """
    rows, wanted = gram.tolist(), products.tolist()
    weights = [0.0] * len(wanted)
    for _ in range(MAX_SWEEPS):
        before = list(weights)
        for k, row in enumerate(rows):
            if row[k] > 0:
                error = wanted[k] - sum(g * w for g, w in zip(row, weights, strict=True))
                weights[k] = min(1.0, max(0.0, weights[k] + error / row[k]))
        if all(abs(w - b) <= SETTLED for w, b in zip(weights, before, strict=True)):
            break
    return np.array(weights)


@cache
def metric() -> Float64Array:
    """``D^T D``, shape (52, 52): what ARKit's shapes have in common at the lips.

    Only shapes of jaw and mouth count. The tongue moves nothing, since the face model has none.
    """
    model = default_face_model()
    lips = model.landmark_shapes[1][..., LIPS, :].astype(np.float64)
    row_of = {
        name: offsets.ravel()
        for name, offsets in zip(model.expression_names, lips, strict=True)
        if name.startswith(("jaw", "mouth"))
    }
    still = np.zeros(lips[0].size)
    moves = np.stack([row_of.get(name, still) for name in ARKIT_NAMES])
    return moves @ moves.T
