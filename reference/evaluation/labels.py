"""Measuring how labels differ: a pack's 68 points from its mesh, or from a network.

Random differences cancel. What is left is a bias, which a network would learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.gaze import LOOKS
from edgeface.reference.data.faces import FaceSet, read_face_pack
from edgeface.reference.data.labelled import neutral_landmarks
from edgeface.reference.data.packs import (
    Pack,
    columns_of,
    open_pack,
    show_face,
    single_face_packs,
)
from edgeface.reference.evaluation.metrics import nme
from edgeface.reference.geometry.alignment import mapped_landmarks
from edgeface.reference.geometry.lids import lid_opening
from edgeface.reference.geometry.pose import head_rotation, yaw_from_rotation
from edgeface.types import BoolArray, FloatArray, ImageArray

Look = Callable[[ImageArray, FloatArray], Faces]
"""A crop network as a function of an image and boxes (N, 4), which returns the N faces."""

POINT_GROUPS = {
    "outline": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
YAW_PARTS = {"all": (0, 180), "yaw under 15": (0, 15), "15 to 30": (15, 30), "from 30": (30, 180)}
TEACHER_SHUT = 0.7
"""The least blink score of the teacher at which the lids of its mesh have met."""


@dataclass(frozen=True)
class Difference:
    """How some landmarks differ from others of the same faces, as a row of a table.

    Attributes
    ----------
    bias : for each of `POINT_GROUPS`, the mean difference (x, y) in % of the outer eye distance, x
        right, y down
    error : the mean distance of the 51 inner points, in the same unit
    """

    title: str
    faces: int
    error: float
    bias: dict[str, tuple[float, float]]


def differences(
    title: str, points: FloatArray, truth: FloatArray, model: FaceModel
) -> list[Difference]:
    """Rows that hold landmarks (N, 68, 2) against others: of all faces, and by their yaw."""
    turned = np.abs(yaw_from_rotation(head_rotation(truth, neutral_landmarks(model))))
    eyes = np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)
    beyond = 100 * (points - truth) / eyes[:, None, None]
    rows: list[Difference] = []
    for name, (low, high) in YAW_PARTS.items():
        part = (turned >= low) & (turned < high)
        if part.any():
            mean = beyond[part].mean(axis=0)
            bias = {group: mean[rows_].mean(axis=0) for group, rows_ in POINT_GROUPS.items()}
            rows.append(
                Difference(
                    f"{title}, {name}",
                    int(part.sum()),
                    float(nme(points[part], truth[part], inner=True).mean()),
                    {group: (float(x), float(y)) for group, (x, y) in bias.items()},
                )
            )
    return rows


def check_labels(folder: Path, model: FaceModel, look: Look | None = None) -> str:
    """Tables of every single-face pack: its bias, and how its points and meshes show shut eyes.

    A pack's 68 points are held against its meshes where it has both, and where eyes look, by the
    irises of the meshes of the validation split, against the teacher's scores. With ``look``, the
    landmarks that training takes of that split are held against a network's too.
    """
    rows: list[Difference] = []
    lids = ["| eyes that the teacher calls shut | eyes | opening, 68 points | opening, mesh |",
            "|---|---:|---:|---:|"]  # fmt: skip
    looks = ["| where eyes look | eyes | known, % | yaw, r | pitch, r | left - right yaw, deg |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name in single_face_packs(folder):
        pack = open_pack(folder, name)
        if "landmarks68" in pack.labels:
            points, mesh, shut = _both(pack, model)
            rows += differences(f"{name}: points - mesh", points, mesh, model)
            if shut.any():
                openings = [lid_opening(p)[shut].mean() for p in (points, mesh)]
                lids.append(f"| `{name}` | {shut.sum()} | {openings[0]:.2f} | {openings[1]:.2f} |")
        faces = read_face_pack(pack, model, validation=True)
        if np.isfinite(faces.targets.gaze).any():
            looks.append(_gaze_row(name, faces))
        if look is not None:
            rows += differences(
                f"{name}: targets - network", faces.targets.landmarks, _seen(faces, look), model
            )
    return "\n".join([*_table(rows), "", *lids, "", *looks])


def _both(pack: Pack, model: FaceModel) -> tuple[FloatArray, FloatArray, BoolArray]:
    """A pack's points and its meshes' (N, 68, 2), and whether the teacher sees eyes shut (N, 2)."""
    labels = pack.labels
    known = pack.has_mesh & show_face(labels["landmarks68"])
    blinks = columns_of(("eyeBlinkRight", "eyeBlinkLeft"), labels["blendshape_names"])
    shut = labels["blendshapes52"][known][:, blinks] > TEACHER_SHUT
    mesh = mapped_landmarks(labels["mesh"][known][..., :2], model)
    return labels["landmarks68"][known], mesh, shut


def _gaze_row(name: str, faces: FaceSet) -> str:
    """How many eyes of a pack have a gaze, and how it goes with the teacher's scores.

    ``r`` is Pearson's correlation of an angle with the difference of the scores of its two ways.
    The last figure is the median of the left eye's yaw less the right one's, and the spread about
    it (1.48 times the median deviation): eyes that look at one point differ by its nearness alone.
    """
    gaze = np.rad2deg(faces.targets.gaze)
    known = np.asarray(np.isfinite(gaze).all(axis=2))
    scores = dict(zip(LOOKS, faces.looks.T, strict=True))
    down, left = (
        np.stack([scores[f"eyeLook{more}"] - scores[f"eyeLook{less}"] for more, less in pairs], 1)
        for pairs in (
            (("DownRight", "UpRight"), ("DownLeft", "UpLeft")),
            (("InRight", "OutRight"), ("OutLeft", "InLeft")),
        )
    )
    pitch = np.corrcoef(gaze[..., 0][known], down[known])[0, 1]
    yaw = np.corrcoef(gaze[..., 1][known], left[known])[0, 1]
    apart = (gaze[:, 1, 1] - gaze[:, 0, 1])[known.all(axis=1)]
    middle = np.median(apart)
    spread = 1.48 * np.median(np.abs(apart - middle))
    return (
        f"| `{name}` | {known.sum()} | {100 * known.mean():.0f} | {yaw:.2f} | {pitch:.2f} "
        f"| {middle:+.1f} ± {spread:.1f} |"
    )


def _seen(faces: FaceSet, look: Look) -> FloatArray:
    boxes = faces.targets.boxes
    seen = [look(faces.crops[i], boxes[i : i + 1]) for i in range(len(boxes))]
    return np.concatenate([each.landmarks_2d for each in seen])


def _table(rows: list[Difference]) -> list[str]:
    head = "| | faces | 51 points, % | " + " | ".join(f"{g} x, y" for g in POINT_GROUPS) + " |"
    lines = [head, "|---|---:|---:|" + "---:|" * len(POINT_GROUPS)]
    for row in rows:
        cells = " | ".join(f"{x:+.1f}, {y:+.1f}" for x, y in row.bias.values())
        lines.append(f"| {row.title} | {row.faces} | {row.error:.2f} | {cells} |")
    return lines
