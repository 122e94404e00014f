"""Pictures of a person, drawn by the kernels: a surface, its skin and a soft light."""

from __future__ import annotations

import numpy as np

from edgeface.faces import Faces
from edgeface.kernels import Engine, numba_installed, rasterise
from edgeface.personal.model import PersonalModel, sample_texture
from edgeface.types import Float32Array, FloatArray, ImageArray, IntArray

AMBIENT = 0.72
TOWARDS_LIGHT = np.array([0.08, 0.22, 0.30], np.float32)
"""The light: what a white surface shows everywhere, and how much more of it where it faces the
face's left, up, and the front."""
FINER = 2
"""Pictures are drawn so many times as fine along each axis, and averaged."""
BACKGROUND = (38, 40, 46)
CLAY = np.full((2, 2, 3), 0.75, np.float32)
"""A skin of one tone, which shows the shape alone."""


def vertex_normals(vertices: FloatArray, triangles: IntArray) -> Float32Array:
    """Unit normals (V, 3) of vertices (V, 3): the adjoining triangles' cross products, summed."""
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    cross = np.cross(second - first, third - first)
    corners = triangles.ravel()
    sums = [np.bincount(corners, cross[:, i].repeat(3), len(vertices)) for i in range(3)]
    normals = np.stack(sums, axis=1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-12)).astype(np.float32)


def draw_surface(
    person: PersonalModel,
    vertices: FloatArray,
    skin: FloatArray,
    background: ImageArray,
    engine: Engine | None = None,
) -> ImageArray:
    """The person's surface over a picture.

    Parameters
    ----------
    person : whose triangles and places in UV are drawn
    vertices : float, shape (V, 3), image_px with depth, as `place_person` gives them
    skin : float, shape (R, R, 3), in [0, 1]
    background : uint8, shape (H, W, 3); is not changed
    engine : whose kernels draw; by default numba's where it is installed

    Returns
    -------
    uint8, shape (H, W, 3)
        In a soft light from above and the front. Eyes and mouth are holes.
    """
    engine = engine or ("numba" if numba_installed() else "numpy")
    template = person.template
    height, width = background.shape[:2]
    low = np.floor(vertices[:, :2].min(axis=0)).clip(0, (width, height)).astype(int)
    high = np.ceil(vertices[:, :2].max(axis=0)).clip(low, (width, height)).astype(int)
    size = (int(high[1] - low[1]), int(high[0] - low[0]))
    drawn = background.copy()
    if 0 in size:
        return drawn
    shifted = (vertices - np.append(low, 0)) * FINER
    fine = (size[0] * FINER, size[1] * FINER)
    index, weights = rasterise(shifted, template.triangles, fine, engine)
    seen = np.flatnonzero(index.ravel() >= 0)
    corners = template.triangles[index.ravel()[seen]]
    share = weights.reshape(-1, 3)[seen].astype(np.float32)
    upright = vertices * [1, -1, -1]
    own = np.concatenate([vertex_normals(upright, template.triangles), template.uv], axis=1)
    values = np.zeros((len(seen), own.shape[1]), np.float32)
    for corner in range(3):
        values += share[:, corner, None] * own[corners[:, corner]]
    shade = AMBIENT + values[:, :3] @ TOWARDS_LIGHT
    picture = np.zeros((fine[0] * fine[1], 4), np.float32)
    picture[seen, :3] = sample_texture(skin, values[:, 3:]) * shade[:, None]
    picture[seen, 3] = 1
    picture = picture.reshape(size[0], FINER, size[1], FINER, 4).mean(axis=(1, 3))
    part = drawn[low[1] : high[1], low[0] : high[0]]
    mixed = picture[..., :3] * 255 + part * (1 - picture[..., 3:])
    part[...] = np.rint(mixed.clip(0, 255)).astype(np.uint8)
    return drawn


def draw_beside(picture: ImageArray, faces: Faces, person: PersonalModel) -> ImageArray:
    """A picture, and beside it the person with the motion of every face in it, in its place.

    Parameters
    ----------
    picture : uint8, shape (H, W, 3), of the video; it may have been drawn on
    faces : faces that an `edgeface.Tracker` with this personal model found in it
    person : the model

    Returns
    -------
    uint8, shape (H, 2 W, 3)
    """
    beside = np.full_like(picture, BACKGROUND)
    if faces.personal_vertices is not None:
        weights = person.template.from_expression(faces.expression_coeffs)
        for vertices, own in zip(faces.personal_vertices, weights, strict=True):
            beside = draw_surface(person, vertices, person.albedo(own), beside)
    return np.concatenate([picture, beside], axis=1)


def portrait(
    person: PersonalModel,
    weights: FloatArray,
    *,
    yaw_deg: float = 0.0,
    size: int = 256,
    clay: bool = False,
    engine: Engine | None = None,
) -> ImageArray:
    """The person alone, with weights (K,) of the template's shapes, turned to their left.

    ``clay`` leaves the skin away. Returns uint8, shape (size, size, 3).
    """
    middle = (person.neutral_vertices.max(axis=0) + person.neutral_vertices.min(axis=0)) / 2
    unit = 0.9 * size / float(np.ptp(person.neutral_vertices[:, 1]))
    sine, cosine = np.sin(np.deg2rad(yaw_deg)), np.cos(np.deg2rad(yaw_deg))
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    turned = (person.shape(weights) - middle) @ turn.T
    vertices = turned * [unit, -unit, -unit] + [size / 2, size / 2, 0]
    skin = CLAY if clay else person.albedo(weights)
    background = np.full((size, size, 3), BACKGROUND, np.uint8)
    return draw_surface(person, vertices, skin, background, engine)
