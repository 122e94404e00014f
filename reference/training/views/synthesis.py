"""Editing faces through their own 3D mesh: they are turned away, or get another expression.

The packs hold few profiles, so frontal faces are turned in 3D, as 300W-LP was made (Zhu et al.
2016, Sec. 5). Copies that differ in the expression alone serve the disentangling regulariser
(Chaudhuri et al. 2019, Sec. 3.2).
"""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import map_coordinates

from edgeface.face_model import FaceModel
from edgeface.reference.data.faces import FaceSet
from edgeface.reference.data.targets import Targets, concatenate, from_fit
from edgeface.reference.geometry.fit import Fit, has_teacher_topology
from edgeface.reference.geometry.gaze import moved_gaze
from edgeface.reference.geometry.pose import rotation_from_euler, yaw_from_rotation
from edgeface.types import BoolArray, FloatArray, ImageArray, IntArray

TURNED_YAW_DEG = (30.0, 85.0)
MAX_TURN_DEG = 50.0  # more stretches the hidden cheek over the picture
PITCH_SIGMA_DEG = 8.0
MAX_RESIDUAL = 0.01  # outer eye distances; a bad fit would be torn
BORDER_POINTS = 9
MOST_ANCHORS = 1000
"""The number of vertices that carry the picture along; more would add nothing."""
MOST_PAIRS = 2_000_000
"""The number of pairs of a vertex and a triangle held in memory at once."""
GRID_STEP = 2  # pixels between samples of the displacement, which is smooth
LIP_DEPTH = 0.03  # model units; lips that touch do not hide one another


def add_turned(faces: FaceSet, model: FaceModel, share: float, seed: int) -> FaceSet:
    """Add turned copies to ``faces``, ``share`` times as many, drawn at random.

    A face model without a surface cannot turn faces, and adds no copies.
    """
    if not len(model.triangles):
        return faces
    random = np.random.default_rng(seed)
    frontal = np.flatnonzero(
        (faces.fit.residual < MAX_RESIDUAL)
        & (np.abs(yaw_from_rotation(faces.fit.rotation)) < TURNED_YAW_DEG[0])
    )
    count = min(len(frontal), round(share * len(faces.crops)))
    rows = np.sort(random.choice(frontal, count, replace=False))
    if not len(rows):
        return faces
    old = faces.fit[rows]
    new = replace(old, rotation=_turned(old.rotation, random))
    crops = [warp_face(faces.crops[r], old[i : i + 1], new[i : i + 1], model)
             for i, r in enumerate(rows)]  # fmt: skip
    return FaceSet(
        crops=np.concatenate([faces.crops, np.stack(crops)]),
        targets=concatenate([faces.targets, moved_targets(faces.targets[rows], old, new, model)]),
        labelled=np.concatenate([faces.labelled, np.full((count, 68, 2), np.nan, np.float32)]),
        meshes=np.concatenate([faces.meshes, _moved_meshes(faces.meshes[rows], old, new, model)]),
        scores=np.concatenate([faces.scores, faces.scores[rows]]),
        looks=np.concatenate([faces.looks, faces.looks[rows]]),
        pack=np.concatenate([faces.pack, np.full(count, "turned")]),
        fit=Fit.concatenate([faces.fit, new]),
        skipped=faces.skipped,
    )


def reexpressed(
    pixels: ImageArray,
    targets: Targets,
    fit: Fit,
    model: FaceModel,
    random: np.random.Generator,
) -> tuple[ImageArray, Targets]:
    """Change the expression of a face slightly; pose and identity stay."""
    change = random.normal(0, 0.25, fit.expression.shape) * (
        random.random(fit.expression.shape) < 0.3
    )
    expression = np.clip(fit.expression + change, 0, 1).astype(np.float32)
    new = replace(fit, expression=expression)
    return warp_face(pixels, fit, new, model), moved_targets(targets, fit, new, model)


def _turned(rotation: FloatArray, random: np.random.Generator) -> FloatArray:
    """Turn rotations (N, 3, 3) further to the side that they are turned to, with some pitch."""
    count = len(rotation)
    yaw = yaw_from_rotation(rotation)
    wanted = random.uniform(*TURNED_YAW_DEG, count) * np.where(yaw < 0, -1, 1)
    turn = np.clip(wanted - yaw, -MAX_TURN_DEG, MAX_TURN_DEG)
    nod = random.normal(0, PITCH_SIGMA_DEG, count)
    change = rotation_from_euler(np.stack([nod, turn, np.zeros(count)], axis=1))
    return (change @ rotation).astype(np.float32)


def moved_targets(targets: Targets, old: Fit, new: Fit, model: FaceModel) -> Targets:
    """Targets of faces that were moved from one fit to another.

    How far labels are from the old fit is kept. Not so for the outline, which slid along a
    silhouette that is gone.
    """
    beyond = targets.landmarks - old.landmarks(model)
    turned = (np.abs(old.rotation - new.rotation) > 1e-6).any(axis=(1, 2))
    beyond[turned, :17] = 0.0
    moved = from_fit(new, model)
    return replace(
        moved,
        landmarks=(moved.landmarks + beyond).astype(np.float32),
        gaze=moved_gaze(targets.gaze, old, new, model),
    )


def _moved_meshes(meshes: FloatArray, old: Fit, new: Fit, model: FaceModel) -> FloatArray:
    """The teacher's vertices (N, V, 3) after the move, as far from the fit as before.

    They are NaN if the model has another topology.
    """
    if not has_teacher_topology(model):
        return np.full_like(meshes, np.nan)
    shapes = [model.vertices(f.identity, f.expression) for f in (old, new)]
    moved = meshes + new.place(shapes[1]) - old.place(shapes[0])
    return moved.astype(np.float32)


def warp_face(pixels: ImageArray, old: Fit, new: Fit, model: FaceModel) -> ImageArray:
    """Move one face's pixels (H, W, 3) from one fit, of one row, to another.

    Every visible vertex takes its colour along. Between vertices, and from the face out to the
    picture's border, the displacement is linear on a Delaunay triangulation.
    """
    height, width = pixels.shape[:2]
    sources, places = _anchors(old, new, model)
    inside = ((places > 0) & (places < [width, height])).all(axis=1)
    line = np.linspace(0, 1, BORDER_POINTS)
    x, y = (a.ravel() for a in np.meshgrid(line * width, line * height))
    edge = (x == 0) | (y == 0) | (x == width) | (y == height)
    border = np.stack([x[edge], y[edge]], axis=1)
    displacement = LinearNDInterpolator(
        np.concatenate([places[inside], border]),
        np.concatenate([(sources - places)[inside], np.zeros_like(border)]),
        fill_value=0.0,
    )
    row, column = np.mgrid[0 : height + 1 : GRID_STEP, 0 : width + 1 : GRID_STEP]
    coarse = displacement(column.astype(float), row.astype(float))
    row, column = np.mgrid[0:height, 0:width] + 0.5
    at = [row / GRID_STEP, column / GRID_STEP]
    shift = [map_coordinates(coarse[..., axis], at, order=1) for axis in (1, 0)]
    # map_coordinates counts from pixel centres
    source = [row + shift[0] - 0.5, column + shift[1] - 0.5]
    channels = [map_coordinates(pixels[..., c], source, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)


def _anchors(old: Fit, new: Fit, model: FaceModel) -> tuple[FloatArray, FloatArray]:
    """The vertices that are visible afterwards: where they lie (A, 2), and where they go."""
    before, after = (model.vertices(f.identity, f.expression)[0] for f in (old, new))
    face = model.face_vertices  # neck and shoulders stay where they are
    picked = face[:: -(-len(face) // MOST_ANCHORS)]
    occluding = np.isin(model.triangles, face).all(axis=1)
    visible = picked[_visible(after @ new.rotation[0].T, model.triangles[occluding], picked)]
    places = new.project(after[None])[0]
    comes = old.project(before[visible][None])[0]
    return comes, places[visible]


def _visible(shape: FloatArray, triangles: IntArray, picked: IntArray | None = None) -> BoolArray:
    """Whether a viewer on the z axis sees each vertex of a shape (V, 3), or each picked one."""
    picked = np.arange(len(shape)) if picked is None else picked
    parts = np.array_split(picked, -(-len(picked) * len(triangles) // MOST_PAIRS))
    return np.concatenate([_not_behind(shape, triangles, part) for part in parts])


def _not_behind(shape: FloatArray, triangles: IntArray, picked: IntArray) -> BoolArray:
    a, b, c = (shape[triangles[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)[:, 2] > 0
    a, b, c = a[facing], b[facing], c[facing]
    # barycentric coordinates of every vertex in every triangle that faces the viewer
    ab, ac = (b - a)[:, :2], (c - a)[:, :2]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    offset = shape[picked, None, :2] - a[:, :2]
    v = (offset[..., 0] * ac[:, 1] - offset[..., 1] * ac[:, 0]) / area
    w = (ab[:, 0] * offset[..., 1] - ab[:, 1] * offset[..., 0]) / area
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    depth = a[:, 2] + v * (b - a)[:, 2] + w * (c - a)[:, 2]
    in_front = np.where(inside, depth, -np.inf).max(axis=1)
    return np.asarray(shape[picked, 2] >= in_front - LIP_DEPTH)
