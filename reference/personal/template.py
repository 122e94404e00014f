"""Deriving the template from ICT-FaceKit: the face alone, its shapes, and where they may change."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from edgeface.archives import arrays_of
from edgeface.errors import ModelFormatError
from edgeface.personal.template import REGIONS, UNIT_MM, Template
from edgeface.reference.personal.ict import NUM_FACE_QUADS, read_ict, triangles_of
from edgeface.reference.personal.regions import draw_regions
from edgeface.reference.personal.render import interpolate, visible_triangles
from edgeface.types import IntArray

CM = 10.0
"""ICT-FaceKit's unit, in mm."""
NUM_MODES = 50
MAP_SIZE = 128
LEAST_MOVE_MM = 0.1
"""Vertices that a shape moves less are outside its attention mask (2020, Sec. 3.2: 0.001)."""
MASK_BLUR_TEXELS = 1.0
SKIN_TONE = (196, 152, 130)
"""The albedo until one is learned, sRGB."""
_STILL = ("PupilDilate_L", "PupilDilate_R")


def derive_template(
    ict_facekit: str | os.PathLike[str], mesh_map: str | os.PathLike[str]
) -> Template:
    """The face region of ICT-FaceKit light as a `Template` without a learned albedo.

    Parameters
    ----------
    ict_facekit : ``.npz`` of ICT-FaceKit light, as `edgeface.from_ict_facekit` takes it
    mesh_map : ``.npz`` with ``ok`` (468,), which points of the teacher's mesh have a vertex, and
        ``near``, those vertices

    Raises
    ------
    ModelFormatError
        If a file cannot be read, or an array is missing.
    """
    ict = read_ict(ict_facekit)
    try:
        arrays = arrays_of(Path(mesh_map).read_bytes())
        near, ok = arrays["near"], arrays["ok"]
    except Exception as error:  # zips, compression and numpy have each their own
        raise ModelFormatError(f"{mesh_map} lacks something: {error}") from error
    quads, num_vertices = ict.quads[:NUM_FACE_QUADS], ict.num_face
    scale = np.float32(CM / UNIT_MM)
    neutral = ict.neutral[:num_vertices] * scale
    identity = ict.identity[:NUM_MODES, :num_vertices] * scale
    moving = [i for i, n in enumerate(ict.names) if n not in _STILL]
    expression = ict.expression[moving, :num_vertices] * scale
    uv = _vertex_uv(quads, ict.quads_uv[:NUM_FACE_QUADS], ict.uv, num_vertices)
    landmarks = ict.landmarks.astype(np.int32)
    triangles = triangles_of(quads).astype(np.int32)
    mesh_vertices = np.full(len(ok), -1, np.int32)
    mesh_vertices[ok] = near
    # half precision loses 3 um at most, and halves the file
    identity = identity.astype(np.float16).astype(np.float32)
    expression = expression.astype(np.float16).astype(np.float32)
    return Template(
        neutral=neutral,
        identity=identity,
        expression=expression,
        triangles=triangles,
        uv=uv,
        attention=attention_masks(expression, triangles, uv),
        regions=uv_regions(triangles, uv, mesh_vertices),
        landmark_vertices=landmarks,
        mesh_vertices=mesh_vertices,
        albedo=np.broadcast_to(np.array(SKIN_TONE, np.uint8), (MAP_SIZE, MAP_SIZE, 3)).copy(),
        expression_names=tuple(ict.names[i] for i in moving),
        info={"name": "ICT-FaceKit light, face", "licence": "MIT"},
    )


def _vertex_uv(
    quads: NDArray[Any], quads_uv: NDArray[Any], uv: NDArray[Any], num_vertices: int
) -> NDArray[np.float32]:
    """One place a vertex, cropped to the face and with v down; the face has no seams."""
    places = np.zeros((num_vertices, 2))
    places[quads.ravel()] = uv[quads_uv.ravel()]
    low, high = places.min(axis=0), places.max(axis=0)
    places = (places - low) / (high - low)
    places[:, 1] = 1 - places[:, 1]
    margin = 1.5 / MAP_SIZE  # bilinear sampling at the rim stays inside
    return (margin + (1 - 2 * margin) * places).astype(np.float32)


def to_map(values: NDArray[Any], triangles: NDArray[Any], uv: NDArray[Any]) -> NDArray[np.float32]:
    """Values of vertices (V, C) as a map (R, R, C); texels off the surface take the nearest's."""
    points = torch.from_numpy(np.concatenate([uv * MAP_SIZE, np.ones((len(uv), 1))], 1))[
        None
    ].float()
    faces = torch.from_numpy(triangles)
    index = visible_triangles(points, faces, (MAP_SIZE, MAP_SIZE))
    filled = interpolate(points, faces, index, torch.from_numpy(values)[None].float())[0].numpy()
    return filled[nearest_covered(index[0].numpy() >= 0)]


def nearest_covered(covered: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row and column of the nearest covered texel, for each texel."""
    places: Any = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return places[0], places[1]


def attention_masks(
    expression: NDArray[np.float32], triangles: NDArray[np.int32], uv: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """``A_i`` (2020, Sec. 3.2): how far shape i moves each place, of its largest move, in UV.

    Moves below `LEAST_MOVE_MM` count as none; a small blur takes the edge away. The paper's
    threshold of 0.001 has no unit; any between 0.001 and 0.1 mm gives the same masks here.
    """
    moves = np.linalg.norm(expression, axis=2)
    moves[moves < LEAST_MOVE_MM / UNIT_MM] = 0
    share = moves / moves.max(axis=1, keepdims=True)
    maps = to_map(share.T, triangles, uv)
    blurred = gaussian_filter(maps, (MASK_BLUR_TEXELS, MASK_BLUR_TEXELS, 0))
    return np.rint(blurred.transpose(2, 0, 1).clip(0, 1) * 255).astype(np.uint8)


def uv_regions(
    triangles: IntArray, uv: NDArray[np.float32], mesh_vertices: IntArray
) -> NDArray[np.uint8]:
    """The parts of the face in UV, from where the teacher's mesh lies on the template."""
    corners = torch.from_numpy(np.concatenate([uv * MAP_SIZE, np.ones((len(uv), 1))], 1))[None]
    index = visible_triangles(corners, torch.from_numpy(triangles), (MAP_SIZE, MAP_SIZE))[0].numpy()
    return parts_of_surface(uv, mesh_vertices, index >= 0)


def parts_of_surface(
    uv: NDArray[np.float32], mesh_vertices: IntArray, covered: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """`uv_regions` where it is known which texels the surface covers, (R, R)."""
    points = np.where(mesh_vertices[:, None] < 0, np.nan, uv[mesh_vertices] * MAP_SIZE)
    drawn = draw_regions(points, (MAP_SIZE, MAP_SIZE), parts_alone=True)
    skin = np.where(drawn == 0, REGIONS.index("skin"), drawn)
    return np.where(covered, skin, REGIONS.index("none")).astype(np.uint8)
