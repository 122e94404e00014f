"""Frames of one person, cut to the squares that fitting and networks look at."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.personal.template import REGIONS, Template
from edgeface.reference.personal.losses import soft_parts
from edgeface.reference.personal.regions import draw_oval, draw_regions

SIDE_PX = 112
CROP_OF_FACE = 1.5
"""Side of the square in longer sides of the landmarks' box."""
RIM_OF_SIDE = 0.027
"""What lies so near to the face's outline may be hair or background, and is left out."""
PART_SPREAD_OF_SIDE = 0.01
"""How soft the edges of parts are; as far as on the template's map."""
COVERED_OFF, PATCH_PX = 0.2, 5
"""Where a patch differs by so much from the face's usual look, something else is in front of it."""


@dataclass(frozen=True)
class Frames:
    """What is known of B frames of one person, each cut to a square of S px.

    Attributes
    ----------
    images : float, shape (B, S, S, 3), in [0, 1]
    regions : uint8, shape (B, S, S), the parts of the face as numbers of `REGIONS`; "none" outside
        the image, near the face's outline, and in eyes and mouth
    landmarks : float, shape (B, 68, 2), px of the square
    rotation : float, shape (B, 3, 3), of the head in the ``model`` frame
    expression : float, shape (B, K), weights of the template's shapes in [0, 1] to start from
    mesh : float, shape (B, 468, 2), px: the points of a dense mesh of the teacher's topology
    """

    images: Tensor
    regions: Tensor
    landmarks: Tensor
    rotation: Tensor
    expression: Tensor
    mesh: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Frames:
        """Some of the frames, by a slice, a mask or indices."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @property
    def valid(self) -> Tensor:
        """Where the skin is seen, float, shape (B, S, S)."""
        return (self.regions > REGIONS.index("none")).float()

    @cached_property
    def parts(self) -> Tensor:
        """The regions as soft maps, float, shape (B, S, S, 4), for `losses.parsing_loss`."""
        spread = round(PART_SPREAD_OF_SIDE * self.images.shape[1])
        return soft_parts(self.regions, len(REGIONS), spread).permute(0, 2, 3, 1).contiguous()


def concatenate(parts: Sequence[Frames]) -> Frames:
    """All frames of several parts, in order."""
    return Frames(
        **{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Frames)}
    )


def uncovered(frames: Frames, drawn: Tensor, mask: Tensor) -> Frames:
    """The frames without the patches in which they do not look like what is drawn.

    Parameters
    ----------
    drawn : float, shape (B, S, S, 3); mask : bool, shape (B, S, S), where something is drawn
    """
    both = mask * frames.valid
    off = (drawn - frames.images).abs().mean(-1) * both
    patch = (PATCH_PX, 1, PATCH_PX // 2)
    mean_off = avg_pool2d(off, *patch) / avg_pool2d(both, *patch).clamp(min=1e-3)
    covered = max_pool2d((mean_off >= COVERED_OFF).float(), 3, 1, 1)  # and its rim
    return replace(frames, regions=frames.regions * (covered == 0))


def cut_frame(
    template: Template,
    image: NDArray[np.uint8],
    landmarks: NDArray[Any],
    mesh: NDArray[Any],
    rotation: NDArray[Any],
    expression: NDArray[Any],
) -> Frames:
    """One face of an image as one frame.

    Parameters
    ----------
    image : uint8, shape (H, W, 3), RGB
    landmarks : float, shape (68, 2), image_px
    mesh : float, shape (468, 2), image_px
    rotation : float, shape (3, 3), of the head in the ``model`` frame
    expression : float, shape (46,) or (K,), the project's coefficients or the template's weights
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = float((high - low).max()) * CROP_OF_FACE
    corner = (low + high) / 2 - side / 2
    scale = SIDE_PX / side
    picture = Image.fromarray(image)
    reduce = max(1, int(1 / scale))  # bicubic sampling of a much larger face would alias
    if reduce > 1:
        picture = picture.reduce(reduce)
    step, start = side / SIDE_PX / reduce, corner / reduce
    cut = picture.transform(
        (SIDE_PX, SIDE_PX),
        Image.Transform.AFFINE,
        (step, 0.0, float(start[0]), 0.0, step, float(start[1])),
        Image.Resampling.BICUBIC,
    )
    placed = (mesh - corner) * scale
    regions = draw_regions(placed, (SIDE_PX, SIDE_PX))
    inside = _inside(corner, side, image.shape[:2], SIDE_PX)
    inside &= draw_oval(placed, (SIDE_PX, SIDE_PX), round(RIM_OF_SIDE * SIDE_PX))
    weights = expression
    if len(expression) != len(template.expression_names):
        weights = template.from_expression(expression)
    arrays = {
        "images": np.asarray(cut, np.float32) / 255,
        "regions": np.where(inside, regions, REGIONS.index("none")).astype(np.uint8),
        "landmarks": ((landmarks - corner) * scale).astype(np.float32),
        "rotation": np.asarray(rotation, np.float32),
        "expression": np.asarray(weights, np.float32),
        "mesh": placed.astype(np.float32),
    }
    return Frames(**{name: torch.from_numpy(array)[None] for name, array in arrays.items()})


def frame_of_face(
    template: Template, image: NDArray[np.uint8], faces: Faces, face_model: FaceModel
) -> Frames:
    """The frame of the one face in ``faces``, of a network whose face model is the teacher's mesh.

    Raises
    ------
    InvalidInputError
        If there is not exactly one face.
    """
    if len(faces) != 1:
        raise InvalidInputError(f"expected one face, got {len(faces)}")
    return cut_frame(
        template,
        image,
        faces.landmarks_2d[0],
        faces.vertices(face_model)[0, :, :2],
        faces.rotation[0],
        faces.expression_coeffs[0],
    )


def _inside(
    corner: NDArray[Any], side: float, shape: tuple[int, ...], side_px: int
) -> NDArray[np.bool_]:
    """Which pixels of the square lie in the image."""
    centres = (np.arange(side_px) + 0.5) * side / side_px
    columns, rows = corner[0] + centres, corner[1] + centres
    within_x = (columns >= 0) & (columns < shape[1])
    return ((rows >= 0) & (rows < shape[0]))[:, None] & within_x[None]
