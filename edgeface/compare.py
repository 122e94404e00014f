"""How much two models differ: in their raw outputs, and in what users see.

Quantities of a `Comparison`, of model ``b`` against model ``a``:

=====================  ==========================================================================
``OUTPUT max, mean``   absolute difference of a raw output's logits
``OUTPUT dB``          its signal-to-noise ratio, 10 log10(sum a^2 / sum (a - b)^2)
``boxes px``           largest difference of a box's edge, ``image_px``
``landmarks px``       largest distance of a 2D landmark, ``image_px``
``landmarks %``        the same in percent of the longer side of the face's box
``landmarks mean %``   that, averaged over all landmarks of all faces
``blendshapes``        largest difference of an expression coefficient; ``blendshapes mean``
``pose deg``           largest angle between the heads' rotations; ``pose mean deg``
``person mm``          largest mean difference of a guessed person's neutral face
``person skin``        the same of the skin, in levels of 255
``gaze deg``           largest angle between where an eye looks; ``gaze mean deg``
``faces``              compared: those of ``a`` that ``b`` finds as well
``faces lost %``       those of ``a`` that ``b`` misses, even a margin below the threshold
``faces gained %``     those of ``b`` that ``a`` misses, likewise
=====================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.gaze import gaze_directions
from edgeface.image import crop, letterbox
from edgeface.model import Model, load
from edgeface.types import Float64Array, ImageArray

SAME_FACE = 0.5
"""The least IoU of the boxes that both models have of one face."""

_PERSON = {"neutral": ("person mm", 100.0), "skin": ("person skin", 255.0)}
"""What is compared of a guessed person by output: the quantity, and its units in one of the raw."""
MARGINS = {"fp32": 0.001, "fp16": 0.02}
"""How far below the threshold a score still counts, by precision; `ANY_MARGIN` for others."""
ANY_MARGIN = 0.1

RAW_LIMIT = 1e-4
"""The largest allowed difference of a raw output at fp32, unless its values are large."""
RAW_SHARE = 1e-5
"""The share of an output's largest magnitude that its difference may reach if that is more than
`RAW_LIMIT`. Two engines round differently, by more for larger numbers: over the networks and
formats of this project by at most 4e-6 of the largest, 30 times the spacing of float32. The other
limits of fp32 then decide, which are about what users see."""
LIMITS: dict[str, dict[str, float]] = {
    "fp32": {"landmarks px": 0.05, "blendshapes": 1e-3, "pose deg": 0.05, "gaze deg": 0.05,
             "faces lost %": 0.0, "faces gained %": 0.0},
    "fp16": {"landmarks %": 0.3, "gaze deg": 1.0, "person mm": 0.02, "person skin": 0.5,
             "faces lost %": 0.0, "faces gained %": 0.0},
    "w8": {"landmarks mean %": 0.5, "blendshapes mean": 0.02, "pose mean deg": 1.0,
           "gaze mean deg": 2.0, "person mm": 0.1, "person skin": 2.0, "faces lost %": 2.0,
           "faces gained %": 2.0},
    "palette": {"landmarks mean %": 0.5, "blendshapes mean": 0.02, "pose mean deg": 1.0,
                "gaze mean deg": 2.0, "person mm": 0.1, "person skin": 2.0, "faces lost %": 2.0,
                "faces gained %": 2.0},
    "int8": {"landmarks mean %": 1.0, "blendshapes mean": 0.03, "pose mean deg": 2.0,
             "gaze mean deg": 2.0, "person mm": 0.2, "person skin": 3.0,
             "faces lost %": 5.0, "faces gained %": 5.0},
}  # fmt: skip
"""The largest allowed value of each quantity, by the precision of ``b``."""
LEAST_DB = {"fp16": 30.0, "w8": 10.0, "palette": 6.0, "int8": 6.0}
"""The least signal-to-noise ratio of a raw output, by the precision of ``b``. It decides where
`LIMITS` say nothing: on outputs that no face shows, and if no face is found. The gaze is limited in
degrees alone, since the signal of people who look into the camera is nearly 0."""


@dataclass
class Comparison:
    """Differences by quantity, and for the largest ones the image where they arose.

    Attributes
    ----------
    values : the difference of each quantity
    worst : the name of the image on which the largest difference of a quantity arose
    magnitudes : the largest absolute value of each raw output of ``a``
    """

    values: dict[str, float] = field(default_factory=lambda: {})
    worst: dict[str, str] = field(default_factory=lambda: {})
    magnitudes: dict[str, float] = field(default_factory=lambda: {})

    def exceeded(self, precision: str) -> list[str]:
        """Tell in words what is over the limits of a precision; empty if nothing is."""
        limits = dict(LIMITS[precision])
        if precision == "fp32":
            limits |= {
                f"{name} max": max(RAW_LIMIT, RAW_SHARE * magnitude)
                for name, magnitude in self.magnitudes.items()
            }
        # written so that NaN is over every limit
        over = {q: m for q, m in limits.items() if not self.values.get(q, 0.0) <= m}
        over = dict(sorted(over.items(), key=lambda item: -self.values[item[0]] / (item[1] or 1)))
        least = LEAST_DB.get(precision, -np.inf)
        ratios = {
            f"{name} dB": self.values[f"{name} dB"] for name in self.magnitudes if name != "gaze"
        }
        return [
            f"{quantity} is {self.values[quantity]:.3g} (allowed {limit:g})"
            + (f", worst on {self.worst[quantity]}" if quantity in self.worst else "")
            for quantity, limit in over.items()
        ] + [
            f"{quantity} is {ratio:.3g} (at least {least:g})"
            for quantity, ratio in ratios.items()
            if not ratio >= least
        ]

    def largest(self, quantity: str, value: float, image: str) -> None:
        """Keep ``value`` if it is larger than the one known; NaN is larger than all."""
        if value > self.values.get(quantity, -np.inf) or np.isnan(value):
            self.values[quantity], self.worst[quantity] = float(value), image


def compare(
    a: Model, b: Model, images: Iterable[tuple[str, ImageArray]], precision: str
) -> Comparison:
    """Run both models on the same images.

    Parameters
    ----------
    a, b : two models of the same kind and input size; the results of ``a`` count as the truth
    images : the name of each image, and its pixels, uint8 (H, W, 3) RGB. Networks of crops look at
        the faces that the shipped MFN finds in it, or at the whole image if it finds none.
    precision : the precision of ``b``, which decides how near the threshold faces may come and go

    Raises
    ------
    InvalidInputError
        If the models do not fit together, there is no image, or no such precision.
    """
    _check(a, b, precision)
    margin = MARGINS.get(precision, ANY_MARGIN)
    result = Comparison()
    raw = {name: np.zeros(4) for name in a.metadata.output_names}
    tally = _Tally()
    finder = FaceFinder(a)
    for name, pixels in images:
        faces = finder.faces(pixels)
        _compare_raw(a, b, network_inputs(a, pixels, faces), raw, result, name)
        if not a.metadata.network_kind.gives_faces:
            continue
        if faces is None:
            pairs = _match(a, b, pixels, margin, tally)
        else:
            pairs = (a.refine(pixels, faces), b.refine(pixels, faces))
        _compare_faces(*pairs, tally, result, name)
    if not raw[a.metadata.output_names[0]][1]:
        raise InvalidInputError("comparing two models needs at least one image")
    for name, (absolute, count, signal, noise) in raw.items():
        result.values[f"{name} mean"] = float(absolute / count)
        result.values[f"{name} dB"] = decibels(signal, noise)
    result.values |= tally.summary()
    return result


def decibels(signal: float, noise: float) -> float:
    """The ratio of two sums of squares in dB, in [-200, 200]; float32 can hold no more."""
    if not noise:
        return 200.0
    return float(np.clip(10 * np.log10(max(signal / noise, 1e-20)), -200, 200))


class FaceFinder:
    """Finds the faces that a network of crops looks at; one that detects needs none."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._detector = None if model.metadata.detects else load("mfn")

    def faces(self, pixels: ImageArray) -> Faces | None:
        """Find N > 0 faces to refine, or take the whole image for one; None for a detector."""
        if self._detector is None:
            return None
        found = self._detector.run(pixels)
        if len(found):
            return found
        height, width = pixels.shape[:2]
        looker = self._model if self._model.metadata.network_kind.gives_faces else load("sfn")
        return looker.run(pixels, boxes_xyxy=[[0, 0, width, height]])


def network_inputs(model: Model, pixels: ImageArray, faces: Faces | None) -> ImageArray:
    """The network's inputs of an image, uint8 (N, S, S, 3)."""
    size, scale = model.metadata.input_size, model.metadata.crop_scale
    if faces is None:
        return letterbox(pixels, size)[0][None]
    return np.stack([crop(pixels, box, scale, size)[0] for box in faces.boxes_xyxy])


@dataclass
class _Tally:
    """Sums over all images."""

    found: int = 0
    lost: int = 0
    gained: int = 0
    landmarks: float = 0.0
    blendshapes: float = 0.0
    degrees: float = 0.0
    eyes: int = 0
    eye_degrees: float = 0.0

    def summary(self) -> dict[str, float]:
        found, total = max(self.found, 1), max(self.found + self.lost, 1)
        return {
            "faces": float(self.found),
            "faces lost %": 100.0 * self.lost / total,
            "faces gained %": 100.0 * self.gained / total,
            "landmarks mean %": self.landmarks / found,
            "blendshapes mean": self.blendshapes / found,
            "pose mean deg": self.degrees / found,
            **({"gaze mean deg": self.eye_degrees / self.eyes} if self.eyes else {}),
        }


def _check(a: Model, b: Model, precision: str) -> None:
    for name in (
        "kind", "input_size", "crop_scale", "anchors", "stride", "cell_range", "output_names",
        "expression_names",
    ):  # fmt: skip
        ours, theirs = getattr(a.metadata, name), getattr(b.metadata, name)
        if ours != theirs:
            raise InvalidInputError(
                f"cannot compare {a!r} with {b!r}: {name} is {ours} in one, {theirs} in the other"
            )
    if a.face_model.sha256 != b.face_model.sha256:
        raise InvalidInputError(f"cannot compare {a!r} with {b!r}: their face models differ")
    if precision not in LIMITS:
        raise InvalidInputError(f"no precision {precision!r}; known are {', '.join(LIMITS)}")


def _compare_raw(
    a: Model,
    b: Model,
    tensors: ImageArray,
    sums: dict[str, Float64Array],
    result: Comparison,
    image: str,
) -> None:
    heads, others = a.infer(tensors), b.infer(tensors)
    for name, head in heads.items():
        difference = np.abs(head.astype(np.float64) - others[name])
        magnitude = float(np.abs(head).max())
        result.magnitudes[name] = max(magnitude, result.magnitudes.get(name, 0.0))
        result.largest(f"{name} max", difference.max(), image)
        if name in _PERSON:
            quantity, factor = _PERSON[name]
            result.largest(quantity, factor * float(difference.mean(axis=1).max()), image)
        sums[name] += [
            difference.sum(), difference.size, (head.astype(np.float64) ** 2).sum(),
            (difference**2).sum(),
        ]  # fmt: skip


def _match(
    a: Model, b: Model, pixels: ImageArray, margin: float, tally: _Tally
) -> tuple[Faces, Faces]:
    """Find the faces that both models see, in the same order; others are counted."""
    threshold = a.metadata.score_threshold
    lower = max(threshold - margin, 0.0)
    # both at one threshold: what a face is the mean of depends on it
    maybe_a, maybe_b = (
        m.run(pixels, score_threshold=lower, look_again=False, detail="fast") for m in (a, b)
    )
    surely_a, surely_b = (
        faces.select(np.flatnonzero(faces.scores >= threshold)) for faces in (maybe_a, maybe_b)
    )
    pairs = _pairs(surely_a, maybe_b)
    tally.lost += len(surely_a) - len(pairs)
    tally.gained += len(surely_b) - len(_pairs(surely_b, maybe_a))
    rows = np.array(pairs, int).reshape(-1, 2)
    return surely_a.select(rows[:, 0]), maybe_b.select(rows[:, 1])


def _pairs(faces: Faces, others: Faces) -> list[tuple[int, int]]:
    """Pair each face, best first, with the free face of ``others`` that overlaps it most."""
    free = np.ones(len(others), bool)
    pairs: list[tuple[int, int]] = []
    for i, box in enumerate(faces.boxes_xyxy):
        overlap = np.where(free, iou_matrix(box[None], others.boxes_xyxy)[0], 0.0)
        if len(overlap) and overlap.max() >= SAME_FACE:
            j = int(overlap.argmax())
            free[j] = False
            pairs.append((i, j))
    return pairs


def _compare_faces(
    ours: Faces, theirs: Faces, tally: _Tally, result: Comparison, name: str
) -> None:
    if not len(ours):
        return
    boxes = ours.boxes_xyxy
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None]
    distance = np.linalg.norm(ours.landmarks_2d - theirs.landmarks_2d, axis=2)
    shapes = np.abs(ours.expression_coeffs - theirs.expression_coeffs)
    # |R - Q| = 2 sqrt(2) sin(angle / 2); the arc cosine of the trace is blind to small angles
    turned = np.linalg.norm(ours.rotation - theirs.rotation, axis=(1, 2))
    angles = np.rad2deg(2 * np.arcsin(np.clip(turned / np.sqrt(8), 0, 1)))
    result.largest("boxes px", float(np.abs(boxes - theirs.boxes_xyxy).max()), name)
    result.largest("landmarks px", float(distance.max()), name)
    result.largest("landmarks %", float((100 * distance / longer).max()), name)
    result.largest("blendshapes", float(shapes.max()), name)
    result.largest("pose deg", float(angles.max()), name)
    tally.found += len(ours)
    tally.landmarks += float((100 * distance / longer).mean(axis=1).sum())
    tally.blendshapes += float(shapes.mean(axis=1).sum())
    tally.degrees += float(angles.sum())
    if ours.gaze_deg is not None and theirs.gaze_deg is not None:
        apart = np.linalg.norm(
            gaze_directions(ours.gaze_deg) - gaze_directions(theirs.gaze_deg), axis=2
        )
        looks = np.rad2deg(2 * np.arcsin(np.clip(apart / 2, 0, 1)))
        result.largest("gaze deg", float(looks.max()), name)
        tally.eyes += looks.size
        tally.eye_degrees += float(looks.sum())
